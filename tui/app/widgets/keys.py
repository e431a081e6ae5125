"""The keys of a screen at its bottom, in one line that always shows the way out.

Textual's own footer is a widget for each key, made anew several times while a screen opens, and cuts off what has no
room: the last keys, which lead away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

LEFT_OUT = "… "


class Key(NamedTuple):
    """One key."""

    key: str
    """As it is pressed."""
    shown: str
    what: str
    enabled: bool
    tooltip: str
    everywhere: bool
    """Whether it works on all screens."""
    palette: bool = False

    def text(self, before: int) -> Content:
        """Return it with so many blanks before it."""
        dim = "" if self.enabled else "dim"
        return Content.assemble(
            (f"{' ' * before}{self.shown} ", f"bold $footer-key-foreground {dim}"),
            (f"{self.what} ", f"$footer-description-foreground {dim}"),
        )


class Keys(Widget, can_focus=False):
    """Shows the keys that work now, as far as there is room (`fitted`); a click presses one."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Keys {
        dock: bottom;
        height: 1;
        color: $footer-foreground;
        background: $footer-background;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[Key] = []
        self._places: list[tuple[range, Key]] = []
        """The columns of each key that is shown."""
        self.left_out = False
        """Whether some have no room."""

    def on_mount(self) -> None:
        """See the keys now, and when they change."""
        self.screen.bindings_updated_signal.subscribe(self, self._look)
        self._look(self.screen)

    def _look(self, screen: Screen[object]) -> None:
        keys = list(self._working())
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def _working(self) -> Iterator[Key]:
        """Yield the keys that are to be seen, each action once, that of the palette last."""
        active, app = self.screen.active_bindings, self.app
        seen = set[str]()
        for node, binding, enabled, tooltip in active.values():
            if binding.show and binding.action not in seen:
                seen.add(binding.action)
                shown = app.get_key_display(binding)
                yield Key(binding.key, shown, binding.description, enabled, tooltip, node is app)
        if app.ENABLE_COMMAND_PALETTE and (palette := active.get(app.COMMAND_PALETTE_BINDING)) is not None:
            _, binding, enabled, _ = palette
            what, shown = binding.description, app.get_key_display(binding)
            yield Key(binding.key, shown, what, enabled, binding.tooltip or what, True, palette=True)

    def render(self) -> Content:
        """Return the line."""
        width = self.size.width
        fit = fitted(self._keys, width)
        parts: list[Content] = []
        self._places, at = [], 0
        self.left_out = fit.left_out
        to_tell = fit.left_out and _width(fit.keys, fit.before) + len(LEFT_OUT) <= width
        for key in fit.keys:
            if key.everywhere and to_tell:
                parts.append(Content.styled(LEFT_OUT, "$footer-description-foreground"))
                at, to_tell = at + len(LEFT_OUT), False
            before = fit.before
            if key.palette:  # at the right edge
                before, gap = 0, width - at - _width([key], 0) - 1
                parts += [Content(" " * gap), Content.styled("▏", "$foreground 20%")]
                at += gap + 1
            parts.append(key.text(before))
            self._places.append((range(at, at + _width([key], before)), key))
            at = self._places[-1][0].stop
        return Content("").join(parts)

    def _under(self, x: int) -> Key | None:
        return next((key for columns, key in self._places if x in columns), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Explain the key under the pointer."""
        key = self._under(event.x)
        self.tooltip = (key.tooltip or key.what) if key is not None else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press the key."""
        key = self._under(event.x)
        if key is None:
            return
        if key.enabled:
            self.app.simulate_key(key.key)
        else:
            self.app.bell()


class Fit(NamedTuple):
    """What of the keys is shown."""

    keys: list[Key]
    before: int
    """Blanks before each."""
    left_out: bool
    """Whether keys of the screen have no room."""


def fitted(keys: Sequence[Key], width: int) -> Fit:
    """Choose what is shown in so many columns.

    Where they have no room, first the key of the palette is left out, then the blanks before each, and then the
    screen's own keys from the last on, with an ellipsis if that has room; never its only one or Escape, nor what works
    everywhere.
    """
    if _width(keys, 1) <= width:
        return Fit(list(keys), 1, False)
    kept = [key for key in keys if not key.palette]
    for before in (1, 0):
        if _width(kept, before) <= width:
            return Fit(kept, before, False)
    own = [key for key in kept if not key.everywhere]
    while _width(kept, 0) > width and len(own) > 1:
        kept.remove(own.pop(-1 if own[-1].key != "escape" else -2))
    return Fit(kept, 0, True)


def _width(keys: Iterable[Key], before: int) -> int:
    """Return the columns that keys take with so many blanks before each."""
    return sum(before + cell_len(key.shown) + cell_len(key.what) + 2 for key in keys)
