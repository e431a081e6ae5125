"""The lines of the form, drawn by one widget: fifty fields of three widgets each take two seconds to appear.

It draws what a `Draft` says and knows where each field is; what the keys do is decided in `tui.app.widgets.form`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.app.draft import Draft, fields
from tui.app.widgets.columns import fit
from tui.core.schema import Setting
from tui.core.text import clean

TITLE = 21
"""Cells of a field's title, with a blank on each side."""
VALUE = 24
"""Cells of a field's value."""
_NOTE = 15
_AFTER_UNIT = " · "
"""Between two notes, the unit and what the value was: where both have no room, the first goes."""
YES_NO = {"true": "yes", "false": "no"}


@dataclass(frozen=True)
class Look:
    """How a field is shown."""

    value: str
    note: str
    state: str
    """``plain``, ``idle``, ``changed`` or ``wrong``."""


class FormLines(ScrollView, can_focus=True, inherit_bindings=False):
    """All fields of a draft in their groups, one line each."""

    COMPONENT_CLASSES = {
        "form--heading",
        "form--title",
        "form--title-current",
        "form--value",
        "form--value-current",
        "form--note",
        "form--idle",
        "form--changed",
        "form--wrong",
    }
    DEFAULT_CSS = """
    FormLines {
        background: $background;
        scrollbar-size-vertical: 1;
        & > .form--heading { color: $primary; text-style: bold; }
        & > .form--title-current { color: $accent; text-style: bold; }
        & > .form--value { background: $surface; }
        & > .form--value-current { background: $panel; }
        & > .form--note { color: $foreground-muted; }
        & > .form--idle { color: $foreground 40%; }
        & > .form--changed { color: $accent; }
        & > .form--wrong { color: $error; }
        &:focus > .form--value-current { background: $block-cursor-background; color: $block-cursor-foreground; }
    }
    """

    key: reactive[str] = reactive("")
    """The current field."""

    @dataclass
    class Clicked(Message):
        """A field was clicked, on its value or beside it."""

        key: str
        on_value: bool

    @dataclass
    class Scrolled(Message):
        """The lines moved."""

    def __init__(self, settings: Mapping[str, Setting], choices: set[str]) -> None:
        super().__init__()
        self._choices = choices
        self._lines: list[str | Setting] = []
        for number, (title, own) in enumerate(groupby(settings.values(), lambda setting: setting.group_title)):
            self._lines += ["", title] if number else [title]
            self._lines += list(own)
        self._at = {setting.key: y for y, setting in enumerate(self._lines) if isinstance(setting, Setting)}
        self._looks: dict[str, Look] = {}
        self.virtual_size = Size(0, len(self._lines))

    def show(self, draft: Draft) -> None:
        """Show how everything stands."""
        looks = {key: look(draft, key) for key in self._at}
        for key, y in self._at.items():
            if self._looks.get(key) != looks[key]:
                self.refresh_line(y)
        self._looks = looks

    def look_of(self, key: str) -> Look:
        """Return how a field is shown."""
        return self._looks[key]

    def value_region(self, key: str) -> Region:
        """Return where the value of a field is, relative to what can be seen of the lines."""
        return Region(TITLE, self._at[key] - self.scroll_offset.y, VALUE, 1)

    def reveal(self, key: str, *, top: bool = False) -> None:
        """Scroll to a field, and show the heading too if it is the first one below it; ``top``: as high as it goes."""
        y = self._at[key]
        first = isinstance(self._lines[y - 1], str)
        self.scroll_to_region(Region(0, y - first, 1, 1 + first), animate=False, force=True, immediate=True, top=top)

    def watch_key(self, old: str, new: str) -> None:
        """Draw the two lines that changed."""
        for key in (old, new):
            if key in self._at:
                self.refresh_line(self._at[key])

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell, so that what lies above the lines moves with them."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Scrolled())

    def on_click(self, event: events.Click) -> None:
        """Tell which field it was."""
        y = event.y + self.scroll_offset.y
        setting = self._lines[y] if 0 <= y < len(self._lines) else ""
        if isinstance(setting, Setting):
            self.post_message(self.Clicked(setting.key, TITLE <= event.x < TITLE + VALUE))

    def render_line(self, y: int) -> Strip:
        """Draw a heading, a field, or nothing."""
        width = self.scrollable_content_region.width
        at = y + self.scroll_offset.y
        thing = self._lines[at] if at < len(self._lines) else ""
        if isinstance(thing, str):
            return Strip([Segment(fit(f" {thing}", width), self._style("heading"))], width)
        shown = self._looks.get(thing.key) or Look("", "", "plain")
        return Strip(self._field(thing, shown, width)).adjust_cell_length(width, self._style())

    def _style(self, *names: str) -> Style:
        return self.get_visual_style(*(f"form--{name}" for name in names)).rich_style

    def _field(self, setting: Setting, shown: Look, width: int) -> list[Segment]:
        style = self._style
        current = setting.key == self.key
        idle = ("idle",) if shown.state == "idle" else ()
        wrong = ("wrong",) if shown.state == "wrong" else ()
        title = style("title-current") if current else style("title", *idle)
        box = ("value", "value-current") if current else ("value",)
        note = style("note", *((shown.state,) if shown.state in ("changed", "wrong", "idle") else ()))
        mark = ""
        if setting.key in self._choices:
            mark = "◂ ▸" if current and self.has_focus else "▾"
        room = VALUE - 2 - len(mark) - (1 if mark else 0)
        value = f" {fit(shown.value, room)} {mark + ' ' if mark else ''}"
        beside = max(1, width - TITLE - VALUE)
        words = shown.note if cell_len(shown.note) < beside else shown.note.rpartition(_AFTER_UNIT)[2]
        return [
            Segment(fit(f" {setting.title}", TITLE), title),
            Segment(fit(value, VALUE), style(*box, *idle, *wrong)),
            Segment(fit(f" {words}", beside), note),
        ]


def look(draft: Draft, key: str) -> Look:
    """Return how a field of a draft is shown; its texts are safe."""
    setting = fields()[key]
    text = draft.texts[key]
    value = clean(YES_NO.get(text, text) if setting.kind == "bool" else text, 200)
    if key in draft.problems:
        # What is longer than the room for it at 80 cells is told below the form.
        limits = setting.limits if setting.kind in ("int", "float") and len(setting.limits) <= _NOTE else "not usable"
        return Look(value, f"✗ {limits}", "wrong")
    if draft.differs(key):
        before = draft.original(key) or "empty"
        before = clean(YES_NO.get(before, before) if setting.kind == "bool" else before, 60)
        if not draft.in_effect(key):
            return Look(value, f"was {before}{_AFTER_UNIT}no effect", "changed")
        unit = f"{setting.unit}{_AFTER_UNIT}" if setting.unit else ""
        return Look(value, f"{unit}was {before}", "changed")
    if not draft.in_effect(key):
        return Look(value, "no effect", "idle")
    return Look(value, setting.unit, "plain")
