"""What the screen does without while it opens."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
from walking import until

from tui.app import app as app_module
from tui.app import lean
from tui.app.app import CnntrainApp


class Node:
    """Refers to itself: garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_openssl_is_left_out() -> None:
    code = """
import json, sys
from tui.app.lean import leave_out_openssl
leave_out_openssl()
import asyncio, hashlib, secrets, tui.app.app
hashlib.blake2b(b"")
print(json.dumps([name for name, module in sys.modules.items() if module]))
"""
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=60)))
    assert not loaded & {"ssl", "_ssl", "_hashlib"}


async def test_the_collector_rests_until_the_first_screen_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "_SETTLED", 0.3)
    frozen = gc.get_freeze_count()
    try:
        with lean.collecting_put_off():
            async with CnntrainApp(runs_root=tmp_path).run_test() as pilot:
                assert not gc.isenabled()
                garbage = weakref.ref(Node())
                await until(pilot, gc.isenabled)
                assert garbage() is None
                assert gc.get_freeze_count() > frozen
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_the_collector_works_again_when_the_screen_was_left_at_once() -> None:
    with lean.collecting_put_off():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_nothing_is_frozen_where_nothing_was_put_off() -> None:
    frozen = gc.get_freeze_count()
    lean.collect_now()
    assert gc.get_freeze_count() == frozen
