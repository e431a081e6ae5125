"""A learning rate that a person changes while it trains: from which step on, for how long, and after a crash too."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tui.core import control
from tui.core.errors import FailureError
from tui.core.events import Controlled, Evaluated, Message
from tui.core.extensions import Extension
from tui.core.rates import RateChange, note_rate, read_rates, wrong_with
from tui.core.rundir import RunDir
from tui.engine import link as links
from tui.engine.link import Stopped
from tui.engine.plan import Plan


@pytest.fixture(autouse=True)
def poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "POLL_SECONDS", 0.0)


def weights_of(run: RunDir) -> str:
    name = json.loads(run.pointer("last").read_bytes())["directory"]
    return hashlib.sha256((run.checkpoints / name / "model.safetensors").read_bytes()).hexdigest()


class Killed(BaseException):
    """Stands for SIGKILL: nothing is saved on the way out."""


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer.name": "sgd", "schedule.name": "cosine"},
        {"optimizer.name": "adamw", "schedule.name": "plateau", "schedule.patience": 0},
        {"schedule.name": "onecycle", "optimizer.ema_decay": 0.9, "data.mixup": 0.4, "optimizer.accumulate": 2}
        | {"training.epochs": 6},
    ],
    ids=["sgd-cosine", "adamw-plateau", "averaged-mixed-accumulated"],
)
def test_changes_last_and_are_repeated_where_they_were_made(
    changes: dict[str, Any], trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    """The run is killed behind two changes, goes back before the second, and ends as one that was never killed."""
    saved = {"training.checkpoint_unit": "steps", "training.checkpoint_every": 5, "training.validate_every": 1}
    chosen = settings(**{"model.dropout": 0.3, "optimizer.learning_rate": 0.01}, **saved, **changes)
    plain, whole = (RunDir(run.path.with_name(name)) for name in ("plain", "whole"))
    for where in (plain, whole):
        where.make()
    trainer(chosen, where=plain)[0].run()
    requests = {2: 0.5, 11: 4.0}
    for where, killed in ((whole, 0), (run, 13)):
        loop, data, _ = trainer(chosen, where=where)

        def ask(step: int, where: RunDir = where, killed: int = killed) -> None:
            if step in requests:
                control.ask(where, "rate", requests[step])
            if killed and step == killed:
                raise Killed

        data.before = ask
        if killed:
            with pytest.raises(Killed):
                loop.run()
            trainer(chosen, where=where, attempt=2)[0].run()
        else:
            loop.run()
    assert read_rates(run)[0].step == 3
    assert [(one.step, one.factor) for one in read_rates(run)] == [(3, 0.5), (12, 4.0)]
    rates, usual = ({step: row["learning_rate"] for step, row in records(one).items()} for one in (whole, plain))
    if changes.get("schedule.name") != "plateau":  # there the losses decide too
        for step, rate in usual.items():
            assert rates[step] == pytest.approx(rate * (1 if step <= 3 else 0.5 if step <= 12 else 2), rel=1e-6)
    assert {step: row["learning_rate"] for step, row in records(run).items()} == rates
    assert weights_of(run) == weights_of(whole) != weights_of(plain)
    told = [(one.step, one.action, one.value) for one in events(run, Controlled)]
    assert told == [(3, "rate", 0.5), (12, "rate", 4.0), (12, "rate", 4.0)]  # again where it takes force again


def test_a_request_found_again_after_a_crash_counts_once(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    loop, data, _ = trainer(settings(**{"training.epochs": 1}))
    found: list[control.Request] = []

    def again(step: int) -> None:
        if step == 2:
            control.ask(run, "rate", 0.5)
            found.extend(control.pending(run))
        if step == 5:  # as if the file had outlived the answer
            found[0].path.write_text('{"action": "rate", "value": 0.5}')

    data.before = again
    loop.run()
    assert [(one.step, one.factor) for one in read_rates(run)] == [(3, 0.5)]
    assert control.pending(run) == []


def test_the_new_rate_is_told_as_a_person_reads_it(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    rate = {"optimizer.learning_rate": 0.0669574, "schedule.name": "constant", "schedule.warmup_epochs": 0.0}
    loop, data, _ = trainer(settings(**{"training.epochs": 1}, **rate))
    data.before = lambda step: control.ask(run, "rate", 0.5) if step == 2 else None
    loop.run()
    assert [event.text for event in events(run, Message) if "learning rate" in event.text] == [
        "The learning rate is 0.0335 from the next step on."
    ]


@pytest.mark.parametrize("value", [None, 0.0, -2.0, float("nan"), float("inf"), 1.0])
def test_a_factor_that_makes_no_sense_is_refused(
    value: float | None, trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    assert wrong_with(value)
    loop, data, _ = trainer(settings(**{"training.epochs": 1}))
    data.before = lambda step: control.ask(run, "rate", value) if step == 2 else None
    loop.run()
    assert any("The learning rate stays as it is: a factor" in event.text for event in events(run, Message))
    assert events(run, Controlled) == []
    assert control.pending(run) == []
    assert read_rates(run) == ()


def test_factors_reach_through_an_extension(settings: Any) -> None:
    plain = Plan(settings(), 10, [Extension(30, 30, 60)])
    changed = Plan(settings(), 10, [Extension(30, 30, 60)], [RateChange(20, 0.1), RateChange(40, 10.0)])
    for step in (1, 20, 21, 30, 31, 40, 41, 60):
        factor = 0.1 if 20 < step <= 40 else 1
        assert changed.rate(step) == pytest.approx(factor * plain.rate(step), rel=1e-12)


def test_a_damaged_file_is_named(run: RunDir) -> None:
    note_rate(run, RateChange(3, 0.5))
    run.rates.write_text('{"format": 1, "changes": [{"step": 3, "factor": 0, "request": ""}]}')
    with pytest.raises(FailureError, match=r"rates\.json is damaged"):
        read_rates(run)
    run.rates.write_text('{"format": 9}')
    with pytest.raises(FailureError, match="newer version"):
        read_rates(run)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_run_that_is_stopped_after_every_step_ends_as_one_that_never_was(
    name: str, trainer: Any, settings: Any, run: RunDir, records: Any, events: Any
) -> None:
    """Everything that remembers at once, and the learning rate changed on the way: weights and records, bit for bit."""
    chosen = settings(
        **{"optimizer.name": name, "optimizer.learning_rate": 0.01, "optimizer.ema_decay": 0.9},
        **{"optimizer.accumulate": 2, "data.mixup": 0.4, "model.dropout": 0.3, "data.sampler": "balanced"},
        **{"schedule.name": "plateau", "schedule.patience": 0, "training.epochs": 3},
        **{"training.validate_unit": "steps", "training.validate_every": 4},
    )
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    requests = {3: 0.5, 9: 3.0}
    asked: set[tuple[str, int]] = set()

    def attempted(where: RunDir, attempt: int, *, stop: bool) -> bool:
        loop, data, link = trainer(chosen, where=where, attempt=attempt)

        def before(step: int) -> None:
            if step in requests and (where.name, step) not in asked:
                asked.add((where.name, step))
                control.ask(where, "rate", requests[step])
            link._terminations = int(stop)

        data.before = before
        try:
            loop.run()
        except Stopped:
            return False
        return True

    assert attempted(whole, 1, stop=False)
    attempts = next(attempt for attempt in range(1, 40) if attempted(run, attempt, stop=True))
    assert attempts > 15  # one step each
    assert weights_of(run) == weights_of(whole)
    timing = ("images_per_second", "data_wait", "overhead", "logging")
    for kind in ("batches", "layers"):
        both = [
            {s: [v for k, v in r.items() if k not in timing] for s, r in records(w, kind).items()} for w in (run, whole)
        ]
        assert both[0] == both[1]
    judged = [[(e.step, e.metrics, e.best) for e in events(where, Evaluated)] for where in (run, whole)]
    assert judged[0] == judged[1]
    assert [(one.step, one.factor) for one in read_rates(run)] == [(4, 0.5), (10, 3.0)]
