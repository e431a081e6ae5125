"""What a run can be called."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from tui.core.naming import free_name, safe_name
from tui.core.text import clean


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Blüten", "Blüten"),
        (unicodedata.normalize("NFD", "Blüten"), "Blüten"),
        ("花", "花"),
        ("хризантема 2", "хризантема-2"),
        ("हिन्दी", "हिन्दी"),
        ("פרחים", "פרחים"),
        ("Straße & Weg", "Straße-Weg"),
        ("花🌸花", "花-花"),
        ("my run", "my-run"),
        ("../../etc/pass wd\x1b[2J", "etc-pass-wd-2J"),
        ("a\u202eb\u2028c\u200bd", "a-b-c-d"),
        ("a／b∕c", "a-b-c"),
        ("\u3164\u115f", ""),
        ("a\ufe0f\U000e0100b", "a-b"),
        ("\u0301x", "x"),
        ("z" + "\u0316" * 40, "z" + "\u0316" * 4),
        ("\udcff\ue000", ""),
        ("...", ""),
    ],
)
def test_letters_of_any_script_stay_and_nothing_else(name: str, told: str) -> None:
    assert safe_name(name) == told
    assert safe_name(told) == told
    assert clean(told) == told


def test_a_name_is_as_long_as_a_directory_may_have(tmp_path: Path) -> None:
    assert safe_name("a" * 100) == "a" * 60
    assert safe_name("花" * 100) == "花" * 40
    assert safe_name("a" * 59 + " b") == "a" * 59
    (tmp_path / f"20260131-120000-{safe_name('𐍈' * 100)}").mkdir()


def test_a_letter_that_the_system_cannot_write_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsencode", lambda name: name.encode("latin-1"))
    assert safe_name("Blüten 花 2") == "Blüten-2"


def test_a_name_that_is_taken_gets_the_next_number() -> None:
    assert free_name("my run", ()) == "my-run"
    assert free_name("my run", {"my-run"}) == "my-run-2"
    assert free_name("my-run", {"my-run", "my-run-2"}) == "my-run-3"
    assert free_name("my-run-2", {"my-run", "my-run-2"}) == "my-run-3"
    assert free_name("trial-2024", {"trial-2024"}) == "trial-2024-2"
    assert free_name("trial-9", {"trial-9"}) == "trial-9-2"
    for letter in "a花":
        taken: set[str] = set()
        for _ in range(12):
            name = free_name(letter * 100, taken)
            assert safe_name(name) == name
            taken.add(name)
        assert len(taken) == 12
