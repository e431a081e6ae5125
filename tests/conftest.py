"""What every test stands on: no test sees the user's own configuration, cache or runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# A test may start a dozen processes; each of them would compile all of the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test its own configuration and cache directories, in subprocesses too."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CNNTRAIN_CONFIG", str(home / "config"))
    monkeypatch.setenv("CNNTRAIN_CACHE", str(home / "cache"))
    monkeypatch.delenv("CNNTRAIN_RUNS", raising=False)
    return home


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs things that a fresh machine does not have; begin with what takes long."""
    items.sort(key=lambda item: "long" not in item.keywords)
    real = os.environ.get("CNNTRAIN_REAL_DATA", "")
    for item in items:
        if "real_data" in item.keywords and not os.path.isdir(real):
            item.add_marker(pytest.mark.skip(reason="CNNTRAIN_REAL_DATA names no folder of real pictures"))
        if "slow" in item.keywords and not os.environ.get("CNNTRAIN_SLOW"):
            item.add_marker(pytest.mark.skip(reason="slow; set CNNTRAIN_SLOW=1 to run it"))
        if "gpu" in item.keywords and not os.path.exists("/dev/nvidia0"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
