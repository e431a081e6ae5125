"""Which panels of the watch screen are shown where, for terminals of every shape."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

PANELS = (
    "loss", "layers", "score", "gradient", "classes", "rate", "throughput", "time", "messages", "host", "wait",
)  # fmt: skip
"""All panels in their usual order: what does not fit is at the end."""
PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("overview", ("loss", "score", "gradient")),
    ("layers", ("layers",)),
    ("classes", ("classes",)),
    ("speed", ("rate", "throughput", "wait")),
    ("messages", ("messages",)),
    ("machine", ("time", "host")),
)
"""Where there is no room for all panels: pages, and the panels on each."""
_TALL_PAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("training", ("loss", "score", "gradient", "layers", "messages")),
    ("details", ("classes", "rate", "throughput", "wait", "time", "host")),
)


@dataclass(frozen=True)
class Grid:
    """A page of panels: they fill rows from the left, each over so many columns."""

    columns: int
    spans: tuple[tuple[int, ...], ...]
    """Of each row, the columns that each panel takes."""
    heights: tuple[int, ...]
    """Of each row, its share of the height."""

    def place(self, panels: Sequence[str]) -> tuple[dict[str, int], tuple[int, ...]]:
        """Return how many columns each panel takes, and the shares of the rows that are needed.

        What finds no place is left out; the last one of a row that is not full takes what is left of it.
        """
        places: dict[str, int] = {}
        rows = 0
        left = list(panels)
        for row in self.spans:
            here = left[: len(row)]
            if not here:
                break
            places |= dict(zip(here, row, strict=False))
            places[here[-1]] += self.columns - sum(row[: len(here)])
            left = left[len(row) :]
            rows += 1
        return places, self.heights[:rows]


WIDE = Grid(3, ((2, 1), (1, 1, 1), (1, 1, 1), (2, 1)), (13, 11, 8, 6))
VAST = Grid(4, ((2, 2), (1, 1, 1, 1), (1, 1, 1, 1), (4,)), (17, 14, 10, 8))
_OVERVIEW = Grid(2, ((2,), (1, 1)), (11, 9))
_TALL = Grid(1, ((1,),) * 6, (12, 9, 9, 8, 6, 5))
_COLUMN = Grid(1, ((1,),) * 11, (1,) * 11)
_VAST_ORDER = (
    "loss", "layers", "score", "gradient", "classes", "time", "rate", "throughput", "wait", "host", "messages",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """What is on the screen."""

    page: str
    """The page, where there are several."""
    pages: tuple[tuple[str, tuple[str, ...]], ...]
    """All pages; none where all panels are on one."""
    spans: dict[str, int]
    """The panels that are shown, in their order, and how many columns each takes."""
    columns: int
    heights: tuple[int, ...]


def arranged(width: int, height: int, chosen: str, order: Sequence[str] = (), hidden: Collection[str] = ()) -> Shown:
    """Return what to show.

    Args:
        width: of the terminal.
        height: of the terminal.
        chosen: the panel that keys act on; the page that it is on is shown.
        order: the panels in the order that a person likes; what is missing follows as usual.
        hidden: the panels that they do not want.
    """
    if width >= 160 and height >= 50:
        return _on_one_page(VAST, _ordered(order, _VAST_ORDER), hidden)
    if width >= 110 and height >= 34:
        return _on_one_page(WIDE, _ordered(order, PANELS), hidden)
    tall = height >= 40
    ranks = {panel: rank for rank, panel in enumerate(_ordered(order, PANELS))}
    pages = tuple(
        (name, tuple(sorted((p for p in panels if p not in hidden), key=lambda panel: ranks[panel] if order else 0)))
        for name, panels in (_TALL_PAGES if tall else PAGES)
    )
    pages = tuple((name, panels) for name, panels in pages if panels)
    page, panels = next((page for page in pages if chosen in page[1]), pages[0])
    grid = _TALL if tall else _OVERVIEW if len(panels) == 3 and page == "overview" else _COLUMN
    spans, heights = grid.place(panels)
    return Shown(page, pages, spans, grid.columns, heights)


def _on_one_page(grid: Grid, order: Sequence[str], hidden: Collection[str]) -> Shown:
    spans, heights = grid.place([panel for panel in order if panel not in hidden])
    return Shown("", (), spans, grid.columns, heights)


def _ordered(liked: Sequence[str], usual: Sequence[str]) -> list[str]:
    known = [panel for panel in dict.fromkeys(liked) if panel in usual]
    return known + [panel for panel in usual if panel not in known]
