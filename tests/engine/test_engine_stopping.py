"""When a run ends early, which validation is the best, and what an extension makes of the plan."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from typing import Any

import pytest

from tui.core import control
from tui.core.errors import UsageError
from tui.core.events import CheckpointSaved, Ended, Evaluated, Extended, Message, Rewound, Started
from tui.core.extensions import Extension, extend, planned_steps, read_extensions
from tui.core.presets import read_settings
from tui.core.rundir import RunDir
from tui.engine import link as links
from tui.engine import stopping
from tui.engine.link import Stopped
from tui.engine.plan import Plan
from tui.engine.progress import Progress
from tui.engine.schedules import Schedule
from tui.engine.stopping import Stopping


@pytest.fixture(autouse=True)
def poll_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "POLL_SECONDS", 0.0)


def weights_of(run: RunDir) -> str:
    name = json.loads(run.pointer("last").read_bytes())["directory"]
    return hashlib.sha256((run.checkpoints / name / "model.safetensors").read_bytes()).hexdigest()


def test_most_steps_end_the_run_and_shorten_the_schedule(
    trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    chosen = settings(**{"training.max_steps": 17})
    text = trainer(chosen)[0].run()
    assert "Trained 1.7 epochs" in text
    rows = records(run)
    assert list(rows) == list(range(1, 18))
    planned = Schedule(chosen, 10, 17)
    assert rows[17]["learning_rate"] == pytest.approx(planned.rate(17), rel=1e-6)
    assert rows[17]["learning_rate"] < 0.02 * chosen.optimizer.learning_rate
    assert [event.step for event in events(run, Evaluated) if event.split == "validation"] == [10, 17]
    assert planned_steps(settings(**{"training.max_steps": 1000}).training, 10) == 30


@pytest.mark.parametrize(("epoch", "told"), [(2, False), (3, True), (0, False)])
def test_a_backbone_that_would_learn_after_the_end_is_told_of(
    epoch: int, told: bool, trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    trainer(settings(**{"model.freeze_backbone": True, "model.unfreeze_epoch": epoch}))
    warnings = [event.text for event in events(run, Message) if event.level == "warning"]
    assert any("frozen to the end: it would learn after 30 steps" in text for text in warnings) == told


@pytest.mark.parametrize(("steps", "told"), [(15, True), (16, False), (0, False)])
def test_a_run_that_ends_within_its_warm_up_says_so(
    steps: int, told: bool, trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    trainer(settings(**{"training.max_steps": steps, "schedule.warmup_epochs": 1.5}))
    warnings = [event.text for event in events(run, Message) if event.level == "warning"]
    assert any("ends within its warm-up, after 15 of 15 steps" in text for text in warnings) == told


def test_the_time_limit_ends_the_run_with_a_validation_and_the_test(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()  # ten seconds a step, by a clock that is looked at once a boundary
    monkeypatch.setattr(stopping, "monotonic", lambda: 10.0 * next(clock))
    loop, _, _ = trainer(settings(**{"training.max_minutes": 2.0, "training.epochs": 50}))
    text = loop.run()
    assert "because training.max_minutes is over" in text
    assert "of 50" in text
    splits = [(event.split, event.step) for event in events(run, Evaluated)]
    last = splits[-2][1]
    assert 10 <= last <= 13
    assert splits[-2][0] == "validation"
    assert splits[-1][0] == "test"
    assert events(run, CheckpointSaved)[-1].step == last


def test_an_attempt_says_how_long_those_before_it_trained(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(stopping, "monotonic", lambda: 10.0 * next(clock))
    chosen = settings(**{"training.epochs": 5, "training.max_steps": 23})
    loop, data, _ = trainer(chosen)
    data.before = lambda step: control.ask(run, "stop") if step == 4 else None
    with pytest.raises(Stopped):
        loop.run()
    started_again(run)
    text = trainer(chosen, attempt=2)[0].run()
    first, second = events(run, Started)
    assert first.trained == 0
    assert second.trained >= 10 * second.step > 0
    assert text.startswith("Trained 2.3 epochs; best validation")


def test_a_pause_does_not_count_as_training_time(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stopping, "monotonic", lambda: now[0])
    watch, progress = Stopping(settings(**{"training.max_minutes": 1.0}), "classification"), Progress()
    watch.take_up(progress)
    progress.step, now[0] = 1, 50.0
    watch.leave_out(30.0)
    watch.tick()
    assert progress.elapsed == 20.0
    watch.tick()  # no new step: the same step must give the same state
    now[0] = 1000.0
    watch.tick()
    assert (progress.elapsed, progress.end) == (20.0, 0)
    progress.step = 2
    watch.tick()
    assert progress.end == 2


@pytest.mark.parametrize(
    ("metric", "change", "values", "ends"),
    [
        ("loss", 0.0, [1.0, 0.9, 0.95, 0.9, 0.5], [0, 0, 0, 4, 4]),
        ("accuracy", 0.0, [0.5, 0.6, 0.6, 0.7, 0.1, 0.2], [0, 0, 0, 0, 0, 6]),
        ("accuracy", 0.05, [0.5, 0.52, 0.54, 0.9], [0, 0, 3, 3]),
        ("loss", 0.0, [math.nan, math.nan, 1.0], [0, 2, 2]),
    ],
)
def test_patience_follows_the_metrics_own_direction(
    settings: Any, metric: str, change: float, values: list[float], ends: list[int]
) -> None:
    chosen = settings(**{"training.stop_patience": 2, "training.stop_metric": metric, "training.stop_change": change})
    watch, progress = Stopping(chosen, "classification"), Progress()
    watch.take_up(progress)
    seen = []
    for step, value in enumerate(values, start=1):
        progress.step = step
        watch.validated({"loss": 1.0, metric: value})
        seen.append(progress.end)
    assert seen == ends


def test_early_stopping_in_a_run_and_what_a_resumed_one_remembers(
    trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    chosen = settings(
        **{"training.stop_patience": 3, "training.stop_change": 1000.0, "training.epochs": 9}
    )  # nothing is ever good enough
    loop, data, link = trainer(chosen)
    data.before = lambda step: setattr(link, "_terminations", int(step == 24))
    with pytest.raises(Stopped):
        loop.run()
    text = trainer(chosen, attempt=2)[0].run()
    assert "Trained 4 epochs of 9" in text
    assert re.search(r"validation loss was not better than \S+ by at least 1000\.00 in 3 validations", text)
    assert [event.step for event in events(run, Evaluated) if event.split == "validation"] == [10, 20, 30, 40]
    assert next(event for event in events(run, Evaluated) if event.split == "test")


def test_the_best_is_chosen_by_any_metric(trainer: Any, settings: Any, run: RunDir, events: Any) -> None:
    text = trainer(settings(**{"training.best_by": "loss", "training.epochs": 4}))[0].run()
    assert "best validation loss" in text
    best = math.inf
    for event in events(run, Evaluated):
        if event.split == "validation":
            value = event.metrics["loss"]
            assert event.best == (value < best)
            best = min(best, value)


def test_a_metric_of_another_task_is_refused(settings: Any) -> None:
    with pytest.raises(UsageError, match=r"training.best_by is r2.*not measured for classification.*accuracy"):
        Stopping(settings(**{"training.best_by": "r2"}), "classification")
    Stopping(settings(**{"training.best_by": "r2"}), "regression")
    with pytest.raises(UsageError, match=r"training\.stop_metric"):
        Stopping(settings(**{"training.stop_metric": "mae", "training.stop_patience": 1}), "multilabel")
    Stopping(settings(**{"training.stop_metric": "mae"}), "multilabel")  # nobody watches it


def test_a_missing_metric_is_told_once(settings: Any) -> None:
    watch = Stopping(settings(**{"training.best_by": "top5_accuracy"}), "classification")
    assert "top5_accuracy" in watch.unmeasured({"loss": 1.0})
    assert watch.unmeasured({"loss": 1.0}) == ""
    assert watch.ranked({"loss": 1.0}, 5) == (False, False)


def test_checkpoints_from_before_the_choice_are_understood() -> None:
    table = Progress(step=7).to_table()
    table["best"] = {"step": 5, "accuracy": 0.5, "loss": 1.0}
    for new in ("patience", "elapsed", "end", "end_reason"):
        del table[new]
    progress = Progress.from_table(table)
    assert (progress.best.score, progress.best.step, progress.step) == (0.5, 5, 7)


def test_an_extension_stretches_a_falling_schedule_and_leaves_a_constant_one(settings: Any) -> None:
    chosen = settings(**{"training.epochs": 6, "schedule.warmup_epochs": 0.3})
    plan = Plan(chosen, 10, [Extension(step=30, before=30, total=60)])
    before, longer = Schedule(chosen, 10, 30), Schedule(chosen, 10, 60)
    assert plan.total == 60
    assert [plan.rate(step) for step in range(1, 31)] == [before.rate(step) for step in range(1, 31)]
    assert [plan.rate(step) for step in range(33, 61)] == [longer.rate(step) for step in range(33, 61)]
    rise = [plan.rate(step) for step in (30, 31, 32, 33)]
    assert rise == sorted(rise)
    assert rise[0] < rise[1] < 0.5 * longer.rate(31)
    constant = settings(**{"training.epochs": 6, "schedule.name": "constant"})
    flat = Plan(constant, 10, [Extension(30, 30, 60)])
    assert {flat.rate(step) for step in range(10, 61)} == {constant.optimizer.learning_rate}


def end_of(run: RunDir) -> None:
    """Put the line that the engine's process writes last."""
    with run.events.open("ab") as file:
        file.write(Ended(reason="finished", exit_code=0).encode())


