"""Conditions of the course of a run that learns something: how its loss falls, and the noise in it (11 to 13, 24)."""

from __future__ import annotations

import math

import numpy as np

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.labels import no_signal_after
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.view import View, slope

# --- 11: oscillating -----------------------------------------------------------------------------------


def oscillating(view: View) -> Reading | None:
    """The loss swings around its trend and no validation was better for a while."""
    course = view.course
    if view.progress < limits.OSCILLATION_AFTER or math.isnan(view.chance) or not course.validated:
        return None
    return (
        Evidence("swing of the loss over its mean", view.slope[1], limits.OSCILLATION, "above", "below 0.2"),
        Evidence(
            "validations without a better one",
            course.validated - course.best_at,
            limits.NO_BETTER - 0.5,
            "above",
            "0 to 2",
        ),
        Evidence("loss, times that of guessing", view.loss / view.chance, limits.LEARNING, "above", "falls below"),
    )


def tell_oscillating(view: View) -> Advice:
    """Say how far it swings."""
    text = (
        f"The loss swings by {100 * view.slope[1]:.0f} % of its mean and the validation has not become better "
        f"{view.course.validated - view.course.best_at} times in a row: the steps overshoot."
    )
    return Advice(text, "", offers.calmer(view), "checkpoint")


# --- 12 and 13: plateau, underfit ----------------------------------------------------------------------


def plateau(view: View) -> Reading | None:
    """Late in the run the loss stays, calmly, and is still high; not in the schedule's tail."""
    if view.progress < limits.PLATEAU_AFTER or view.decayed or math.isnan(view.chance):
        return None
    if view.is_stuck and view.course.seen < 2 * no_signal_after(view):
        return None  # what never learned anything has not come to a plateau: its cause may yet be found
    return _staying(view)


def _staying(view: View) -> Reading | None:
    """Return the numbers of a loss that stays high."""
    share = int(limits.STAYING_SHARE * view.course.seen)
    window = min(1024, max(limits.SLOPE, 2 * view.facts.steps_per_epoch, share))
    if view.course.seen < window:
        return None
    t, swing = slope(view.losses[-window:])
    return (
        Evidence("fall of the loss (t-statistic)", t, limits.STAYING, "above", "below -4 while it learns"),
        Evidence("swing of the loss over its mean", swing, limits.PLATEAU_SWING, "below", ""),
        Evidence(
            "loss, times that of guessing",
            (view.loss - view.floor) / (view.chance - view.floor),
            limits.PLATEAU_LEVEL,
            "above",
            "below 0.5 by then",
        ),
    )


def tell_plateau(view: View) -> Advice:
    """Let the learning rate fall, or look for a better one."""
    text = (
        f"The loss has stayed near {view.loss:.3g} though {100 * view.progress:.0f} % of the run is done. "
        "A falling learning rate often goes on from there; a range test finds a better one."
    )
    settings = view.facts.settings
    change = {"schedule.name": "cosine"} if settings.schedule.name != "cosine" else offers.rate(view, 1 / 3)
    if settings.schedule.name == "constant" and view.update < view.target / 10:
        change = {**offers.rate(view, 5), "schedule.name": "cosine"}
    return Advice(text, "", change, "checkpoint")


def underfit(view: View) -> Reading | None:
    """A loss that stays, on training pictures as on others, with a reason for it: soon if nothing is learned."""
    newest = view.newest
    if newest is None or math.isnan(newest.train_accuracy) or math.isnan(view.chance) or not offers.freer(view):
        return None
    late = view.progress >= limits.PLATEAU_AFTER and not view.decayed
    basis = _staying(view) if late or (view.is_stuck and view.course.seen >= no_signal_after(view)) else None
    if basis is None:
        return None
    if late and offers.tiny(view):  # it falls, but too slowly to come down in what is left of the run
        basis = (max((basis[0], _expected(view)), key=lambda each: each.closeness), *basis[1:])
    gap = newest.train_accuracy - newest.accuracy
    return (
        *basis,
        Evidence("training above validation accuracy", gap, limits.UNDERFIT_GAP, "below", "grows late in a run"),
    )


def _expected(view: View) -> Evidence:
    """Return where the loss will be at the end of the run if it falls on as it does."""
    recent = view.losses[-limits.SLOPE :]
    fall = float(np.polyfit(np.arange(len(recent)), recent, 1)[0]) if len(recent) > 2 else math.nan
    left = max(0, view.facts.total_steps - view.step)
    share = (view.loss + fall * left - view.floor) / (view.chance - view.floor)
    return Evidence(
        "loss expected at the end, times that of guessing", share, limits.PLATEAU_LEVEL, "above", "below 0.5"
    )


def tell_underfit(view: View) -> Advice:
    """Name what holds it back."""
    reasons = {
        "model.dropout": f"dropout of {view.facts.settings.model.dropout:g}",
        "optimizer.weight_decay": f"weight decay of {view.facts.settings.optimizer.weight_decay:g}",
        "model.width": f"width of {view.facts.settings.model.width}",
    }
    change = offers.freer(view)
    text = (
        f"The loss stays near {view.loss:.3g}, on training pictures as on others: the "
        f"{' and the '.join(reasons[key] for key in change if key in reasons)} leaves the network too little room."
    )
    return Advice(text, "", change, "scratch")


# --- 24: batch noise -------------------------------------------------------------------------------------


def batch_noise(view: View) -> Reading | None:
    """The gradient noise scale is far from the batch size: S / G^2, McCandlish et al. 2018, arXiv:1812.06162."""
    halves = list(view.course.halves)
    if len(halves) < limits.NOISE_SAMPLES:
        return None
    batch = halves[-1].batch_size
    whole = float(np.mean([each.whole for each in halves]))
    half = float(np.mean([each.half for each in halves]))
    noise, signal = (half - whole) / (1 / (batch / 2) - 1 / batch), 2 * whole - half
    if not signal > 0 or not noise > 0:
        return None
    times = noise / signal / batch
    return (
        Evidence("noise scale and batch differ, times", max(times, 1 / times), limits.NOISE_SCALE, "above", "below 8"),
    )


def tell_batch_noise(view: View) -> Advice:
    """Advice, no more."""
    halves = list(view.course.halves)
    batch = halves[-1].batch_size
    whole = float(np.mean([each.whole for each in halves]))
    half = float(np.mean([each.half for each in halves]))
    scale = (half - whole) * batch / (2 * whole - half)
    larger = scale > batch
    text = f"By its gradients this run would use batches of about {scale:,.0f} pictures well; it has {batch}. " + (
        "Larger ones would be less noisy." if larger else "Smaller ones would learn as much per step."
    )
    change = {"training.batch_size": 4 * batch if larger else max(2, batch // 4)}
    return Advice(text, "", change, "checkpoint")
