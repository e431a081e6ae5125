"""Pictures in pixels where the terminal can show them: kitty's protocol and sixel, by the textual-image library.

Cells of two pixels each are the rule, and work everywhere. Asking a terminal what it can takes two round trips
and reads the keyboard, and the library takes half a second to load: that is done before the app starts, and only
where the environment makes it likely, or where a person says so. Over SSH it is the kind of terminal that tells.
Inside of tmux and screen, which draw for another terminal, pictures are cells unless a person says otherwise.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from rich.console import Console
from rich.segment import Segment

from tui.core.errors import UsageError
from tui.core.text import clean

if TYPE_CHECKING:
    from PIL.Image import Image

Protocol = Literal["cells", "kitty", "sixel"]
VARIABLE = "CNNTRAIN_PICTURES"
_KITTY = ("xterm-kitty", "xterm-ghostty")
_SIXEL = ("foot", "contour", "mlterm", "yaft")
_SIXEL_PROGRAMS = ("WezTerm", "iTerm.app", "iTerm2", "mintty", "rio", "WarpTerminal")
_MOST = 1200
"""Pictures that the terminal keeps for us: more than all widgets together remember."""

_protocol: Protocol = "cells"
_sent: deque[Any] = deque()


def protocol() -> Protocol:
    """Return how pictures are drawn."""
    return _protocol


def use(wanted: Protocol) -> None:
    """Draw pictures that way from now on."""
    global _protocol
    _protocol = wanted


def prepare(environment: Mapping[str, str] = os.environ) -> None:
    """Find out how pictures are drawn, as `VARIABLE` says: auto, cells, kitty or sixel. Call before the app starts.

    Raises:
        UsageError: it says anything else, or the library that is needed is not installed.
    """
    wanted = environment.get(VARIABLE, "") or "auto"
    if wanted not in ("auto", *get_args(Protocol)):
        cause = f'{VARIABLE} is "{clean(wanted, 40)}"'
        raise UsageError("Pictures cannot be shown that way", cause, "Set it to auto, cells, kitty or sixel.")
    if wanted == "cells" or (wanted == "auto" and promised(environment) == "cells"):
        use("cells")
        return
    try:
        from textual_image._terminal import get_cell_size
        from textual_image.renderable import Image, SixelImage, TGPImage
    except ImportError as error:
        if wanted == "auto":
            use("cells")
            return
        cause = f"{VARIABLE} is {wanted}, which needs the package textual-image"
        step = "Install it with `pip install 'cnntrain[pictures]'`, or unset the variable."
        raise UsageError("Pictures cannot be shown that way", cause, step) from error
    get_cell_size()  # it is asked for once, which the app would get in the way of
    found: dict[Any, Protocol] = {TGPImage: "kitty", SixelImage: "sixel"}
    use(found.get(Image, "cells") if wanted == "auto" else wanted)  # type: ignore[arg-type]


def promised(environment: Mapping[str, str]) -> Protocol:
    """Return what the environment says that the terminal can."""
    kind = environment.get("TERM", "")
    if environment.get("TMUX") or environment.get("STY") or kind.startswith(("tmux", "screen")):
        return "cells"
    if not (sys.__stdout__ and sys.__stdout__.isatty()):
        return "cells"
    if kind in _KITTY or environment.get("KITTY_WINDOW_ID"):
        return "kitty"
    program = environment.get("TERM_PROGRAM") or environment.get("LC_TERMINAL", "")
    return "sixel" if kind.startswith(_SIXEL) or program in _SIXEL_PROGRAMS else "cells"


def placed(image: Image, columns: int, rows: int) -> list[list[Segment]]:
    """Send a picture to a kitty terminal; return the lines of cells, ``rows`` by ``columns``, that stand for it."""
    from textual_image.renderable import TGPImage

    picture = TGPImage(image, width=columns, height=rows)
    console = Console(width=columns, height=rows)
    lines = [
        [Segment(segment.text.rstrip("\n"), segment.style)]
        for segment in picture.__rich_console__(console, console.options)
        if isinstance(segment, Segment)
    ]
    _sent.append(picture)
    if len(_sent) > _MOST:
        _sent.popleft().cleanup()
    return lines


def forget() -> None:
    """Have the terminal forget the pictures that were sent; call after the app has ended."""
    with contextlib.suppress(Exception):  # a terminal that is gone has forgotten
        while _sent:
            _sent.popleft().cleanup()
