"""The data of a run as the loop sees it: exact batches, every picture counted once, bad files named."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_sets import class_folders, manifest_of, settings_for, write_picture
from torchvision.transforms.v2 import functional

from tui.core.dataset.decoder import Job
from tui.core.dataset.manifest import Manifest
from tui.core.dataset.pictures import load_picture
from tui.core.errors import FailureError, UsageError
from tui.core.events import Started
from tui.core.files import cache_directory
from tui.core.rundir import RunDir
from tui.core.settings import Settings
from tui.engine import normalisation
from tui.engine.data.batches import Batch
from tui.engine.data.cache import Recipe
from tui.engine.data.filling import Filling
from tui.engine.data.training import Stopped, TrainingData

STREAMED = {"cache_gib": 0.0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "data", {"a": 20, "b": 14, "c": 6})


def prepared(root: Path, settings: Settings, manifest: Manifest | None = None, **more: Any) -> TrainingData:
    asked = {"progress": lambda *told: None, "stopping": lambda: False, **more}
    return TrainingData(manifest or manifest_of(root, settings), settings, **asked)


def first(data: TrainingData, count: int, start: int = 0) -> list[Batch]:
    with data.training_batches(start) as batches:
        return [next(batches) for _ in range(count)]


def same(one: list[Batch], other: list[Batch]) -> bool:
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.targets, b.targets) and torch.equal(a.indices, b.indices)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("more", [{}, STREAMED, {"crop": "random_resized"}, {"crop": "random_resized", **STREAMED}])
def test_shapes_and_types(root: Path, more: dict[str, Any]) -> None:
    with prepared(root, settings_for(data=more)) as data:
        assert data.images == {"train": 28, "validation": 6, "test": 6}
        assert data.steps_per_epoch == 7
        batch = first(data, 1)[0]
        assert batch.images.shape == (4, 12, 12, 3)
        assert batch.images.dtype == torch.uint8
        assert batch.images.is_contiguous()
        assert batch.targets.dtype == batch.indices.dtype == torch.int64
        assert bool(data.notices) == ("cache_gib" in more)
        assert data.skipped == []


@pytest.mark.parametrize(
    ("more", "alone"),
    [
        ({"vertical_flip": True}, True),
        (STREAMED, False),
        ({"crop": "random_resized"}, False),
        ({"rotation": 5.0}, False),
        ({"erase": 0.5}, False),
        ({"mixup": 0.4}, False),
        ({"auto_augment": "randaugment"}, False),
    ],
)
def test_a_thread_makes_the_batches_that_take_long_or_has_a_core_of_its_own(
    root: Path, more: dict[str, Any], alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores, one in ((torch.get_num_threads(), alone), (torch.get_num_threads() + 1, False)):
        monkeypatch.setattr("tui.engine.data.training.processors", lambda cores=cores: cores)
        with prepared(root, settings_for(data=more)) as data, data.training_batches(0) as batches:
            next(batches)
            assert ("prefetch" not in [thread.name for thread in threading.enumerate()]) == one


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"crop": "random_resized"},
        {"auto_augment": "randaugment", "hue": 0.1, "erase": 0.5, "mixup": 0.4, "cutmix": 1.0, "sampler": "balanced"},
    ],
    ids=["padded", "resized", "everything"],
)
def test_the_same_batches_for_any_number_of_workers_cached_or_streamed(root: Path, more: dict[str, Any]) -> None:
    found = []
    for how in ({"workers": 1}, {"workers": 3}, {"workers": 1, **STREAMED}, {"workers": 2, **STREAMED}):
        with prepared(root, settings_for(data={**more, **how})) as data:
            found.append((first(data, 16), data.mean, data.std))
    for batches, mean, std in found[1:]:
        assert same(batches, found[0][0])
        assert (mean, std) == found[0][1:]


@pytest.mark.parametrize("more", [{}, STREAMED, {"mixup": 0.4, "sampler": "balanced", "rotation": 20.0}])
@pytest.mark.parametrize("start", [1, 6, 7, 13, 700])
def test_a_resumed_run_gets_the_batches_it_would_have_had(root: Path, more: dict[str, Any], start: int) -> None:
    with prepared(root, settings_for(data=more)) as data:
        if start < 100:
            assert same(first(data, start + 9)[start:], first(data, 9, start))
        else:
            assert same(first(data, 9, start)[3:], first(data, 6, start + 3))


def test_an_epoch_shows_each_picture_at_most_once_and_epochs_differ(root: Path) -> None:
    with prepared(root, settings_for(training={"batch_size": 8})) as data:
        batches = first(data, 6)
        epochs = [torch.cat([batch.indices for batch in batches[start : start + 3]]).tolist() for start in (0, 3)]
        assert [len(set(epoch)) for epoch in epochs] == [24, 24]
        assert epochs[0] != epochs[1]


def test_batches_show_the_pictures_and_labels_they_say(root: Path) -> None:
    settings = settings_for(data={"crop": "none", "flip": False})
    manifest = manifest_of(root, settings)
    with prepared(root, settings, manifest) as data:
        for batch in first(data, 7):
            for image, label, index in zip(batch.images, batch.targets.tolist(), batch.indices.tolist(), strict=True):
                path, expected = manifest.splits["train"][index]
                assert label == expected
                assert np.array_equal(image.numpy(), load_picture(root / path, size=12, channels=3, resize="crop"))


@pytest.mark.parametrize("more", [{}, STREAMED, {"crop": "random_resized"}])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_counts_each_picture_once_as_it_is(root: Path, more: dict[str, Any], split: str) -> None:
    settings = settings_for(data=more)
    manifest = manifest_of(root, settings)
    with prepared(root, settings, manifest) as data:
        for size in (1, 4, 6, 100):
            batches = list(data.evaluation_batches(split, size))
            indices = torch.cat([batch.indices for batch in batches]).tolist()
            assert indices == list(range(6))
            assert [len(batch.targets) for batch in batches] == [min(size, 6 - start) for start in range(0, 6, size)]
        for batch in batches:
            for image, index in zip(batch.images, batch.indices.tolist(), strict=True):
                path = manifest.splits[split][index][0]
                assert np.array_equal(image.numpy(), load_picture(root / path, size=12, channels=3, resize="crop"))


def test_training_pictures_can_be_evaluated_too(root: Path) -> None:
    with prepared(root, settings_for(data={"crop": "random_resized"})) as data:
        batches = list(data.evaluation_batches("train", 10))
    assert sum(len(batch.targets) for batch in batches) == 28
    assert batches[0].images.shape == (10, 12, 12, 3)


def test_an_empty_test_split_gives_no_batches(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 8, "b": 8})
    with prepared(tmp_path, settings_for()) as data:
        assert data.images["test"] == 0
        assert list(data.evaluation_batches("test", 4)) == []


def test_mean_and_deviation_are_those_of_the_training_pixels(root: Path) -> None:
    settings = settings_for()
    manifest = manifest_of(root, settings)
    pixels = np.stack(
        [load_picture(root / path, size=12, channels=3, resize="crop") for path, _ in manifest.splits["train"]]
    ).astype(np.float64)
    with prepared(root, settings, manifest) as data:
        assert data.mean == pytest.approx((pixels.mean(axis=(0, 1, 2)) / 255).tolist(), abs=1e-12)
        assert data.std == pytest.approx((pixels.std(axis=(0, 1, 2)) / 255).tolist(), abs=1e-9)


def test_given_mean_and_deviation_are_kept(root: Path) -> None:
    settings = settings_for(data={"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)})
    with prepared(root, settings) as data:
        assert (data.mean, data.std) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    with prepared(root, settings_for(data={"mean": (0.1, 0.2, 0.3)})) as data:
        assert data.mean == [0.1, 0.2, 0.3]
        assert all(0.1 < value < 0.5 for value in data.std)


def test_a_constant_channel_has_a_finite_deviation(tmp_path: Path) -> None:
    for name in "ab":
        for number in range(6):
            write_picture(tmp_path / name / f"{number}.png", mode="L", size=(1, 1), seed=0)
    with prepared(tmp_path, settings_for(data={"channels": 1})) as data:
        assert data.std == [1 / 255]


def test_greyscale(root: Path) -> None:
    with prepared(root, settings_for(data={"channels": 1})) as data:
        assert first(data, 1)[0].images.shape == (4, 12, 12, 1)
        assert len(data.mean) == 1


def damaged(root: Path, manifest: Manifest, split: str, which: slice) -> list[str]:
    paths = [path for path, _ in manifest.splits[split]][which]
    for path in paths:
        (root / path).write_bytes((root / path).read_bytes()[:60])
    return paths


def test_unreadable_pictures_are_named_and_skipped(root: Path) -> None:
    settings = settings_for()
    for path, _ in manifest_of(root, settings).splits["train"][3:5]:
        (root / path).write_text("no picture")
    manifest = manifest_of(root, settings)
    with prepared(root, settings, manifest) as data:
        assert data.images == {"train": 28, "validation": 6, "test": 6}
        assert data.steps_per_epoch == 7
        assert len(data.skipped) == 1
        assert data.skipped[0].text.startswith("2 training pictures cannot be read and are skipped: ")
        assert data.skipped[0].paths == tuple(path for path, _ in manifest.splits["train"][3:5])
        indices = torch.cat([batch.indices for batch in first(data, 12)]).tolist()
        assert not {3, 4} & set(indices)
    assert data.notices == []


def test_unreadable_pictures_of_a_streamed_set(root: Path) -> None:
    settings = settings_for(data=STREAMED)
    manifest = manifest_of(root, settings)
    damaged(root, manifest, "train", slice(0, 2))
    bad = damaged(root, manifest, "validation", slice(5, 6))
    with prepared(root, settings, manifest) as data:
        batches = first(data, 14)
        assert {len(batch.targets) for batch in batches} == {4}
        indices = torch.cat([batch.indices for batch in batches]).tolist()
        assert not {0, 1} & set(indices)
        assert sum(len(batch.targets) for batch in data.evaluation_batches("validation", 4)) == 5
        assert {path for problem in data.skipped for path in problem.paths} == {
            *bad,
            *(path for path, _ in manifest.splits["train"][:2]),
        }
        told = len(data.skipped)
        list(data.evaluation_batches("validation", 4))
        assert len(data.skipped) == told


def test_fault_55_a_picture_that_goes_away_while_training_is_named_and_skipped(root: Path) -> None:
    settings = settings_for(data={**STREAMED, "unreadable": "skip"})
    manifest = manifest_of(root, settings)
    gone = manifest.splits["train"][0][0]
    with prepared(root, settings, manifest) as data, data.training_batches(0) as batches:
        next(batches)
        (root / gone).unlink()
        for _ in range(3 * data.steps_per_epoch):
            next(batches)
        (problem,) = data.skipped
        assert problem.text == f'1 training picture cannot be read and is skipped: "{gone}" (the file is gone).'


def test_a_run_of_an_older_version_keeps_to_what_it_began_with(root: Path) -> None:
    settings = settings_for()
    old = replace(manifest_of(root, settings), gradual=False)
    with prepared(root, settings_for(data=STREAMED), old) as data:
        before, mean = first(data, 14), data.mean
    damaged(root, old, "train", slice(3, 5))
    for _ in range(2):  # decoded now, and decoded before
        with prepared(root, settings, old, early=True) as data:
            assert data.images == {"train": 26, "validation": 6, "test": 6}
            assert data.steps_per_epoch == 6
            indices = [batch.indices for batch in first(data, 6)]
            assert not {3, 4} & set(torch.cat(indices).tolist())
            order = [index for batch in before[:7] for index in batch.indices.tolist() if index not in (3, 4)]
            assert torch.cat(indices).tolist() == order[:24]
            assert data.mean != mean


def test_an_older_run_measures_all_pictures(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.engine.data.training._SAMPLE", 4)
    settings = settings_for()
    manifest = manifest_of(root, settings)
    chosen = [manifest.splits["train"][place][0] for place in (0, 7, 14, 21)]
    every = [path for path, _ in manifest.splits["train"]]
    for gradual, paths in ((True, chosen), (False, every)):
        pixels = np.stack([load_picture(root / path, size=12, channels=3, resize="crop") for path in paths])
        with prepared(root, settings, replace(manifest, gradual=gradual)) as data:
            assert data.mean == pytest.approx((pixels.mean(axis=(0, 1, 2)) / 255).tolist(), abs=1e-12)


def test_what_a_run_was_begun_with_is_measured_once(root: Path, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.make()
    started = Started(
        step=0,
        attempt=1,
        device="cpu",
        model="simple_cnn",
        parameters=1,
        classes=[],
        layers=[],
        images={},
        steps_per_epoch=1,
        total_steps=1,
        batch_size=1,
        mean=[0.1, 0.2, 0.3],
        std=[0.4, 0.5, 0.6],
        versions={},
    )
    assert normalisation.noted(run, settings_for().data) == ([], [])
    run.events.write_bytes(started.encode() + started.but(attempt=2, mean=[0.2, 0.2, 0.2]).encode())
    measured = normalisation.noted(run, settings_for().data)
    assert measured == ([0.2, 0.2, 0.2], [0.4, 0.5, 0.6])
    before = run.events.read_bytes()
    for mean, std in (([0.1], [0.4, 0.5, 0.6]), ([0.1, 0.2, math.nan], [0.4, 0.5, 0.0])):
        run.events.write_bytes(started.but(mean=mean, std=std).encode())
        found = normalisation.noted(run, settings_for().data)
        assert found == ([], [0.4, 0.5, 0.6] if len(mean) == 1 else [])  # damaged: measured again
    run.events.write_bytes(before)
    half = settings_for(data={"std": [0.7, 0.8, 0.9]})
    for settings, std in ((settings_for(), [0.4, 0.5, 0.6]), (half, [0.7, 0.8, 0.9])):
        mean, deviation = normalisation.noted(run, settings.data)
        with prepared(root, settings, mean=mean, std=deviation) as data:
            assert (data.mean, data.std) == ([0.2, 0.2, 0.2], std)
    with prepared(root, half) as data:
        assert data.std == [0.7, 0.8, 0.9]
        assert data.mean != [0.2, 0.2, 0.2]


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures that are decoded slowly enough to be trained on meanwhile, but for those that are waited for."""
    monkeypatch.setattr("tui.engine.data.training._SAMPLE", 16)
    monkeypatch.setattr("tui.engine.data.filling._MOST", 4)
    next_rows = Filling.next_rows

    def slowly(filling: Filling, *, urgent: bool) -> list[int]:
        time.sleep(0 if urgent else 0.01)
        return next_rows(filling, urgent=urgent)

    monkeypatch.setattr(Filling, "next_rows", slowly)
    return class_folders(tmp_path / "many", {"a": 400, "b": 400})