@pytest.mark.parametrize("stops", [(), (34, 41)])
def test_an_extended_run_goes_on_exactly_whatever_interrupts_it(
    stops: tuple[int, ...], trainer: Any, settings: Any, run: RunDir, events: Any, records: Any
) -> None:
    """Stopped anywhere or not, and with patience counted anew: the weights are the same to the last bit."""
    chosen = settings(**{"training.stop_patience": 2, "training.stop_change": 1000.0, "model.dropout": 0.3})
    whole = RunDir(run.path.with_name("whole"))
    whole.make()
    hashes = []
    for where, cuts in ((whole, ()), (run, stops)):
        where.settings.write_text("[training]\nepochs = 3\n")
        trainer(chosen, where=where)[0].run()
        extend(where, chosen.training, 3, step=30, epoch_steps=10, ended=True)
        assert read_settings(where.settings).training.epochs == 6
        longer = chosen.model_copy(update={"training": chosen.training.model_copy(update={"epochs": 6})})
        for attempt, cut in enumerate((*cuts, 0), start=2):
            loop, data, link = trainer(longer, where=where, attempt=attempt)
            data.before = lambda step, link=link, cut=cut: setattr(link, "_terminations", int(step + 1 == cut))
            if cut:
                with pytest.raises(Stopped):
                    loop.run()
            else:
                loop.run()
        hashes.append(weights_of(where))
        assert list(records(where)) == list(range(1, 61))
    assert hashes[0] == hashes[1]


