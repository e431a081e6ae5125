"""The form: every setting on one line, made from the declarations; keys, mouse and the editor of the current field."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.message import Message
from textual.widgets.input import Selection

from tui.app.draft import DIRECTORY, Draft, fields
from tui.app.format import compact
from tui.app.widgets.form_editors import ChoiceLines, Editor
from tui.app.widgets.form_lines import VALUE, YES_NO, FormLines
from tui.app.widgets.path_input import PathSuggester
from tui.app.widgets.text_field import TextField
from tui.core.architectures import MODELS, TORCHVISION, is_timm
from tui.core.schema import Setting
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.app.screens.pick import Pick

_KNOWN = {"model.name": MODELS}
"""Settings that are declared as text and yet have known names."""
_INSIDE = ("data.list", "data.list_root")
"""Paths that are relative to the directory of the pictures."""


@dataclass(frozen=True)
class More:
    """What is known of the choices of a setting besides their names."""

    about: Mapping[str, str] = field(default_factory=dict)
    accepts: Callable[[str], bool] = lambda typed: False
    """Whether a name that is not listed can be typed."""


_MORE = {"model.name": More({name: f"{compact(count)} parameters" for name, count in TORCHVISION.items()}, is_timm)}
_FEW = 12
"""Stepping through more choices than these is no help: the list is opened instead."""


def choices_of(setting: Setting) -> Mapping[str, str]:
    """Return {text: how it is shown} of a setting that is chosen; nothing for one that is typed."""
    if setting.kind == "bool":
        return YES_NO
    names = _KNOWN.get(setting.key) or tuple(map(str, setting.choices))
    return {name: name for name in names}


class Form(Container):
    """Fields of a `Draft`; `show` brings them up to date, `Changed` tells what was typed.

    Args:
        draft: what is shown.
        keys: of the fields there are; none: all.
    """

    DEFAULT_CSS = """
    Form {
        layers: below above;
        & > FormLines { layer: below; }
    }
    """
    BINDINGS = [
        Binding("up", "move(-1)", "Field above", id="form.up", show=False, tooltip="Go to the field above."),
        Binding("down", "move(1)", "Field below", id="form.down", show=False, tooltip="Go to the field below."),
        Binding("shift+tab", "move(-1)", "Field above", show=False),
        Binding("tab", "move(1)", "Field below", show=False),
        Binding("pageup", "group(-1)", "Group above", id="form.group_up", show=False, tooltip="Go to the group above."),
        Binding(
            "pagedown", "group(1)", "Group below", id="form.group_down", show=False, tooltip="Go to the group below."
        ),
        Binding("ctrl+r", "reset", "Reset", id="form.reset", tooltip="Give the field the preset's value again."),
    ]

    @dataclass
    class Changed(Message):
        """Something was typed or chosen."""

        key: str
        text: str

    @dataclass
    class Entered(Message):
        """Another field is the current one."""

        setting: Setting

    def __init__(self, draft: Draft, keys: Sequence[str] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._draft = draft
        every = fields()
        self._fields = {key: every[key] for key in keys or every}
        self._keys = list(self._fields)
        self._choices = {key: choices for key, s in self._fields.items() if (choices := choices_of(s))}
        self._lines = ChoiceLines(self._fields, set(self._choices))
        self._editor = Editor(select_on_focus=False)
        self._pick: Pick | None = None

    def compose(self) -> ComposeResult:
        yield self._lines
        yield self._editor

    def on_mount(self) -> None:
        self._editor.styles.width = VALUE
        self.show(self._draft)

    @property
    def groups(self) -> list[tuple[str, str, list[str]]]:
        """The groups: name, title and the keys of their fields."""
        grouped = groupby(self._fields.values(), lambda setting: (setting.group, setting.group_title))
        return [(name, title, [setting.key for setting in settings]) for (name, title), settings in grouped]

    @property
    def lines(self) -> FormLines:
        """The drawing."""
        return self._lines

    @property
    def current(self) -> str:
        """The key of the current field."""
        return self._lines.key

    def show(self, draft: Draft) -> None:
        """Show how everything stands."""
        self._draft = draft
        self._lines.show(draft)
        text = draft.texts.get(self.current, "")
        if self._editor.display and self._editor.value != text:
            self._put(text)
        self._editor.set_class(self.current in draft.problems, "-wrong")

    def enter(self, key: str, *, top: bool = False) -> None:
        """Make a field the current one; ``top``: scroll to it as high as it goes."""
        setting = self._fields[key]
        self._lines.key = key
        self._lines.reveal(key, top=top)
        if key in self._choices:
            self._editor.display = False
            self._lines.focus(scroll_visible=False)
        else:
            if self._editor.numeric != (setting.kind != "text"):
                self._editor.numeric = not self._editor.numeric
                self._editor.refresh_bindings()  # the footer shows the key that helps here
            self._editor.suggester = self._suggester(key)
            self._put(self._draft.texts[key])
            self._editor.selection = Selection(0, len(self._editor.value))
            self._editor.display = True
            self._editor.focus(scroll_visible=False)
            self._editor.set_class(key in self._draft.problems, "-wrong")
            self._place()
        self.post_message(self.Entered(setting))

    def _suggester(self, key: str) -> PathSuggester | None:
        if key == DIRECTORY:
            return PathSuggester()
        around = self._draft.directory
        return PathSuggester(around if os.path.isdir(around) else os.path.dirname(around)) if key in _INSIDE else None

    def action_move(self, by: int) -> None:
        """Go to the next field."""
        at = self._keys.index(self.current) + by if self.current else 0
        if 0 <= at < len(self._keys):
            self.enter(self._keys[at])

    def action_group(self, by: int) -> None:
        """Go to the first field of the next group; upwards first to that of the own group."""
        firsts = [keys[0] for _, _, keys in self.groups]
        own = next(number for number, (_, _, keys) in enumerate(self.groups) if self.current in keys)
        at = own if by < 0 and self.current != firsts[own] else own + by
        if 0 <= at < len(firsts):
            self.enter(firsts[at], top=True)

    def action_reset(self) -> None:
        """Give the current field the preset's value again."""
        if self.current:
            self._tell(self._draft.original(self.current))

    @on(TextField.Changed)
    def typed(self, event: TextField.Changed) -> None:
        event.stop()
        if self._editor.display and event.value != self._draft.texts[self.current]:
            self._tell(event.value)

    @on(TextField.Submitted)
    def submitted(self, event: TextField.Submitted) -> None:
        """Enter goes on to the next field, unless what was typed is refused."""
        event.stop()
        if self.current not in self._draft.problems:
            self.action_move(1)

    @on(ChoiceLines.Step)
    def step(self, event: ChoiceLines.Step) -> None:
        """Take the next value, round and round."""
        event.stop()
        values = list(self._choices[self.current])
        if len(values) > _FEW:
            self._open()
            return
        now = self._draft.texts[self.current]
        at = values.index(now) if now in values else -event.by
        self._tell(values[(at + event.by) % len(values)])

    @on(ChoiceLines.Open)
    def open(self, event: ChoiceLines.Open) -> None:
        """Open the list; of a short one, a letter takes the next value that starts with it."""
        event.stop()
        choices = self._choices[self.current]
        if not event.typed or len(choices) > _FEW:
            self._open(event.typed)
            return
        starting = [value for value, shown in choices.items() if shown.startswith(event.typed.lower())]
        if starting:
            now = self._draft.texts[self.current]
            self._tell(starting[(starting.index(now) + 1) % len(starting) if now in starting else 0])

    @on(FormLines.Clicked)
    def clicked(self, event: FormLines.Clicked) -> None:
        """Go to the field; on the value of a choice, turn it over or open the list."""
        event.stop()
        self.enter(event.key)
        if event.on_value and event.key in self._choices:
            if len(self._choices[event.key]) == 2:
                self.step(ChoiceLines.Step(1))
            else:
                self._open()

    @on(FormLines.Scrolled)
    def scrolled(self, event: FormLines.Scrolled) -> None:
        event.stop()
        self._place()

    def on_resize(self) -> None:
        if self.current:
            self._lines.reveal(self.current)
            self._place()

    def _open(self, typed: str = "") -> None:
        from tui.app.screens.pick import Pick

        if self._pick is not None and self._pick in self.app.screen_stack:
            # Keys that come in one burst were sent here before the list was there.
            self._pick.type_in(typed)
            return
        key, choices = self.current, self._choices[self.current]
        values = {shown: value for value, shown in choices.items()}
        now = self._draft.texts[key]

        def take(answer: str | None) -> None:
            if answer is not None:
                self._tell(values.get(answer, answer))

        shown, more = clean(choices.get(now, now)), _MORE.get(key, More())
        about = {name: more.about.get(value, "") for name, value in values.items()}
        title = self._fields[key].title
        self._pick = Pick(title, list(values), chosen=shown, typed=typed, about=about, accepts=more.accepts)
        self.app.push_screen(self._pick, take)

    def _tell(self, text: str) -> None:
        self.post_message(self.Changed(self.current, text))

    def _put(self, text: str) -> None:
        with self._editor.prevent(TextField.Changed):
            self._editor.value = text
        self._editor.cursor_position = len(self._editor.value)

    def _place(self) -> None:
        """Lay the editor over the value of the current field, or out of sight with it."""
        if self.current in self._choices or not self.current:
            return
        region = self._lines.value_region(self.current)
        seen = 0 <= region.y < self._lines.size.height
        self._editor.styles.visibility = "visible" if seen else "hidden"
        if seen:
            self._editor.styles.offset = region.offset
