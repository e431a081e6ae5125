"""A process that decodes pictures for another one: a job per line in, answers out, gone at end of file.

Run as ``python -m tui.core.dataset.decoder``. It imports neither torch nor numpy, so it starts in a moment
and takes little memory, and it holds nothing that its end could damage: it leaves at once, whatever it is
doing, when the process that started it is gone, and it leaves the signals to that process.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal

from tui.core.dataset.facts import Depth, digest_of, examine
from tui.core.dataset.pictures import PictureError, Resize, convert, read_file

ANSWER = struct.Struct("<BQI")
"""Status, content digest, bytes that follow (pixels, facts, or the reason in ASCII)."""
DECODED, UNREADABLE, NOT_STORED = 0, 1, 2
_ENOUGH = 1 << 18


@dataclass(frozen=True)
class Job:
    """Pictures to decode, answered one by one in this order."""

    root: str
    paths: tuple[str, ...]
    """Relative to the root."""
    size: int
    channels: int
    resize: Resize
    output: str = ""
    """A file to write the pixels to; empty: they are part of the answers."""
    rows: tuple[int, ...] = ()
    """The output's row of each picture."""
    examine: Depth | Literal[""] = ""
    """Answer with `Facts` of this depth instead of pixels; size, channels, resize and output say nothing then."""

    def encode(self) -> bytes:
        """Return the job's line."""
        return (json.dumps(asdict(self), ensure_ascii=True, separators=(",", ":")) + "\n").encode()


def decode_job(line: bytes) -> Job:
    """Return the job on a line."""
    fields: dict[str, Any] = json.loads(line)
    return Job(**{**fields, "paths": tuple(fields["paths"]), "rows": tuple(fields["rows"])})


class _Output:
    """The file that rows of pixels are written to."""

    def __init__(self) -> None:
        self._path = ""
        self._handle = -1

    def write(self, path: str, row: int, pixels: bytes) -> None:
        if path != self._path:
            if self._handle >= 0:
                os.close(self._handle)
            self._handle, self._path = os.open(path, os.O_WRONLY), path
        # Written, not mapped: a full disk is an error here and would be a fatal signal there.
        done, view, offset = 0, memoryview(pixels), row * len(pixels)
        while done < len(pixels):
            done += os.pwrite(self._handle, view[done:], offset + done)


def _answer(job: Job, number: int, output: _Output) -> bytes:
    path = os.path.join(job.root, job.paths[number])
    if job.examine:
        facts = examine(path, job.examine)
        content = facts.encode()
        return ANSWER.pack(DECODED, facts.digest, len(content)) + content
    try:
        data = read_file(path)
        digest = digest_of(data)
        channels: Literal[3, 1] = 3 if job.channels == 3 else 1
        pixels = convert(data, size=job.size, channels=channels, resize=job.resize).tobytes()
    except PictureError as error:
        reason = error.reason.encode("ascii", "backslashreplace")
        return ANSWER.pack(UNREADABLE, 0, len(reason)) + reason
    if not job.output:
        return ANSWER.pack(DECODED, digest, len(pixels)) + pixels
    try:
        output.write(job.output, job.rows[number], pixels)
    except OSError as error:
        reason = str(error.errno).encode()
        return ANSWER.pack(NOT_STORED, digest, len(reason)) + reason
    return ANSWER.pack(DECODED, digest, 0)


def _listen(jobs: queue.SimpleQueue[Job], source: BinaryIO) -> None:
    for line in source:
        if line.endswith(b"\n"):  # else who asked has died in the middle of it
            jobs.put(decode_job(line))
    os._exit(0)


def main() -> None:
    """Answer jobs from standard input on standard output until its end."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not get between the answers
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, sys.stdin.buffer), daemon=True).start()
    output = _Output()
    try:
        while True:
            _work(jobs.get(), output, answers)
    except BrokenPipeError:
        os._exit(0)


def _work(job: Job, output: _Output, answers: BinaryIO) -> None:
    # Waking the other process for each small picture would take longer than decoding it.
    waiting, flushed = bytearray(), time.monotonic()
    for number in range(len(job.paths)):
        waiting += _answer(job, number, output)
        if len(waiting) > _ENOUGH or time.monotonic() - flushed > 1:
            _write_all(answers, waiting)
            waiting, flushed = bytearray(), time.monotonic()
    _write_all(answers, waiting)


def _write_all(answers: BinaryIO, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[answers.write(view) :]


if __name__ == "__main__":
    main()
