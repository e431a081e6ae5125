"""What a person asks of a run that trains: the questions before it, the request, and what is said about it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from textual.app import App

from tui.app import starts
from tui.app.screens.ask import AskLine, Confirm
from tui.app.screens.begin import begin
from tui.core.disk import trouble
from tui.core.metrics import LEARNING_RATE
from tui.core.sentences import asked
from tui.core.text import clean_path

if TYPE_CHECKING:
    from tui.core.control import Action
    from tui.core.rundir import RunDir
    from tui.runs.state import RunState

_PATIENCE = 1.0
"""Seconds after which a request that is not written is told."""


def ask_run(app: App[Any], run: RunDir, action: Action, said: str, value: float | None = None) -> None:
    """Leave a request for a run, and say so; a disk that does not answer holds up the request and nothing else."""
    from tui.core import control
    from tui.runs.liveness import look as look_at

    over = threading.Event()

    def leave() -> None:
        try:
            if not look_at(run).alive:  # it has ended while somebody thought about it
                _tell(app, f"The run does not train any more; nothing was asked of it ({asked(action, value)}).")
                over.set()
                return
            control.ask(run, action, value)
        except OSError as error:
            cause = f"{clean_path(run.control)}: {trouble(error, run.control)}"
            text = f"The run cannot be asked ({asked(action, value)}): {cause};"
            text += " it goes on as before. Mend that and ask again."
            _tell(app, text, severity="error", timeout=12)
        else:
            _tell(app, said, timeout=3)
        over.set()

    def look() -> None:
        if not over.is_set():
            text = "The disk does not answer. The run is asked as soon as it does, if this screen is still open then."
            _tell(app, text, severity="warning", timeout=12)

    # Not a worker of the app, whose end would wait for it.
    threading.Thread(target=leave, name="request", daemon=True).start()
    app.set_timer(_PATIENCE, look)


def _tell(app: App[Any], text: str, **options: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the app is over, and so is its loop
        app.notify(text, markup=False, **options)


def ask_to_stop(app: App[Any], run: RunDir, *, after_epoch: bool = False) -> None:
    """Make sure, then ask a run to stop."""
    action: Action = "stop_after_epoch" if after_epoch else "stop"
    question = "Stop this training at the end of the epoch?" if after_epoch else "Stop this training?"
    first = "It finishes the epoch, with its validation if one is due," if after_epoch else "It finishes this step"
    detail = f"{first} and saves. It can be resumed, here or with `cnntrain resume`."
    said = "Stopping after this epoch." if after_epoch else "Stopping after this step."

    def answer(yes: bool | None) -> None:
        if yes:
            ask_run(app, run, action, said)

    app.push_screen(Confirm(question, detail, yes="Stop", careful=True), answer)


def ask_for_rate(app: App[Any], state: RunState) -> None:
    """Ask by what to multiply the learning rate, then ask the run for it."""
    now = state.latest.get(LEARNING_RATE.name)
    rate = f", now {LEARNING_RATE.format(now)}," if now is not None else ""

    def answer(typed: str | None) -> None:
        if typed is not None:
            said = f"The learning rate times {float(typed):g} after this step."
            ask_run(app, state.run, "rate", said, float(typed))

    question = f"Multiply the learning rate{rate} by"
    halves = "0.5 halves it, 2 doubles it."
    app.push_screen(AskLine(question, "0.5", _wrong_with_factor, enter="Change", detail=halves), answer)


def ask_for_epochs(app: App[Any], state: RunState) -> None:
    """Ask how many epochs more, then ask the run that trains for them, or start the finished one again."""

    def answer(typed: str | None) -> None:
        if typed is None:
            return
        if state.live:
            ask_run(app, state.run, "extend", f"Going on for {typed} more epochs.", float(typed))
        else:
            begin(app, starts.extended(state.run, int(typed)))

    app.push_screen(AskLine("How many epochs more?", "5", _wrong_with_epochs, enter="Extend"), answer)


def _wrong_with_factor(typed: str) -> str:
    from tui.core.rates import wrong_with

    try:
        wrong = wrong_with(float(typed))
    except ValueError:
        wrong = "this is no number"
    return f"{wrong[:1].upper()}{wrong[1:]}." if wrong else ""


def _wrong_with_epochs(typed: str) -> str:
    return "" if typed.isdecimal() and typed.isascii() and 0 < int(typed) <= 10_000 else "A number of epochs."
