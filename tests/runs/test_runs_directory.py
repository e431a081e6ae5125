"""Which run a person means."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import builders
from tui.core.errors import UsageError
from tui.runs.directory import find


def test_a_run_is_found_by_what_a_person_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("20260131-120000-cifar10", "20260131-120500-cifar10", "20260201-090000-flowers", "mine"):
        builders.make_run(tmp_path, name=name, steps=4, epochs=1)
    for typed, expected in (
        ("latest", None),
        ("20260201-090000-flowers", "20260201-090000-flowers"),
        ("flowers", "20260201-090000-flowers"),
        ("flo", "20260201-090000-flowers"),
        ("20260131-1205", "20260131-120500-cifar10"),
        ("mine", "mine"),
        (str(tmp_path / "mine"), "mine"),
    ):
        found = find(typed, tmp_path)
        assert found.path.is_absolute()
        assert expected is None or found.name == expected
    monkeypatch.chdir(tmp_path)
    assert find("mine", Path("elsewhere")).path == tmp_path / "mine"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("cifar10", r"Several runs are meant.*20260131-120500-cifar10, 20260131-120000-cifar10"),
        ("2026", r"Several runs are meant"),
        ("dogs", r'No such run: "dogs" .*There are: .*cifar10'),
        ("", "No such run"),
        ("../20260131-120000-cifar10", "No such run"),
        ("\x1b[2J", r"\\x1b\[2J"),
    ],
)
def test_a_run_that_is_not_clear_is_refused_with_the_candidates(tmp_path: Path, typed: str, message: str) -> None:
    for name in ("20260131-120000-cifar10", "20260131-120500-cifar10"):
        builders.make_run(tmp_path, name=name, steps=4, epochs=1)
    with pytest.raises(UsageError, match=message) as refusal:
        find(typed, tmp_path)
    assert "\x1b" not in str(refusal.value)


def test_without_any_run_the_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no run in .*--runs DIR"):
        find("latest", tmp_path)


def test_what_no_path_can_be_is_no_run_either(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        find("~no-such-user/x\0", tmp_path)
