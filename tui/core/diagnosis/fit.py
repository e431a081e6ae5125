"""Conditions of a run that learns something: its course, its fit, its data (11 to 13, 15 to 17, 20, 21, 24)."""

from __future__ import annotations

import math

import numpy as np

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.labels import no_signal_after
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.signals import Validation
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
    newest = _newest(view)
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


def _newest(view: View) -> Validation | None:
    return view.course.validations[-1] if view.course.validations else None


# --- 15: overfit ---------------------------------------------------------------------------------------


def overfit(view: View) -> Reading | None:
    """Training pictures are known far better than validation pictures, and the validation loss rises."""
    newest = _newest(view)
    if newest is None or math.isnan(newest.train_accuracy) or math.isnan(view.chance):
        return None
    gap = newest.train_accuracy - newest.accuracy
    return (
        Evidence("training above validation accuracy", gap, limits.OVERFIT_GAP, "above", "below 0.1"),
        Evidence(
            "validation loss, times the best",
            newest.loss / max(1e-9, view.course.best_loss),
            limits.OVERFIT_LOSS,
            "above",
            "about 1",
        ),
        Evidence(
            "training loss, times that of guessing", newest.train_loss / view.chance, limits.OVERFIT_LEVEL, "below", ""
        ),
    )


def tell_overfit(view: View) -> Advice:
    """Say the two accuracies."""
    newest = _newest(view)
    assert newest is not None
    text = (
        f"Training pictures are known to {100 * newest.train_accuracy:.0f} %, validation pictures to "
        f"{100 * newest.accuracy:.0f} %, and the validation loss is {newest.loss / view.course.best_loss:.2f} times "
        "its best: the network learns the pictures by heart."
    )
    counts = view.facts.class_counts
    if sum(counts) < limits.FEW_PICTURES * len(counts):
        text += (
            f" With {sum(counts):,} training pictures of {len(counts)} classes there is not much else to learn, and no "
            "setting makes up for that: collect more of them, or begin with pretrained weights."
        )
        return Advice(text, "", {}, "scratch")
    return Advice(text, "", offers.regularised(view), "scratch")


# --- 16: training and evaluation mode differ -------------------------------------------------------------


def mismatch(view: View) -> Reading | None:
    """The network answers its training batches far better than the same pictures in evaluation mode."""
    newest = _newest(view)
    if newest is None or math.isnan(newest.train_accuracy) or not view.facts.batch_norm:
        return None
    gap = view.course.batch_accuracy[-1] - newest.train_accuracy
    return (Evidence("batches above evaluated training pictures", gap, limits.MISMATCH, "above", "below 0.1"),)


def tell_mismatch(view: View) -> Advice:
    """A warning only when it stays."""
    newest = _newest(view)
    assert newest is not None
    text = (
        f"In training mode {100 * view.course.batch_accuracy[-1]:.0f} % of a batch are right, in evaluation mode "
        f"{100 * newest.train_accuracy:.0f} % of training pictures: the running statistics of BatchNorm lag behind."
    )
    gaps = [
        batch - each.train_accuracy
        for batch, each in zip(view.course.batch_accuracy, view.course.validations, strict=True)
    ][-limits.MISMATCH_WARNING :]
    lasting = len(gaps) == limits.MISMATCH_WARNING and min(gaps) > limits.MISMATCH
    settings = view.facts.settings
    change: dict[str, object] = {"training.batch_size": max(32, settings.training.batch_size)}
    if settings.training.batch_size >= 32:
        change = offers.rate(view, 1 / 3)
    return Advice(text, "", change, "checkpoint", "warning" if lasting else "info")


# --- 17: validation pictures differ ----------------------------------------------------------------------


def validation_differs(view: View) -> Reading | None:
    """The network knows training pictures, evaluated alike, and not the validation's, and never did."""
    newest = _newest(view)
    if newest is None or math.isnan(newest.train_accuracy) or math.isnan(newest.accuracy):
        return None
    classes = max(2, len(view.facts.class_counts))
    if sum(view.facts.class_counts) < limits.FEW_PICTURES * classes:
        return None
    chance = 1 / classes
    share = newest.accuracy / max(newest.train_accuracy, 1e-9)
    better = (view.course.best_accuracy - view.course.first_accuracy) / max(newest.train_accuracy, 1e-9)
    return (
        Evidence(
            "accuracy on training pictures",
            newest.train_accuracy,
            max(limits.DIFFERS_TRAIN, 2 * chance),
            "above",
            "",
        ),
        Evidence("validation over training accuracy", share, limits.DIFFERS_SHARE, "below", "0.7 and more"),
        Evidence("gain of the validation since the first, share of training's", better, 0.2, "below", "grows with it"),
    )


