"""An engine without torch that keeps the contract: ``fake_engine.py RUN --attempt N``.

How it behaves is read from ``fake.json`` in the run directory, so that a test says it in one place:
``steps`` to make, ``seconds`` per step, and ``then``: what happens after the last one. One that is ``importing`` hears
nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tui.core import control, events
from tui.core.leash import slip
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, Encoder, Header
from tui.core.rundir import RunDir


def main() -> int:
    """Train, in a manner of speaking."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--attempt", type=int)
    parser.add_argument("--leash", type=int)
    chosen = parser.parse_args()
    run = RunDir(chosen.run)
    plan = {"steps": 10_000, "seconds": 0.01, "then": "finish"}
    plan |= dict.fromkeys(("child", "deaf", "importing", "saves"), False)
    if (run.path / "fake.json").exists():
        plan |= json.loads((run.path / "fake.json").read_text())
    if plan["importing"]:
        time.sleep(60)
    slip(chosen.leash)
    terminations: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: terminations.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if plan["child"]:
        # A worker that ignores the end of its stdin: only the supervisor can clear it away.
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.DEVNULL)
        (run.path / "child.pid").write_text(str(child.pid))
    handle = os.open(run.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say(event: events.Event) -> None:
        os.write(handle, event.encode())

    checkpoint = run.path / "fake-checkpoint"
    done = int(checkpoint.read_text()) if checkpoint.exists() else 0
    say(events.Preparing(stage="pretending"))
    if chosen.attempt > 1:
        say(events.Rewound(step=done, attempt=chosen.attempt, checkpoint=f"step-{done:09d}"))
    say(_started(chosen.attempt, done, plan["steps"]))
    header = Header(BATCHES, tuple(metric.name for metric in BATCH), chosen.attempt, run.name)
    encoder = Encoder(header)
    records = os.open(run.segment(BATCHES, chosen.attempt), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
    os.write(records, header.encode())

    def leave(reason: events.Reason, code: int, text: str) -> int:
        if reason == "stopped":
            checkpoint.write_text(str(done))
        say(events.Ended(step=done, reason=reason, exit_code=code, text=text))
        return code

    while done < plan["steps"]:
        if select.select([0], [], [], plan["seconds"])[0] and not os.read(0, 1):
            return leave("stopped", 75, "The supervisor died.")
        if plan["deaf"]:
            continue
        done += 1
        os.write(records, encoder.encode(done, time.time(), [1 / done, 0.5, 0.1, 1.0, 100.0, 0.0, 0.0]))
        for request in control.pending(run):
            say(events.Controlled(step=done, action=request.action))
            control.answered(request)
            if request.action == "stop":
                return leave("stopped", 75, "Stopped on request.")
        if terminations:
            return leave("stopped", 75, "Stopped by SIGTERM.")
    if plan["saves"]:
        checkpoint.write_text(str(done - 1))
        say(events.CheckpointSaved(step=done - 1, directory=f"step-{done - 1:09d}", best=False, bytes=1))
    return _end(plan["then"], leave)


def _started(attempt: int, done: int, total: int) -> events.Started:
    return events.Started(
        step=done,
        attempt=attempt,
        device="cpu",
        model="fake",
        parameters=1,
        classes=["a", "b"],
        layers=[],
        images={},
        steps_per_epoch=100,
        total_steps=total,
        batch_size=2,
        mean=[],
        std=[],
        versions={},
    )


def _end(then: str, leave: object) -> int:
    if then == "finish":
        return leave("finished", 0, "All epochs are done.")  # type: ignore[operator]
    if then == "explain":
        return leave("failed", 1, "The loss became NaN.")  # type: ignore[operator]
    if then in ("kill", "signal"):
        sys.stderr.write("about to go\x1b[2J\n")
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL if then == "kill" else signal.SIGUSR1)
    if then == "raise":
        raise ValueError("something odd")
    return 0


if __name__ == "__main__":
    sys.exit(main())
