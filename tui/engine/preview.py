"""A process that shows what training and evaluation see of a picture: ``python -m tui.engine.preview``.

A request per line in, pictures out, gone at end of file. The pictures are made by the code that a run uses,
from the settings that it would get, at the picture's place in the training split: the draw of epoch 3 is
the one that epoch 3 of the run will see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tui.core.preview import AnswerHead, PreviewRequest, decode_request
from tui.engine.companion import answer

_PATIENCE = 20.0


def preview(request: PreviewRequest, decoders: Any) -> tuple[AnswerHead, bytes]:
    """Return the answer to a request: its head, and uint8 ``[evaluated + trained, S, S, C]`` as bytes.

    Args:
        request: what is asked for.
        decoders: `tui.core.dataset.decoders.Decoders`.

    Raises:
        UsageError: the settings are not valid.
        FailureError: decoders keep dying.
    """
    import numpy as np

    from tui.core.schema import validated
    from tui.engine.data.augment import Augmentation, stored_size
    from tui.engine.data.geometry import resized
    from tui.engine.data.sources import StreamedSource

    settings = validated(request.settings, source="the form")
    data = settings.data

    def decoded(size: int, resize: Any) -> tuple[Any, str]:
        source = StreamedSource(decoders, 1, request.root, [request.path], size, data.channels, resize)
        pictures, reasons = source.request(np.zeros(1, dtype=np.int64)).take()
        return pictures, reasons.get(0, "")

    made = []
    for resize in request.resizes:
        pictures, reason = decoded(data.image_size, resize)
        if reason:
            return AnswerHead(data.image_size, data.channels, 0, 0, reason), b""
        made.append(resized(pictures, data.image_size))
    if request.epochs:
        stored, reason = decoded(stored_size(data), data.resize)
        if reason:
            return AnswerHead(data.image_size, data.channels, 0, 0, reason), b""
        augmentation = Augmentation(data, settings.training.seed)
        place = np.array([request.position], dtype=np.int64)
        made += [augmentation.apply(stored.copy(), epoch, place) for epoch in request.epochs]
    head = AnswerHead(data.image_size, data.channels, len(request.resizes), len(request.epochs))
    return head, b"".join(np.ascontiguousarray(pictures).tobytes() for pictures in made)


def _prepare() -> Callable[[bytes], bytes]:
    from tui.core.dataset.decoders import Decoders
    from tui.core.errors import CnntrainError
    from tui.engine.data import augment  # noqa: F401 (takes seconds, for torch)

    decoders = Decoders(1, timeout=_PATIENCE)

    def reply(line: bytes) -> bytes:
        try:
            head, pixels = preview(decode_request(line), decoders)
        except (CnntrainError, OSError) as error:
            head, pixels = AnswerHead(0, 0, 0, 0, str(error) or type(error).__name__), b""
        return head.encode() + pixels

    return reply


if __name__ == "__main__":
    answer(_prepare)
