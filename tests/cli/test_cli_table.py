"""Columns that line up, fit and are safe, whatever is in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.cli.table import aligned
from tui.core.text import clean


def test_columns_line_up_with_wide_characters() -> None:
    rows = [("NAME", "N"), ("猫の写真", "1"), ("e\u0301te", "22")]
    assert aligned(rows, room=None, right=(1,)) == ["NAME       N", "猫の写真   1", "e\u0301te       22"]


def test_the_named_columns_shrink_until_it_fits() -> None:
    rows = [("NAME", "STATUS"), ("a" * 60, "running")]
    assert aligned(rows, room=40)[1] == "a" * 20 + "…" + "a" * 10 + "  running"
    assert aligned(rows, room=None)[1] == "a" * 60 + "  running"


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40)), min_size=1, max_size=5),
    st.integers(1, 60),
)
def test_no_line_is_wider_than_the_terminal_or_obeyed_by_it(rows: list[tuple[str, str, str]], room: int) -> None:
    for line in aligned(rows, room=room, shrink=(0, 1), right=(1,)):
        assert cell_len(line) <= room
        assert clean(line) == line
