"""What every test of the screens stands on: the pilot waits until the app rests, and no longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import textual.app
import textual.pilot
from resting import until_at_rest
from rich.style import Style
from textual.filter import ANSIToTruecolor

from tui.app import palette


@pytest.fixture(autouse=True, scope="package")
def quick_pilot() -> Iterator[None]:
    """Let Textual's pilot wait for what is left to do instead of for a processor without work."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (textual.app, textual.pilot):
            assert module.wait_for_idle
            patch.setattr(module, "wait_for_idle", until_at_rest)
        yield


@pytest.fixture(autouse=True)
def own_colours() -> None:
    """Forget all styles: one keeps the codes of the first terminal that it was written to; each test has another."""
    for kept in (
        Style._add,
        Style.parse,
        ANSIToTruecolor.truecolor_style,
        palette.style,
        palette.heat,
        palette.on_heat,
    ):
        kept.cache_clear()
