"""ALL colours of the screen: themes, and for each the tones that our own widgets draw with.

Every colour of the themes for many colours is one that terminals with 256 have, so that they look the same with and
without true colour; every colour of the others is one of the 16 that each terminal has. Names are those that a person
chooses by (`CHOICES`); for terminals with 16 colours another theme stands behind the same name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from rich.style import Style
from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App

Tone = Literal[
    "text", "strong", "muted", "faint", "raw", "line", "second", "mark", "good", "warn", "bad", "focus",
    "series1", "series2", "series3", "series4", "series5", "series6", "series7", "series8",
]  # fmt: skip
SERIES: tuple[Tone, ...] = (
    "series1", "series2", "series3", "series4", "series5", "series6", "series7", "series8"
)  # fmt: skip
"""For lines of equal rank: after Okabe and Ito, told apart by those who see few colours; letters tell them without."""

CHOICES = ("auto", "dark", "light", "colour-blind")
"""What a person can choose; ``auto`` is light where the terminal says that it is (COLORFGBG), else dark."""


@dataclass(frozen=True)
class Palette:
    """The colours of one theme."""

    tones: dict[Tone, str]
    heat: tuple[str, ...]
    """Backgrounds: of nothing, and from the smallest to the largest value."""
    ground: tuple[str, str, str]
    """Background, surface and panel."""
    chosen: tuple[str, str]
    """Background and foreground of what the cursor is on."""
    border: tuple[str, str, str]
    """With the focus, without it, and secondary."""
    dark: bool = True

    def theme(self, name: str) -> Theme:
        """Return the theme for Textual's own widgets."""
        tones, (background, surface, panel) = self.tones, self.ground
        return Theme(
            name=name,
            primary=self.border[0],
            secondary=self.border[2],
            accent=tones["focus"],
            success=tones["good"],
            warning=tones["warn"],
            error=tones["bad"],
            foreground=tones["text"],
            background=background,
            surface=surface,
            panel=panel,
            dark=self.dark,
            variables={
                "footer-background": surface,
                "footer-description-background": surface,
                "footer-item-background": surface,
                "footer-key-background": surface,
                "footer-key-foreground": tones["focus"],
                "footer-description-foreground": tones["muted"],
                "block-cursor-background": self.chosen[0],
                "block-cursor-foreground": self.chosen[1],
                "block-cursor-text-style": "bold",
                "border": self.border[0],
                "border-blurred": self.border[1],
            },
        )


def _series(*colours: str) -> dict[Tone, str]:
    """Return the tones of `SERIES`."""
    return dict(zip(SERIES, colours, strict=True))


