"""Conditions of the labels, which no setting mends: they carry no signal, or some are wrong (18, 19)."""

from __future__ import annotations

import math

import numpy as np

from tui.core.diagnosis import limits
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.view import View

# --- 18: labels carry no signal ------------------------------------------------------------------------


def no_signal_after(view: View) -> int:
    """Return the steps after which a run that has learned nothing is asked whether there is anything to learn."""
    return max(limits.NO_SIGNAL_STEPS, limits.NO_SIGNAL_EPOCHS * view.facts.steps_per_epoch)


def no_signal(view: View) -> Reading | None:
    """For long nothing is learned, the steps have a sound size, and the pictures have nothing in common to learn.

    Either two halves of a batch surely do not agree, or training pictures begin to be known by heart while others are
    not: what is learned of a picture then says nothing of the next. A validation that became better disproves both.
    """
    if view.update < limits.LOW_UPDATE or math.isnan(view.chance):
        return None
    signs = [sign for sign in (_agreement(view), _by_heart(view)) if sign is not None]
    if not signs:
        return None
    best = view.course.best_loss / view.chance
    others = Evidence("best validation loss, times that of guessing", best, limits.GENERALISED, "above", "falls below")
    known = (others,) if math.isfinite(best) else ()
    return (max(signs, key=lambda each: each.closeness), *known, *view.stuck)


def _agreement(view: View) -> Evidence | None:
    """Return what two halves of a batch agree in at most: two standard errors above the mean.

    That they are not seen to agree would not be enough: few noisy samples never are.
    """
    course = view.course
    samples = [each for each in course.halves if each.step > course.facts.first_step + limits.FIRST]
    shares = np.array([(2 * each.whole - each.half) / each.half for each in samples if each.half > 0])
    if course.seen < no_signal_after(view) or len(shares) < limits.NO_SIGNAL_SAMPLES:
        return None
    most = float(shares.mean() + 2 * shares.std(ddof=1) / math.sqrt(len(shares)))
    return Evidence("what two halves of a batch agree in, at most", most, limits.AGREEMENT, "below", "0.2 and more")


def _by_heart(view: View) -> Evidence | None:
    """Return by how much less training pictures cost than others, after each was seen several times."""
    newest = list(view.course.validations)[-limits.BY_HEART_VALIDATIONS :]
    few = len(newest) < limits.BY_HEART_VALIDATIONS
    if few or view.course.seen < limits.BY_HEART_VALIDATIONS * view.facts.steps_per_epoch:
        return None
    gap = math.fsum(each.loss - each.train_loss for each in newest) / len(newest) / view.chance
    return Evidence("validation above training loss, share of guessing", gap, limits.BY_HEART, "above", "0 at chance")


def tell_no_signal(view: View) -> Advice:
    """Ask to look at the pictures."""
    text = (
        "What a training picture teaches says nothing of the next, and nothing is learned though the steps are of a "
        "sound size: the labels seem not to belong to the pictures. No setting mends that: look at some samples with "
        "their classes."
    )
    return Advice(text, "", {}, "scratch")


# --- 19: label noise -------------------------------------------------------------------------------------


def label_noise(view: View) -> Reading | None:
    """Training pictures have a higher loss than validation pictures though nothing makes them harder."""
    newest = view.newest
    if newest is None or math.isnan(newest.train_loss) or math.isnan(view.chance):
        return None
    settings = view.facts.settings
    mixed = settings.data.mixup or settings.data.cutmix
    if settings.loss.label_smoothing or settings.model.dropout or mixed:
        return None
    gap = newest.train_loss - newest.loss
    return (Evidence("loss of training above validation pictures", gap, limits.NOISY_LABELS, "above", "below 0"),)


def tell_label_noise(view: View) -> Advice:
    """Ask to look at the pictures."""
    text = (
        "Training pictures are evaluated worse than validation pictures: some of their labels are probably wrong. "
        "No setting puts them right: look at the training pictures with the highest loss."
    )
    return Advice(text, "", {}, "scratch")
