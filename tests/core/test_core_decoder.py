"""The decoding process by itself: what it answers, what it imports, when it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from picture_sets import gone, write_picture

from tui.core.dataset.decoder import ANSWER, DECODED, NOT_STORED, UNREADABLE, Job, decode_job
from tui.core.dataset.pictures import load_picture

COMMAND = [sys.executable, "-m", "tui.core.dataset.decoder"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    yield child
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        assert stream is not None
        stream.close()


def ask(process: subprocess.Popen[bytes], job: Job) -> list[tuple[int, bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(job.encode())
    answers = []
    for _ in job.paths:
        status, _, length = ANSWER.unpack(process.stdout.read(ANSWER.size) or b"")
        content = b""
        while len(content) < length:
            content += process.stdout.read(length - len(content)) or b""
        answers.append((status, content))
    return answers


def test_jobs_survive_their_line() -> None:
    job = Job("/x\n", ("a\x1b", os.fsdecode(b"\xff")), 8, 3, "crop", "/out", (7, 3))
    assert decode_job(job.encode()) == job
    assert job.encode().count(b"\n") == 1


def test_pixels_and_reasons_come_in_order(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    odd = os.fsdecode(b"\xff\xfe.png")
    write_picture(tmp_path / odd)
    (tmp_path / "bad.png").write_text("x")
    first, second, third = ask(process, Job(str(tmp_path), (odd, "bad.png", odd), 8, 1, "crop"))
    expected = load_picture(tmp_path / odd, size=8, channels=1, resize="crop").tobytes()
    assert first == third == (DECODED, expected)
    assert second == (UNREADABLE, b"it is no picture of a known format")


def test_rows_are_written_where_they_belong(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    write_picture(tmp_path / "a.png", size=(4, 4))
    out = tmp_path / "out"
    out.touch()
    assert ask(process, Job(str(tmp_path), ("a.png",), 4, 3, "crop", str(out), (2,))) == [(DECODED, b"")]
    rows = np.frombuffer(out.read_bytes(), dtype=np.uint8).reshape(3, 4, 4, 3)
    assert np.array_equal(rows[2], load_picture(tmp_path / "a.png", size=4, channels=3, resize="crop"))


def test_an_output_that_cannot_be_written_is_an_answer(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    write_picture(tmp_path / "a.png")
    job = Job(str(tmp_path), ("a.png",), 8, 3, "crop", str(tmp_path / "no" / "out"), (0,))
    assert ask(process, job) == [(NOT_STORED, b"2")]


def test_it_leaves_at_the_end_of_its_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


def test_it_leaves_signals_to_its_parent(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    write_picture(tmp_path / "a.png")
    job = Job(str(tmp_path), ("a.png",), 8, 3, "crop")
    ask(process, job)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    time.sleep(0.1)
    assert ask(process, job)[0][0] == DECODED


def test_it_is_light() -> None:
    program = "import sys, tui.core.dataset.decoder as d; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pydantic", "textual"} & set(modules)


def test_a_killed_parent_leaves_no_decoder(tmp_path: Path) -> None:
    """The decoder is in the middle of its work when its parent is killed without a chance to say so."""
    for number in range(40):
        write_picture(tmp_path / f"{number}.png", size=(400, 400), seed=0)
    program = (
        "import os, subprocess, sys, time\n"
        "from tui.core.dataset.decoder import Job\n"
        f"child = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        f"job = Job({str(tmp_path)!r}, tuple(f'{{n % 40}}.png' for n in range(100000)), 64, 3, 'crop')\n"
        "child.stdin.write(job.encode()); child.stdin.flush()\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        decoder = int(parent.stdout.readline())
        time.sleep(0.5)
        os.kill(decoder, 0)
        parent.kill()
    assert gone(decoder)