_DARK = Palette(
    tones={
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
        **_series("#5fafff", "#ffaf00", "#00af87", "#d787af", "#ffff5f", "#ff5f00", "#5f5fff", "#d0d0d0"),
    },
    heat=("#1c1c1c", "#00005f", "#005f87", "#008787", "#00af5f", "#87af00", "#d7af00", "#ff8700", "#ff5f5f"),
    ground=("#121212", "#1c1c1c", "#303030"),
    chosen=("#005f87", "#ffffff"),
    border=("#5fafd7", "#4e4e4e", "#87afaf"),
)
_LIGHT = Palette(
    tones={
        "text": "#303030",
        "strong": "#000000",
        "muted": "#6c6c6c",
        "faint": "#bcbcbc",
        "raw": "#87afd7",
        "line": "#005faf",
        "second": "#870087",
        "mark": "#af5f00",
        "good": "#008700",
        "warn": "#875f00",
        "bad": "#d70000",
        "focus": "#af5f00",
        **_series("#005fd7", "#af8700", "#00875f", "#af5f87", "#878700", "#d75f00", "#5f00d7", "#444444"),
    },
    heat=("#eeeeee", "#afd7ff", "#87d7d7", "#5faf87", "#87af00", "#d7af00", "#ff8700", "#d75f00", "#d70000"),
    ground=("#ffffff", "#eeeeee", "#dadada"),
    chosen=("#005f87", "#ffffff"),
    border=("#005faf", "#bcbcbc", "#5f8787"),
    dark=False,
)
_COLOUR_BLIND = Palette(
    # Blue, yellow and orange of one lightness each; good and bad differ by more than red and green.
    tones={
        **_DARK.tones,
        "second": "#d7d75f",
        "mark": "#ffd75f",
        "good": "#5fafff",
        "warn": "#ffd75f",
        "bad": "#ff8700",
        "focus": "#ffd75f",
    },
    heat=("#1c1c1c", "#00005f", "#005f87", "#5f8787", "#87875f", "#afaf5f", "#d7d75f", "#ffff5f", "#ffffaf"),
    ground=_DARK.ground,
    chosen=_DARK.chosen,
    border=_DARK.border,
)
_SIXTEEN = Palette(
    tones={
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
        **_series("#55ffff", "#ffff55", "#55ff55", "#ff55ff", "#ffffff", "#ff5555", "#5555ff", "#aaaaaa"),
    },
    heat=("#000000", "#0000aa", "#00aaaa", "#00aa00", "#aa5500", "#ffff55", "#ff5555"),
    ground=("#000000", "#000000", "#0000aa"),
    chosen=("#0000aa", "#ffffff"),
    border=("#55ffff", "#555555", "#00aaaa"),
)
_SIXTEEN_LIGHT = Palette(
    tones={
        "text": "#000000",
        "strong": "#000000",
        "muted": "#555555",
        "faint": "#aaaaaa",
        "raw": "#00aaaa",
        "line": "#0000aa",
        "second": "#aa00aa",
        "mark": "#aa5500",
        "good": "#00aa00",
        "warn": "#aa5500",
        "bad": "#aa0000",
        "focus": "#aa00aa",
        **_series("#0000aa", "#aa5500", "#00aa00", "#aa00aa", "#00aaaa", "#aa0000", "#555555", "#000000"),
    },
    heat=("#ffffff", "#55ffff", "#00aaaa", "#00aa00", "#ffff55", "#ff5555", "#aa0000"),
    ground=("#ffffff", "#ffffff", "#aaaaaa"),
    chosen=("#0000aa", "#ffffff"),
    border=("#0000aa", "#aaaaaa", "#00aaaa"),
    dark=False,
)
_SIXTEEN_COLOUR_BLIND = Palette(
    tones={**_SIXTEEN.tones, "good": "#55ffff", "warn": "#ff55ff", "bad": "#ffff55", "second": "#ffffff"},
    heat=("#000000", "#0000aa", "#555555", "#5555ff", "#aaaaaa", "#ffff55", "#ffffff"),
    ground=_SIXTEEN.ground,
    chosen=_SIXTEEN.chosen,
    border=_SIXTEEN.border,
)
PALETTES: dict[str, Palette] = {
    "cnntrain": _DARK,
    "cnntrain-light": _LIGHT,
    "cnntrain-colour-blind": _COLOUR_BLIND,
    "cnntrain-16": _SIXTEEN,
    "cnntrain-16-light": _SIXTEEN_LIGHT,
    "cnntrain-16-colour-blind": _SIXTEEN_COLOUR_BLIND,
}
"""By the names of their themes."""


def few_colours(app: App[Any]) -> bool:
    """Whether the terminal has no more than 16 colours."""
    return app.console.color_system == "standard"


def install(app: App[Any]) -> None:
    """Register the themes with the app."""
    for name, palette in PALETTES.items():
        app.register_theme(palette.theme(name))


def theme_for(choice: str, few: bool) -> str:
    """Return the theme behind one of `CHOICES`; any other word is taken for ``auto``."""
    if choice not in CHOICES[1:]:
        choice = "light" if os.environ.get("COLORFGBG", "").rpartition(";")[2] in {"7", "15"} else "dark"
    base = "cnntrain-16" if few else "cnntrain"
    return base if choice == "dark" else f"{base}-{choice}"


@lru_cache(maxsize=256)
def style(tone: Tone, theme: str) -> Style:
    """Return the Rich style of a tone in a theme; one that is not ours is taken for the dark one."""
    return Style(color=PALETTES.get(theme, _DARK).tones[tone], bold=True if tone == "strong" else None)


@lru_cache(maxsize=256)
def heat(level: int, theme: str) -> Style:
    """Return the background for a level of the heat map: 0 is empty, `heat_levels` the largest."""
    return Style(bgcolor=PALETTES.get(theme, _DARK).heat[level])


@lru_cache(maxsize=256)
def on_heat(level: int, theme: str) -> Style:
    """Return the colour of text on a level of the heat map: black or white, whichever can be read."""
    palette = PALETTES.get(theme, _DARK)
    red, green, blue = (int(palette.heat[level][at : at + 2], 16) for at in (1, 3, 5))
    bright = 0.3 * red + 0.59 * green + 0.11 * blue
    return Style(color=palette.tones["text"] if level == 0 else "#000000" if bright > 110 else "#ffffff")


def heat_levels(theme: str) -> int:
    """Return how many levels the heat map has, without the empty one."""
    return len(PALETTES.get(theme, _DARK).heat) - 1
