"""The screen in ASCII, for terminals and fonts that have nothing else: every other character has a stand-in."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rich.segment import Segment
from textual._cells import cell_len
from textual.color import Color
from textual.filter import LineFilter

_LINES = {
    "─┄┈╌╍▔▁╶╴╼╾—–−": "-",
    "━═╸╺": "=",
    "│┃║▎▏▌▐▕╎╷╵": "|",
    "┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛": "+",
    "█▇▆▅▊▉■▪▓": "#",
    "▄▃▂▀▒░▬": "=",
    "●◆◇◉⬤": "*",
    "○◌": "o",
    "•·∙‧": ".",
    "✓✔": "v",
    "✗✘×✕": "x",
    "▲▴△↑": "^",
    "▼▾▽↓": "v",
    "▶▸►→›❯": ">",
    "◀◂◄←‹❮": "<",
    "‖": "=",
    "≈∼": "~",
    "╱": "/",
    "…": ".",
    "’‘": "'",
    "“”„": '"',
    "µ": "u",
    "²": "2",
    "°": " ",
}
_STAND_INS = {character: plain for characters, plain in _LINES.items() for character in characters}
_CUT = re.compile(r"(?<=\S)…(?=\S)")
_ROWS = (0x01 | 0x08, 0x02 | 0x10, 0x04 | 0x20, 0x40 | 0x80)
"""The dots of each of the four rows of a braille character."""
_BRAILLE = {
    (False, False): " ",
    (True, False): "'",
    (False, True): ".",
    (True, True): ":",
}


class Ascii(LineFilter):
    """Puts an ASCII character in the place of each other one; wide ones leave two."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in ASCII."""
        return [
            segment if segment.control or segment.text.isascii() else Segment(plain(segment.text), segment.style)
            for segment in segments
        ]


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Return text in ASCII that takes as many cells; what is cut out of a name leaves no dot, as if it were a part."""
    return "".join(map(_plain, _CUT.sub("~", text)))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if character.isascii():
        return character
    if character in _STAND_INS:
        return _STAND_INS[character]
    if 0x2800 <= ord(character) <= 0x28FF:
        rows = [bool((ord(character) - 0x2800) & row) for row in _ROWS]
        if sum(rows) >= 3:
            return "|"
        return "-" if rows == [False, True, True, False] else _BRAILLE[any(rows[:2]), any(rows[2:])]
    width = cell_len(character)
    letter = unicodedata.normalize("NFKD", character)[0]
    return letter if letter.isascii() and letter.isprintable() and width == 1 else "?" * width
