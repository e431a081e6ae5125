"""The one sanitizer for text that comes from outside: file names, class names, presets, other people's runs.

A terminal obeys what it is sent. Every C0 and C1 control, DEL, bidirectional control, line separator,
zero-width character and lone surrogate is replaced by a visible escape, so that nothing but printable
characters ever reaches a screen, a log or another program's terminal.
"""

from __future__ import annotations

import os
import unicodedata

# Zero-width joiner stays: emoji are made with it, and it moves nothing.
_HIDDEN = {0xAD, 0x061C, 0x180E, 0x200B, 0x200C, 0x200E, 0x200F, 0x2028, 0x2029, 0x2060, 0xFEFF}
_HIDDEN |= set(range(0x202A, 0x202F)) | set(range(0x2066, 0x206A)) | set(range(0xFFF9, 0xFFFC))
_HIDDEN |= set(range(0xE0000, 0xE0080))


def _escape(character: str) -> str:
    point = ord(character)
    if 0xDC80 <= point <= 0xDCFF:  # a byte of a file name that is not UTF-8 (PEP 383)
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def clean(text: str, limit: int | None = None) -> str:
    """Return ``text`` with every character that a terminal could obey made visible.

    Args:
        text: anything from outside, on one line or many; line breaks are escaped too.
        limit: the greatest number of characters to return; longer text keeps its start and end.
    """
    if limit is not None and len(text) > 8 * limit:
        text = text[: 4 * limit] + text[-4 * limit :]
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            _escape(c) if ord(c) in _HIDDEN or unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text
        )
    if limit is not None and len(text) > limit:
        if limit <= 1:
            return "…"[:limit]
        head = (limit - 1) * 2 // 3
        tail = limit - 1 - head
        text = text[:head] + "…" + (text[-tail:] if tail else "")
    return text


def clean_lines(text: str) -> str:
    """Like `clean`, for text of several lines: line feeds stay, tabs become spaces."""
    return "\n".join(clean(line.replace("\t", "    ").rstrip("\r")) for line in text.split("\n"))


def clean_path(path: str | os.PathLike[str], limit: int | None = None) -> str:
    """Return a path for showing: sanitized, the home directory as ``~``."""
    shown = os.fspath(path)
    home = os.path.expanduser("~")
    if home not in ("", "/") and (shown == home or shown.startswith(home + os.sep)):
        shown = "~" + shown[len(home) :]
    return clean(shown, limit)