@pytest.mark.parametrize(
    "more", [{}, {"crop": "random_resized"}, {"sampler": "balanced", "hue": 0.1, "mixup": 0.4}], ids=str
)
@pytest.mark.parametrize("start", [0, 50, 190])
def test_training_while_pictures_are_decoded_is_like_training_afterwards(
    many: Path, more: dict[str, Any], start: int
) -> None:
    settings = settings_for(data={**more, "workers": 2})
    manifest = manifest_of(many, settings)
    damaged(many, manifest, "train", slice(20, 60))
    bad = damaged(many, manifest, "validation", slice(3, 5))
    manifest = manifest_of(many, settings)
    with prepared(many, settings, manifest, early=True) as data:
        assert data._supply.kept is not None
        assert data._supply.kept.missing
        assert [problem.code for problem in data.notices] == ["decoding"]
        early, mean = first(data, 160, start), data.mean
        assert sum(len(batch.targets) for batch in data.evaluation_batches("validation", 16)) == 118
        assert data._supply.kept is not None
        data._supply.kept.join()
        assert data._supply.kept.missing == 0
        assert {path for problem in data.skipped for path in problem.paths} >= set(bad)
        assert same(first(data, 160, start), early)
        assert data._supply.decoders._processes == []
    with prepared(many, settings, manifest) as data:  # decoded before
        assert data.notices == []
        assert (data.mean, data.std) == (mean, data.std)
        assert same(first(data, 160, start), early)
    with prepared(many, settings_for(data={**more, **STREAMED}), manifest) as data:
        assert data.mean == mean
        assert same(first(data, 60, start), early[:60])


