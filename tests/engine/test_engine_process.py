"""The engine as the supervisor sees it: signals, the pipe, exit codes, and kills at bad moments."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image

from tui.core.dataset.manifest import load_manifest, make_manifest, save_manifest
from tui.core.dataset.scan import scan
from tui.core.events import CheckpointSaved, Ended, Preparing, Rewound, Started
from tui.core.presets import read_settings
from tui.core.rundir import FORMAT, KNOWN, RunDir
from tui.core.schema import nested
from tui.core.settings import Settings
from tui.engine.attempt import begin
from tui.engine.data.training import TrainingData
from tui.engine.link import Link
from tui.engine.trainer import Trainer

Engine = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for index, name in enumerate(("red", "green")):
        (root / name).mkdir()
        for number in range(40):
            pixels = random.integers(0, 128, (16, 16, 3)).astype(np.uint8)
            pixels[..., index] += 90
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def make_run(folder: Path, settings: Callable[..., Settings], tmp_path: Path) -> Callable[..., RunDir]:
    def make(name: str, **changes: Any) -> RunDir:
        chosen = settings(**{"data.directory": str(folder), "data.workers": 1, "training.epochs": 60, **changes})
        run = RunDir(tmp_path / name)
        run.make()
        save_manifest(make_manifest(scan(folder), chosen), run.dataset)
        run.settings.write_text(tomli_w.dumps({"run": {"format": FORMAT, "name": name}, **nested(chosen)}))
        return run

    return make


@pytest.fixture
def start() -> Iterator[Callable[..., Engine]]:
    started: list[Engine] = []

    def begin(run: RunDir, attempt: int = 1) -> Engine:
        with (run.path / "engine.log").open("ab") as log:
            engine = subprocess.Popen(
                [sys.executable, "-P", "-m", "tui.engine", str(run.path), "--attempt", str(attempt)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        started.append(engine)
        assert engine.stdin
        engine.stdin.write(KNOWN)
        engine.stdin.flush()
        return engine

    yield begin
    for engine in started:
        engine.kill()
        engine.wait()


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def steps(run: RunDir) -> int:
    """Roughly how many records there are."""
    return sum(path.stat().st_size for path in run.segments("batches")) // 52


def weights_of(run: RunDir) -> str:
    name = json.loads(run.pointer("last").read_bytes())["directory"]
    return hashlib.sha256((run.checkpoints / name / "model.safetensors").read_bytes()).hexdigest()


def train_here(run: RunDir, attempt: int) -> None:
    """Train to the end in this process, where torch is imported already."""
    settings, link = read_settings(run.settings), Link(run, attempt)
    manifest = load_manifest(run.dataset)
    with TrainingData(manifest, settings, progress=link.preparing, stopping=lambda: False) as data:
        Trainer(begin(link, settings, data, list(manifest.classes), torch.device("cpu"))).run()
    link.close()


@pytest.mark.long
def test_stopped_orphaned_and_killed_runs_end_like_an_undisturbed_one(
    make_run: Any, start: Any, events: Any, records: Any
) -> None:
    chosen = {"training.epochs": 80, "model.dropout": 0.2}
    whole, run = make_run("whole", **chosen), make_run("run", **chosen)
    train_here(whole, 1)

    engine = start(run, 1)
    until(lambda: steps(run) > 50)
    engine.send_signal(signal.SIGINT)  # Ctrl-C and a closed terminal are not for the engine
    engine.send_signal(signal.SIGHUP)
    until(lambda: steps(run) > 60)
    assert engine.poll() is None
    engine.terminate()
    assert engine.wait(20) == 75
    ended = events(run, Ended)[-1]
    assert (ended.reason, ended.exit_code) == ("stopped", 75)
    assert f"Stopped by SIGTERM after step {ended.step} of 560. Resume it to go on." in ended.text
    assert events(run, CheckpointSaved)[-1].step == ended.step

    engine = start(run, 2)
    until(lambda: steps(run) > ended.step + 50)
    engine.stdin.close()  # the supervisor died
    began = time.monotonic()
    assert engine.wait(6) == 75
    assert time.monotonic() - began < 5
    orphaned = events(run, Ended)[-1]
    assert "Its supervisor was killed, so the engine stopped after step" in orphaned.text
    assert events(run, CheckpointSaved)[-1].step == orphaned.step

    engine = start(run, 3)
    until(lambda: steps(run) > orphaned.step + 50)
    engine.kill()
    engine.wait()
    train_here(run, 4)

    assert [event.step for event in events(run, Rewound)][:2] == [ended.step, orphaned.step]
    assert weights_of(run) == weights_of(whole)
    mine, theirs = records(run), records(whole)
    assert list(mine) == list(theirs) == list(range(1, 561))
    for name in ("loss", "accuracy", "learning_rate", "gradient_norm"):
        assert [row[name] for row in mine.values()] == [row[name] for row in theirs.values()]
    first, started = events(run)[0], events(run, Started)[0]
    assert isinstance(first, Preparing)
    assert first.stage == "importing"
    assert started.time - first.time > 0.3  # it was written before torch was imported


# Without torch: what the watcher does while the training thread is stuck in a library.
STUCK = """
import sys, time
from pathlib import Path
from tui.core.rundir import RunDir
from tui.engine import link
link.LEAVE_SECONDS = 0.5
door = link.Link(RunDir(Path(sys.argv[1])), 1)
door.watch()
door.preparing("stuck")
if sys.argv[2] == "lock":
    door._lock.acquire()
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    time.sleep(1)
"""


@pytest.mark.parametrize("how", ["orphaned", "terminated twice", "lock"])
def test_a_stuck_step_does_not_hold_the_process(run: RunDir, how: str, events: Any) -> None:
    engine = subprocess.Popen([sys.executable, "-c", STUCK, str(run.path), how], stdin=subprocess.PIPE)
    try:
        until(lambda: run.events.exists() and run.events.stat().st_size > 0)
        assert engine.stdin
        if how == "terminated twice":
            engine.terminate()
            time.sleep(0.3)
            assert engine.poll() is None  # the first one waits for the step
            engine.terminate()
        else:
            engine.stdin.close()
        assert engine.wait(5) == 75
    finally:
        engine.kill()
        engine.wait()
    said = [event.text for event in events(run, Ended)]
    expected = {
        "orphaned": "Its supervisor was killed, and",
        "terminated twice": "Stopped at once, without saving.",
        "lock": "",
    }[how]
    assert expected == "" or expected in said[0]


def test_an_engine_that_nobody_knows_of_does_not_begin(run: RunDir) -> None:
    before = sorted(run.path.rglob("*"))
    arguments = [sys.executable, "-P", "-m", "tui.engine", str(run.path), "--attempt", "1"]
    engine = subprocess.Popen(arguments, stdin=subprocess.PIPE)
    try:
        engine.communicate(b"", timeout=60)  # the supervisor dies before it has noted whom it started
        assert engine.returncode == 75
    finally:
        engine.kill()
        engine.wait()
    assert sorted(run.path.rglob("*")) == before


def test_no_torch_before_the_first_event() -> None:
    code = "import sys, tui.engine.link, tui.core.presets; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=30)
    assert done.stdout.strip() == b"[]"


def engine_on(path: Path) -> subprocess.CompletedProcess[bytes]:
    arguments = [sys.executable, "-m", "tui.engine", str(path), "--attempt", "1"]
    return subprocess.run(arguments, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)


def test_no_such_run(tmp_path: Path) -> None:
    done = engine_on(tmp_path / "nothing\x1b[2J")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"cannot be opened: No such file or directory." in done.stderr
    assert b"\x1b" not in done.stderr


def test_settings_that_cannot_be_used(run: RunDir, events: Any) -> None:
    run.settings.write_text("[training]\nepochs = 0\n")
    done = engine_on(run.path)
    assert done.returncode == 2
    ended = events(run, Ended)[-1]
    assert (ended.reason, ended.exit_code) == ("failed", 2)
    assert "training.epochs is 0" in ended.text
    assert b"Traceback" not in done.stderr


def test_a_dataset_that_cannot_be_read(run: RunDir, events: Any, settings: Any) -> None:
    run.settings.write_text(tomli_w.dumps(nested(settings())))
    run.dataset.write_text("{")
    done = engine_on(run.path)
    assert done.returncode == 1
    assert "dataset.json is damaged" in events(run, Ended)[-1].text


def test_fault_60_a_link_that_leads_out_of_the_dataset_is_not_trained_on(
    make_run: Callable[..., RunDir], events: Any, tmp_path: Path
) -> None:
    run = make_run("given")
    table = json.loads(run.dataset.read_bytes())
    os.symlink(table["root"], tmp_path / "planted")
    for split in table["splits"].values():
        split["paths"] = [f"planted/{path}" for path in split["paths"]]
    run.dataset.write_text(json.dumps({**table, "root": str(tmp_path)}))
    done = engine_on(run.path)
    assert done.returncode == 1
    assert f'links lead out of {tmp_path}: "planted/' in events(run, Ended)[-1].text


@pytest.mark.slow
def test_thirty_kills_at_random_instants(make_run: Any, start: Any, events: Any, records: Any) -> None:
    random = np.random.default_rng(int(os.environ.get("CNNTRAIN_KILL_SEED", "0")))
    chosen = {"training.epochs": 400, "training.validate_unit": "steps", "training.validate_every": 5}
    whole, run = make_run("whole", **chosen), make_run("run", **chosen)
    train_here(whole, 1)
    for attempt in range(1, 31):
        engine = start(run, attempt)
        seen = len(events(run, Started)) if run.events.exists() else 0
        while engine.poll() is None and (not run.events.exists() or len(events(run, Started)) == seen):
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.25))
        engine.kill()
        if engine.wait() == 0:
            break
    else:
        train_here(run, 31)
    assert weights_of(run) == weights_of(whole)
    assert [row["loss"] for row in records(run).values()] == [row["loss"] for row in records(whole).values()]


def test_a_run_that_is_deleted_is_told_in_a_sentence(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log is deleted with it; but what printed it may be a batch system's own."""
    from tui.engine import __main__ as program
    from tui.engine.link import Vanished

    def vanish(*_: object) -> str:
        raise Vanished

    monkeypatch.setattr(program, "_train", vanish)
    said = "The run directory was deleted or moved while training; the engine stopped."
    assert program._attempt(Link(run, 1), None, -1) == ("stopped", 75, said)


