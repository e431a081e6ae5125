"""Runs made up for tests: every file a real run has, the same bytes each time, by a clock that stands still.

    run = make_run(tmp_path, steps=400, epochs=4, status="running")
    builders.stop_the_clock(monkeypatch, run)      # so that "running" is not "silent since January"
    ...
    builders.let_go(run)                           # its lock, if the status is a living one

The curves look like a training: loss falls with noise, gradients are largest in the deep layers.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from tui.core import events
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, DEAD, LAYERS, SATURATED, UPDATES, WEIGHTS, Encoder, Header, decode_header
from tui.core.rundir import FORMAT, RunDir
from tui.core.schema import nested, validated
from tui.runs.host import boot_id, host_name, start_time
from tui.runs.liveness import Owner
from tui.runs.status import Status

START = 1_769_860_800.0
"""2026-01-31 12:00:00 UTC: when every made-up run begins."""
SECONDS_PER_STEP = 0.05
CLASSES = ("airplane", "bird", "cat", "dog", "frog", "ship")

_HELD: dict[RunDir, int] = {}


def make_run(
    root: Path,
    *,
    name: str = "20260131-120000-example",
    steps: int = 400,
    epochs: int = 4,
    layers: int | tuple[str, ...] = 6,
    status: Status = "finished",
    classes: tuple[str, ...] = CLASSES,
    total_steps: int | None = None,
    attempts: tuple[tuple[int, int], ...] = (),
    nan_from: int | None = None,
    preset: str = "cifar10",
    settings: dict[str, dict[str, Any]] | None = None,
    seed: int = 0,
) -> RunDir:
    """Write a run into ``root`` and return it.

    Args:
        root: the directory of runs.
        name: its directory's name.
        steps: how many steps are done; 0 for a run that is preparing.
        epochs: over how many epochs these steps are spread; each but an unfinished last one is validated.
        layers: how many weights, or their names.
        status: what `RunFollower` will say of it, with the clock stopped (for ``silent``: an hour after). While the
            status is a living one, this process holds the lock.
        classes: folder names.
        total_steps: what the run was to make; as many as ``steps`` when finished, else half as many again.
        attempts: (first step, last step) of each attempt; one attempt over all steps by default.
        nan_from: the loss is NaN from this step on.
        preset: as named in its settings.
        settings: what differs from the defaults.
        seed: of the noise.
    """
    run = RunDir(root / name)
    run.make()
    steps = 0 if status == "preparing" else steps
    total = total_steps or (steps if status == "finished" else max(1, steps + steps // 2))
    per_epoch = max(1, math.ceil(max(steps, 1) / epochs))
    names = layers if isinstance(layers, tuple) else tuple(f"blocks.{i}.convolution.weight" for i in range(layers))
    _write_settings(run, preset, settings or {}, math.ceil(total / per_epoch))
    _write_dataset(run, classes)
    story = _Story(run, classes, names, per_epoch, total, nan_from, np.random.default_rng(seed))
    for attempt, (first, last) in enumerate(attempts or ((1, steps),), start=1):
        story.tell(attempt, first, last)
    story.end(status)
    return run


def end_of(run: RunDir) -> float:
    """Return the time of the last thing that happened in a made-up run."""
    lines = run.events.read_bytes().splitlines()
    return max(float(json.loads(line)["time"]) for line in lines)


def stop_the_clock(monkeypatch: pytest.MonkeyPatch, run: RunDir, *, after: float = 1.0) -> float:
    """Let all of `tui.runs` be told the same time: ``after`` seconds behind the run's last event."""
    moment = end_of(run) + after
    monkeypatch.setattr("tui.runs.status.now", lambda: moment)
    return moment


def hold(run: RunDir) -> None:
    """Hold the run's lock in this process, as its supervisor would."""
    handle = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _HELD[run] = handle


def let_go(run: RunDir) -> None:
    """Let the run's lock go: to the eye, its supervisor has been killed."""
    os.close(_HELD.pop(run))
    if run.owner.exists():
        fields = json.loads(run.owner.read_text())
        run.owner.write_text(json.dumps({**fields, "start_time": "1"}))


