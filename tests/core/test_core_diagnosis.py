"""Every rule of the doctor fires on its condition and stays silent on what looks like it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tui.core.diagnosis.course import Rows, baseline
from tui.core.diagnosis.doctor import Doctor
from tui.core.diagnosis.finding import Advice, Change, Evidence, Finding
from tui.core.diagnosis.rule import Rule
from tui.core.diagnosis.rules import RULES
from tui.core.diagnosis.sequence import place
from tui.core.diagnosis.signals import (
    Activations,
    Agreement,
    Facts,
    Inputs,
    Layer,
    NonFinite,
    Signal,
    Step,
    Updates,
    Validation,
)
from tui.core.schema import all_settings, with_changes
from tui.core.settings import Settings

CHANCE = math.log(10)
NORMED = (*(Layer(f"blocks.{i}.0", feeds_norm=True, activation="relu") for i in range(3)), Layer("head", output=True))
PLAIN = tuple(replace(layer, feeds_norm=False) for layer in NORMED)
LENGTH = 400
RULED = (4000, *(10,) * 9)
"""One class rules: knowing only that costs 0.16."""


def falling(step: int) -> float:
    """A loss that goes down."""
    return 0.15 + 2.15 * math.exp(-step / 80) + 0.04 * math.sin(1.7 * step)


def stuck(step: int) -> float:
    """A loss at chance."""
    return CHANCE + 0.02 * math.sin(1.7 * step)


def ruled(step: int) -> float:
    """A loss that comes to know which class rules, and no more."""
    return 0.2 + 2.1 * math.exp(-step / 10) + 0.02 * math.sin(1.7 * step)


def level(value: float) -> Callable[[int], float]:
    """A loss that stays."""
    return lambda step: value + 0.02 * math.sin(1.7 * step)


def good_inputs(**changes: Any) -> Inputs:
    sound = Inputs(0.0, 1.0, 3.0, 0.02, 0.98, 2.31, False, 2.1, 0, ())
    return replace(sound, **changes)


def validation(step: int, accuracy: float = 0.7, **changes: Any) -> Validation:
    known = Validation(step, 1.0, accuracy, 0.95, accuracy + 0.02, (accuracy,) * 10, 0.15)
    return replace(known, **changes)


@dataclass
class Course:
    """A run in signals; by default a sound one."""

    changes: dict[str, Any] = field(default_factory=dict)
    layers: tuple[Layer, ...] = NORMED
    counts: tuple[int, ...] = (160,) * 10
    length: int = LENGTH
    total: int = LENGTH
    first: int = 0
    loss: Callable[[int], float] = falling
    norm: Callable[[int], float] = lambda step: 1.0 + 0.2 * math.sin(step)
    gradients: Callable[[int], tuple[float, ...]] = lambda step: (0.5, 0.4, 0.6, 0.9)
    rate: Callable[[int], float] = lambda step: 0.05
    ratios: Callable[[int], tuple[float, ...]] = lambda step: (0.01, 0.012, 0.009, 0.006)
    weights: Callable[[int], tuple[float, ...]] = lambda step: (3.0, 4.0, 5.0, 2.0)
    dead: Callable[[int], tuple[float, ...]] = lambda step: (0.1, 0.2, 0.1, math.nan)
    saturated: Callable[[int], tuple[float, ...]] = lambda step: (0.05, 0.1, 0.1, math.nan)
    halves: Callable[[int], tuple[float, float]] | None = lambda step: (1.5, 1.0 + 0.05 * math.sin(step))
    validations: Callable[[int], Validation] = lambda step: validation(step, 0.1 + 0.7 * step / LENGTH)
    accuracy: Callable[[int], float] = lambda step: min(0.9, 0.1 + 0.7 * step / LENGTH)
    inputs: Inputs | None = field(default_factory=good_inputs)
    extra: tuple[Signal, ...] = ()
    batch_norm: bool = True

    def facts(self) -> Facts:
        base = {"schedule.name": "constant", "schedule.warmup_epochs": 0.0, "optimizer.learning_rate": 0.05}
        settings = with_changes(Settings(), {**base, **self.changes}, source="test")
        return Facts(settings, self.layers, self.counts, 50, self.total, self.batch_norm, first_step=self.first)

    def signals(self) -> list[Signal]:
        made: list[Signal] = [*self.extra]
        if self.inputs is not None and not self.first:
            made.append(self.inputs)
        for step in range(self.first + 1, self.first + self.length + 1):
            gradients = self.gradients(step)
            made.append(Step(step, self.loss(step), self.accuracy(step), self.rate(step), self.norm(step), gradients))
            if step <= 64 or step % 16 == 0:
                made.append(Updates(step, self.weights(step), self.ratios(step)))
            if step <= 3 or step % 50 == 0:
                made.append(Activations(step, self.dead(step), self.saturated(step)))
            if self.halves and step % 25 == 0:
                made.append(Agreement(step, *self.halves(step), 32))
            if step % 50 == 0:
                made.append(self.validations(step))
        return sorted(made, key=place)


def told(course: Course) -> list[Change]:
    """Return everything a doctor says of a course."""
    doctor = Doctor(course.facts())
    return [change for signal in course.signals() for change in doctor.feed(signal)] + doctor.finish()


def raised(course: Course) -> dict[str, Finding]:
    """Return the findings that were ever raised, by code."""
    return {change.finding.code: change.finding for change in told(course) if change.kind == "raised"}


def four(value: float) -> Callable[[int], tuple[float, ...]]:
    return lambda step: (value,) * 4


def guessing(step: int) -> Validation:
    """Nothing is known, neither of training pictures nor of others."""
    return validation(step, 0.1, loss=CHANCE + 0.01, train_loss=CHANCE + 0.01)


def better_and_worse(step: int) -> Validation:
    """Overfitting from step 150 on."""
    late = step > 150
    return validation(step, 0.5, loss=1.2 + (step - 150) / 300 if late else 1.2, train_accuracy=0.95, train_loss=0.2)


HIGH = {"optimizer.learning_rate": 1.0}
ADAM = {"optimizer.name": "adam"}

FIRES: dict[str, Course] = {
    "input_scale": Course(inputs=good_inputs(std=74.0, largest=255.0)),
    "constant_weights": Course(inputs=good_inputs(constant=("blocks.0.0",)), loss=stuck),
    "unwired": Course(layers=(replace(NORMED[0], trained=False), *NORMED[1:])),
    "unshuffled": Course(inputs=good_inputs(label_entropy=0.1)),
    "probabilities": Course(inputs=good_inputs(rows_sum_to_one=True)),
    "leak": Course(inputs=good_inputs(duplicates=12)),
    "validation_input": Course(inputs=good_inputs(validation_mean=-1.1, validation_std=0.3)),
    "small_norm_batch": Course(changes={"training.batch_size": 4}),
    "imbalanced": Course(counts=(500, *(40,) * 9)),
    "bad_start": Course(inputs=good_inputs(first_loss=31.0), loss=lambda step: 31.0 * math.exp(-step / 40)),
    "rate_blew_up": Course(
        changes=HIGH,
        length=9,
        loss=lambda step: CHANCE * 3.0 ** (step - 1) if step < 9 else math.nan,
        ratios=lambda step: (0.2 * 2.0**step,) * 4,
    ),
    "nonfinite": Course(length=120, loss=lambda step: math.nan if step == 120 else falling(step)),
    "decay_dominates": Course(
        changes={"optimizer.weight_decay": 0.5},
        loss=stuck,
        weights=lambda step: (3.0 * 0.975**step,) * 4,
        ratios=four(0.025),
    ),
    "dead_start": Course(
        loss=stuck, dead=lambda step: (0.1, 1.0, 1.0, math.nan), gradients=four(0.0), ratios=four(0.0)
    ),
    "rate_high": Course(changes=HIGH, loss=stuck, ratios=lambda step: (0.4,) * 4 if step < 20 else (0.0,) * 4),
    "exploding": Course(
        norm=lambda step: 60.0 if 300 < step < 306 else 1.0,
        loss=lambda step: falling(step) if step < 301 else 4.0,
    ),
    "died": Course(
        loss=stuck,
        dead=lambda step: (0.1, 0.95 if step > 40 else 0.1, 0.1, math.nan),
        ratios=lambda step: (0.03 if step == 30 else 0.003,) * 4,
    ),
    "vanishing": Course(layers=PLAIN, loss=stuck, gradients=lambda step: (1e-6, 1e-4, 1e-2, 1.0), ratios=four(0.002)),
    "saturated": Course(saturated=lambda step: (0.1, 0.8, 0.2, math.nan), loss=level(1.6)),
    "decayed_early": Course(
        rate=lambda step: 0.05 * 0.9**step, ratios=lambda step: (0.01 * 0.9**step,) * 4, loss=level(1.9)
    ),
    "rate_low": Course(
        changes={"optimizer.learning_rate": 1e-5}, rate=lambda step: 1e-5, ratios=four(2e-6), loss=level(2.2)
    ),
    "frozen": Course(ratios=lambda step: (0.0, 0.01, 0.01, 0.006)),
    "no_signal": Course(
        loss=stuck, halves=lambda step: (2.0, 1.0 + 0.02 * math.sin(step)), ratios=four(0.004), validations=guessing
    ),
    "oscillating": Course(
        loss=lambda step: 1.5 + 0.9 * math.sin(2.0 * step),
        validations=lambda step: validation(step, 0.5 - step / 4000, loss=1 + step / 900),
    ),
    "underfit": Course(
        changes={"model.dropout": 0.95}, loss=level(1.7), validations=lambda step: validation(step, 0.4)
    ),
    "plateau": Course(loss=level(1.7), validations=lambda step: validation(step, 0.4, train_accuracy=math.nan)),
    "mismatch": Course(validations=lambda step: validation(step, 0.12, train_accuracy=0.13), accuracy=lambda step: 0.6),
    "validation_differs": Course(validations=lambda step: validation(step, 0.12, train_accuracy=0.8)),
    "overfit": Course(validations=better_and_worse),
    "neglected": Course(
        counts=(500, *(200,) * 8, 20), validations=lambda step: validation(step, recall=(0.9,) * 9 + (0.0,))
    ),
    "label_noise": Course(validations=lambda step: validation(step, 0.6, loss=1.0, train_loss=1.4)),
    "collapsed": Course(
        loss=level(2.1),
        total=4 * LENGTH,
        accuracy=lambda step: 0.12,
        validations=lambda step: validation(step, 0.1, largest_answer=0.99),
    ),
    "batch_noise": Course(halves=lambda step: (20.0, 10.1), length=700, total=700),
}
"""For each rule a course in which it is raised."""

SILENT: dict[str, tuple[Course, ...]] = {
    # pictures in [0, 1] are fine
    "input_scale": (Course(inputs=good_inputs(mean=0.45, std=0.25, largest=1.0)),),
    "constant_weights": (Course(inputs=None),),
    # frozen on purpose
    "unwired": (Course(layers=(replace(NORMED[0], trained=False, frozen=True), *NORMED[1:])),),
    # a batch of four holds few classes anyway
    "unshuffled": (Course(changes={"training.batch_size": 4}, inputs=good_inputs(label_entropy=1.1)),),
    "probabilities": (Course(inputs=None),),
    "leak": (Course(inputs=None),),
    # augmentation changes a little
    "validation_input": (Course(inputs=good_inputs(validation_mean=0.2, validation_std=1.2)),),
    # tiny batches harm only where there is BatchNorm
    "small_norm_batch": (Course(changes={"training.batch_size": 4}, batch_norm=False),),
    "imbalanced": (Course(counts=(90, *(40,) * 9)),),
    # smoothing raises the first loss a little; the start of a resumed run was not seen
    "bad_start": (
        Course(changes={"loss.label_smoothing": 0.1}, inputs=good_inputs(first_loss=3.0)),
        Course(first=1000, loss=lambda step: 9.0),
        # new weights give all classes alike, also where one is frequent
        Course(counts=RULED, loss=ruled),
    ),
    # a bad picture is no learning rate
    "rate_blew_up": (
        Course(
            length=30,
            ratios=four(2.0),
            loss=lambda step: math.nan if step == 30 else stuck(step),
            extra=(NonFinite(30, "input", "x.png"),),
        ),
    ),
    "nonfinite": (Course(),),
    # weights that shrink while the loss falls; weight decay that is too small for it
    "decay_dominates": (
        Course(changes={"optimizer.weight_decay": 0.5}, weights=lambda step: (3.0 * 0.975**step,) * 4),
        Course(loss=stuck, weights=lambda step: (3.0 * 0.975**step,) * 4),
    ),
    # many dead channels in a net that learns
    "dead_start": (Course(dead=lambda step: (0.98, 0.95, 0.9, math.nan)),),
    # large steps in a net that learns; before step 40
    "rate_high": (
        Course(ratios=four(0.3)),
        Course(loss=stuck, ratios=four(0.3), length=39),
        Course(loss=stuck, ratios=four(0.3), changes={"schedule.warmup_epochs": 9.0}),
        Course(counts=RULED, loss=ruled),
    ),
    # a single spike; a high norm at a loss that falls on; a loss that jumps elsewhere than the norm
    "exploding": (
        Course(norm=lambda step: 60.0 if step == 300 else 1.0),
        Course(norm=lambda step: 60.0 if step > 300 else 1.0),
        Course(
            norm=lambda step: 60.0 if 300 < step < 304 else 1.0,
            loss=lambda step: 4.0 if 307 < step < 311 else falling(step),
        ),
        # so early it is for the learning rate's rules
        Course(length=79, norm=lambda step: 60.0 if step > 60 else 1.0, loss=lambda step: 9.0 if step > 60 else 2.0),
    ),
    # 98 % zeros are not 98 % dead channels: 63 % was healthy
    # nor do small steps kill
    "died": (
        Course(loss=stuck, dead=lambda step: (0.63,) * 3 + (math.nan,), ratios=four(0.03)),
        Course(loss=stuck, dead=lambda step: (0.1, 0.95 if step > 40 else 0.1, 0.1, math.nan), ratios=four(0.003)),
    ),
    # small early gradients in a net that learns; a dead layer; a layer without any gradient
    "vanishing": (
        Course(gradients=lambda step: (1e-6, 1e-4, 1e-2, 1.0)),
        # weights that had their share at first and lost it
        Course(loss=stuck, gradients=lambda step: (0.5, 0.4, 0.6, 0.3) if step < 40 else (0.02, 0.01, 0.01, 0.01)),
        Course(loss=stuck, gradients=lambda step: (1e-6, 1e-4, 1e-2, 1.0), dead=lambda step: (1.0,) * 3 + (math.nan,)),
        Course(loss=stuck, gradients=lambda step: (0.0, 1e-6, 1e-2, 1.0)),
        Course(loss=stuck, gradients=lambda step: (0.042, 0.5, 0.9, 1.0)),
    ),
    # a net that has learned; the output's own layer
    "saturated": (
        Course(saturated=lambda step: (0.1, 0.8, 0.2, math.nan), loss=level(0.3)),
        Course(saturated=lambda step: (0.1, 0.1, 0.2, 0.9), loss=level(1.6)),
    ),
    # a cosine at its end; a run that has learned
    "decayed_early": (
        Course(rate=lambda step: 0.05 * max(0.001, 1 - step / LENGTH), loss=level(1.9)),
        Course(rate=lambda step: 0.05 * 0.9**step, loss=level(0.3)),
    ),
    # the warm-up; the tail of the schedule; a run that has learned
    "rate_low": (
        Course(rate=lambda step: 0.05 * step / LENGTH, ratios=four(2e-6), length=100),
        Course(rate=lambda step: 0.05 if step < 200 else 1e-5, ratios=lambda step: (0.01 if step < 200 else 2e-6,) * 4),
        Course(ratios=four(2e-6), loss=level(0.2)),
    ),
    # frozen on purpose; an update that vanished in float32
    "frozen": (
        Course(ratios=lambda step: (0.0, 0.01, 0.01, 0.006), layers=(replace(NORMED[0], frozen=True), *NORMED[1:])),
        Course(ratios=lambda step: (0.0, 0.01, 0.01, 0.006), gradients=lambda step: (1e-9, 0.4, 0.6, 0.9)),
    ),
    # a slow start whose halves agree; too few steps
    # nor is it without signal where the validation became better
    "no_signal": (
        Course(
            loss=stuck,
            halves=lambda step: (1.5, 1.0 + 0.02 * math.sin(step)),
            ratios=four(0.004),
            validations=guessing,
        ),
        Course(loss=stuck, halves=lambda step: (2.0, 1.0), length=290, validations=guessing),
        # halves of which it is not known
        Course(
            loss=stuck,
            halves=lambda step: (2.0, 1.9 if step % 50 else 0.3),
            ratios=four(0.004),
            validations=guessing,
        ),
        replace(FIRES["no_signal"], validations=lambda step: validation(step, 0.3, loss=1.9, train_loss=1.9)),
    ),
    # noise at a small loss
    "oscillating": (Course(loss=lambda step: 0.2 + 0.15 * math.sin(2.0 * step)),),
    # a plateau without a reason is only a plateau
    "underfit": (Course(loss=level(1.7), validations=lambda step: validation(step, 0.4)),),
    # early in the run; in the tail of the schedule
    "plateau": (
        Course(loss=level(1.7), total=4 * LENGTH),
        Course(loss=level(1.7), rate=lambda step: 0.05 if step < 100 else 1e-4),
        # what falls slowly; what swings; what has never learned is not yet asked
        Course(loss=lambda step: 1.8 - step / 4000 + 0.05 * math.sin(1.7 * step)),
        Course(loss=lambda step: 1.7 + 0.7 * math.sin(1.7 * step)),
        Course(loss=stuck),
    ),
    # dropout makes batches harder, not easier
    "mismatch": (Course(validations=lambda step: validation(step, 0.8), accuracy=lambda step: 0.5),),
    # validation that follows
    # few pictures are learned by heart, and say nothing of others
    "validation_differs": (
        Course(validations=lambda step: validation(step, 0.3, train_accuracy=0.35)),
        Course(counts=(6,) * 10, validations=lambda step: validation(step, 0.1, train_accuracy=0.9)),
    ),
    # a gap whose validation loss does not rise
    "overfit": (Course(validations=lambda step: validation(step, 0.6, train_accuracy=0.9, train_loss=0.2)),),
    # imbalanced, and known all the same
    "neglected": (Course(counts=(500, *(200,) * 8, 20)),),
    # mixing, smoothing and dropout make training pictures harder
    "label_noise": (
        Course(
            changes={"loss.label_smoothing": 0.1},
            validations=lambda step: validation(step, 0.6, loss=1.0, train_loss=1.4),
        ),
    ),
    # where nearly all pictures are of one class
    "collapsed": (Course(counts=RULED, validations=lambda step: validation(step, 0.96, largest_answer=0.99)),),
    "batch_noise": (Course(length=700, total=700, halves=lambda step: (1.5, 1.0)),),
}
"""For each rule courses that look like it and are not."""

CODES = [rule.code for rule in RULES]


def test_the_tables_are_complete() -> None:
    assert set(FIRES) == set(SILENT) == set(CODES)
    assert len(CODES) == len(set(CODES))
    assert {rule.number for rule in RULES} == set(range(1, 25))


def test_causes_are_rules_and_form_no_ring() -> None:
    causes = {rule.code: rule.causes for rule in RULES}
    assert {code for each in causes.values() for code in each} <= set(CODES)

    def above(code: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
        for cause in causes[code]:
            assert cause not in seen, f"{code} is its own cause"
            yield cause
            yield from above(cause, (*seen, code))

    for code in CODES:
        assert code not in causes[code]


@pytest.mark.parametrize("code", CODES)
def test_it_fires(code: str) -> None:
    found = raised(FIRES[code])
    assert code in found, f"found {list(found)}"
    finding = found[code]
    assert finding.message.endswith((".", "!"))
    assert len(finding.message) > 30
    assert all(each.holds for each in finding.evidence)
    assert set(finding.change or {}) <= set(all_settings())
    json.dumps(finding.to_table())
    facts = FIRES[code].facts()
    if finding.change:
        assert finding.restart in ("scratch", "checkpoint")
        assert with_changes(facts.settings, finding.change, source="test") != facts.settings


@pytest.mark.parametrize(("code", "index"), [(code, i) for code in CODES for i in range(len(SILENT[code]))])
def test_it_stays_silent(code: str, index: int) -> None:
    assert code not in raised(SILENT[code][index])


def test_a_sound_run_is_healthy_and_says_what_was_checked() -> None:
    course = Course()
    doctor = Doctor(course.facts())
    assert [change for signal in course.signals() for change in doctor.feed(signal)] == []
    verdict = doctor.verdict()
    assert {check.code for check in verdict} == set(CODES)
    assert {check.state for check in verdict} <= {"quiet", "not measured"}
    quiet = [check for check in verdict if check.state == "quiet"]
    assert len(quiet) >= 20
    assert all(0 <= check.closeness < 1 for check in quiet)


@pytest.mark.parametrize("code", CODES)
def test_what_was_not_measured_is_not_judged(code: str) -> None:
    """A run from before the probes existed: only losses and gradient norms."""
    course = replace(
        FIRES[code],
        inputs=None,
        halves=None,
        validations=lambda step: validation(step, math.nan, train_accuracy=math.nan, train_loss=math.nan),
    )
    bare = [signal for signal in course.signals() if isinstance(signal, Step | Validation)]
    doctor = Doctor(course.facts())
    for signal in bare:
        doctor.feed(replace(signal, gradients=()) if isinstance(signal, Step) else signal)
    states = {check.code: check.state for check in doctor.verdict()}
    for unknown in ("input_scale", "leak", "vanishing", "dead_start", "saturated", "rate_low", "no_signal", "overfit"):
        assert states[unknown] in ("not measured", "too early")


def test_the_first_steps_are_judged_more_often_than_later_ones() -> None:
    course, asked = Course(length=900, total=900), list[int]()
    rule = Rule(0, "asked", "Asked", "info", lambda view: asked.append(view.step), lambda view: Advice("", "", {}, ""))
    doctor = Doctor(course.facts(), (rule,))
    for signal in course.signals():
        doctor.feed(signal)
    assert asked == [*range(20, 520, 10), *range(550, 901, 50)]


def test_rows_are_told_one_by_one_as_all_at_once() -> None:
    rows = Rows(4, 2)
    for number in range(6):
        rows.add((number, -number))
        kept = rows.last()
        for index in (*range(len(kept)), *range(-len(kept), 0)):
            assert rows.nth(index).tolist() == kept[index].tolist()


def test_one_root_and_its_effects() -> None:
    """A learning rate that kills the units is one incident: the rate, with the dead units beneath it."""
    course = replace(
        FIRES["rate_high"],
        dead=lambda step: (0.1, 1.0 if step > 30 else 0.1, 0.1, math.nan),
        validations=lambda step: validation(step, 0.1, largest_answer=1.0),
    )
    doctor = Doctor(course.facts())
    for signal in course.signals():
        doctor.feed(signal)
    assert [finding.code for finding in doctor.findings] == ["rate_high"]
    assert {"died", "collapsed"} <= set(doctor.findings[0].effects)
    assert doctor.findings[0].restart == "scratch"


def test_a_finding_is_cleared_when_it_is_no_longer_so() -> None:
    low = {"optimizer.learning_rate": 1e-5}
    course = Course(
        changes=low,
        rate=lambda step: 1e-5,
        loss=level(1.9),
        ratios=lambda step: (2e-6,) * 4 if step < 150 else (0.01,) * 4,
        total=4 * LENGTH,
    )
    kinds = [(change.kind, change.finding.code) for change in told(course)]
    assert kinds == [("raised", "rate_low"), ("cleared", "rate_low")]


SMOOTHED = {"loss.label_smoothing": 0.1}
"""The loss cannot fall below 0.50; H0 is still 2.30."""


@pytest.mark.parametrize(
    ("code", "above", "below"),
    [
        ("rate_low", 0.75, 0.64),  # e > 0.3 H0 = 0.69, whatever the floor
        ("decayed_early", 0.75, 0.64),
        ("saturated", 0.75, 0.64),
        ("plateau", 1.5, 1.3),  # half of the way from the floor to H0: 1.40
        ("died", 2.22, 2.13),  # 0.93 of that way: 2.18
    ],
)
def test_what_is_left_to_learn_is_counted_as_the_rule_says_where_the_loss_has_a_floor(
    code: str, above: float, below: float
) -> None:
    course = replace(FIRES[code], changes={**FIRES[code].changes, **SMOOTHED})
    assert code in raised(replace(course, loss=level(above)))
    assert code not in raised(replace(course, loss=level(below)))


def offer(course: Course, code: str) -> dict[str, Any]:
    return dict(raised(course)[code].change or {})


def too_high(ratio: float, rate: float, **changes: Any) -> Course:
    """A run whose first steps were too large."""
    known = {"optimizer.learning_rate": rate, **{key.replace("__", "."): value for key, value in changes.items()}}
    return Course(known, PLAIN, loss=stuck, ratios=four(ratio), rate=lambda step: rate, batch_norm=False)


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        # far above the usual rate it is the usual one; what was measured decides where it asks for much less
        (too_high(0.4, 1.0), {"optimizer.learning_rate": 0.0075}),
        (too_high(0.06, 0.5, optimizer__momentum=0.999), {"optimizer.learning_rate": 0.05, "optimizer.momentum": 0.9}),
        (too_high(0.4, 0.1, optimizer__name="adam"), {"optimizer.learning_rate": 1e-3}),
        # at the usual rate, a tenth and less
        (too_high(0.4, 0.05), {"optimizer.learning_rate": 0.05 * 0.003 / 0.4}),
        (too_high(0.4, 1e-3, optimizer__name="adamw"), {"optimizer.learning_rate": 1e-3 * 0.01 / 0.4}),
        # tiny batches are the noise of the steps
        (too_high(0.4, 0.05, training__batch_size=2), {"training.batch_size": 32}),
    ],
)
def test_a_lower_rate_is_the_usual_one_or_computed_from_the_first_step(
    course: Course, expected: dict[str, float]
) -> None:
    course = replace(course, loss=lambda step: 9.0 if step in (2, 3) else stuck(step))
    assert offer(course, "rate_high") == pytest.approx(expected, rel=0.1)


def test_a_higher_rate_is_the_usual_one_or_computed_from_the_steps() -> None:
    low = FIRES["rate_low"]
    assert offer(low, "rate_low") == {"optimizer.learning_rate": 0.05}
    idle = replace(low, changes={**low.changes, "optimizer.momentum": 0.0})
    assert offer(idle, "rate_low") == {"optimizer.learning_rate": 0.05, "optimizer.momentum": 0.9}
    adam = replace(low, changes={"optimizer.name": "adam", "optimizer.learning_rate": 1e-6}, rate=lambda step: 1e-6)
    assert offer(adam, "rate_low") == {"optimizer.learning_rate": 1e-3}
    known = replace(low, changes={**adam.changes, "model.name": "resnet18", "model.pretrained": True}, rate=adam.rate)
    assert offer(known, "rate_low") == {"optimizer.learning_rate": 2e-4}
    near = replace(low, changes={}, rate=lambda step: 0.05, ratios=four(5e-5))
    assert offer(near, "rate_low") == {"optimizer.learning_rate": pytest.approx(0.05 * 0.01 / 5e-5)}


def test_norm_layers_come_with_what_they_need() -> None:
    faded = replace(FIRES["vanishing"], changes={"model.batch_norm": False}, batch_norm=False)
    assert offer(faded, "vanishing") == {"model.init": "kaiming_normal", "model.batch_norm": True}
    odd = {"model.batch_norm": False, "training.batch_size": 2, "optimizer.learning_rate": 0.5}
    expected = {"model.batch_norm": True, "training.batch_size": 32, "optimizer.learning_rate": 0.05}
    expected |= {"model.init": "kaiming_normal"}
    assert offer(replace(faded, changes=odd, rate=lambda step: 0.5), "vanishing") == expected


def test_weights_of_another_size_are_drawn_anew_unless_the_settings_draw_them() -> None:
    found = raised(FIRES["bad_start"])["bad_start"]
    assert found.change == {"model.init": "torch", "optimizer.clip_norm": 1.0}
    assert offer(FIRES["constant_weights"], "constant_weights") == found.change
    # without norm layers it is the weights' size that carries the signal
    bare = replace(FIRES["bad_start"], changes={"model.batch_norm": False}, batch_norm=False)
    assert offer(bare, "bad_start") == {"model.init": "kaiming_normal", "optimizer.clip_norm": 1.0}
    equal = replace(FIRES["constant_weights"], changes={"model.init": "torch"})
    assert not offer(equal, "constant_weights")
    plain = {"model.batch_norm": False}
    chosen = replace(FIRES["bad_start"], changes={"model.init": "orthogonal", **plain}, batch_norm=False)
    assert offer(chosen, "bad_start") == {"model.batch_norm": True, "optimizer.clip_norm": 1.0}
    bounded = replace(chosen, changes={"model.activation": "tanh", **plain})
    expected = {"model.init": "kaiming_normal", "model.activation": "relu", "optimizer.clip_norm": 1.0}
    assert offer(bounded, "bad_start") == expected
    own = {"model.name": "resnet18"}  # of which BatchNorm is no setting
    assert offer(replace(FIRES["dead_start"], changes=own), "dead_start") == found.change


def test_what_blew_up_is_bounded_at_three_times_what_was_usual() -> None:
    spike = Course(
        loss=lambda step: 40.0 if 300 < step < 304 else falling(step),
        norm=lambda step: 60.0 if 300 < step < 304 else 1.0,
        ratios=four(0.02),
    )
    assert raised(spike)["exploding"].restart == "checkpoint"
    assert offer(spike, "exploding") == {"optimizer.clip_norm": 3.0, "optimizer.clip_update": pytest.approx(0.06)}
    late = replace(FIRES["nonfinite"], ratios=four(1e-4))  # no shorter than sound steps are
    assert offer(late, "nonfinite")["optimizer.clip_update"] == pytest.approx(3e-3)
    early = replace(FIRES["nonfinite"], length=30, loss=lambda step: math.nan if step == 30 else falling(step))
    assert offer(early, "nonfinite") == {"optimizer.learning_rate": 0.005, "optimizer.clip_norm": 1.0}


def test_units_that_a_bias_holds_down_are_freed_of_it() -> None:
    found = raised(FIRES["dead_start"])["dead_start"]
    assert found.change == {"model.init": "torch", "optimizer.clip_norm": 1.0}
    assert "no bias pushes them" in found.message
    plain = replace(FIRES["dead_start"], changes={"model.batch_norm": False}, layers=PLAIN, batch_norm=False)
    redrawn = {"model.init": "kaiming_normal", "optimizer.clip_norm": 1.0}
    assert offer(plain, "dead_start") == redrawn
    fast = {"model.batch_norm": False, "optimizer.learning_rate": 0.5}
    fast_plain = replace(plain, changes=fast, rate=lambda step: 0.5)
    assert offer(fast_plain, "dead_start") == {**redrawn, "optimizer.learning_rate": 0.05}
    # weights that the settings draw have no such bias: then norm layers have it, or bring it back into range
    drawn = {"model.init": "orthogonal"}
    assert offer(replace(FIRES["dead_start"], changes=drawn), "dead_start") == {"model.batch_norm": False}
    own = {**drawn, "model.name": "resnet18"}
    assert not offer(replace(FIRES["dead_start"], changes=own), "dead_start")
    both = replace(plain, changes={**plain.changes, **drawn})
    assert offer(both, "dead_start") == {"model.batch_norm": True}


def test_a_learning_rate_that_fell_too_early_falls_with_the_validation_or_late() -> None:
    early = FIRES["decayed_early"]
    fast = replace(early, changes={"schedule.name": "multistep", "schedule.factor": 0.01})
    assert offer(fast, "decayed_early") == {"schedule.name": "plateau", "schedule.factor": 0.1}
    impatient = raised(replace(early, changes={"schedule.name": "plateau"}))["decayed_early"]
    assert impatient.change == {"schedule.name": "multistep", "schedule.milestones": (0.6, 0.85)}
    assert "hold it for most of the run" in impatient.message


def test_what_holds_a_network_back_is_taken_away() -> None:
    found = raised(FIRES["underfit"])["underfit"]
    assert found.change == {"model.dropout": 0.0}
    assert "dropout of 0.95" in found.message
    both = replace(FIRES["underfit"], changes={"model.dropout": 0.5, "optimizer.weight_decay": 0.02})
    assert offer(both, "underfit") == {"model.dropout": 0.0, "optimizer.weight_decay": 5e-4}


def test_half_precision_that_overflows_is_given_up() -> None:
    course = replace(FIRES["nonfinite"], changes={"compute.precision": "float16"})
    assert "nonfinite" not in raised(course)  # a step that is left out now and then is usual
    lasting = replace(course, loss=falling, norm=lambda step: math.inf if step > 100 else 1.0)
    assert offer(lasting, "nonfinite") == {"compute.precision": "float32"}


def test_a_spike_that_is_over_before_it_is_judged_is_found() -> None:
    course = Course(
        loss=lambda step: 40.0 if 300 < step < 304 else falling(step),
        norm=lambda step: 60.0 if 300 < step < 304 else 1.0,
    )
    assert "exploding" in raised(course)


def test_a_run_that_loses_what_it_had_learned_has_too_high_a_rate() -> None:
    def loss(step: int) -> float:
        return 2.3 - step / 500 if step < 150 else 2.4 + 0.02 * math.sin(1.7 * step)

    found = raised(Course({"optimizer.momentum": 0.95}, loss=loss, validations=guessing))
    assert "had come down to 2.0" in found["rate_high"].message
    assert "momentum of 0.95" in found["rate_high"].message
    assert found["rate_high"].change == {"optimizer.learning_rate": 0.01, "optimizer.momentum": 0.9}
    # a restart of the schedule, or a spike, comes back down
    assert "rate_high" not in raised(Course(loss=lambda step: falling(step) + (2.0 if 200 < step < 240 else 0.0)))


def test_momentum_that_adds_steps_up_is_a_learning_rate_that_is_too_high() -> None:
    heavy = Course({"optimizer.momentum": 0.99}, PLAIN, loss=stuck, ratios=four(0.004), validations=guessing)
    found = raised(heavy)["rate_high"]
    assert "Momentum adds the steps up to 10 times what is usual" in found.message
    assert found.change == {"optimizer.momentum": 0.9}
    assert "no_signal" not in raised(heavy)
    # one that learns has the momentum it needs, and a low learning rate makes up for it
    assert "rate_high" not in raised(replace(heavy, loss=falling))
    low = {"optimizer.momentum": 0.99, "optimizer.learning_rate": 0.01}
    assert "rate_high" not in raised(replace(heavy, changes=low, rate=lambda step: 0.01))


def test_units_of_which_most_died_are_found_by_the_gradient_that_left_the_weights() -> None:
    faded = Course(
        loss=stuck,
        layers=PLAIN,
        batch_norm=False,
        changes={"model.batch_norm": False, "training.batch_size": 2},
        dead=lambda step: (0.1, 0.75 if step > 40 else 0.1, 0.1, math.nan),
        gradients=lambda step: (0.5, 0.4, 0.6, 0.3) if step < 40 else (0.02, 0.01, 0.01, 0.01),
        ratios=lambda step: (0.03 if step == 30 else 0.003,) * 4,
    )
    assert offer(faded, "died") == {"training.batch_size": 32}
    # dropout silences units by itself
    assert "died" not in raised(replace(faded, changes={"model.dropout": 0.95, "model.batch_norm": False}))


def test_labels_without_signal_are_learned_by_heart() -> None:
    course = replace(
        FIRES["no_signal"],
        halves=None,
        validations=lambda step: validation(step, 0.1, loss=CHANCE + 0.01, train_loss=CHANCE - 0.03),
    )
    found = raised(course)["no_signal"]
    assert found.step <= 250
    assert not found.change
    assert "no_signal" not in raised(replace(course, validations=guessing))


def test_validation_pictures_that_are_decoded_otherwise_are_told_from_augmentation() -> None:
    assert "validation_input" in raised(Course(inputs=good_inputs(detail=0.52, validation_detail=0.29)))
    assert "validation_input" not in raised(Course(inputs=good_inputs(detail=0.52, validation_detail=0.48)))


def test_a_tiny_network_that_will_not_come_down_in_time_is_too_small() -> None:
    course = Course(
        {"model.width": 1, "model.blocks": 2},
        loss=lambda step: 2.2 - step / 500 + 0.02 * math.sin(1.7 * step),
        validations=lambda step: validation(step, 0.4),
    )
    assert offer(course, "underfit") == {"model.width": 32, "model.blocks": 3}
    assert "underfit" not in raised(replace(course, total=4 * LENGTH))
    # strong dropout slows down, and what falls is left alone
    assert "underfit" not in raised(replace(course, changes={"model.dropout": 0.5}))


def test_layers_that_cannot_learn_do_not_hide_a_rate_that_is_too_low() -> None:
    course = replace(FIRES["rate_low"], layers=(replace(NORMED[0], trained=False), *NORMED[1:]))
    assert {"unwired", "rate_low"} <= set(raised(course))


def test_statistics_that_lag_are_given_a_lower_rate_only_if_they_go_on_lagging() -> None:
    def lagging(count: int) -> Course:
        late = lambda step: step <= 50 * count  # noqa: E731
        return Course(
            validations=lambda step: validation(step, 0.12, train_accuracy=0.13) if late(step) else validation(step),
            accuracy=lambda step: 0.6,
            inputs=good_inputs(duplicates=12),
        )

    passing = raised(lagging(2))
    assert passing["mismatch"].severity == "info"
    assert not passing["mismatch"].change
    assert not any(finding.change for finding in passing.values())  # least of all beside pictures that are at fault
    lasting = raised(lagging(3))["mismatch"]
    assert lasting.severity == "warning"
    assert lasting.change == {"optimizer.learning_rate": pytest.approx(0.05 / 3, rel=0.03)}


def test_one_answer_of_a_network_that_lets_nothing_through_needs_norm_layers() -> None:
    plain = {"model.batch_norm": False, "model.activation": "sigmoid"}
    found = raised(replace(FIRES["collapsed"], changes=plain, batch_norm=False))["collapsed"]
    assert found.change == {"model.batch_norm": True, "model.activation": "relu"}
    assert "Through sigmoid without norm layers" in found.message
    for other in ({**plain, "model.activation": "relu"}, {**plain, "model.batch_norm": True}):
        assert offer(replace(FIRES["collapsed"], changes=other), "collapsed") == {"optimizer.learning_rate": 0.017}
    own = {**plain, "model.name": "resnet18"}  # of which neither is a setting
    assert "model.batch_norm" not in offer(replace(FIRES["collapsed"], changes=own), "collapsed")


def test_no_setting_makes_up_for_pictures_that_are_not_there() -> None:
    for code in ("imbalanced", "neglected", "overfit"):
        rich = replace(FIRES[code], counts=(2000, *(400,) * 8, 30) if code != "overfit" else (160,) * 10)
        assert raised(rich)[code].change, code
        poor = raised(replace(rich, counts=(2000, *(400,) * 8, 29) if code != "overfit" else (20,) * 10))[code]
        assert not poor.change, code
        assert "o setting makes up for" in poor.message
        assert "ollect more of" in poor.message
    assert offer(FIRES["overfit"], "overfit").keys() == {"model.dropout"}  # the rest is in force
    assert not offer(FIRES["label_noise"], "label_noise")
    assert "look at the training pictures" in raised(FIRES["label_noise"])["label_noise"].message


def test_the_first_bad_value_is_named() -> None:
    found = raised(replace(FIRES["nonfinite"], extra=(NonFinite(120, "output of blocks.1.0"),)))["nonfinite"]
    assert found.layer == "blocks.1.0"
    assert "output of blocks.1.0" in found.message
    picture = raised(replace(FIRES["nonfinite"], extra=(NonFinite(120, "input", "cat/7.png"),)))["nonfinite"]
    assert "cat/7.png" in picture.message
    assert not picture.change


def test_the_same_signals_give_the_same_findings() -> None:
    """A doctor that starts again on recorded signals stands where the first one stood."""
    course = FIRES["vanishing"]
    assert told(course) == told(course)


def test_a_resumed_run_is_not_judged_by_a_start_that_was_not_seen() -> None:
    found = raised(replace(FIRES["rate_high"], first=2000, total=4000))
    assert "rate_high" not in found


@pytest.mark.parametrize(
    ("value", "limit", "side", "closeness"),
    [(5.0, 10.0, "above", 0.5), (-8.0, -4.0, "above", 0.5), (0.04, 0.02, "below", 0.5), (3.0, 2.0, "above", 1.5)],
)
def test_closeness(value: float, limit: float, side: Any, closeness: float) -> None:
    evidence = Evidence("x", value, limit, side)
    assert evidence.closeness == pytest.approx(closeness)
    assert evidence.holds == (closeness > 1)


@pytest.mark.parametrize("change", [{"data.sampler": "balanced"}, {"loss.class_weights": "balanced"}])
def test_guessing_costs_as_much_as_classes_that_are_drawn_or_weighed_alike(change: dict[str, Any]) -> None:
    counts = (90, 10)

    def chance(**changes: Any) -> float:
        settings = with_changes(Settings(), changes, source="test")
        return baseline(Facts(settings, (), counts, steps_per_epoch=10, total_steps=100))[1]

    assert chance() == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))
    assert chance(**change) == pytest.approx(math.log(2))