def decoded() -> list[str]:
    """What there is of caches, finished or not."""
    return [path.name for path in (cache_directory() / "decoded").iterdir() if path.suffix != ".lock"]


def test_a_run_that_ends_while_pictures_are_decoded_leaves_nothing_half_done(many: Path) -> None:
    with prepared(many, settings_for(), early=True) as data:
        first(data, 3)
        assert data._supply.kept is not None
        assert data._supply.kept.missing
        assert [name.endswith(".tmp") for name in decoded()] == [True]
    assert decoded() == []
    assert data._supply.decoders._processes == []


def test_a_disk_that_is_full_while_training_costs_the_cache_and_nothing_else(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for()
    manifest = manifest_of(many, settings)
    with prepared(many, settings_for(data=STREAMED), manifest) as data:
        streamed = first(data, 170)
    job, asked = Recipe.job, []

    def full(recipe: Recipe, rows: Sequence[int], output: str) -> Job:
        asked.append(rows)
        return job(recipe, rows, output if len(asked) < 12 else "/dev/full")

    monkeypatch.setattr(Recipe, "job", full)
    with prepared(many, settings, manifest, early=True) as data:
        assert same(first(data, 170), streamed)
        assert data._supply.kept is not None
        data._supply.kept.join()
        assert [problem.code for problem in data.notices] == ["decoding", "streamed"]
        assert "No space left on device" in data.notices[1].text
        assert 0 < data._supply.kept.missing < 800
        assert sum(len(batch.targets) for batch in data.evaluation_batches("validation", 16)) == 120
    assert decoded() == []


def test_decoders_that_cannot_be_had_end_the_training(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.core.dataset.decoders._MOST_DEATHS", 0)
    with prepared(many, settings_for(), early=True) as data, data.training_batches(0) as batches:
        next(batches)
        for process in list(data._supply.decoders._processes):
            process._child.kill()
        with pytest.raises(FailureError, match="decoding processes were lost 1 times"):
            list(itertools.islice(batches, 200))


def test_fault_55_a_picture_found_late_stops_the_run_when_the_settings_say_so(many: Path) -> None:
    settings = settings_for(data={"unreadable": "stop"})
    manifest = manifest_of(many, settings)
    with prepared(many, settings_for(data=STREAMED), manifest) as data:
        last = int(first(data, data.steps_per_epoch)[-1].indices[-1])
    (bad,) = damaged(many, manifest, "train", slice(last, last + 1))
    with prepared(many, settings, manifest, early=True) as data, data.training_batches(0) as batches:
        next(batches)
        with pytest.raises(FailureError) as stopped:
            list(itertools.islice(batches, 200))
    assert f'the training picture "{bad}" cannot be read' in str(stopped.value)


def test_copies_are_told_once_all_pictures_are_decoded(many: Path) -> None:
    settings = settings_for()
    manifest = manifest_of(many, settings)
    shutil.copy(many / manifest.splits["train"][0][0], many / manifest.splits["validation"][0][0])
    with prepared(many, settings, manifest, early=True) as data:
        assert data.duplicates == 0
        assert data._supply.kept is not None
        data._supply.kept.join()
        assert data.duplicates == 1
        assert [problem.code for problem in data.notices] == ["changed", "decoding", "leak"]


def test_a_split_of_which_nothing_can_be_read_fails_when_it_is_evaluated(many: Path) -> None:
    settings = settings_for()
    manifest = manifest_of(many, settings)
    damaged(many, manifest, "validation", slice(None))
    with prepared(many, settings, manifest, early=True) as data:
        first(data, 2)
        with pytest.raises(FailureError, match="None of the validation pictures can be read"):
            list(data.evaluation_batches("validation", 16))


def test_a_stop_while_the_first_pictures_are_decoded(many: Path) -> None:
    with pytest.raises(Stopped):
        prepared(many, settings_for(), early=True, stopping=lambda: True)
    assert decoded() == []


def test_too_few_readable_pictures_for_a_batch_of_an_older_run(root: Path) -> None:
    settings = settings_for(training={"batch_size": 28})
    manifest = manifest_of(root, settings)
    (root / manifest.splits["train"][0][0]).write_text("x")
    with pytest.raises(UsageError, match=r"training\.batch_size is 28 but only 27 can be read"):
        prepared(root, settings, replace(manifest, gradual=False))
    with prepared(root, settings, manifest) as data:
        assert len(first(data, 1)[0].targets) == 28


def test_no_readable_validation_picture(root: Path) -> None:
    settings = settings_for()
    for path, _ in manifest_of(root, settings).splits["validation"]:
        (root / path).write_text(path)
    with pytest.raises(FailureError, match="None of the validation pictures can be read"):
        prepared(root, settings)


def test_pictures_that_changed_since_the_run_was_made(root: Path) -> None:
    settings = settings_for()
    manifest = manifest_of(root, settings)
    write_picture(root / manifest.splits["train"][0][0], seed="new", size=(14, 14))
    (root / manifest.splits["train"][1][0]).unlink()
    with prepared(root, settings, manifest) as data:
        assert [problem.code for problem in data.notices] == ["changed"]
        assert f'1 picture is gone ("{manifest.splits["train"][1][0]}")' in data.notices[0].text
        assert f'1 picture was written again ("{manifest.splits["train"][0][0]}")' in data.notices[0].text
        assert "the file is gone" in data.skipped[0].text
    # What was made of the changed files is not taken for what was there before.
    write_picture(root / manifest.splits["train"][1][0], seed="back")
    with prepared(root, settings, manifest) as data:
        assert data.skipped == []


@pytest.mark.parametrize("more", [{}, STREAMED])
def test_fault_38_a_resumed_run_names_what_was_added(root: Path, more: dict[str, Any]) -> None:
    settings = settings_for(data={"directory": str(root), **more})
    manifest = manifest_of(root, settings)
    with prepared(root, settings, manifest, resumed=True) as data:
        assert [problem.code for problem in data.notices if problem.code != "streamed"] == []
    write_picture(root / "a" / "later.png", seed="later")
    with prepared(root, settings, manifest, resumed=True) as data:
        notice = next(problem for problem in data.notices if problem.code == "changed")
        assert '1 picture was added, not used ("a/later.png")' in notice.text
        assert "a/later.png" not in {path for path, _ in manifest.splits["train"]}


def test_a_directory_that_is_gone(root: Path) -> None:
    for settings in (settings_for(), settings_for(data=STREAMED)):
        manifest = manifest_of(root, settings)
        shutil.move(root, root.with_name("away"))
        with pytest.raises(FailureError, match="is gone"):
            prepared(root, settings, manifest)
        shutil.move(root.with_name("away"), root)


def test_a_cached_run_needs_its_pictures_no_more(root: Path) -> None:
    settings = settings_for()
    manifest = manifest_of(root, settings)
    with prepared(root, settings, manifest) as data:
        before = first(data, 3)
    write_picture(root / manifest.splits["train"][0][0], seed="new", size=(14, 14))
    with prepared(root, settings, manifest, resumed=True) as data:
        assert same(first(data, 3), before)
        assert "as they were decoded before" in data.notices[0].text
    shutil.rmtree(root)
    with prepared(root, settings, manifest) as data:
        assert same(first(data, 3), before)
        assert "is gone: the run goes on" in data.notices[0].text


def test_a_directory_that_goes_away_while_streaming(root: Path) -> None:
    with prepared(root, settings_for(data=STREAMED)) as data, data.training_batches(0) as batches:
        next(batches)
        shutil.rmtree(root)
        with pytest.raises(FailureError, match="None of the pictures in a batch can be read"):
            list(batches)


def test_copies_between_splits_and_classes_are_reported(root: Path) -> None:
    settings = settings_for()
    manifest = manifest_of(root, settings)
    train, test = manifest.splits["train"], manifest.splits["test"]
    shutil.copy(root / train[0][0], root / test[0][0])
    other = next(path for path, label in train if label != train[1][1])
    shutil.copy(root / train[1][0], root / other)
    with prepared(root, settings, manifest) as data:
        codes = {problem.code: problem for problem in data.notices}
    assert codes["leak"].paths == (test[0][0],)
    assert "1 test picture is an exact copy" in codes["leak"].text
    assert set(codes["contradiction"].paths) == {train[1][0], other}


def test_no_room_for_the_cache_is_told_and_streamed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNTRAIN_CACHE", "/dev/null/nowhere")
    with prepared(root, settings_for()) as data:
        assert [problem.code for problem in data.notices] == ["streamed"]
        assert "Not a directory" in data.notices[0].text
        assert len(first(data, 8)) == 8


def test_stopping_while_preparing(root: Path) -> None:
    with pytest.raises(Stopped):
        prepared(root, settings_for(), stopping=lambda: True)


def test_progress_is_told(root: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with prepared(root, settings_for(), progress=lambda *what: told.append(what)):
        assert ("decoding pictures", 40, 40) in told


def test_hostile_names_train_and_never_show_raw(tmp_path: Path) -> None:
    names = {"[red]": 8, "\x1b]52;c;x\x07": 8, os.fsdecode(b"\xff\xe9"): 8, "n" * 200: 8}
    root = class_folders(tmp_path / "data", names)
    for name in names:
        (root / name / "\x1b[2J.png").write_text("no picture")
    with prepared(root, settings_for()) as data:
        assert sum(data.images.values()) == 36
        assert data.skipped
        assert all(problem.text.isprintable() for problem in data.skipped)
        assert len(first(data, 4)) == 4


def test_no_decoder_is_left_after_preparing_or_closing(root: Path) -> None:
    with prepared(root, settings_for()) as data:
        assert data._supply.decoders._processes == []
    with prepared(root, settings_for(data=STREAMED)) as data:
        first(data, 2)
        children = [process._child for process in data._supply.decoders._processes]
        assert children
    assert all(child.poll() is not None for child in children)


def test_batches_do_not_touch_the_global_generators(root: Path) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    with prepared(root, settings_for(data={"crop": "random_resized"})) as data:
        first(data, 9)
        list(data.evaluation_batches("test", 4))
    found = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(7)
    np.random.seed(7)
    assert found == (torch.rand(1).item(), np.random.rand())


def test_distribution_of_a_whole_stream(tmp_path: Path) -> None:
    """Over many epochs each picture is seen equally often, half of the time mirrored, in all shifts."""
    root = class_folders(tmp_path / "data", {"a": 6, "b": 6})
    settings = settings_for(data={"crop_padding": 1}, training={"batch_size": 2})
    manifest = manifest_of(root, settings)
    path = manifest.splits["train"][0][0]
    image = torch.from_numpy(load_picture(root / path, size=12, channels=3, resize="crop")).permute(2, 0, 1)
    padded = functional.pad_image(image, [1, 1, 1, 1])
    variants: dict[bytes, int] = {}
    for top in range(3):
        for left in range(3):
            crop = functional.crop_image(padded, top, left, 12, 12)
            for picture in (crop, functional.horizontal_flip_image(crop)):
                variants[picture.permute(1, 2, 0).contiguous().numpy().tobytes()] = 0
    assert len(variants) == 18
    with prepared(root, settings, manifest) as data:
        steps = data.steps_per_epoch * 540
        for batch in first(data, steps):
            for image, index in zip(batch.images, batch.indices.tolist(), strict=True):
                if index == 0:
                    variants[image.numpy().tobytes()] += 1
    counts = np.array(list(variants.values()))
    assert counts.sum() == 540
    assert ((counts - 30) ** 2 / 30).sum() < 41  # chi-square, 17 degrees of freedom, 0.1 %


def test_fault_55_an_unreadable_picture_stops_the_run_when_the_settings_say_so(root: Path) -> None:
    settings = settings_for(data={"unreadable": "stop"})
    manifest = manifest_of(root, settings)
    gone = manifest.splits["train"][0][0]
    (root / gone).unlink()
    with pytest.raises(FailureError) as stopped:
        prepared(root, settings, manifest)
    assert f'the training picture "{gone}" cannot be read (the file is gone)' in str(stopped.value)
    assert "set data.unreadable to skip, and resume the run" in str(stopped.value)