def append_records(run: RunDir, kind: str, attempt: int, columns: tuple[str, ...], rows: list[list[float]]) -> None:
    """Append records to a segment, which is begun if need be; a row is step, seconds after `START`, values."""
    header = Header(kind, columns, attempt, run.name)
    encoder = Encoder(header)
    path = run.segment(kind, attempt)
    data = b"" if path.exists() else header.encode()
    data += b"".join(encoder.encode(int(step), START + moment, values) for step, moment, *values in rows)
    with path.open("ab") as file:
        file.write(data)


def summarise(run: RunDir, kind: str, attempt: int) -> None:
    """Write the summaries of a segment, as the engine does while it records."""
    from tui.engine.pyramid import Pyramid

    data = run.segment(kind, attempt).read_bytes()
    decoded = decode_header(data)
    assert decoded is not None
    header, start = decoded
    pyramid = Pyramid(run, header)
    for at in range(start, len(data) - header.width + 1, header.width):
        pyramid.add(data[at : at + header.width])
    pyramid.close()


def append_event(run: RunDir, event: events.Event) -> None:
    """Append one event."""
    with run.events.open("ab") as file:
        file.write(event.encode())


def own(run: RunDir, **changes: Any) -> None:
    """Write an ``owner.json`` that names this very process, but for ``changes``."""
    fields: dict[str, Any] = {
        "host": host_name(),
        "boot_id": boot_id(),
        "pid": os.getpid(),
        "start_time": start_time(os.getpid()),
        "uuid": "00000000-0000-4000-8000-000000000000",
        "since": START,
    }
    run.owner.write_text(Owner(**{**fields, **changes}).encode())


