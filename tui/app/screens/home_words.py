"""What the home screen says around its lists; no widget here."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from tui.app.listing import Listing
from tui.app.widgets.preset_list import DEMO, DEMO_DESCRIPTION
from tui.core import presets
from tui.core.text import clean, clean_path


def title(root: Path, listing: Listing, width: int) -> Content:
    """Return the first line: where runs are kept, and how many train."""
    words = f"{listing.live} training" if listing.live else ""
    if listing.summaries and not listing.whole:
        words = f"{words}  reading…".strip()
    left = Content.assemble(("cnntrain", "bold $accent"), "  ", (clean_path(root, 50), "$foreground-muted"))
    gap = width - left.cell_length - len(words)
    return left.pad_right(max(1, gap)).append(Content.styled(words, "$success"))


def why_empty(listing: Listing) -> str:
    """Return why no run is listed."""
    if listing.summaries is None:
        return "Looking for runs…"
    if listing.trouble:
        return clean(listing.trouble, 400)
    if listing.summaries:
        return "No run fits; Escape shows all again."
    return "No runs yet. Choose a preset above, or try the demo: it needs no pictures."


def about_preset(name: str | None) -> str:
    """Return what a row of the presets is for."""
    if name == DEMO:
        return DEMO_DESCRIPTION
    found = next((preset for preset in presets.available() if preset.name == name), None)
    return found.description if found is not None else ""
