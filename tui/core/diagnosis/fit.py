"""Conditions of what a run has learned: how well it answers, on which pictures, in which classes (15 to 17, 20, 21)."""

from __future__ import annotations

import math

from tui.core.diagnosis import limits, offers
from tui.core.diagnosis.finding import Advice, Evidence
from tui.core.diagnosis.rule import Reading
from tui.core.diagnosis.view import View

# --- 15: overfit ---------------------------------------------------------------------------------------


def overfit(view: View) -> Reading | None:
    """Training pictures are known far better than validation pictures, and the validation loss rises."""
    newest = view.newest
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
    newest = view.newest
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
    newest = view.newest
    if newest is None or math.isnan(newest.train_accuracy) or not view.facts.batch_norm:
        return None
    gap = view.course.batch_accuracy[-1] - newest.train_accuracy
    return (Evidence("batches above evaluated training pictures", gap, limits.MISMATCH, "above", "below 0.1"),)


def tell_mismatch(view: View) -> Advice:
    """A warning only when it stays, and only then a change: at first statistics lag in sound runs too, and catch up.

    A lower rate beside a graver finding, of what is wrong with the pictures, would mend nothing of that.
    """
    newest = view.newest
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
    return Advice(text, "", change if lasting else {}, "checkpoint", "warning" if lasting else "info")


# --- 17: validation pictures differ ----------------------------------------------------------------------


def validation_differs(view: View) -> Reading | None:
    """The network knows training pictures, evaluated alike, and not the validation's, and never did."""
    newest = view.newest
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
    newest = view.newest
    assert newest is not None
    text = (
        f"Training pictures are known to {100 * newest.train_accuracy:.0f} % in evaluation mode, validation "
        f"pictures to {100 * newest.accuracy:.0f} %, and that never became better: the two are not prepared alike."
    )
    return Advice(text, "", {"data.mean": (), "data.std": ()}, "scratch")


# --- 20: class collapse ----------------------------------------------------------------------------------


def collapsed(view: View) -> Reading | None:
    """Nearly all validation pictures get one answer, and far more than have it."""
    newest = view.newest
    if newest is None or math.isnan(newest.largest_answer) or view.step < limits.COLLAPSED_FROM:
        return None
    prior = max(view.facts.class_counts, default=0) / max(1, sum(view.facts.class_counts))
    return (
        Evidence("share of the most common answer", newest.largest_answer, limits.COLLAPSED, "above", ""),
        Evidence("share of the largest class", prior, limits.COLLAPSED - 0.1, "below", ""),
    )


def tell_collapsed(view: View) -> Advice:
    """A symptom, which names no cause of its own."""
    newest = view.newest
    assert newest is not None
    text = f"{100 * newest.largest_answer:.0f} % of the validation pictures get the same answer."
    if offers.fades(view):
        activation = view.facts.settings.model.activation
        text += f" Through {activation} without norm layers little of a picture arrives: BatchNorm and ReLU let it."
        return Advice(text, "", offers.alive(view), "scratch")
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
    basis, newest = _uneven(view), view.newest
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
    newest = view.newest
    assert newest is not None
    worst = min(each for each in newest.recall if not math.isnan(each))
    text = (
        f"A rare class is recognised in {100 * worst:.0f} % of its pictures: it hardly counts among the frequent ones."
    )
    return _evened(view, text)
