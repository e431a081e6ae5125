"""The thread that reads the terminal sleeps until something is typed, and understands a lone Escape all the same."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest
from textual._ansi_sequences import SYNC_END, SYNC_START

from tui.app.gate import Gate, GatedDriver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the wakes of a thread are counted in /proc")

_APP = """
from textual.widgets import Static
from tui.app.display import CellExactApp
class Keys(CellExactApp[None]):
    def compose(self):
        yield Static("ready")
    def on_key(self, event):
        if event.key == "x":
            self.exit(return_code=7)
        else:
            self.query_one(Static).update(f"pressed-{event.key}")
app = Keys()
app.run()
raise SystemExit(app.return_code)
"""


class Session:
    """The app under a terminal."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _APP], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)

    def until(self, word: bytes, seconds: float = 30) -> bool:
        """Read until a word comes."""
        seen, deadline = b"", time.monotonic() + seconds
        while word not in seen and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.2)[0]:
                seen += os.read(self.master, 1 << 16)
        return word in seen

    def sleeps(self) -> list[int]:
        """Return how often each thread went to sleep so far."""
        tasks = sorted(Path(f"/proc/{self.process.pid}/task").iterdir())
        told = [(task / "status").read_text().splitlines() for task in tasks]
        return [int(line.split()[1]) for lines in told for line in lines if line.startswith("voluntary")]


@pytest.fixture
def session() -> Iterator[Session]:
    running = Session()
    try:
        assert running.until(b"ready")
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        os.close(running.master)


def test_a_lone_escape_is_a_key_and_the_start_of_a_sequence_is_not(session: Session) -> None:
    os.write(session.master, b"\x1b")
    assert session.until(b"escape")
    os.write(session.master, b"\x1b[A")
    assert session.until(b"up")
    os.write(session.master, b"\xff\xfe")  # no UTF-8
    os.write(session.master, b"x")
    assert session.process.wait(20) == 7


def test_nothing_is_left_on_the_screen_that_is_left() -> None:
    running, seen, leave = Session(), b"", b"\x1b[?1049l"
    try:
        while b"ready" not in seen:
            seen += os.read(running.master, 1 << 16)
        os.write(running.master, b"x")
        while leave not in seen:
            seen += os.read(running.master, 1 << 16)
    finally:
        running.process.kill()
        running.process.wait()
        os.close(running.master)
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(seen[: seen.index(leave)].replace(b"\x1b[<u", b""))  # kitty's, which pyte would show
    assert "".join(screen.display).strip() == ""


def test_a_screen_that_nothing_happens_on_sleeps(session: Session) -> None:
    session.until(b"never", 1.5)
    before = session.sleeps()
    time.sleep(2)
    woken = [after - earlier for earlier, after in zip(before, session.sleeps(), strict=True)]
    assert max(woken) < 10, woken  # Textual's own thread: twenty times


def test_a_gate_wakes_who_waits_for_it() -> None:
    gate = Gate()
    assert not select.select([gate.woken], [], [], 0)[0]
    threading.Timer(0.05, gate.set).start()
    assert select.select([gate.woken], [], [], 20)[0]
    assert gate.is_set()
    gate.clear()
    assert not select.select([gate.woken], [], [], 0)[0]
    gate.set()
    assert select.select([gate.woken], [], [], 0)[0]


def test_an_update_goes_to_the_writing_thread_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr("textual.drivers.linux_driver.LinuxDriver.write", lambda driver, data: written.append(data))
    driver = GatedDriver.__new__(GatedDriver)
    driver._pieces = None
    for data in ("a", SYNC_START, "b", "c", SYNC_END, "d", SYNC_START, SYNC_END):
        driver.write(data)
    assert written == ["a", f"{SYNC_START}bc{SYNC_END}", "d", f"{SYNC_START}{SYNC_END}"]
