"""Decoders that die of a picture called ``deadly``, hang at ``endless``, and are killed three times at ``unlucky``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tui.core.dataset import decoders

_PROGRAM = """
import os, signal, time
from tui.core.dataset import decoder
read = decoder.read_file
def sick(path):
    if "deadly" in path: os.kill(os.getpid(), signal.SIGKILL)
    if "endless" in path: time.sleep(100)
    if "unlucky" in path:
        with open(path + ".died", "ab", buffering=0) as died:
            died.write(b"x")
            if died.tell() <= 3: os.kill(os.getpid(), signal.SIGKILL)
    return read(path)
decoder.read_file = sick
decoder.main()
"""


def install(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all pools of this process start such decoders; the programs are written into ``place``."""
    program, wrapper = place / "sick.py", place / "python"
    program.write_text(_PROGRAM)
    wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} {program}\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(decoders.sys, "executable", str(wrapper))
