"""``cnntrain train --dry-run`` and ``cnntrain rates``, in front of an engine that answers at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from picture_sets import class_folders
from sound_rehearsal import SOUND

from tui.core.rate_range import RateRange, Suggestion
from tui.core.rehearsal import Overfit
from tui.runs import rehearsals


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Stand in for the engine."""
    curve = [2.0 + 0.01 * step for step in range(100)]
    rows = [10 ** (-7 + 0.08 * step) for step in range(100)]
    suggestions = [Suggestion("valley", 3.5e-4, 2.1, "in the middle"), Suggestion("steepest", 1e-3, 2.0, "fastest")]
    played: dict[str, Any] = {
        "dry run": SOUND,
        "rates": RateRange(rows, curve, curve, suggestions, "the loss diverged at 3", 32, "adamw"),
    }

    def answer(what: str) -> Any:
        def ask(settings: Any, *, root: Path, progress: Any, warn: Any) -> Any:
            played["settings"] = settings
            progress("importing", 0, 0)
            warn("the GPU is in use")
            return played[what]

        return ask

    monkeypatch.setattr(rehearsals, "dry_run", answer("dry run"))
    monkeypatch.setattr(rehearsals, "range_test", answer("rates"))
    monkeypatch.setenv("CNNTRAIN_RUNS", str(tmp_path / "runs"))
    played["data"] = str(class_folders(tmp_path / "pictures", {"cat": 4, "dog": 4}))
    return played


def test_a_dry_run_in_lines_and_as_json(cnntrain: Any, played: dict[str, Any], tmp_path: Path) -> None:
    command = ("train", "simple-cnn", "--data", played["data"], "--set", "training.epochs=3", "--dry-run")
    result = cnntrain(*command)
    assert result.exit_code == 0
    assert "warning: the GPU is in use" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "Dry run on cpu (2 threads): 12 real steps, nothing is kept."
    assert lines[1] == "  the whole run   about 10:00 for 1,000 steps; 0:50 an epoch"
    assert "✓ learning        32 pictures alone, 12 times: loss 2.31 to 0.6: the network can learn" in lines
    assert played["settings"].training.epochs == 3
    table = json.loads(cnntrain(*command, "--json").stdout)
    assert (table["largest_batch"], table["run_seconds"], table["overfit"]["last"]) == (256, 600.0, 0.6)
    assert not (tmp_path / "runs").exists()


def test_a_long_finding_goes_on_in_the_next_line(cnntrain: Any, played: dict[str, Any]) -> None:
    played["dry run"] = replace(SOUND, notes=["The pictures are told of at length. " * 4])
    lines = cnntrain("train", "simple-cnn", "--data", played["data"], "--dry-run").stdout.splitlines()
    assert lines[-2].startswith("! note            The pictures")
    assert lines[-1].startswith(" " * 18)
    assert all("\\x0a" not in line and len(line) <= 100 for line in lines)


def test_what_is_against_the_run_is_an_exit_code(cnntrain: Any, played: dict[str, Any]) -> None:
    played["dry run"] = replace(SOUND, overfit=Overfit(32, 40, 2.3, 2.3))
    result = cnntrain("train", "simple-cnn", "--data", played["data"], "--dry-run")
    assert result.exit_code == 3
    assert "✗ learning" in result.stdout
    refused = cnntrain("train", "simple-cnn", "--data", played["data"], "--json")
    assert (refused.exit_code, "--json goes with --dry-run" in refused.stderr) == (2, True)


def test_rates_as_a_table_and_as_json(cnntrain: Any, played: dict[str, Any]) -> None:
    command = ("rates", "simple-cnn", "--data", played["data"])
    said = cnntrain(*command).stdout.splitlines()
    assert said[0].split() == ["RATE", "LOSS", "SMOOTHED"]
    assert said[1].split() == ["1.00e-7", "2", "2"]
    end = said.index("100 steps of 32 pictures with adamw: the loss diverged at 3.")
    rates = [float(line.split()[0]) for line in said[1:end] if len(line.split()) == 3]
    assert len(rates) == 20
    assert rates == sorted(rates)
    assert said[-3].split()[:3] == ["valley", "3.50e-4", "2.1"]
    assert said[-1] == "To use the first: --set optimizer.learning_rate=0.00035"
    assert json.loads(cnntrain(*command, "--json").stdout)["suggestions"][1]["rate"] == 1e-3
    played["rates"] = replace(played["rates"], suggestions=[])
    result = cnntrain(*command)
    assert "too short or too flat" in result.stderr
    assert "To use" not in result.stdout


@pytest.mark.parametrize("command", ["rates", "train"])
def test_help_names_the_key_that_does_the_same_on_the_screen(cnntrain: Any, command: str) -> None:
    from tui.app.screens.settings_keys import KEYS

    key = next(one.key_display for one in KEYS if getattr(one, "id", "") == "settings.rates")
    told = " ".join(cnntrain(command, "--help").stdout.split())
    assert f"{key} " in told.partition("rates" if command == "train" else "Nothing is kept")[2][:80]