def test_a_training_run_is_extended_and_stopped_at_the_end_of_an_epoch(
    trainer: Any, settings: Any, run: RunDir, events: Any
) -> None:
    run.settings.write_text("[training]\nepochs = 3\n")
    loop, data, _ = trainer(settings())
    asked: list[int] = []

    def ask(step: int) -> None:
        if step == 4 and not asked:
            control.ask(run, "extend", 2.0)
            control.ask(run, "stop_after_epoch")
            asked.append(step)

    data.before = ask
    with pytest.raises(Stopped, match="end of the epoch, after step 10 of 50"):
        loop.run()
    told = events(run, Extended)
    assert [(one.epochs, one.total_epochs, one.total_steps) for one in told] == [(2, 5, 50)]
    (noted,) = read_extensions(run)
    assert (noted.step, noted.before, noted.total) == (5, 30, 50)
    started_again(run)
    assert "Trained 5 epochs" in trainer(settings(), attempt=2)[0].run()


def test_the_settings_of_an_extended_run_train_as_long_as_it_does(run: RunDir, settings: Any) -> None:
    """Also where `training.max_steps` had ended it, and again where the request is found again after a crash."""
    run.settings.write_text("[training]\nepochs = 20\nmax_steps = 15\n")
    chosen = settings(**{"training.epochs": 20, "training.max_steps": 15}).training
    for _ in range(2):
        extend(run, chosen, 2, step=15, epoch_steps=10, ended=True, request="a")
        now = read_settings(run.settings).training
        assert (now.epochs, now.max_steps, planned_steps(now, 10)) == (4, 35, 35)
        assert planned_steps(now, 10) == planned_steps(now, 10, read_extensions(run))
    extend(run, now, 1, step=20, epoch_steps=10, ended=False, request="b")
    assert [(one.before, one.total) for one in read_extensions(run)] == [(15, 35), (35, 45)]
    assert planned_steps(read_settings(run.settings).training, 10) == 45


