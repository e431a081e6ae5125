"""A leash: the kernel ends the child with its parent, even one that no thread of could notice anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from picture_sets import gone

from tui.core.leash import Leash

DEAF = "print('there', flush=True); import re; re.match('(a+)+$', 'a' * 60 + 'b')"
"""Holds the interpreter for years: not one thread of it runs."""
PARENT = """
import sys, time
from tui.core.leash import Leash
leash = Leash()
child = leash.start([sys.executable, "-c", sys.argv[1].replace("END", str(leash.end))], stdout=-1)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")


@pytest.fixture
def family() -> Iterator[list[int]]:
    """Processes that are killed afterwards, if they live."""
    made: list[int] = []
    yield made
    for pid in made:
        if not gone(pid, 0.1):
            os.kill(pid, signal.SIGKILL)


def orphan(program: str, family: list[int]) -> int:
    """Start a child of a parent, kill the parent, and return the child."""
    with subprocess.Popen([sys.executable, "-c", PARENT, program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        family.append(int(parent.stdout.readline()))
        os.kill(family[-1], 0)
        parent.kill()
    return family[-1]


def test_a_child_that_hears_nothing_ends_with_its_parent(family: list[int]) -> None:
    assert gone(orphan(DEAF, family), 5)


def test_a_child_that_has_slipped_it_leaves_in_its_own_time(family: list[int]) -> None:
    slips = "import time; from tui.core.leash import slip; slip(END); print('there', flush=True); time.sleep(60)"
    assert not gone(orphan(slips, family), 0.5)


def test_it_does_not_matter_which_thread_started_the_child_and_dropping_it_ends_the_child() -> None:
    before = len(os.listdir("/proc/self/fd"))
    leash, started = Leash(), []
    waits = [sys.executable, "-c", "import time; time.sleep(60)"]
    thread = threading.Thread(target=lambda: started.append(leash.start(waits)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    (child,) = started
    assert child.poll() is None
    leash.drop()
    assert child.wait(5) == -signal.SIGKILL
    leash.drop()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_child_that_cannot_be_started_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="none"):
        Leash().start([str(tmp_path / "none")])
    assert len(os.listdir("/proc/self/fd")) == before
