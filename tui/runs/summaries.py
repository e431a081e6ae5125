"""What the engine says of a network before it is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tui.core.summary import MODULE, Summary, from_table
from tui.runs.service import ask

if TYPE_CHECKING:
    from tui.core.settings import Settings


def summarise(settings: Settings, outputs: int, **told: Callable[..., Any]) -> Summary:
    """Let the engine sketch the network of the settings.

    Args:
        settings: of the run that may follow.
        outputs: how many the network has.
        told: as in `tui.runs.service.ask`.

    Raises:
        CnntrainError: there is no such network, or it cannot take such pictures.
    """
    return from_table(ask(MODULE, {"settings": settings.model_dump(mode="json"), "outputs": outputs}, **told))