def test_an_impossible_extension_changes_nothing(run: RunDir, settings: Any) -> None:
    run.settings.write_text("[training]\nepochs = 3\n")
    for epochs in (0, -3, 10**9):
        with pytest.raises(UsageError, match="cannot be extended"):
            extend(run, settings().training, epochs, step=30, epoch_steps=10, ended=True)
    assert read_extensions(run) == ()
    run.extensions.write_text('{"format": 1, "extensions": [{"step": 9, "before": 3, "total": 1}]}')
    with pytest.raises(Exception, match="damaged"):
        read_extensions(run)


def started_again(run: RunDir) -> None:
    """Do what the supervisor does when a person starts a run again."""
    for request in control.pending(run):
        control.answered(request)


class Killed(BaseException):
    """Stands for SIGKILL: nothing is saved on the way out."""


def test_a_stop_at_the_end_of_the_epoch_outlives_a_crash(
    trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine that is started again begins an epoch earlier, and stops where the first was to stop."""
    chosen = settings(
        **{"training.epochs": 5, "training.checkpoint_unit": "steps", "training.checkpoint_every": 18},
        **{"training.validate_every": 5},
    )
    loop, data, _ = trainer(chosen)

    def ask(step: int) -> None:
        if step in (22, 23):
            control.ask(run, "stop_after_epoch")
        if step == 25:
            raise Killed

    data.before = ask
    with pytest.raises(Killed):
        loop.run()
    (waiting,) = control.pending(run)  # the second one said nothing new
    assert (waiting.action, waiting.value) == ("stop_after_epoch", 30.0)
    loop = trainer(chosen, attempt=2)[0]
    save = loop._attempt.saver.save

    def killed(*arguments: Any, **more: Any) -> bool:
        if loop._progress.step == 30:
            raise Killed
        return save(*arguments, **more)

    monkeypatch.setattr(loop._attempt.saver, "save", killed)
    with pytest.raises(Killed):
        loop.run()
    with pytest.raises(Stopped, match="Stopped on request at the end of the epoch, after step 30 of 50"):
        trainer(chosen, attempt=3)[0].run()
    assert next(event.step for event in events(run, Rewound)) == 18
    started_again(run)
    assert "Trained 5 epochs" in trainer(chosen, attempt=4)[0].run()


@pytest.mark.parametrize("recorded", [False, True], ids=["before it is recorded", "after"])
def test_an_extension_whose_request_is_found_again_counts_once(
    recorded: bool, trainer: Any, settings: Any, run: RunDir, events: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between doing it and taking the request away, the run goes on as it would have."""
    run.settings.write_text("[training]\nepochs = 3\n")
    saved = {"training.checkpoint_unit": "steps", "training.checkpoint_every": 10}
    loop, data, link = trainer(settings(**saved))

    def killed(event: Any, event_before: Any = link.event) -> None:
        if recorded:
            event_before(event)
        if isinstance(event, Extended):
            raise Killed
        if not recorded:
            event_before(event)

    monkeypatch.setattr(link, "event", killed)
    data.before = lambda step: control.ask(run, "extend", 2.0) if step == 12 else None
    with pytest.raises(Killed):
        loop.run()
    assert len(control.pending(run)) == 1
    run.settings.write_text("[training]\nepochs = 3\n")  # as if killed before this was written, too
    again = settings(**saved)
    attempt = trainer(again, attempt=2)[0]
    gone_on: list[int] = []
    progress = attempt._progress
    monkeypatch.setattr(progress, "go_on", lambda: gone_on.append(progress.step))
    assert "Trained 5 epochs" in attempt.run()
    (noted,) = read_extensions(run)
    assert (noted.step, noted.before, noted.total) == (13, 30, 50)
    assert gone_on == [13]  # where the first attempt forgot its patience, though this one began at step 10
    assert control.pending(run) == []
    assert read_settings(run.settings).training.epochs == 5
    assert {(one.step, one.total_steps) for one in events(run, Extended)} == {(13, 50)}
