"""Conditions in which nothing is learned: gradients and updates (3 to 7, 14); see `units` and `labels` for others."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.course import median
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.units import dead_now
from tui.core.diagnosis.view import View
from tui.core.groups.optimizer import USUAL_MOMENTUM

# --- 3: exploding --------------------------------------------------------------------------------------


def exploding(view: View) -> Reading | None:
    """The gradient norm jumps in two of five steps, and the loss with it; looked for since the last judgement."""
    few, many = limits.EXPLODING_STEPS
    rows = view.course.steps.last(50 + limits.EVERY + many)
    if len(rows) < 30 or (view.course.from_start and view.step < limits.EXPLODING_FROM):
        return None
    split = len(rows) - limits.EVERY - many
    usual, usual_loss = median(rows[:split, 4]), median(rows[:split, 1])
    recent = rows[split:]
    if not usual > 0 or not usual_loss > 0:
        return None
    jumps = recent[:, 4] / usual
    windows = np.sort(sliding_window_view(jumps, many), axis=1)[:, -few]
    losses = np.sort(sliding_window_view(recent[:, 1] / usual_loss, many), axis=1)[:, -few]
    worst = int(np.argmax(np.minimum(windows / limits.EXPLODING, losses / limits.EXPLODING_LOSS)))
    return (
        Evidence("gradient norm, times the median", float(windows[worst]), limits.EXPLODING, "above", "below 5"),
        Evidence("loss, times the median", float(losses[worst]), limits.EXPLODING_LOSS, "above", "about 1"),
    )


def tell_exploding(view: View) -> Advice:
    """Name the layer whose gradient grew most; clip at what was usual."""
    rows = view.course.gradients.last()
    name = ""
    if len(rows) > 15:
        usual = np.nanmedian(rows[:-15], axis=0)
        with np.errstate(all="ignore"):
            growth = np.where(usual > 0, np.nanmax(rows[-15:], axis=0) / usual, 0)
        name = view.facts.layers[int(np.nanargmax(growth))].name
    where = f" at {name}" if name else ""
    text = (
        f"The gradients blew up{where}, and the loss with them: go on from before, clip them above their usual size, "
        "and let no step move the weights much farther than is usual."
    )
    return Advice(text, name, offers.bounded(view), "checkpoint" if view.course.validated else "scratch")


# --- 4: vanishing --------------------------------------------------------------------------------------


def vanishing(view: View) -> Reading | None:
    """Early layers get a tiny part of the gradient; nothing is learned, and no layer is dead or without gradient."""
    norms = view.hidden_gradients
    learning = sum(layer.trained and not layer.frozen for layer in view.facts.layers)
    if len(norms) < 2 or len(norms) < learning or dead_now(view) is not None:
        return None
    ratio = min(norms.values()) / max(norms.values())
    between = Evidence("smallest over largest layer gradient", ratio, limits.GRADIENT_RATIO, "below", "0.04 and more")
    if view.course.early_share > limits.EARLY_SHARE:
        return (between, *view.stuck)  # the signal did arrive at first: what took it since is for other rules
    share = view.weight_share
    of_all = Evidence("share of the gradient that weights get", share, limits.SIGNAL_SHARE, "below", "0.5 and more")
    return (max((between, of_all), key=lambda each: each.closeness), *view.stuck)


def tell_vanishing(view: View) -> Advice:
    """Say how small a part arrives where."""
    norms = view.hidden_gradients
    index = min(norms, key=lambda each: norms[each])
    name = view.facts.layers[index].name
    part = max(norms.values()) / norms[index]
    if min(norms.values()) / max(norms.values()) >= limits.GRADIENT_RATIO:
        text = (
            "Nearly all of the gradient goes to biases: the outputs hardly depend on the picture, for its signal fades "
            "on the way through the network. BatchNorm and ReLU keep it alive, from weights of a sound size."
        )
        return Advice(text, name, {**offers.redrawn(view), **offers.alive(view)}, "scratch")
    text = (
        f"{name} gets 1/{part:,.0f} of the gradient of the strongest layer, so the early layers do not learn. "
        "BatchNorm and ReLU keep the signal alive, from weights of a sound size."
    )
    return Advice(text, name, {**offers.redrawn(view), **offers.alive(view)}, "scratch")


# --- 5: learning rate too high -------------------------------------------------------------------------


def rate_high(view: View) -> Reading | None:
    """Nothing is learned, and the first steps were huge or drove the loss up; or what was learned is lost again.

    Or momentum adds steps up to far more than is usual, which the first steps do not show yet.
    """
    course = view.course
    if not course.from_start or view.step < limits.LR_HIGH_FROM or math.isnan(view.chance):
        return None
    sign = _sign(view)
    return None if sign is None else (sign, *view.stuck)


def _sign(view: View) -> Evidence | None:
    """Return the strongest sign that the learning rate is too high: of those seen, before what must follow."""
    seen = max((each for each in (_early(view), _lost(view)) if each), key=lambda each: each.closeness, default=None)
    added = _added_up(view)
    return added if added and not (seen and (seen.holds or seen.closeness > added.closeness)) else seen


def _added_up(view: View) -> Evidence | None:
    """Return the length that steps in one direction come to, LR / (1 - momentum); None for a usual momentum."""
    if not offers.has_momentum(view):
        return None
    length = view.course.peak_rate / (1 - view.facts.settings.optimizer.momentum)
    times = length / (offers.usual_rate(view) / (1 - USUAL_MOMENTUM))
    return Evidence("steps that momentum adds up, times the usual", times, limits.ADDED_UP, "above", "1 to 2")


def _lost(view: View) -> Evidence | None:
    """Return how far a run that had begun to learn is back above guessing; None for any other."""
    lowest = view.course.lowest_loss
    if not lowest < limits.BEGUN * view.chance or len(view.losses) < limits.SLOPE:
        return None
    now = median(view.losses[-limits.SLOPE :])  # no single blow, which is for `exploding`
    if now < view.chance:
        return None
    return Evidence("loss, times its lowest mean", now / lowest, limits.LOST, "above", "1: it falls on")


def _early(view: View) -> Evidence | None:
    """Return the stronger of the two early signs; dropout that is strong drives the loss up by itself."""
    course = view.course
    reference = max(view.loss, view.fresh)
    if math.isnan(reference):
        return None
    loss = Evidence(
        "highest early loss",
        course.early_peak,
        limits.EARLY_LOSS * reference,
        "above",
        f"near {view.fresh:.2f} or below",
    )
    early = view.early_updates[: limits.WINDOW]
    early = early[~np.isnan(early)]
    if len(early) < limits.HIGH_UPDATES:
        return loss
    fifth = float(np.sort(early)[-limits.HIGH_UPDATES])
    update = Evidence("early step over weight (5th largest)", fifth, limits.HIGH_UPDATE, "above", "below 0.04")
    if view.facts.settings.model.dropout >= limits.STRONG_DROPOUT:
        return update
    return max((loss, update), key=lambda each: each.closeness)


def rate_blew_up(view: View) -> Reading | None:
    """A number became infinite soon after the start, and the steps before it were huge or drove the loss up."""
    course = view.course
    bad = course.nonfinite is not None or course.bad_steps > 0
    if not course.from_start or not bad or math.isnan(view.chance):
        return None
    if view.step > limits.EARLY or (course.nonfinite is not None and course.nonfinite.where.startswith("input")):
        return None
    if not course.first_steps or course.first_steps[0].loss > limits.BAD_INITIAL_LOSS * view.fresh:
        return None
    start = course.first_steps[0].loss
    peak = max(course.early_peak, float(view.losses[-limits.MEAN :].max()))
    loss = Evidence("loss before it, times the first", peak / start, limits.BAD_INITIAL_LOSS, "above", "about 1")
    early = view.early_updates
    if not len(early) or math.isnan(early[-1]):
        return (loss,)
    update = Evidence("step over weight", float(np.nanmax(early)), 1.0, "above", "below 0.04")
    return (max((loss, update), key=lambda each: each.closeness),)


def tell_rate_high(view: View) -> Advice:
    """Say how large the steps were."""
    early = view.early_updates[~np.isnan(view.early_updates)]
    lost, added, sign = _lost(view), _added_up(view), _sign(view)
    if added and sign == added:
        size = f"Momentum adds the steps up to {added.value:.3g} times what is usual"
    elif lost and lost.holds and sign == lost:
        size = f"The loss had come down to {view.course.lowest_loss:.3g} and is back at {view.loss:.3g}"
    elif len(early) and float(np.median(early)) > 0:
        size = f"The first steps changed the weights by {100 * float(np.median(early)):.3g} % each"
        size += f" (about {100 * view.target:g} % is right)"
    else:
        size = f"The loss rose to {view.course.early_peak:.3g} in the first steps"
    name = _largest_update(view)
    too = f" at a momentum of {view.facts.settings.optimizer.momentum:g}" if offers.has_momentum(view) else ""
    text = f"{size}, and nothing is learned: the learning rate of {view.course.peak_rate:g}{too} is too high."
    return Advice(text, name, offers.lower_rate(view), "scratch")


def _largest_update(view: View) -> str:
    rows = np.array([each.ratios for each in view.course.first_updates])
    if not rows.size or np.isnan(rows).all():
        return ""
    with np.errstate(all="ignore"):
        return view.facts.layers[int(np.nanargmax(np.nanmax(rows, axis=0)))].name


# --- 6 and 7: learning rate too low --------------------------------------------------------------------


def rate_low(view: View) -> Reading | None:
    """The weights hardly move though much is left to learn; not in a warm-up, and not in a decayed tail."""
    if view.decayed or math.isnan(view.update) or view.rate < 0.3 * view.course.peak_rate:
        return None
    return (_small_steps(view), view.unlearned)


def _small_steps(view: View) -> Evidence:
    return Evidence("step over weight", view.update, limits.LOW_UPDATE, "below", "0.001 and more")


def tell_rate_low(view: View) -> Advice:
    """Say how small the steps are."""
    text = (
        f"Each step moves the weights by {100 * view.update:.1g} %; about {100 * view.target:g} % is right: "
        f"the learning rate of {view.course.peak_rate:g} is too low."
    )
    return Advice(text, "", offers.higher_rate(view), "checkpoint" if view.course.validated else "scratch")


def decayed_early(view: View) -> Reading | None:
    """The schedule has brought the learning rate to nothing before half of the run, and much is left to learn."""
    if math.isnan(view.rate) or math.isnan(view.chance):
        return None
    return (
        Evidence("learning rate, share of its peak", view.rate / view.course.peak_rate, limits.TAIL, "below", ""),
        Evidence("share of the run that is done", view.progress, 0.5, "below", ""),
        view.unlearned,
    )


def tell_decayed_early(view: View) -> Advice:
    """Let it fall later: when there is nothing more to gain from it."""
    change = offers.held(view)
    plateau = change["schedule.name"] == "plateau"
    when = "let it fall when the validation loss no longer does" if plateau else "hold it for most of the run"
    text = (
        f"After {100 * view.progress:.0f} % of the run the learning rate is down to "
        f"{100 * view.rate / view.course.peak_rate:.2g} % of its peak, and there is much left to learn: "
        f"{when}."
    )
    return Advice(text, "", change, "checkpoint" if view.course.validated else "scratch")


# --- 14: weight decay dominates ------------------------------------------------------------------------


def decay_dominates(view: View) -> Reading | None:
    """Weights shrink by half within 50 steps while nothing is learned, and the decay alone explains it."""
    left, optimizer = view.course.kept, view.facts.settings.optimizer
    pull = view.course.peak_rate * optimizer.weight_decay
    if math.isnan(left) or not pull:
        return None
    momentum = optimizer.momentum if optimizer.name == "sgd" else 0.0
    moved = median(view.early_updates)
    return (
        Evidence(f"weight left after {limits.DECAY_STEPS} steps", left, limits.DECAY_HALVING, "below", "0.9 and more"),
        Evidence(
            "share of the steps that is decay", pull / (1 - momentum) / max(moved, 1e-9), 0.5, "above", "below 0.1"
        ),
        Evidence(
            "pull of the decay per 50 steps",
            pull * limits.DECAY_STEPS,
            0.1,
            "above",
            "below 0.01",
        ),
        Evidence("weight decay", optimizer.weight_decay, limits.DECAY_STRONG, "above", "5e-4"),
        *view.stuck,
    )


def tell_decay_dominates(view: View) -> Advice:
    """Say how fast."""
    decay = view.facts.settings.optimizer.weight_decay
    text = (
        f"Within {limits.DECAY_STEPS} steps the weights shrink to {100 * view.course.kept:.2g} % of their size: "
        f"the weight decay of {decay:g} pulls harder than the gradient."
    )
    return Advice(text, "", {"optimizer.weight_decay": 5e-4}, "scratch")
