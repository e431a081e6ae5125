"""The settings of what a run tells other programs."""

from __future__ import annotations

from tui.core.groups.declare import Group, setting


class LoggingSettings(Group):
    """What is written for other programs."""

    tensorboard: bool = setting(
        "TensorBoard",
        "Write event files for TensorBoard into the run's tensorboard folder while it trains, at most ten points a second; needs cnntrain[tensorboard]. `cnntrain metrics RUN --format tensorboard` writes every step afterwards.",
        default=False,
    )
