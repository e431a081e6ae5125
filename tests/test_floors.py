"""The floors at run time: what a process has really imported, whatever the contracts say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tui

ROOT = Path(tui.__file__).parent


def modules(floor: str) -> list[str]:
    """Return the names of all modules of a floor."""
    paths = sorted((ROOT / floor).rglob("*.py"))
    names = (".".join(("tui", *path.relative_to(ROOT).with_suffix("").parts)) for path in paths)
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize(
    ("floor", "forbidden"),
    [
        ("core", {"torch", "torchvision", "textual", "rich", "typer"}),
        ("runs", {"torch", "torchvision", "textual", "rich", "typer"}),
        ("app", {"torch", "torchvision"}),
        ("cli", {"torch", "torchvision"}),
        ("engine", {"textual", "rich", "typer"}),
    ],
)
def test_a_floor_imports_nothing_that_is_forbidden_to_it(floor: str, forbidden: set[str]) -> None:
    names = modules(floor)
    assert len(names) > 1
    code = (
        f"import importlib, json, sys; [importlib.import_module(name) for name in {names!r}];"
        "print(json.dumps(list(sys.modules)))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=100))
    assert set(names) <= set(loaded)
    assert not forbidden & {name.partition(".")[0] for name in loaded}
