"""What a dry run has found out before the start, and what that means, in plain words.

The engine measures (`tui.engine.rehearsal`); the command and the screen show the same lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from tui.core.memory import in_words
from tui.core.sentences import duration

Tone = Literal["good", "plain", "warning", "bad"]
LEARNED = 0.7
"""One batch alone is learned when its loss has fallen to this share of the first."""
CLEARLY_LESS = 0.85
"""bfloat16 is proposed when a step takes no more than this share of float32's time."""
SLOWER = 0.1
"""If it was not, it is tried once more with so much of the learning rate."""


@dataclass(frozen=True)
class Overfit:
    """What steps on one batch alone, over and over, have made of its loss."""

    images: int
    steps: int
    first: float
    last: float
    factor: float = 1.0
    """Of the learning rate."""
    early: bool = False
    """Whether time was up before all steps were made."""

    @property
    def learned(self) -> bool:
        """Whether the network could learn it."""
        return math.isfinite(self.last) and self.last <= LEARNED * self.first

    @property
    def unknown(self) -> bool:
        """Whether it could not in the few steps that there was time for, which proves nothing."""
        return self.early and not self.learned and math.isfinite(self.last)


@dataclass(frozen=True)
class Rehearsal:
    """The measurements of a dry run; sizes in bytes, times in seconds."""

    device: str
    batch_size: int
    accumulate: int
    images: dict[str, int]
    epoch_steps: int
    total_steps: int
    steps: int
    """Real steps that were made."""
    step_seconds: float
    """The median of a step, with the wait for its batch."""
    wait_seconds: float
    """Of that, waiting for data."""
    prepare_seconds: float
    """Until the first step; the decoded pictures that were made now are there for the run."""
    validation_seconds: float
    """Of one whole validation, from a part of it; 0: there is none."""
    validations: int
    test_seconds: float
    peak: int
    """Most memory at once, on the device that trains."""
    limit: int
    """What this process could have there at most; 0: unknown."""
    largest_batch: int
    """The most pictures per batch that fit; 0: unknown."""
    tried: bool
    """Whether that was tried, not only computed."""
    fits: bool
    """Whether the settings' own batch fits."""
    checkpoint_bytes: int
    checkpoints: int
    """Kept at once, with the one that is being written."""
    record_bytes: int
    """Of all records of the run."""
    disk_free: int
    """Where the runs are; 0: unknown."""
    first_loss: float
    label_entropy: float
    """Of the training pictures' classes, in nats; NaN for other tasks."""
    overfit: Overfit | None = None
    bfloat16: float | None = None
    """Time of a step in bfloat16 over that in float32; None: not tried."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    """What the doctor finds wrong before the first step: title, message, severity."""
    notes: list[str] = field(default_factory=list)
    """What the engine warned of."""
    max_seconds: float = 0.0
    """After which training.max_minutes ends the run; 0: it does not."""
    blank_loss: float = math.nan
    """Of a network that knows nothing, by the loss in force; NaN for tasks without classes."""

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Rehearsal:
        """Return what `to_table` gave."""
        known = {each.name: table[each.name] for each in fields(cls) if each.name in table}
        if known.get("overfit"):
            known["overfit"] = Overfit(**known["overfit"])
        return cls(**known)

    def to_table(self) -> dict[str, Any]:
        """Return it as JSON knows it, with what follows from it."""
        return {**asdict(self), "run_seconds": self.run_seconds, "disk_needed": self.disk_needed}

    @property
    def run_seconds(self) -> float:
        """How long the whole run will take, if nothing ends it before its last step but training.max_minutes."""
        training = self.total_steps * self.step_seconds + self.validations * self.validation_seconds
        return (min(training, self.max_seconds) if self.max_seconds else training) + self.test_seconds

    @property
    def faster(self) -> dict[str, str]:
        """Settings that make a step take clearly less time; empty: none are known."""
        clearly = self.bfloat16 is not None and self.bfloat16 <= CLEARLY_LESS
        return {"compute.precision": "bfloat16"} if clearly else {}

    @property
    def disk_needed(self) -> int:
        """Bytes that the run directory will need."""
        return self.checkpoints * self.checkpoint_bytes + self.record_bytes


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    label: str
    text: str
    tone: Tone = "plain"


def report(found: Rehearsal) -> list[Line]:
    """Return what a person wants to know, the most important first."""
    lines = [
        _time(found),
        _step(found),
        *_precision(found),
        *_validation(found),
        _memory(found),
        _batch(found),
        _disk(found),
    ]
    lines += [_first_loss(found), *_overfit(found)]
    lines += [
        Line(str(one["title"]), str(one["message"]), "bad" if one["severity"] == "critical" else "warning")
        for one in found.findings
        if one["severity"] != "info"
    ]
    lines += [Line("note", note, "warning") for note in found.notes]
    return lines


def _time(found: Rehearsal) -> Line:
    per_epoch = found.epoch_steps * found.step_seconds
    steps, known = f"{found.total_steps:,} steps", replace(found, max_seconds=0.0)
    if found.run_seconds < known.run_seconds:
        whole = duration(known.run_seconds)
        text = f"{duration(found.run_seconds)}, where training.max_minutes ends it; all {steps} would take {whole}"
    else:
        text = f"about {duration(found.run_seconds)} for {steps}"
    return Line("the whole run", f"{text}; {duration(per_epoch)} an epoch")


def _step(found: Rehearsal) -> Line:
    images = found.batch_size * found.accumulate
    share = found.wait_seconds / found.step_seconds if found.step_seconds else 0.0
    text = f"{found.step_seconds:.3g} s for {images:,} pictures, {images / found.step_seconds:,.0f} images/s"
    if share < 0.15:
        return Line("one step", text)
    return Line(
        "one step", f"{text}; {share:.0%} of it waits for pictures: raise data.workers or data.cache_gib", "warning"
    )


def _precision(found: Rehearsal) -> list[Line]:
    if found.bfloat16 is None or not found.faster:
        return []
    change = ", ".join(f"{key}={value}" for key, value in found.faster.items())
    return [
        Line(
            "precision", f"in bfloat16 a step takes {found.bfloat16:.0%} of the time on this machine: {change}", "good"
        )
    ]


def _validation(found: Rehearsal) -> list[Line]:
    if not found.validations:
        return []
    text = f"{duration(found.validation_seconds)} for {found.images.get('validation', 0):,} pictures"
    return [Line("one validation", f"{text}, {f'{found.validations:,} times' if found.validations > 1 else 'once'}")]


def _memory(found: Rehearsal) -> Line:
    if not found.limit:
        return Line("memory", f"at most {in_words(found.peak)} at once")
    share = found.peak / found.limit
    text = f"at most {in_words(found.peak)} at once; {in_words(found.limit)} can be had"
    return Line("memory", text, "bad" if not found.fits else "warning" if share > 0.9 else "good")


def _batch(found: Rehearsal) -> Line:
    how = "tried" if found.tried else "computed from two sizes"
    if not found.fits and found.largest_batch:
        smaller = smaller_batch(found.batch_size, found.accumulate, found.largest_batch)
        words = " and ".join(f"{key}={value}" for key, value in smaller.items())
        return Line(
            "batch size", f"{found.batch_size:,} do not fit; {found.largest_batch:,} do ({how}): {words}", "bad"
        )
    if not found.fits:
        return Line("batch size", f"{found.batch_size:,} do not fit, nor does any smaller batch", "bad")
    if not found.largest_batch:
        return Line("batch size", f"{found.batch_size:,} fit", "good")
    if found.largest_batch <= found.batch_size:
        return Line("batch size", f"{found.batch_size:,} fit, and not many more", "warning")
    return Line("batch size", f"{found.batch_size:,} fit; up to {found.largest_batch:,} would ({how})", "good")


def smaller_batch(batch_size: int, accumulate: int, largest: int) -> dict[str, int]:
    """Return settings with a batch that fits and, where it can be, as many pictures in a step as before."""
    parts = next(
        (n for n in range(1, batch_size + 1) if batch_size % n == 0 and batch_size // n <= largest), batch_size
    )
    size = batch_size // parts
    if size < 2 or 2 * size < largest:
        return {"training.batch_size": max(2, largest)}  # no divisor is near: the steps become smaller
    return {"training.batch_size": size, "optimizer.accumulate": accumulate * parts}


def _disk(found: Rehearsal) -> Line:
    kept = f"{found.checkpoints} checkpoints of {in_words(found.checkpoint_bytes)}"
    text = f"{in_words(found.disk_needed)} for the run ({kept}, records)"
    if not found.disk_free:
        return Line("disk", text)
    if found.disk_needed > found.disk_free:
        return Line("disk", f"{text}; only {in_words(found.disk_free)} are free", "bad")
    tight = found.disk_needed > found.disk_free / 2
    return Line("disk", f"{text}; {in_words(found.disk_free)} are free", "warning" if tight else "good")


def _first_loss(found: Rehearsal) -> Line:
    loss = f"{found.first_loss:.3g}"
    if not math.isfinite(found.first_loss):
        return Line("first loss", f"it is {loss}: something is wrong before the first step", "bad")
    if not math.isfinite(found.blank_loss):
        return Line("first loss", loss)
    chance = f"a network that knows nothing has {found.blank_loss:.3g}"
    if any(str(one.get("code")) == "bad_start" for one in found.findings):
        return Line("first loss", f"{loss}, but {chance}", "warning")
    return Line("first loss", f"{loss}; {chance}: as it should be", "good")


def _overfit(found: Rehearsal) -> list[Line]:
    tried = found.overfit
    if tried is None:
        return []
    text = f"{tried.images} pictures alone, {tried.steps} times: loss {tried.first:.3g} to {tried.last:.3g}"
    if tried.unknown:
        return [Line("learning", f"{text}: there was no time for more steps, so this proves nothing", "plain")]
    if not tried.learned:
        return [Line("learning", f"{text}: they are not learned. Check the labels and the learning rate", "bad")]
    if tried.factor < 1:
        return [Line("learning", f"{text}, but only with a tenth of the learning rate: it may be too high", "warning")]
    return [Line("learning", f"{text}: the network can learn", "good")]
