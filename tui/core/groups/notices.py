"""The settings of what is told when nobody looks: where it goes is the person's own business (`tui.runs.notices`)."""

from __future__ import annotations

from typing import Literal

from tui.core.groups.declare import Group, setting


class NoticeSettings(Group):
    """What is told beyond the screen. A preset can ask for it, and never say where to or by which program."""

    send: Literal["off", "problems", "all"] = setting(
        "Send notices",
        "To the webhook and the command of your own notices.toml (or --notify-webhook, --notify-command): nothing, only failures, crashes and critical findings, or the end of every run too.",
        default="off",
        also="slack email alert",
    )
    screen: Literal["off", "bell", "desktop"] = setting(
        "Screen notices",
        "While a screen is open: ring the terminal's bell, or send a desktop notice through the terminal (OSC 9), when the run ends or a critical finding comes.",
        default="off",
        also="alert",
    )
