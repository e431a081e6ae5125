"""Text in columns and lines: what is cut, and where sentences are broken."""

from __future__ import annotations

from tui.app.widgets.columns import within, wrapped


def test_a_sentence_is_broken_at_its_blanks_alone() -> None:
    told = "Press r to go on, or `cnntrain resume 20260131-120000-example`; accuracy 65.9 %, F1 64.9 % (best)"
    lines = wrapped(told, 58)
    assert " ".join(lines) == told
    assert any("20260131-120000-example`" in line for line in lines)
    for width in range(24, 100):
        assert all(len(line) <= width for line in wrapped(told, width))
        assert not any(line.startswith("%") for line in wrapped(told, width))
    assert wrapped("", 10) == [""]


def test_a_name_is_cut_in_its_middle_to_the_cells_there_are() -> None:
    assert within("abcdef", 6) == "abcdef"
    assert within("写真写真写真", 7) in ("写…真", "写真…真", "写…写真")
    assert within("abc", 0) == ""