class _Story:
    """Writes the events and records of attempt after attempt."""

    def __init__(
        self,
        run: RunDir,
        classes: tuple[str, ...],
        layers: tuple[str, ...],
        per_epoch: int,
        total: int,
        nan_from: int | None,
        noise: np.random.Generator,
    ) -> None:
        self.run = run
        self.classes = classes
        self.layers = layers
        self.per_epoch = per_epoch
        self.total = total
        self.nan_from = nan_from
        self.noise = noise
        self.clock = 0.0
        self.step = 0
        self.best = -1.0

    def event(self, event: events.Event) -> None:
        append_event(self.run, event.but(time=START + self.clock, step=self.step))

    def tell(self, attempt: int, first: int, last: int) -> None:
        self.step = 0
        self.event(events.Launched(attempt=attempt, host="example-host", pid=4242))
        self.clock += 1
        self.event(events.Preparing(stage="decoding pictures", done=600, total=600))
        if last < first:
            return
        self.step = first - 1
        if attempt > 1:
            self.event(events.Rewound(attempt=attempt, checkpoint=self.run.checkpoint(self.step).name))
        self.clock += 1
        self.event(self.started(attempt))
        batches: list[list[float]] = []
        norms: list[list[float]] = []
        for step in range(first, last + 1):
            self.step = step
            self.clock += SECONDS_PER_STEP
            batches.append([step, self.clock, *self.batch(step)])
            norms.append([step, self.clock, *self.norms(step)])
            if step % self.per_epoch == 0:
                self.epoch()
        append_records(self.run, BATCHES, attempt, tuple(metric.name for metric in BATCH), batches)
        append_records(self.run, LAYERS, attempt, self.layers, norms)
        self.diagnostics(attempt, first, last)

    def diagnostics(self, attempt: int, first: int, last: int) -> None:
        """Write what is measured now and then: update ratios, weights, dead and saturated shares."""
        many = len(self.layers)
        moment = self.clock - (last - first) * SECONDS_PER_STEP

        def rows(steps: list[int], value: Any) -> list[list[float]]:
            return [
                [step, moment + (step - first) * SECONDS_PER_STEP, *(value(step, i) for i in range(many))]
                for step in steps
            ]

        measured = [step for step in range(first, last + 1) if step <= 64 or step % 16 == 0]
        sampled = [step for step in range(first, last + 1) if step == 1 or step % 50 == 0]
        ratio = lambda step, i: 0.02 * math.exp(-2 * self.progress(step)) * (1 + 0.3 * math.sin(step + i))  # noqa: E731
        append_records(self.run, UPDATES, attempt, self.layers, rows(measured, ratio))
        append_records(self.run, WEIGHTS, attempt, self.layers, rows(measured, lambda step, i: 8.0 + i + step / 1000))
        append_records(self.run, DEAD, attempt, self.layers, rows(sampled, lambda step, i: i / (4 * many)))
        append_records(self.run, SATURATED, attempt, self.layers, rows(sampled, lambda step, i: 0.0))

    def started(self, attempt: int) -> events.Started:
        return events.Started(
            attempt=attempt,
            device="cpu",
            model="simple_cnn",
            parameters=123_456,
            classes=list(self.classes),
            layers=list(self.layers),
            images={"train": 128 * self.per_epoch, "validation": 120, "test": 120},
            steps_per_epoch=self.per_epoch,
            total_steps=self.total,
            batch_size=128,
            mean=[0.5, 0.5, 0.5],
            std=[0.25, 0.25, 0.25],
            versions={"cnntrain": "0.1.0", "torch": "2.15.0"},
        )

    def progress(self, step: int) -> float:
        return 1 - math.exp(-3 * step / self.total)

    def batch(self, step: int) -> list[float]:
        done = self.progress(step)
        loss = 2.3 - 1.7 * done + 0.15 * float(self.noise.standard_normal())
        if self.nan_from is not None and step >= self.nan_from:
            loss = math.nan
        accuracy = min(1.0, max(0.0, 0.15 + 0.7 * done + 0.05 * float(self.noise.standard_normal())))
        rate = 0.05 * 0.5 * (1 + math.cos(math.pi * step / self.total))
        norm = 3.0 * math.exp(-1.5 * done + 0.3 * float(self.noise.standard_normal()))
        return [loss, accuracy, rate, norm, 2500 + 60 * float(self.noise.standard_normal()), 0.03, 0.02]

    def norms(self, step: int) -> list[float]:
        scale = 2.0 * math.exp(-self.progress(step))
        spread = 0.2 * self.noise.standard_normal(len(self.layers))
        return [scale * math.exp(0.4 * i - 0.4 * len(self.layers) + float(x)) for i, x in enumerate(spread)]

    def epoch(self) -> None:
        done = self.progress(self.step)
        number = self.step // self.per_epoch
        self.event(events.EpochEnded(epoch=number, loss=2.3 - 1.7 * done, score=0.15 + 0.7 * done, seconds=5.0))
        accuracy = round(0.14 + 0.65 * done, 4)
        better = accuracy > self.best
        self.best = max(self.best, accuracy)
        self.clock += 2
        evaluated = self.evaluated("validation", accuracy, better)
        self.event(evaluated)
        write_evaluation(self.run, evaluated)
        name = self.run.checkpoint(self.step).name
        self.event(events.CheckpointSaved(directory=name, best=better, bytes=1_500_000))

    def evaluated(self, split: events.Split, accuracy: float, best: bool) -> events.Evaluated:
        count = len(self.classes)
        recall = [min(1.0, max(0.0, accuracy + 0.25 * (i / max(1, count - 1) - 0.5))) for i in range(count)]
        return events.Evaluated(
            step=self.step,
            split=split,
            epoch=self.step / self.per_epoch,
            metrics={
                "loss": 2.4 - 1.6 * accuracy,
                "accuracy": accuracy,
                "balanced_accuracy": accuracy,
                "macro_f1": round(accuracy - 0.01, 4),
            },
            recall=recall,
            counts=[20] * count,
            seconds=2.0,
            best=best,
        )

    def end(self, status: Status) -> None:
        self.clock += 1
        endings: dict[str, tuple[events.Reason, int, str]] = {
            "finished": ("finished", events.Exit.FINISHED, "All epochs are done."),
            "stopped": ("stopped", events.Exit.STOPPED, "Stopped on request after a saved step."),
            "failed": ("failed", events.Exit.FAILED, "The loss became NaN; lower optimizer.learning_rate."),
            "crashed": ("killed", events.Exit.KILLED, "The engine was killed by signal 9 (SIGKILL)."),
        }
        if status == "finished":
            tested = self.evaluated("test", max(0.0, self.best - 0.01), False)
            self.event(tested)
            write_evaluation(self.run, tested)
        if status in ("paused", "stopping"):
            self.event(events.Controlled(action="pause" if status == "paused" else "stop"))
        if status in endings:
            reason, code, text = endings[status]
            self.event(events.Ended(reason=reason, exit_code=code, text=text))
            own(self.run, pid=2**22 + 1, start_time="1")
        elif status == "interrupted":
            own(self.run, boot_id="another-boot")
        else:
            hold(self.run)
            own(self.run, lock_inode=os.stat(self.run.lock).st_ino)


