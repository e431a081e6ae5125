"""The settings of the loss."""

from __future__ import annotations

from tui.core.groups.declare import Group, setting


class LossSettings(Group):
    """What is minimised: cross entropy."""

    label_smoothing: float = setting(
        "Label smoothing",
        "Share of the target spread over all classes; 0.1 helps when some labels are wrong.",
        default=0.0,
        ge=0,
        lt=1,
    )
