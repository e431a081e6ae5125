"""The one sanitizer: nothing that a terminal obeys comes through, and what people write does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.core.text import clean, clean_lines, clean_path


@given(st.text(alphabet=st.characters(), max_size=60), st.integers(1, 50))
def test_nothing_that_a_terminal_obeys_comes_through(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
    assert not set(shown) & set("\u202e\u2066\u200b\u2028\ufeff\u061c")
    shown.encode("utf-8")


@pytest.mark.parametrize("text", ["cat", "Größe", "猫", "naïve café", "👩‍🔬 lab", "[/] [bold]x[/bold]", "a b"])
def test_what_people_write_is_left_alone(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("caf\udce9", "caf\\xe9"),
        ("\x7f", "\\x7f"),
    ],
)
def test_controls_become_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_long_name_keeps_its_start_and_end() -> None:
    shown = clean("a" * 150 + "b" * 150, 30)
    assert len(shown) == 30
    assert shown.startswith("aaa")
    assert shown.endswith("bbb")
    assert "…" in shown


def test_lines_stay_lines() -> None:
    assert clean_lines("one\r\n\ttwo\x1b[0m") == "one\n    two\\x1b[0m"


def test_the_home_directory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert clean_path("/home/ada/pictures") == "~/pictures"
    assert clean_path("/home/adam/pictures") == "/home/adam/pictures"
