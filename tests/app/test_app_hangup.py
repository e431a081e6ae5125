"""A terminal that goes away takes the screen with it, also where SIGHUP is ignored, and never leaves it spinning."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

_APP = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from textual.widgets import Static
from tui.app.display import CellExactApp
class Small(CellExactApp[None]):
    def compose(self):
        yield Static("ready to be left alone")
        self.set_interval(0.05, lambda: {every})
app = Small()
app.run()
raise SystemExit(app.return_code)
"""


def start(every: str) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _APP.format(every=every)],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(slave)
    seen = b""
    deadline = time.monotonic() + 30
    while b"alone" not in seen and time.monotonic() < deadline:
        if select.select([master], [], [], 0.5)[0]:
            seen += os.read(master, 1 << 16)
    assert b"alone" in seen
    return process, master


@pytest.mark.skipif(not hasattr(select, "poll"), reason="no poll on this system")
@pytest.mark.parametrize(
    "every",
    ["None", "self.query_one(Static).update(str(__import__('time').monotonic()))", "__import__('time').sleep(60)"],
    ids=["idle", "drawing", "stuck"],
)
def test_the_screen_ends_with_its_terminal(every: str) -> None:
    process, master = start(every)
    try:
        time.sleep(0.3)
        os.close(master)
        assert process.wait(15) == 129
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
