"""ALL colours of the screen: two themes, and the tones that our own widgets draw with.

Every colour of the first theme is one of the 216 that terminals with 256 colours have, so that it looks
the same with and without true colour; every colour of the second is one of the 16 that each terminal has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from rich.style import Style
from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App

Tone = Literal["text", "strong", "muted", "faint", "raw", "line", "second", "mark", "good", "warn", "bad", "focus"]

_MANY: dict[Tone, str] = {
    "text": "#d0d0d0",
    "strong": "#ffffff",
    "muted": "#949494",
    "faint": "#4e4e4e",
    "raw": "#005f87",
    "line": "#5fd7ff",
    "second": "#d787d7",
    "mark": "#ffaf5f",
    "good": "#87d787",
    "warn": "#ffd75f",
    "bad": "#ff5f5f",
    "focus": "#ffaf5f",
}
_SIXTEEN: dict[Tone, str] = {
    "text": "#aaaaaa",
    "strong": "#ffffff",
    "muted": "#aaaaaa",
    "faint": "#555555",
    "raw": "#5555ff",
    "line": "#55ffff",
    "second": "#ff55ff",
    "mark": "#ffff55",
    "good": "#55ff55",
    "warn": "#ffff55",
    "bad": "#ff5555",
    "focus": "#ffff55",
}

HEAT_MANY = ("#1c1c1c", "#00005f", "#005f87", "#008787", "#00af5f", "#87af00", "#d7af00", "#ff8700", "#ff5f5f")
"""From the smallest to the largest gradient norm."""
HEAT_SIXTEEN = ("#000000", "#0000aa", "#00aaaa", "#00aa00", "#aa5500", "#ffff55", "#ff5555")

THEME = Theme(
    name="cnntrain",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#ffaf5f",
    success="#87d787",
    warning="#ffd75f",
    error="#ff5f5f",
    foreground="#d0d0d0",
    background="#121212",
    surface="#1c1c1c",
    panel="#303030",
    dark=True,
    variables={
        "footer-background": "#1c1c1c",
        "footer-description-background": "#1c1c1c",
        "footer-item-background": "#1c1c1c",
        "footer-key-background": "#1c1c1c",
        "footer-key-foreground": "#ffaf5f",
        "footer-description-foreground": "#949494",
        "block-cursor-background": "#005f87",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "border": "#5fafd7",
        "border-blurred": "#4e4e4e",
    },
)
THEME_SIXTEEN = Theme(
    name="cnntrain-16",
    primary="#55ffff",
    secondary="#00aaaa",
    accent="#ffff55",
    success="#55ff55",
    warning="#ffff55",
    error="#ff5555",
    foreground="#aaaaaa",
    background="#000000",
    surface="#000000",
    panel="#0000aa",
    dark=True,
    variables={
        "footer-background": "#000000",
        "footer-description-background": "#000000",
        "footer-item-background": "#000000",
        "footer-key-background": "#000000",
        "footer-key-foreground": "#ffff55",
        "footer-description-foreground": "#aaaaaa",
        "block-cursor-background": "#0000aa",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "border": "#55ffff",
        "border-blurred": "#555555",
    },
)


def few_colours(app: App[Any]) -> bool:
    """Whether the terminal has no more than 16 colours."""
    return app.console.color_system == "standard"


def install(app: App[Any]) -> None:
    """Register the themes with the app and choose the one that its terminal can show."""
    app.register_theme(THEME)
    app.register_theme(THEME_SIXTEEN)
    app.theme = THEME_SIXTEEN.name if few_colours(app) else THEME.name


@lru_cache(maxsize=64)
def style(tone: Tone, few: bool = False) -> Style:
    """Return the Rich style of a tone; ``few`` for terminals with 16 colours."""
    return Style(color=(_SIXTEEN if few else _MANY)[tone], bold=True if tone == "strong" else None)


@lru_cache(maxsize=64)
def heat(level: int, few: bool = False) -> Style:
    """Return the background for a level of the heat map: 0 is empty, `heat_levels` the largest."""
    return Style(bgcolor=(HEAT_SIXTEEN if few else HEAT_MANY)[level])


def heat_levels(few: bool = False) -> int:
    """Return how many levels the heat map has, without the empty one."""
    return len(HEAT_SIXTEEN if few else HEAT_MANY) - 1
