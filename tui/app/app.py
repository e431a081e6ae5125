"""The app: a table of contents. What happens on a screen is in its own file in ``screens/``."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import App, SystemCommand
from textual.binding import ActiveBinding, Binding, BindingType
from textual.css.query import NoMatches
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from tui.app import palette, preferences
from tui.app.ascii import Ascii
from tui.app.display import CellExactApp
from tui.app.lean import collect_now
from tui.app.screens.threshold import Threshold
from tui.app.starts import runs_typed
from tui.core.rundir import RunDir

if TYPE_CHECKING:
    from textual.command import Provider

    from tui.app.screens.dashboard import Dashboard
    from tui.app.screens.home import HomeScreen

_SETTLED = 2.0
"""Seconds after which the first screen is there."""


def _commands() -> type[Provider]:
    from tui.app.commands import Commands

    return Commands


class CnntrainApp(CellExactApp[None]):
    """The screen of cnntrain.

    Args:
        runs_root: where runs are kept.
        open_run: a run to show at once.
    """

    TITLE = "cnntrain"
    NOTIFICATION_TIMEOUT = 4
    COMMANDS = {_commands}
    # The stylesheet of the first screen is not loaded by Textual when it is the default screen.
    CSS_PATH = ["app.tcss", "screens/home.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [
        # The footer shows the first that works: a field with the focus takes the question mark.
        Binding("question_mark", "help", "Help", id="app.help", tooltip="What the keys do here.", key_display="?"),
        Binding("f1", "help", "Help", id="app.help", tooltip="What the keys do here.", key_display="F1", priority=True),
        Binding(
            "f2",
            "next_theme",
            "Theme",
            id="app.theme",
            show=False,
            key_display="F2",
            tooltip="Dark, light, for the colour-blind, or as the terminal says; remembered.",
        ),
        Binding(
            "f3",
            "next_eco",
            "Eco",
            id="app.eco",
            show=False,
            key_display="F3",
            tooltip="Draw seldom, for slow lines: on, off, or when the line is slow; remembered.",
        ),
        Binding(
            "f4",
            "next_ascii",
            "ASCII",
            id="app.ascii",
            show=False,
            key_display="F4",
            tooltip="No character but ASCII: on, off, or where a terminal has no other; remembered.",
        ),
        Binding("q", "quit", "Quit", id="app.quit", tooltip="Leave; what trains goes on training."),
    ]

    def __init__(self, *, runs_root: Path, open_run: RunDir | None = None) -> None:
        super().__init__()
        self.runs_root = runs_root
        self._open_run = open_run
        self._last_screen: Screen[Any] | None = None
        self.animation_level = "none"  # each frame on the way is one more for the line to carry
        self.preferences = preferences.for_session(preferences.load())
        """How the screen is to look; change them with `prefer`."""
        palette.install(cast("App[object]", self))
        self.theme = palette.theme_for(self.preferences.theme, palette.few_colours(self))
        self._ascii = Ascii()

    @property
    def eco(self) -> bool:
        """Whether to draw seldom: the line is slow, or somebody wants it."""
        return self.preferences.eco == "on" or (self.preferences.eco == "auto" and self.slow_line)

    def get_key_display(self, binding: Binding) -> str:
        """Return what a key is called: those that Textual has a sign for, which few fonts have, by their names."""
        shown = super().get_key_display(binding)
        return shown.replace("⏎", "enter").replace("⌫", "backspace")

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what each row goes through on its way to the terminal."""
        usual = super().get_line_filters()
        return [*usual, self._ascii] if self.preferences.in_ascii() else usual

    def prefer(self, **changes: Any) -> None:
        """Change how the screen looks, and remember it."""
        before, self.preferences = self.preferences, replace(self.preferences, **changes)
        self.theme = palette.theme_for(self.preferences.theme, palette.few_colours(self))
        if self.preferences.in_ascii() != before.in_ascii():
            for screen in self.screen_stack:
                for widget in screen.walk_children(with_self=True):
                    if isinstance(widget, Widget):
                        widget.notify_style_update()  # its rows are remembered as they were
                        widget.refresh()
        try:
            replace(preferences.load(), **changes).save()
        except OSError as error:
            cause = error.strerror or type(error).__name__
            self.notify(f"This cannot be remembered: {cause}.", severity="warning", markup=False)

    def on_dashboard_liked(self, event: Dashboard.Liked) -> None:
        """Remember the panels."""
        self.prefer(panels=event.order, hidden=event.hidden)

    def get_default_screen(self) -> Screen[Any]:
        """Home is below all other screens, or comes when they are left."""
        return self._home() if self._open_run is None else Threshold(self._home, self._open_run)

    def _home(self) -> HomeScreen:
        from tui.app.screens.home import HomeScreen

        return HomeScreen(self.runs_root, runs_typed(self.runs_root))

    def on_mount(self) -> None:
        """Show the run that was asked for."""
        self._last_screen = self.screen
        self.set_timer(_SETTLED, collect_now)
        self.screen_change_signal.subscribe(self, self._forget_notices)
        if self._open_run is not None:
            from tui.app.screens.watch import WatchScreen

            self.push_screen(WatchScreen(self._open_run))

    def _handle_exception(self, error: Exception) -> None:
        """Take no notice of a screen that was left before all of it was there, by keys that came in a burst."""
        if not (isinstance(error, NoMatches) and self._left(error)):
            super()._handle_exception(error)

    def _left(self, error: NoMatches) -> bool:
        """Return whether a widget was missed by a screen that is not open any more."""
        frames = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
        screens = [one for one in frames if isinstance(one, Screen)]
        return bool(screens) and not any(one in self.screen_stack for one in screens)

    def on_notify(self, event: Notify) -> None:
        """Let a notice take the place of one of its kind."""
        for notice in list(self._notifications):
            if notice.severity == event.notification.severity:
                self._unnotify(notice, refresh=False)

    def _forget_notices(self, screen: Screen[Any]) -> None:
        """What was said about one screen does not follow to the next; a question above it is no other screen."""
        if not isinstance(screen, ModalScreen) and screen is not self._last_screen:
            self._last_screen = screen
            self.clear_notifications()

    def action_help(self) -> None:
        """Show what the keys of the active screen do, or leave that again."""
        from tui.app.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss()
        else:
            self.push_screen(HelpScreen(self.screen))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The command palette: what the keys of the active screen do, from their bindings."""
        first: dict[str | None, ActiveBinding] = {}  # of several keys the one that is told
        for each in screen.active_bindings.values():
            if each.enabled:
                first.setdefault(each.binding.id, each)
        for active in first.values():
            binding = active.binding
            if binding.id and binding.description:
                run = partial(self.run_action, binding.action, active.node)
                told = f"{self.get_key_display(binding)}: {binding.tooltip or binding.description}"
                yield SystemCommand(binding.description, told, run)
        yield SystemCommand("Save a picture of the screen", "As an SVG file", self.action_picture)

    def action_next_theme(self) -> None:
        """Change to the next theme."""
        self._prefer_next("theme", palette.CHOICES)

    def action_next_eco(self) -> None:
        """Draw seldom always, never, or on slow lines."""
        self._prefer_next("eco", preferences.SWITCH)

    def action_next_ascii(self) -> None:
        """Draw in ASCII always, never, or where there is nothing else."""
        self._prefer_next("ascii", preferences.SWITCH)

    def _prefer_next(self, name: str, choices: tuple[str, ...]) -> None:
        chosen = choices[(choices.index(getattr(self.preferences, name)) + 1) % len(choices)]
        self.prefer(**{name: chosen})
        self.notify(f"{name.capitalize()}: {chosen}.", timeout=2, markup=False)

    def action_help_quit(self) -> None:
        """Answer Ctrl+C, which leaves other programs, and must not end a view by a slip."""
        self.notify("q leaves the screen; what trains goes on training.", timeout=4, markup=False)

    def action_picture(self) -> None:
        """Save the screen as an SVG file where the app was started."""
        try:
            path = self.save_screenshot()
        except OSError as error:
            self.notify(f"The picture cannot be saved: {error.strerror}.", severity="error", markup=False)
        else:
            self.notify(f"Saved as {path}", markup=False)
