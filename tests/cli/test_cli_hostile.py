"""Names from elsewhere in whatever a command prints: nothing that a terminal obeys, and no markup that is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.picture_sets import class_folders, write_picture
from tui.core import events
from tui.core.dataset import listings
from tui.core.dataset.scan import scan
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs import service, summaries

EVIL = "[/] [red]x[/red]\x1b]52;c;aGk=\x07\x1b[2J\x9b2J\u202egpj\r\n\u2028end"
NAME = EVIL.replace("/", "|")
RAW = os.fsdecode(b"caf\xe9 \x1b[31m")
"""A name whose bytes are no UTF-8."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run of which every word comes from someone else."""
    root = tmp_path / "runs"
    monkeypatch.setenv("CNNTRAIN_RUNS", str(root))
    builders.make_run(root, steps=40, epochs=2, name="20260130-120000-other")
    made = builders.make_run(
        root, steps=40, epochs=2, classes=(EVIL, RAW, "plain"), layers=(f"{EVIL}.weight", "head.weight"), preset=EVIL
    )
    run = RunDir(made.path.rename(root / f"20260131-120000-{NAME}"))
    for event in (
        events.Message(level="warning", text=EVIL),
        events.Ended(reason="failed", exit_code=1, text=EVIL),
    ):
        builders.append_event(run, event)
    return run


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the engine: it answers with names that it found."""
    answers: dict[str, Any] = {
        "task": "classification", "split": "test", "root": f"/p/{EVIL}", "images": 30, "weights": "best", "step": 40,
        "metrics": {"loss": 0.5, "accuracy": 0.8}, "classes": [EVIL, RAW], "counts": [10, 20],
        "recall": [0.5, 0.95], "precision": [0.75, 0.9], "f1": [0.6, 0.92],
        "unreadable": [{"path": EVIL, "error": EVIL}], "pictures": 2,
        "path": f"/p/{NAME}.onnx", "beside": f"/p/{NAME}.json", "bytes": 1, "difference": 1e-6, "largest": 3.0,
    }  # fmt: skip
    summary: dict[str, Any] = {
        "model": "resnet18", "outputs": 3, "input": [3, 32, 32], "memory": {"weights": 1, "activations": 1},
        "batch_size": 64, "precision": EVIL, "device": EVIL, "notes": [EVIL],
        "layers": [{"name": EVIL, "kind": EVIL, "output": [3], "parameters": 195, "trained": 0, "flops": 384}],
    }  # fmt: skip

    def ask(_: str, job: dict[str, Any], *, item: Callable[[Any], None], **__: Any) -> dict[str, Any]:
        if "paths" not in job:
            return answers
        item({"path": f"/p/{EVIL}.jpg", "answers": [[EVIL, 0.9], [RAW, 0.1]]})
        item({"path": f"/p/{EVIL}.png", "error": EVIL})
        return {"unreadable": 1, "pictures": 2}

    monkeypatch.setattr(service, "ask", ask)
    monkeypatch.setattr(summaries, "ask", lambda *_, **__: summary)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = class_folders(tmp_path / NAME, {NAME: 3, RAW: 3})
    write_picture(root / NAME / f"{NAME}.png", seed="again")
    write_picture(root / RAW / f"{RAW}.png", seed="again")  # a copy, in two classes
    (root / RAW / f"{NAME}.txt").write_text("x")
    (root / NAME / f"cut {RAW}.png").write_bytes((root / NAME / f"{NAME}.png").read_bytes()[:60])
    os.symlink("/nowhere", root / NAME / "gone\x1b[2J.png")
    return root


def check_harmless(result: Any) -> str:
    """Return what was printed, if a terminal obeys none of it."""
    told = result.stdout + result.stderr
    obeyed = sorted({character for character in told if not (character.isprintable() or character in "\n\t")})
    assert obeyed == []
    return " ".join(told.split())


OF_A_RUN = [
    ["runs"],
    ["runs", "--json"],
    ["status", "RUN"],
    ["status", "RUN", "--json"],
    ["diagnose", "RUN"],
    ["diagnose", "RUN", "--json"],
    ["compare", "RUN", "other"],
    ["metrics", "RUN", "--kind", "layers", "--format", "jsonl"],
    ["mistakes", "RUN"],
    ["mistakes", "RUN", "--json"],
    ["confusion", "RUN"],
    ["confusion", "RUN", "--json"],
    ["test", "RUN"],
    ["test", "RUN", "--json"],
    ["predict", "RUN", "PICTURE"],
    ["predict", "RUN", "PICTURE", "--json"],
    ["export", "RUN", "--format", "onnx"],
    ["note", "RUN", EVIL],
    ["note", "RUN"],
    ["pin", "RUN"],
    ["rename", "RUN", EVIL],
    ["delete", "RUN", "--yes"],
    ["stop", "RUN"],
    ["control", "RUN", "pause"],
    ["extend", "RUN", "--epochs", "1"],
    ["watch", "RUN"],
]


@pytest.mark.parametrize("command", OF_A_RUN, ids=lambda command: " ".join(map(clean, command)))
def test_fault_57_fault_58_what_is_said_of_a_run(
    cnntrain: Any, run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"")
    if command == ["note", "RUN"]:
        run.remarks.write_text('{"note": "\\u001b[2J[red]x[/red]"}')
    places = {"RUN": str(run.path), "PICTURE": "picture.png"}
    told = check_harmless(cnntrain(*(places.get(word, word) for word in command)))
    if "--json" not in command and command[0] in (
        "runs",
        "status",
        "diagnose",
        "compare",
        "test",
        "predict",
        "confusion",
    ):
        assert "[red]" in told
        assert "\\x1b" in told


OF_A_DATASET = [
    ["check", "DATA"],
    ["check", "DATA", "--deep"],
    ["check", "DATA", "--json"],
    ["check", "MISSING"],
    ["train", "cpu-quick", "--data", "MISSING"],
    ["train", "cpu-quick", "--data", "DATA", "--set", f"data.{EVIL}=1"],
    ["train", EVIL, "--data", "DATA"],
    ["models", "summary", "cpu-quick", "--set", "data.image_size=32"],
    ["models", "list", EVIL],
    ["presets", "show", EVIL],
    ["status", EVIL],
    ["cache", "clear", EVIL],
    ["cache"],
    [EVIL],
]


@pytest.mark.parametrize("command", OF_A_DATASET, ids=lambda command: " ".join(map(clean, command)))
def test_fault_57_fault_58_what_is_said_of_a_dataset(
    cnntrain: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("CNNTRAIN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(listings, "LEAST", 1)
    monkeypatch.setattr(listings, "SETTLED_NS", -(1 << 62))
    if command == ["cache"]:
        scan(data)
    places = {"DATA": str(data), "MISSING": f"{data}/nowhere{EVIL}"}
    told = check_harmless(cnntrain(*(places.get(word, word) for word in command)))
    if "DATA" in command[:2] and "--json" not in command:
        assert "[red]x" in told
        assert "\\x1b" in told
        assert "caf\\xe9" in told
