"""The command line with a real engine: start, ask, stop, resume, and the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_dataset import make_hostile, make_recoded

from tui.core.dataset.demo import make_demo

PROGRAM = [sys.executable, "-c", "from tui.cli.main import main; main()"]
SMALL = [f"--set={one}" for one in ("training.batch_size=8", "training.threads=1", "data.workers=1", "model.width=8")]
FOREVER = "--set=training.epochs=5000"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A working directory with pictures; whatever still trains at the end is stopped."""
    make_demo(tmp_path / "demo", per_class=6).rename(tmp_path / "pictures")
    yield tmp_path
    for run in json.loads(cnntrain(tmp_path, "runs", "--json").stdout):
        if run["status"] in ("preparing", "running", "stopping"):
            cnntrain(tmp_path, "stop", "--now", run["path"])


def begin(place: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def cnntrain(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = begin(place, *arguments)
    out, err = process.communicate(timeout=90)
    assert "Traceback" not in out + err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_for(place: Path, *codes: int) -> dict[str, object]:
    """Return what status says once its exit code is one of these."""
    deadline = time.monotonic() + 60
    while True:
        done = cnntrain(place, "status", "latest", "--json")
        told = json.loads(done.stdout)
        if done.returncode in codes and (done.returncode != 3 or told["step"] > 0):
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


@pytest.mark.long
def test_a_run_from_start_to_end_in_a_pipe(place: Path) -> None:
    done = cnntrain(place, "train", "demo", "--data", "pictures", *SMALL, "--set=training.epochs=2")
    assert done.returncode == 0, done
    said = done.stdout.splitlines()
    assert said[0].endswith("-demo")
    assert any("validation after epoch 2: loss" in line for line in said)
    assert said[-1][9:].startswith("finished: ")
    records = cnntrain(place, "metrics", "latest").stdout.splitlines()
    told = json.loads(cnntrain(place, "status", "latest", "--json").stdout)
    assert (told["status"], told["step"]) == ("finished", len(records) - 1)
    again = cnntrain(place, "resume", "latest")
    assert again.returncode == 2
    assert "The run is finished" in again.stderr


@pytest.mark.long
@pytest.mark.timeout(300)
def test_training_lives_with_a_hostile_dataset_and_names_what_changed(place: Path) -> None:
    root = place / "hostile"
    make_hostile(root, place / "outside")
    small = [*SMALL, "--set=training.epochs=1", "--set=data.empty_classes=leave_out", "--set=data.image_size=16"]
    done = cnntrain(place, "train", "demo", "--data", "hostile", *small, "--plain")
    assert done.returncode == 0, done
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert "training pictures cannot be read and are skipped" in done.stdout
    assert "finished: " in done.stdout.splitlines()[-1]
    make_recoded(root)
    (root / "train/dog/000.jpg").unlink()
    done = cnntrain(place, "extend", "latest", "--epochs", "1", "--plain")
    assert done.returncode == 0, done
    assert '1 picture was added, not used ("train/bird/recoded.png")' in done.stdout
    assert '1 picture is gone ("train/dog/000.jpg")' in done.stdout


@pytest.mark.long
def test_stop_and_resume(place: Path) -> None:
    done = cnntrain(place, "train", "demo", "--data", "pictures", *SMALL, FOREVER, "--detach")
    assert done.returncode == 0, done
    path = Path(done.stdout.strip())
    assert path.parent == place / "runs"
    wait_for(place, 3)
    assert cnntrain(place, "stop", "latest").returncode == 0
    stopped = wait_for(place, 75)
    assert stopped["status"] == "stopped"

    both = [begin(place, "resume", "latest", "--detach") for _ in range(2)]
    answers = [(*process.communicate(timeout=60), process.returncode) for process in both]
    assert sorted(code for *_, code in answers) == [0, 2]
    (refusal,) = (err for _, err, code in answers if code == 2)
    assert "The run is already running" in refusal

    told = wait_for(place, 3)
    assert told["attempt"] == 2
    assert cnntrain(place, "stop", path.name, "--now").returncode == 0
    wait_for(place, 75)
    steps = [int(line.split(",")[0]) for line in cnntrain(place, "metrics", "latest").stdout.splitlines()[1:]]
    assert steps == list(range(1, len(steps) + 1))
