"""The preview is what a run trains on, pixel by pixel, and its process answers, survives pictures and can be ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from picture_sets import class_folders, manifest_of, settings_for, write_picture

from tui.core.dataset.decoders import Decoders
from tui.core.errors import FailureError
from tui.core.preview import AnswerHead, PreviewRequest, decode_head, decode_request
from tui.core.settings import Settings
from tui.engine.data.training import TrainingData
from tui.engine.preview import preview
from tui.runs import previewer
from tui.runs.previewer import Previewer


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    pool = Decoders(1)
    yield pool
    pool.close()


def request_for(settings: Settings, root: Path, path: str, position: int) -> PreviewRequest:
    return PreviewRequest(
        settings=settings.model_dump(mode="json"),
        root=str(root),
        path=path,
        position=position,
        resizes=("crop", "letterbox", "squash"),
        epochs=(0, 1),
    )


EVERYTHING = {
    "vertical_flip": True,
    "rotation": 20.0,
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
    "hue": 0.1,
    "auto_augment": "randaugment",
    "erase": 0.5,
}


@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["crop and flip", "everything"])
@pytest.mark.parametrize("crop", ["none", "padded", "random_resized"])
@pytest.mark.parametrize("channels", [3, 1])
def test_the_preview_is_what_the_run_trains_and_evaluates_on(
    crop: str, channels: int, more: dict[str, object], tmp_path: Path, decoders: Decoders
) -> None:
    root = class_folders(tmp_path, {"cat": 12, "dog": 12})
    write_picture(root / "cat" / "wide.png", size=(40, 20))
    settings = settings_for(data={"crop": crop, "channels": channels, "cache_gib": 0.0, **more})
    manifest = manifest_of(root, settings)
    trained = {}
    with TrainingData(manifest, settings, progress=lambda *_: None, stopping=lambda: False) as data:
        with data.training_batches(0) as batches:
            for step in range(2 * data.steps_per_epoch):
                batch = next(batches)
                for image, position in zip(batch.images.numpy(), batch.indices.tolist(), strict=True):
                    trained[step // data.steps_per_epoch, position] = image
        evaluated = {}
        for batch in data.evaluation_batches("validation", 4):
            for image, position in zip(batch.images.numpy(), batch.indices.tolist(), strict=True):
                evaluated[position] = image
    compared = 0
    for position, (path, _) in enumerate(manifest.splits["train"]):
        head, pixels = preview(request_for(settings, root, path, position), decoders)
        shape = (head.evaluated + head.trained, head.size, head.size, head.channels)
        shown = np.frombuffer(pixels, np.uint8).reshape(shape)
        for epoch in (0, 1):
            if (epoch, position) in trained:  # the last pictures of an epoch are dropped
                assert np.array_equal(shown[3 + epoch], trained[epoch, position])
                compared += 1
    assert compared == 2 * (len(manifest.splits["train"]) // 4) * 4
    for position, (path, _) in enumerate(manifest.splits["validation"]):
        head, pixels = preview(request_for(settings, root, path, position), decoders)
        first = np.frombuffer(pixels, np.uint8)[: head.size**2 * head.channels]
        assert np.array_equal(first.reshape(head.size, head.size, head.channels), evaluated[position])


def test_a_picture_that_cannot_be_read_is_a_reason(tmp_path: Path, decoders: Decoders) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    head, pixels = preview(request_for(settings_for(), tmp_path, "a.png", 0), decoders)
    assert "no picture" in head.reason
    assert (head.length, pixels) == (0, b"")


def test_requests_and_answers_survive_the_way(tmp_path: Path) -> None:
    request = request_for(settings_for(), tmp_path, "a\udcff\n.png", 3)
    assert decode_request(request.encode()) == request
    head = AnswerHead(8, 3, 3, 2, "it is \udcff")
    assert decode_head(head.encode()) == head
    with pytest.raises(ValueError, match="argument"):
        decode_head(b'{"size": 3}\n')


def test_the_process_answers_and_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", size=(20, 10))
    asked = Previewer(timeout=110)
    request = request_for(settings_for(), tmp_path, "a.png", 0)
    head, pictures = asked.ask(request)
    assert asked.ready
    assert [len(pixels) for pixels in pictures] == [12 * 12 * 3] * 5
    assert head.reason == ""
    assert "gone" in asked.ask(replace(request, path="b.png"))[0].reason
    bad = replace(request, settings={"data": {"image_size": "large"}})
    assert "image_size" in asked.ask(bad)[0].reason
    child = asked._companion._child
    assert child is not None
    asked.close()
    assert child.poll() is not None
    with pytest.raises(FailureError, match="no longer wanted"):
        asked.ask(request)


def test_a_process_that_is_something_else_or_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(previewer, "MODULE", "this")
    asked = Previewer(timeout=60)
    with pytest.raises(FailureError, match="ended unexpectedly"):
        asked.ask(request_for(settings_for(), tmp_path, "a.png", 0))
    asked.close()
