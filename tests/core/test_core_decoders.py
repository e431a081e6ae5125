"""The pool of decoders: lost and stuck processes cost one picture, a full disk is told, nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from pathlib import Path

import numpy as np
import pytest
import sick_decoder
from picture_sets import gone, write_picture

from tui.core.dataset import decoders as pools
from tui.core.dataset.decoder import Job
from tui.core.dataset.decoders import Decoders, worker_count
from tui.core.dataset.pictures import load_picture
from tui.core.errors import FailureError


@pytest.fixture
def pool() -> Iterator[Decoders]:
    made = Decoders(2, timeout=30)
    yield made
    made.close()


@pytest.fixture
def sick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sick_decoder.install(tmp_path, monkeypatch)
    return tmp_path


def job(root: Path, *names: str) -> Job:
    return Job(str(root), names, 8, 3, "crop")


def test_as_many_workers_as_wanted_or_as_there_are_cores() -> None:
    assert worker_count(3) == 3
    assert worker_count(0) >= 1


def test_answers_for_many_jobs(tmp_path: Path, pool: Decoders) -> None:
    names = [write_picture(tmp_path / f"{number}.png").name for number in range(40)]
    futures = [pool.submit(job(tmp_path, *names[start : start + 7])) for start in range(0, 40, 7)]
    answers = [answer for future in futures for answer in future.result(30)]
    for name, answer in zip(names, answers, strict=True):
        expected = load_picture(tmp_path / name, size=8, channels=3, resize="crop")
        assert answer.reason == ""
        assert np.frombuffer(answer.pixels, dtype=np.uint8).tobytes() == expected.tobytes()
    assert len({answer.digest for answer in answers}) == 40


def test_who_waits_for_a_job_is_told_when_the_pool_is_closed(tmp_path: Path) -> None:
    names = [write_picture(tmp_path / f"{number}.png").name for number in range(20)]
    pool = Decoders(1)
    jobs = [pool.submit(job(tmp_path, name)) for name in names * 20]
    pool.close()
    jobs.append(pool.submit(job(tmp_path, names[0])))
    assert not wait(jobs, timeout=20).not_done
    with pytest.raises(CancelledError):
        jobs[-1].result(0)


def test_a_picture_that_kills_its_decoder_is_named_and_the_others_are_decoded(sick: Path) -> None:
    names = [write_picture(sick / name).name for name in ("a.png", "b.png", "deadly.png", "c.png")]
    pool = Decoders(1)
    try:
        reasons = [answer.reason for answer in pool.submit(job(sick, *names)).result(30)]
    finally:
        pool.close()
    assert reasons == ["", "", "its decoder was killed (SIGKILL), perhaps because memory ran out", ""]


def test_kills_from_outside_are_not_held_against_a_picture(sick: Path) -> None:
    names = [write_picture(sick / name).name for name in ("a.png", "unlucky.png", "b.png")]
    pool = Decoders(1)
    try:
        answers = pool.submit(job(sick, *names)).result(60)
    finally:
        pool.close()
    assert [answer.reason for answer in answers] == ["", "", ""]
    assert len(Path(sick / "unlucky.png.died").read_bytes()) == 3 + 1


def test_a_stuck_decoder_is_given_up(sick: Path) -> None:
    names = [write_picture(sick / name).name for name in ("endless.png", "a.png")]
    pool = Decoders(1, timeout=3.0)
    try:
        reasons = [answer.reason for answer in pool.submit(job(sick, *names)).result(30)]
    finally:
        pool.close()
    assert reasons == ["reading it took more than 3 s", ""]


def test_a_decoder_that_someone_else_kills_costs_nothing(tmp_path: Path, pool: Decoders) -> None:
    names = [write_picture(tmp_path / f"{number}.png", size=(300, 300), seed=0).name for number in range(60)]
    future = pool.submit(job(tmp_path, *names * 2))
    deadline = time.monotonic() + 10
    while not pool._processes and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.2)
    os.kill(pool._processes[0]._child.pid, signal.SIGKILL)
    assert [answer.reason for answer in future.result(60)] == [""] * 120


def test_decoders_that_keep_dying_are_a_failure(sick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST_DEATHS", 2)
    names = [write_picture(sick / f"deadly{number}.png").name for number in range(4)]
    pool = Decoders(1)
    try:
        with pytest.raises(
            FailureError, match=r"decoding processes were lost 3 times.*use fewer workers: set data\.workers=1"
        ):
            pool.submit(job(sick, *names)).result(30)
    finally:
        pool.close()


def test_an_output_that_cannot_be_written_is_an_os_error(tmp_path: Path, pool: Decoders) -> None:
    name = write_picture(tmp_path / "a.png").name
    with pytest.raises(FileNotFoundError):
        pool.submit(Job(str(tmp_path), (name,), 8, 3, "crop", str(tmp_path / "no" / "out"), (0,))).result(30)
    assert pool.submit(job(tmp_path, name)).result(30)[0].reason == ""


def test_closing_ends_processes_and_threads_and_cancels_what_waits(tmp_path: Path) -> None:
    names = [write_picture(tmp_path / f"{number}.png", size=(500, 500), seed=0).name for number in range(20)]
    before, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    pool = Decoders(2)
    futures = [pool.submit(job(tmp_path, *names * 20)) for _ in range(6)]
    time.sleep(0.5)
    children = [process._child for process in pool._processes]
    assert len(children) == 2
    pool.close()
    assert all(child.poll() is not None for child in children)
    assert threading.active_count() == before
    assert len(os.listdir("/proc/self/fd")) == files
    assert all(future.done() for future in futures)
    assert any(future.cancelled() for future in futures)


def test_a_killed_engine_leaves_no_decoder(tmp_path: Path) -> None:
    """Both decoders are at work when the process that owns the pool is killed."""
    for number in range(10):
        write_picture(tmp_path / f"{number}.png", size=(400, 400), seed=0)
    program = (
        "import time\n"
        "from tui.core.dataset.decoder import Job\n"
        "from tui.core.dataset.decoders import Decoders\n"
        "pool = Decoders(2)\n"
        f"job = Job({str(tmp_path)!r}, tuple(f'{{n % 10}}.png' for n in range(10000)), 64, 3, 'crop')\n"
        "jobs = [pool.submit(job) for _ in range(2)]\n"
        "while len(pool._processes) < 2: time.sleep(0.01)\n"
        "print(*[process._child.pid for process in pool._processes], flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        decoders = [int(word) for word in owner.stdout.readline().split()]
        time.sleep(0.5)
        for pid in decoders:
            os.kill(pid, 0)
        owner.kill()
    assert len(decoders) == 2
    assert all(gone(pid) for pid in decoders)
