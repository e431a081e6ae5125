"""The main job on real pictures, in a short form: the command as a user types it, and what it must reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(900)]


def train(preset: str, data: str, runs: Path, *settings: str) -> dict[str, Any]:
    """Train with plain output and return the run's summary."""
    directory = Path(os.environ["CNNTRAIN_REAL_DATA"]) / data
    command = [sys.executable, "-m", "tui.cli.main", "train", preset, "--data", str(directory), "--runs", str(runs)]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run([*command, "--plain"], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    status = [sys.executable, "-m", "tui.cli.main", "status", "latest", "--runs", str(runs), "--json"]
    answer: dict[str, Any] = json.loads(subprocess.check_output(status, timeout=60))
    return answer


def checked(data: str, *options: str) -> dict[str, Any]:
    """Check a dataset and return the report, with its findings by code."""
    directory = Path(os.environ["CNNTRAIN_REAL_DATA"]) / data
    command = [sys.executable, "-m", "tui.cli.main", "check", str(directory), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    return {**report, "findings": {finding["code"]: finding for finding in report["findings"]}}


def test_photographs_hold_one_garment_under_two_names() -> None:
    report = checked("clothing", "--deep")
    assert report["verdict"] == "findings"
    (pair,) = report["findings"]["nearly_equal"]["groups"]
    assert {path.split("/")[1] for path in pair} == {"shorts", "skirt"}
    assert not {"damaged", "leak", "duplicate", "contradiction"} & set(report["findings"])


def test_cifar10_is_clean() -> None:
    report = checked("cifar10")
    assert report["verdict"] == "clean"
    assert report["counts"] == {"train": [5000] * 10, "test": [1000] * 10}


def test_cifar10_learns_within_two_epochs(tmp_path: Path) -> None:
    answer = train("cifar10", "cifar10", tmp_path, "training.epochs=2")
    assert answer["test"]["accuracy"] > 0.55


def test_photographs_learn_within_four_epochs(tmp_path: Path) -> None:
    answer = train("cpu-quick", "clothing", tmp_path, "training.epochs=4")
    assert answer["best_validation"]["accuracy"] > 0.35
