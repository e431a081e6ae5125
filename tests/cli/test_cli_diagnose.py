"""cnntrain diagnose: the verdict on a run from its records, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import builders
from tui.core.diagnosis.rules import RULES
from tui.core.diagnosis.signals import Inputs, Layer
from tui.core.events import Inspected, Wired
from tui.core.records import AGREEMENT, DEAD, SATURATED, UPDATES, WEIGHTS


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "runs"
    monkeypatch.setenv("CNNTRAIN_RUNS", str(path))
    return path


def test_a_healthy_verdict_lists_what_was_checked_and_the_margins(cnntrain, root: Path) -> None:
    builders.make_run(root, steps=400)
    result = cnntrain("diagnose", "latest")
    assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(cnntrain("diagnose", "latest", "--json").stdout)
    judged = sum(check["state"] == "quiet" for check in told["checks"])
    assert 10 < judged < len(RULES)
    words = f"nothing is wrong, as far as {judged} of {len(RULES)} rules could judge"
    assert result.stdout.startswith(f"20260131-120000-example: {words}; 400 steps and 4 validations judged\n")
    assert "%  Plateau: fall of the loss (t-statistic) -" in result.stdout
    assert ", alarm above -2\n" in result.stdout
    unknown = " ".join(result.stdout.partition("Not judged, too early or not recorded:")[2].split())
    assert "Scale of the input" in unknown
    assert (told["verdict"], told["exit_code"], told["findings"], told["over"]) == ("healthy", 0, [], [])
    assert {check["code"] for check in told["checks"]} == {rule.code for rule in RULES}
    quiet = [check for check in told["checks"] if check["state"] == "quiet"]
    assert len(quiet) > 10
    assert all(check["evidence"] and check["closeness"] < 1 for check in quiet)
    assert all(f"{rule.title}" in result.stdout.replace("\n  ", " ") for rule in RULES)


def test_a_fault_is_named_with_its_evidence_and_what_mends_it(cnntrain, root: Path) -> None:
    builders.make_run(root, steps=200, epochs=2, nan_from=150, status="failed")
    result = cnntrain("diagnose", "latest")
    assert (result.exit_code, result.stderr) == (4, "")
    assert "example: 1 thing is wrong; 200 steps and 2 validations judged" in result.stdout
    assert "critical, step 150: NaN or infinity\n" in result.stdout
    assert "- steps in a row that are not finite: 1 (an alarm above 0.5; healthy: none)" in result.stdout
    told = json.loads(cnntrain("diagnose", "latest", "--json").stdout)
    assert (told["verdict"], told["exit_code"], told["steps"], told["validations"]) == ("critical", 4, 200, 2)
    (finding,) = told["findings"]
    assert (finding["code"], finding["step"]) == ("nonfinite", 150)
    assert set(finding["change"]) == {"optimizer.clip_norm", "optimizer.clip_update"}
    for key, value in finding["change"].items():
        assert f"    {key}  0 → {value:g}\n" in result.stdout
    assert finding["restart"] == "checkpoint"


def test_a_run_from_before_the_probes_and_the_rules_is_judged(cnntrain, root: Path) -> None:
    run = builders.make_run(root, steps=200, epochs=2, settings={"training": {"batch_size": 4}})
    for kind in (UPDATES, WEIGHTS, DEAD, SATURATED, AGREEMENT):
        for path in run.segments(kind):
            path.unlink()
    assert cnntrain("diagnose", "latest").exit_code == 0
    builders.append_event(run, Wired(step=0, layers=[Layer("a")], class_counts=[900, *[300] * 5, 10], batch_norm=True))
    result = cnntrain("diagnose", "latest")
    assert result.exit_code == 3
    assert "warning, step 0: BatchNorm with tiny batches" in result.stdout
    assert "    training.batch_size  4 → 32\n" in result.stdout
    assert "info, step 0: Imbalanced classes" in result.stdout  # told, and counted as nothing wrong
    assert "example: 1 thing is wrong, 1 for information;" in result.stdout


def test_what_is_no_longer_so_is_told_and_is_not_wrong(cnntrain, root: Path) -> None:
    slow, plenty = 2e-6, 0.01
    run = builders.make_run(root, steps=400, settings={"schedule": {"name": "constant"}})
    for kind in (UPDATES, WEIGHTS):
        for path in run.segments(kind):
            path.unlink()
    rows = [[float(step), 0.0, slow if step < 100 else plenty] for step in range(1, 401)]
    builders.append_records(run, UPDATES, 1, ("blocks.0.convolution.weight",), rows)
    result = cnntrain("diagnose", "latest")
    assert result.exit_code == 0
    (over,) = json.loads(cnntrain("diagnose", "latest", "--json").stdout)["over"]
    assert (over["code"], 20 < over["step"] < 100) == ("rate_low", True)
    line = f"· Learning rate too low, found at step {over['step']}, no longer so at step {over['until']}: Each step"
    assert line in " ".join(result.stdout.split())
    assert 100 < over["until"] <= 200


def test_foreign_text_is_sanitized(cnntrain, root: Path) -> None:
    run = builders.make_run(root, steps=20, epochs=1, name="20260131-120000-[red]\x1b]0;x\x07")
    inputs = Inputs(0.0, 1.0, 2.5, 0.1, 0.9, 1.8, False, 1.7, 0, ("head\x1b[2J",))
    builders.append_event(run, Inspected(inputs=inputs))
    result = cnntrain("diagnose", str(run.path))
    assert result.exit_code == 4
    assert "\x1b" not in result.stdout
    assert "All elements of head" in result.stdout


def test_a_run_that_cannot_be_judged_says_why(cnntrain, root: Path) -> None:
    run = builders.make_run(root, status="preparing")
    early, unknown = cnntrain("diagnose", "latest"), cnntrain("diagnose", "nothing-of-this-name")
    builders.let_go(run)
    assert (early.exit_code, early.stdout) == (1, "")
    assert early.stderr.count("\n") == 1
    assert "has not come to its first step" in early.stderr
    assert (unknown.exit_code, unknown.stdout) == (2, "")