def tell_validation_differs(view: View) -> Advice:
    """Say both accuracies."""
    newest = _newest(view)
    assert newest is not None
    text = (
        f"Training pictures are known to {100 * newest.train_accuracy:.0f} % in evaluation mode, validation "
        f"pictures to {100 * newest.accuracy:.0f} %, and that never became better: the two are not prepared alike."
    )
    return Advice(text, "", {"data.mean": (), "data.std": ()}, "scratch")


# --- 20: class collapse ----------------------------------------------------------------------------------


def collapsed(view: View) -> Reading | None:
    """Nearly all validation pictures get one answer, and far more than have it."""
    newest = _newest(view)
    if newest is None or math.isnan(newest.largest_answer) or view.step < limits.COLLAPSED_FROM:
        return None
    prior = max(view.facts.class_counts, default=0) / max(1, sum(view.facts.class_counts))
    return (
        Evidence("share of the most common answer", newest.largest_answer, limits.COLLAPSED, "above", ""),
        Evidence("share of the largest class", prior, limits.COLLAPSED - 0.1, "below", ""),
    )


def tell_collapsed(view: View) -> Advice:
    """A symptom, which names no cause of its own."""
    newest = _newest(view)
    assert newest is not None
    text = f"{100 * newest.largest_answer:.0f} % of the validation pictures get the same answer."
    return Advice(text, "", offers.rate(view, 1 / 3), "scratch")


# --- 21: imbalance ---------------------------------------------------------------------------------------


def imbalanced(view: View) -> Reading | None:
    """Some class has ten times the pictures of another, and nothing makes up for it."""
    settings = view.facts.settings
    if settings.data.sampler == "balanced" or settings.loss.class_weights != "none":
        return None
    return _uneven(view)


def _uneven(view: View) -> Reading | None:
    counts = [count for count in view.facts.class_counts if count > 0]
    if len(counts) < 2 or view.facts.task != "classification":
        return None
    ratio = max(counts) / min(counts)
    return (Evidence("pictures of the largest over the smallest class", ratio, limits.IMBALANCE, "above", "below 3"),)


def tell_imbalanced(view: View) -> Advice:
    """Only to know."""
    counts = [count for count in view.facts.class_counts if count > 0]
    text = f"The largest class has {max(counts):,} pictures, the smallest {min(counts):,}."
    return _evened(view, text)


def _evened(view: View, text: str) -> Advice:
    """Offer balance where there are pictures to balance: the same few again and again are learned by heart."""
    if min(count for count in view.facts.class_counts if count > 0) >= limits.FEW_PICTURES:
        return Advice(f"{text} Let the classes count alike.", "", dict(offers.BALANCED), "scratch")
    text += " No setting makes up for pictures that are not there: collect more of the rare classes."
    return Advice(text, "", {}, "scratch")


def neglected(view: View) -> Reading | None:
    """A rare class is hardly ever recognised."""
    basis, newest = _uneven(view), _newest(view)
    if basis is None or newest is None or not newest.recall:
        return None
    known = [each for each in newest.recall if not math.isnan(each)]
    if not known or view.step < limits.COLLAPSED_FROM:
        return None
    rarest = [
        recall
        for recall, count in zip(newest.recall, view.facts.class_counts, strict=False)
        if count and not math.isnan(recall) and count * limits.IMBALANCE <= max(view.facts.class_counts)
    ]
    worst = min(rarest, default=math.nan)
    return (*basis, Evidence("worst recall of a rare class", worst, limits.IMBALANCE_RECALL, "below", "0.5 and more"))


def tell_neglected(view: View) -> Advice:
    """Offer balance."""
    newest = _newest(view)
    assert newest is not None
    worst = min(each for each in newest.recall if not math.isnan(each))
    text = (
        f"A rare class is recognised in {100 * worst:.0f} % of its pictures: it hardly counts among the frequent ones."
    )
    return _evened(view, text)


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
