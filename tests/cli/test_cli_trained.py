"""``cnntrain test``, ``predict`` and ``export`` at the command line; one question goes to a real engine."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_run
from tui.cli.trained import _lines
from tui.core.errors import FailureError
from tui.runs import service
from tui.runs.trained import pictures_of


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for the engine: notes the job, gives ``items`` and ``result``."""
    played: dict[str, Any] = {"items": [], "result": {}, "job": None}

    def ask(module: str, job: dict[str, Any], *, item: Callable[[Any], None], **more: Any) -> dict[str, Any]:
        played.update(job=job, module=module)
        for one in played["items"]:
            item(one)
        return dict(played["result"])

    monkeypatch.setattr(service, "ask", ask)
    return played


def test_what_is_named_becomes_a_list_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.jpg", "a/2.PNG", "a/notes.txt", "a/.hidden.jpg", "a/.cache/3.jpg", "b/4.webp", "5.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)

    def names(*given: str) -> list[str]:
        return [os.path.relpath(path, tmp_path) for path in pictures_of(given, _lines)]

    assert names("a") == ["a/1.jpg", "a/2.PNG"]
    assert names("*.jpg", "b/*") == ["5.jpg", "b/4.webp"]
    assert names("**/*.jpg") == ["5.jpg", "a/1.jpg"]
    assert names("missing.jpg") == ["missing.jpg"]
    assert names("nothing-*.jpg") == []
    for listed in (b"5.jpg\n\na/1.jpg\r\n", b"5.jpg\0a/1.jpg\0"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed)))
        assert names("-") == ["5.jpg", "a/1.jpg"]


def test_predictions_as_lines_and_as_json(cnntrain: Any, engine: dict[str, Any], tmp_path: Path) -> None:
    make_run(tmp_path / "runs")
    (tmp_path / "x.jpg").write_bytes(b"")
    answers = [["cat\x1b[2J", 0.9], ["dog", 0.1]]
    engine["items"] = [{"path": "/p/x.jpg", "answers": answers}, {"path": "/p/y.jpg", "error": "the file is empty"}]
    engine["result"] = {"unreadable": 1, "pictures": 2}
    root = f"--runs={tmp_path / 'runs'}"
    done = cnntrain("predict", "latest", str(tmp_path / "x.jpg"), "--top", "2", root)
    assert done.exit_code == 3
    assert done.stdout == "/p/x.jpg: cat\\x1b[2J 90.0 %, dog 10.0 %\n"
    assert "/p/y.jpg cannot be read: the file is empty" in done.stderr
    assert engine["job"]["top"] == 2
    assert engine["job"]["paths"] == [str(tmp_path / "x.jpg")]
    done = cnntrain("predict", "latest", str(tmp_path / "x.jpg"), "--json", root)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["class"], first["probability"], first["answers"]) == ("cat\x1b[2J", 0.9, answers)
    assert second == {"path": "/p/y.jpg", "error": "the file is empty"}
    assert "\x1b" not in done.stdout
    done = cnntrain("predict", "latest", str(tmp_path / "none-*.jpg"), root)
    assert done.exit_code == 2
    assert "There is nothing to predict" in done.stderr


def test_an_empty_list_is_named(cnntrain: Any, tmp_path: Path) -> None:
    make_run(tmp_path / "runs")
    done = cnntrain("predict", "latest", "-", f"--runs={tmp_path / 'runs'}")
    assert done.exit_code == 2
    assert "no pictures are in the list on stdin" in done.stderr


def test_a_test_as_a_table(cnntrain: Any, engine: dict[str, Any], tmp_path: Path) -> None:
    make_run(tmp_path / "runs")
    engine["result"] = {
        "task": "classification", "split": "test", "root": "/p", "images": 30, "weights": "best", "step": 400,
        "metrics": {"loss": 0.5, "accuracy": 0.8}, "classes": ["cat", "dog"], "counts": [10, 20],
        "recall": [0.5, 0.95], "precision": [0.75, 0.9], "f1": [0.6, 0.92], "unreadable": [],
    }  # fmt: skip
    done = cnntrain("test", "latest", f"--runs={tmp_path / 'runs'}")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "/p, test: 30 pictures, best weights, step 400"
    assert lines[2].split() == ["accuracy", "80.0", "%"]
    assert lines[-1].split() == ["dog", "95.0", "%", "90.0", "%", "92.0", "%", "20"]
    assert json.loads(cnntrain("test", "latest", "--json", f"--runs={tmp_path / 'runs'}").stdout)["images"] == 30
    done = cnntrain("test", "latest", "--set", "data.list=x", f"--runs={tmp_path / 'runs'}")
    assert done.exit_code == 2


def test_an_export_is_named_after_the_run(
    cnntrain: Any, engine: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / "example-best.onnx")
    engine["result"] = {
        "path": path, "beside": f"{path}.json", "bytes": 2 << 20, "difference": 1e-6, "largest": 3.0,
        "step": 400, "weights": "best",
    }  # fmt: skip
    done = cnntrain("export", "latest", "--format", "onnx", f"--runs={tmp_path / 'runs'}")
    assert engine["job"]["output"] == path
    assert "differ by at most 1e-06" in done.stdout
    engine["result"]["difference"] = 0.0
    done = cnntrain("export", "latest", "--format", "onnx", f"--runs={tmp_path / 'runs'}")
    assert "compared: outputs are the same (largest output 3)" in done.stdout
    done = cnntrain("export", "latest", "--format", "onnx", "--output", "no/where.onnx", f"--runs={tmp_path / 'runs'}")
    assert done.exit_code == 2
    assert "there is no directory" in done.stderr
    os.mkfifo(tmp_path / "pipe")
    engine["job"] = None
    done = cnntrain("export", "latest", "--format", "onnx", "--output=pipe", "--force", f"--runs={tmp_path / 'runs'}")
    assert (done.exit_code, engine["job"]) == (2, None)
    assert "pipe is a device or a pipe. Name a file." in done.stderr
    done = cnntrain("export", "latest", "--format", "tflite", f"--runs={tmp_path / 'runs'}")
    assert "Invalid value for '--format': 'tflite' is not one of" in done.stderr


def test_a_real_engine_is_asked_and_its_refusal_is_one_sentence(tmp_path: Path) -> None:
    """A made-up run has no checkpoint: the sentence comes all the way from the engine's process."""
    run = make_run(tmp_path / "runs")
    (tmp_path / "x.jpg").write_bytes(b"")
    program = [sys.executable, "-c", "from tui.cli.main import main; main()"]
    done = subprocess.run(
        [*program, "predict", str(run.path), "x.jpg"], cwd=tmp_path, capture_output=True, text=True, timeout=90
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "has no checkpoint yet. Let it train for a while." in done.stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(7)", r'it ended with code 7 \("last words"\)'),
        ("import os; os.kill(os.getpid(), 9)", "memory"),
    ],
)
def test_an_engine_that_dies_is_told_with_its_last_line(code: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"import sys; sys.stderr.write('last words\\n'); sys.stderr.flush(); {code}"
    monkeypatch.setattr(service, "ENGINE", (sys.executable, "-c", program))
    with pytest.raises(FailureError, match=words):
        service.ask("anything", {})
