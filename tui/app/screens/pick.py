"""One out of many: a list that gets shorter while a person types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from tui.app.search import matching, nearest
from tui.app.widgets.row_list import RowList
from tui.app.widgets.text_field import TextField
from tui.core.text import clean


class Pick(ModalScreen[str | None]):
    """Choose one of ``choices``; the answer is the choice, or None.

    Args:
        title: what is chosen.
        choices: all there are, in their order.
        chosen: the one that the cursor starts on.
        typed: what stands in the search field first.
        about: what is said of a choice, at the right.
        accepts: whether something that was typed is a choice too, though it is not listed.
        more: what else is searched of a choice; then, where nothing has what was typed, the nearest are offered.
    """

    CSS_PATH = "pick.tcss"
    BINDINGS = [
        Binding("escape", "dismiss(None)", "Cancel", id="pick.cancel", tooltip="Keep what was chosen before."),
        Binding("up", "move('cursor_up')", "Up", show=False),
        Binding("down", "move('cursor_down')", "Down", show=False),
        Binding("pageup", "move('page_up')", "Page up", show=False),
        Binding("pagedown", "move('page_down')", "Page down", show=False),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[str],
        *,
        chosen: str = "",
        typed: str = "",
        about: Mapping[str, str] | None = None,
        accepts: Callable[[str], bool] = lambda typed: False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._choices, self._chosen, self._typed = title, tuple(choices), chosen, typed
        self._about, self._accepts, self._more = about or {}, accepts, more

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content.styled(clean(self._title), "bold"))
            yield TextField(self._typed, placeholder="type to search", id="search", select_on_focus=False)
            yield RowList(id="choices")
            yield Static(id="count")

    def on_mount(self) -> None:
        self.query_one("#choices").can_focus = False
        self._show(self.query_one("#search", TextField).value)

    def type_in(self, text: str) -> None:
        """Take letters that were typed before the search field could have the focus."""
        search = next(iter(self.query("#search").results(TextField)), None)
        if search is None:
            self._typed += text
        else:
            search.value += text
            search.cursor_position = len(search.value)

    def on_key(self, event: events.Key) -> None:
        """Keys that are faster than the screen are not lost."""
        search = self.query_one("#search", TextField)
        if not search.has_focus and event.character is not None and event.is_printable:
            event.stop()
            self.type_in(event.character)
            search.focus()

    @on(TextField.Changed)
    def search(self, event: TextField.Changed) -> None:
        self._show(event.value)

    @on(TextField.Submitted)
    def take(self) -> None:
        """Take what the cursor is on."""
        row = self.query_one(RowList).row
        if row is not None:
            self.dismiss(row)

    @on(OptionList.OptionSelected)
    def clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    def action_move(self, how: str) -> None:
        """Move the cursor of the list while the search field keeps the focus."""
        getattr(self.query_one(RowList), f"action_{how}")()

    def _show(self, typed: str) -> None:
        found = matching(self._choices, typed, self._more)
        near = [] if found or self._more is None else nearest(self._choices, typed)
        found = found or near
        if typed not in self._choices and self._accepts(typed):
            found = [typed, *found]
        rows = self.query_one(RowList)
        rows.show({choice: partial(_row, choice, self._about.get(choice, ""), typed) for choice in found})
        rows.mark(self._chosen if not typed else (found[0] if found else ""))
        words = f"{len(found)} of {len(self._choices)}" if typed else f"{len(self._choices)}, type to search"
        if near:
            words = f"nothing is called that; {words} are near it"
        self.query_one("#count", Static).update(Content(words))


def _row(choice: str, about: str, typed: str, width: int) -> Content:
    beside = clean(about, 20)
    room = width - (cell_len(beside) + 1 if beside else 0)
    content = Content(clean(choice)).truncate(room, ellipsis=True, pad=bool(beside))
    start = content.plain.casefold().find(typed.strip().casefold()) if typed.strip() else -1
    if start >= 0:
        content = content.stylize("bold underline", start, start + len(typed.strip()))
    return content + Content.styled(f" {beside}", "$foreground-muted") if beside else content