def write_evaluation(run: RunDir, event: events.Evaluated, **changes: Any) -> None:
    """Write the file of an evaluation that a made-up run tells of: class after class is taken for the next one.

    Args:
        run: of the event.
        event: what was told.
        changes: what the file says else.
    """
    manifest = json.loads(run.dataset.read_bytes())
    names, count = manifest["classes"], len(manifest["classes"])
    paths = manifest["splits"][event.split]["paths"]
    counts, recall = event.counts, event.recall
    right = [round(share * n) for share, n in zip(recall, counts, strict=True)]
    rows = [[i, i, right[i]] for i in range(count) if right[i]]
    for i in range(count):
        wrong = counts[i] - right[i]
        nearest = (wrong * 2 + 2) // 3
        rows += [[i, (i + 1) % count, nearest]] if nearest else []
        rows += [[i, (i + 2) % count, wrong - nearest]] if wrong - nearest else []
    said = [sum(n for _, answer, n in rows if answer == i) for i in range(count)]
    first = [sum(counts[:i]) for i in range(count)]
    pictures: list[dict[str, Any]] = []
    for true, answer, n in rows:
        for _ in range(min(n, 3) if true != answer else 0):
            place = sum(one["true"] == true for one in pictures)
            sure = round(0.99 - 0.03 * true - 0.05 * place, 4)
            pictures.append(
                {
                    "path": paths[first[true] + place],
                    "position": first[true] + place,
                    "true": true,
                    "answer": answer,
                    "confidence": sure,
                    "loss": round(4.5 - 0.3 * true - 0.2 * place, 4),
                    "top": [[answer, sure], [true, 0.008]],
                }
            )
    table = {
        "format": 2,
        "split": event.split,
        "step": event.step,
        "epoch": event.epoch,
        "root": manifest["root"],
        "classes": names,
        "task": "classification",
        "images": sum(counts),
        "seconds": event.seconds,
        "metrics": {**event.metrics, "calibration_error": 0.1933},
        "counts": counts,
        "recall": recall,
        "precision": [hits / n if n else math.nan for hits, n in zip(right, said, strict=True)],
        "f1": [2 * hits / (n + m) if n else math.nan for hits, n, m in zip(right, counts, said, strict=True)],
        "confusion": sorted(rows),
        "calibration": {
            "counts": [10 * place for place in range(15)],
            "confidence": [(place + 0.5) / 15 for place in range(15)],
            "accuracy": [max(0.0, (place + 0.5) / 15 - 0.02 * place) for place in range(15)],
        },
        "thresholds": {
            "at": [place / 100 for place in range(100)],
            "answered": [round(sum(counts) * (1 - (place / 100) ** 3)) for place in range(100)],
            "right": [round(sum(right) * (1 - (place / 100) ** 4)) for place in range(100)],
        },
        "pictures": pictures,
    }
    run.evaluation(event.split, event.step).write_text(json.dumps({**table, **changes}))


def _write_settings(run: RunDir, preset: str, changes: dict[str, dict[str, Any]], epochs: int) -> None:
    data = {"data": {"directory": "/pictures/example"}, "training": {"epochs": max(1, epochs)}}
    merged = {group: {**data.get(group, {}), **changes.get(group, {})} for group in {**data, **changes}}
    settings = validated(merged, source="a test")
    table = {
        "run": {
            "format": FORMAT,
            "name": run.name,
            "preset": preset,
            "created": "2026-01-31T12:00:00.000+00:00",
            "cnntrain": "0.1.0",
            "torch": "2.15.0",
        },
        **nested(settings),
    }
    run.settings.write_text(tomli_w.dumps(table), "utf-8")


def _write_dataset(run: RunDir, classes: tuple[str, ...]) -> None:
    """Write a manifest of pictures that do not exist: enough for what reads the class map."""
    splits = {
        split: {
            "paths": [f"{name}/{split}-{i}.jpg" for name in classes for i in range(count)],
            "labels": [label for label in range(len(classes)) for _ in range(count)],
        }
        for split, count in (("train", 100), ("validation", 20), ("test", 20))
    }
    table = {
        "format": 1,
        "root": "/pictures/example",
        "layout": "class_folders",
        "signature": "0" * 64,
        "classes": list(classes),
        "splits": splits,
        "problems": [],
    }
    run.dataset.write_text(json.dumps(table), "utf-8")
