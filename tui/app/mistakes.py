"""Pictures that went wrong, in words: what they are, what was said of them, and how sure it was; no widget here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.app.widgets.columns import within
from tui.core.evaluations import Detail, Order, Pictured, worst
from tui.core.metrics import ACCURACY, LOSS


@dataclass(frozen=True)
class Kind:
    """Which mistakes are meant; by default all."""

    true: int | None = None
    answer: int | None = None

    def words(self, detail: Detail) -> str:
        """Return what it is called."""
        if self.true is None:
            return "largest errors, true → predicted" if detail.task == "regression" else "mistakes"
        one = detail.names[self.true]
        return f"mistakes with {one}" if self.answer is None else f"{one} taken for {detail.names[self.answer]}"

    def total(self, detail: Detail) -> int | None:
        """Return how many pictures there are of this kind; None where that is not known."""
        if detail.task != "classification":
            return None
        wrong = [(true, answer, n) for true, answer, n in detail.confusion if true != answer]
        return sum(n for true, answer, n in wrong if self.true in (None, true) and self.answer in (None, answer))


def chosen(detail: Detail, kind: Kind, by: Order) -> list[Pictured]:
    """Return the pictures of a kind, the worst first."""
    found = worst(detail, by)
    if kind.true is None:
        return found
    if detail.task == "multilabel":
        return [one for one in found if (kind.true in one.true) != (kind.true in one.answer)]
    return [one for one in found if kind.true in one.true and (kind.answer is None or kind.answer in one.answer)]


def caption(detail: Detail, one: Pictured, width: int) -> str:
    """Return what stands below a picture: what was said of it, and how sure it was; names are cut to fit ``width``."""
    if detail.task == "regression":
        return _told(detail, one, _most_off(detail, one))
    if detail.task == "multilabel":
        missed = [f"-{detail.names[int(i)]}" for i in one.true if i not in one.answer]
        extra = [f"+{detail.names[int(i)]}" for i in one.answer if i not in one.true]
        return " ".join((*extra, *missed))
    sure = "NaN" if math.isnan(one.confidence) else f"{one.confidence:.0%}"
    true, answer = labels(detail, one.true), labels(detail, one.answer)
    room = max(4, width - len(f" →  {sure}"))
    left = min(cell_len(true), max(room // 2, room - cell_len(answer)))
    return f"{within(true, left)} → {within(answer, room - left)} {sure}"


def verdict(detail: Detail, one: Pictured, *, short: bool = False) -> str:
    """Return the story of a picture in one line; ``short`` leaves out how likely the answers were."""
    loss = f"loss {LOSS.format(one.loss)}"
    if detail.task == "regression":
        return ", ".join([*(_told(detail, one, target) for target in range(len(one.true))), loss])
    likely = ", ".join(f"{detail.names[index]} {ACCURACY.format(share)}" for index, share in one.top)
    likely = f" ({likely})" if likely and not short else ""
    return f"{labels(detail, one.true)} taken for {labels(detail, one.answer)}{likely}, {loss}"


def _most_off(detail: Detail, one: Pictured) -> int:
    """Return which of several numbers is furthest off, measured by how widely its true values are spread."""
    spans = [wide if (wide := each.high - each.low) > 0 else 1.0 for each in detail.density]
    spans = spans if len(spans) == len(one.true) else [1.0] * len(one.true)
    off = [abs(answer - true) / span for true, answer, span in zip(one.true, one.answer, spans, strict=False)]
    return max(range(len(off)), key=lambda target: off[target] if off[target] == off[target] else math.inf, default=0)


def _told(detail: Detail, one: Pictured, target: int) -> str:
    """Return a number and what was said of it; its name, if there are several."""
    name = f"{detail.names[target]} " if len(detail.names) > 1 else ""
    return f"{name}{numbers(one.true[target : target + 1])} → {numbers(one.answer[target : target + 1])}"


def labels(detail: Detail, indices: Sequence[float]) -> str:
    """Return the names of classes or labels."""
    return ", ".join(detail.names[int(index)] for index in indices) or "no label"


def numbers(values: Sequence[float]) -> str:
    """Return numbers to learn, short."""
    return ", ".join(f"{value:.4g}" for value in values)
