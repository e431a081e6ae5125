"""A process that shows what training and evaluation see of a picture: ``python -m tui.engine.preview``.

A request per line in, pictures out, gone at end of file. The pictures are made by the code that a run uses,
from the settings that it would get, at the picture's place in the training split: the draw of epoch 3 is
the one that epoch 3 of the run will see.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

from tui.core.preview import READY, AnswerHead, PreviewRequest, decode_request

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


def _listen(requests: queue.SimpleQueue[PreviewRequest], source: BinaryIO) -> None:
    for line in source:
        requests.put(decode_request(line))
    os._exit(0)


def main() -> None:
    """Answer requests from standard input on standard output until its end."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    requests: queue.SimpleQueue[PreviewRequest] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, sys.stdin.buffer), daemon=True).start()
    from tui.core.dataset.decoders import Decoders
    from tui.core.errors import CnntrainError
    from tui.engine.data import augment  # noqa: F401 (takes seconds, for torch)

    decoders = Decoders(1, timeout=_PATIENCE)
    try:
        answers.write(READY)
        answers.flush()
        while True:
            try:
                head, pixels = preview(requests.get(), decoders)
            except (CnntrainError, OSError) as error:
                head, pixels = AnswerHead(0, 0, 0, 0, str(error) or type(error).__name__), b""
            answers.write(head.encode() + pixels)
            answers.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