_WHAT_WAS_IMPORTED = """
import os, sys
leave = os._exit
def told(code):
    print("imported:", sorted({"torchvision", "torch._dynamo", "torch._inductor"} & set(sys.modules)), flush=True)
    leave(code)
os._exit = told
from tui.engine.__main__ import main
main()
"""


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_a_small_network_is_trained_without_what_takes_torch_seconds_to_import(
    make_run: Callable[..., RunDir], optimizer: str
) -> None:
    run = make_run("lean", **{"training.epochs": 1, "optimizer.name": optimizer, "model.batch_norm": True})
    command = [sys.executable, "-P", "-c", _WHAT_WAS_IMPORTED, str(run.path), "--attempt", "1"]
    engine = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert engine.returncode == 0, engine.stderr
    assert "imported: []" in engine.stdout


def test_a_network_of_torchvision_is_trained_without_torchs_compiler(make_run: Callable[..., RunDir]) -> None:
    change = {"model.name": "resnet18", "data.crop": "random_resized", "training.epochs": 1}
    run = make_run("lean", **change)
    command = [sys.executable, "-P", "-c", _WHAT_WAS_IMPORTED, str(run.path), "--attempt", "1"]
    engine = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert engine.returncode == 0, engine.stderr
    assert "imported: ['torchvision']" in engine.stdout
