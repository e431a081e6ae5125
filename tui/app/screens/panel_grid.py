"""Panels of which some are shown at a time: which has its place where, which one keys act on, what a person likes."""

from __future__ import annotations

from textual.containers import Container
from textual.message import Message

from tui.app.screens.watch_layout import PANELS, Shown, arranged
from tui.app.widgets.panel import Panel

OPENED = ("layers", "classes")
"""Panels about which a screen of its own tells all."""


class PanelGrid(Container):
    """Holds the panels of `tui.app.screens.watch_layout`, as many as the terminal has room for."""

    class Arranged(Message, namespace="dashboard"):
        """Other panels are shown now."""

        def __init__(self, shown: Shown) -> None:
            super().__init__()
            self.shown = shown

    class Placed(Message, namespace="dashboard"):
        """It has another size: what is above it takes more rows or fewer."""

    class Liked(Message, namespace="dashboard"):
        """A person wants the panels in another order, or others: to be remembered."""

        def __init__(self, order: tuple[str, ...], hidden: tuple[str, ...]) -> None:
            super().__init__()
            self.order, self.hidden = order, hidden

    class Opened(Message, namespace="dashboard"):
        """A person wants to see all about what a panel shows."""

        def __init__(self, panel: str) -> None:
            super().__init__()
            self.panel = panel

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.maximised = False
        self._placeless = False
        """Whether it is only because the chosen panel has no place among the others."""
        self.order: tuple[str, ...] = ()
        """The panels as a person likes them; empty for the usual order."""
        self.hidden: tuple[str, ...] = ()
        """Those that they do not want."""
        self._chosen = "loss"
        self._panels: list[Panel] = []

    @property
    def panels(self) -> list[Panel]:
        """All panels, by their numbers; those without one are last."""
        if not self._panels:
            self._panels = sorted(self.query(Panel), key=lambda panel: panel.number or 99)
        return self._panels

    @property
    def chosen(self) -> Panel:
        """The panel that keys act on."""
        return next(panel for panel in self.panels if panel.id == self._chosen)

    @property
    def shown(self) -> Shown:
        """What belongs to the size of the terminal and to what was chosen."""
        return arranged(*self.app.size, self._chosen, self.order, self.hidden)

    def on_resize(self) -> None:
        """Tell the screen."""
        self.post_message(self.Placed())

    def fit_panels(self) -> None:
        """Show what belongs on the screen."""
        shown = self.shown
        if not shown.pages and self._chosen not in shown.spans and not self.maximised:
            self.maximised = self._placeless = True  # what has no place among the others is shown alone
        spans = {self._chosen: 1} if self.maximised else shown.spans
        places = {panel: place for place, panel in enumerate(spans)}
        with self.app.batch_update():
            for panel in self.panels:
                panel.display = panel.id in spans
                panel.styles.column_span = spans.get(str(panel.id), 1)
            self.sort_children(key=lambda panel: places.get(str(panel.id), len(places)))
            self.styles.grid_size_columns = 1 if self.maximised else shown.columns
            self.styles.grid_size_rows = 1 if self.maximised else len(shown.heights)
            self.styles.grid_rows = "1fr" if self.maximised else " ".join(f"{share}fr" for share in shown.heights)
            self.post_message(self.Arranged(shown))
        if self.screen.is_current and self.screen.focused is not self.chosen:
            self.screen.set_focus(self.chosen, scroll_visible=False)  # at once: the next key is for it

    # --- what keys do -------------------------------------------------------------------------------

    def action_maximise(self) -> None:
        """Give the chosen panel all the room, or give it back."""
        self.maximised, self._placeless = not self.maximised, False
        shown = self.shown
        if not self.maximised and not shown.pages and self._chosen not in shown.spans:
            self._chosen = next(iter(shown.spans))
        self.fit_panels()

    def action_open(self) -> None:
        """Show all about what the chosen panel shows, or the panel alone."""
        if self._chosen in OPENED:
            self.post_message(self.Opened(self._chosen))
        else:
            self.action_maximise()

    def action_hide(self) -> None:
        """Take the chosen panel off the screen."""
        left = [panel for panel in PANELS if panel not in self.hidden and panel != self._chosen]
        if not left:
            return
        title, self.hidden = self.chosen.title, (*self.hidden, self._chosen)
        self.maximised = False
        self._chosen = next((panel for panel in self.shown.spans if panel in left), left[0])
        self.post_message(self.Liked(self.order, self.hidden))
        self.fit_panels()
        self.app.notify(f"{title} is hidden; H shows all panels again.", timeout=3, markup=False)

    def action_usual(self) -> None:
        """Show all panels again, in the usual order."""
        self.order = self.hidden = ()
        self.post_message(self.Liked(self.order, self.hidden))
        self.fit_panels()

    def action_move(self, by: int) -> None:
        """Let the chosen panel and the one beside it change places."""
        order = [*self.shown.spans]
        order += [panel for panel in self.order or PANELS if panel not in order]
        if self._chosen not in order or self.maximised:
            return
        at = order.index(self._chosen)
        if 0 <= at + by < len(order):
            order[at], order[at + by] = order[at + by], order[at]
            self.order = tuple(order)
            self.post_message(self.Liked(self.order, self.hidden))
            self.fit_panels()

    def action_choose(self, number: int) -> None:
        """Choose the panel with this number."""
        panel = next(panel for panel in self.panels if panel.number == number)
        if panel.id in self.hidden:
            self.app.notify(f"{panel.title} is hidden; H shows all panels again.", timeout=3, markup=False)
        else:
            self._choose(panel)

    def show_panel(self, name: str) -> None:
        """Choose a panel by its id, and show the page that it is on."""
        self._choose(next(panel for panel in self.panels if panel.id == name))

    def action_next(self, by: int) -> None:
        """Choose the next panel, or the one before."""
        shown = self.shown
        among = [panel for _, page in shown.pages for panel in page] or list(shown.spans)
        panels = [panel for panel in self.panels if panel.id in among]
        at = panels.index(self.chosen) if self.chosen in panels else 0
        self._choose(panels[(at + by) % len(panels)])

    def on_descendant_focus(self) -> None:
        """A click chooses, too."""
        focused = self.screen.focused
        if isinstance(focused, Panel) and focused.id and focused.id != self._chosen:
            self._choose(focused)

    def _choose(self, panel: Panel) -> None:
        self._chosen = str(panel.id)
        if self._placeless:
            self.maximised = self._placeless = False
        self.fit_panels()
