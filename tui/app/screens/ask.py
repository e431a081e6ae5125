"""Short questions: yes or no, and one line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.app.widgets.text_field import TextField
from tui.core.text import clean

_ESCAPE = Binding("escape", "dismiss(None)", "Cancel", id="ask.cancel", tooltip="Change nothing.")


class Confirm(ModalScreen[bool | None]):
    """A question that Enter answers with the marked button, and a letter whichever is marked; it says so.

    Where a slip of the finger would cost something, the harmless one is marked.

    Args:
        question: one sentence.
        detail: what follows from it.
        yes: what the button says.
        careful: whether Enter alone changes nothing: something would be stopped, or lost.
    """

    CSS_PATH = "ask.tcss"
    BINDINGS = [
        _ESCAPE,
        Binding("n", "dismiss(None)", "No", show=False),
        Binding("y", "dismiss(True)", "Yes", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, detail: str = "", *, yes: str = "Yes", careful: bool = False) -> None:
        super().__init__()
        self._question, self._detail, self._yes = question, detail, yes
        self._careful = careful

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content.styled(clean(self._question), "bold"), id="question")
            if self._detail:
                yield Static(Content(clean(self._detail)), id="detail")
            with Horizontal(id="buttons"):
                yield Button(self._yes, id="yes", variant="primary", compact=True)
                yield Button("Cancel", id="no", compact=True)
            yield Static(self._keys(yes=not self._careful), id="hint")

    def _keys(self, *, yes: bool) -> Content:
        """Return what the keys answer; ``yes``: that button is marked."""
        keys = (("Enter", self._yes if yes else "Cancel"), ("y", self._yes), ("n, Escape", "Cancel"))
        return _told(keys)

    @on(events.DescendantFocus)
    def tell(self) -> None:
        """Say what the keys answer as it is."""
        self.query_one("#hint", Static).update(self._keys(yes=self.query_one("#yes").has_focus), layout=False)

    def on_mount(self) -> None:
        """Let Enter give the harmless answer where one is needed."""
        self.query_one("#no" if self._careful else "#yes").focus()

    @on(Button.Pressed)
    def answer(self, event: Button.Pressed) -> None:
        self.dismiss(True if event.button.id == "yes" else None)


class AskLine(ModalScreen[str | None]):
    """A question answered with one line of text.

    Args:
        question: one sentence.
        value: what stands in the field first.
        check: returns what is wrong with an answer, or an empty string.
        enter: what Enter does, in a word or two.
        detail: what helps to answer it.
        tell: returns what will become of an answer with which nothing is wrong, or an empty string.
    """

    CSS_PATH = "ask.tcss"
    BINDINGS = [_ESCAPE]

    def __init__(
        self,
        question: str,
        value: str,
        check: Callable[[str], str],
        *,
        enter: str = "Save",
        detail: str = "",
        tell: Callable[[str], str] = lambda text: "",
    ) -> None:
        super().__init__()
        self._question, self._value, self._check, self._tell = question, value, check, tell
        self._enter, self._detail = enter, detail
        self._wrong = self._said(value.strip())

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content.styled(clean(self._question), "bold"), id="question")
            yield TextField(self._value, id="answer")
            if self._detail:
                yield Static(Content(clean(self._detail)), id="detail")
            # Here, as the height of what comes before the first layout is not asked for again.
            right = not self._check(self._value.strip())
            yield Static(Content(clean(self._wrong)), id="wrong", classes="-right" if right else "")
            yield Static(_told((("Enter", self._enter), ("Escape", "Cancel"))), id="hint")

    def _said(self, text: str) -> str:
        return self._check(text) or self._tell(text)

    @on(TextField.Changed)
    def look(self, event: TextField.Changed) -> None:
        """Say what is wrong while it is typed."""
        wrong = self._said(event.value.strip())
        if wrong != self._wrong:
            self._wrong = wrong
            below = self.query_one("#wrong", Static)
            below.set_class(not self._check(event.value.strip()), "-right")
            below.update(Content(clean(wrong)))

    @on(TextField.Submitted)
    def answer(self, event: TextField.Submitted) -> None:
        """Give the answer if nothing is wrong with it."""
        if not self._check(event.value.strip()):
            self.dismiss(event.value.strip())


def _told(keys: Sequence[tuple[str, str]]) -> Content:
    """Return keys, each with what it does."""
    told = [piece for key, word in keys for piece in ((f"{key} ", "$accent"), (f"{word}   ", "$foreground-muted"))]
    return Content.assemble(*told)
