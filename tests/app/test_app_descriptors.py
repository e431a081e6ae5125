"""The terminal while the screen has it: nothing else is seen there, and it keeps its size."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

TOLD = """
import os, shutil, sys
from tui.app.descriptors import terminal_alone
with terminal_alone():
    size = tuple(shutil.get_terminal_size())
    os.write(1, b"of a library")
    print("of python", file=sys.__stdout__, flush=True)
    open(sys.argv[1], "w").write(repr(size))
    print("drawn", file=sys.__stderr__, flush=True)
print("after", tuple(shutil.get_terminal_size()))
"""


def test_the_screen_knows_the_size_of_its_terminal_and_has_it_alone(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 47, 133, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-c", TOLD, str(tmp_path / "size")]
    program = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    seen = b""
    while select.select([leader], [], [], 60)[0]:
        try:
            seen += os.read(leader, 4096)
        except OSError:  # its end, on Linux
            break
    os.close(leader)
    assert program.wait(60) == 0, seen
    assert (tmp_path / "size").read_text() == "(133, 47)"
    assert seen.split() == [b"drawn", b"after", b"(133,", b"47)"]
