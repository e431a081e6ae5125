"""The file of an evaluation: what is read of it, what is refused, and what follows from it, worked out by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tui.core.errors import FailureError
from tui.core.evaluations import Level, Pair, decode, levels, pairs, worst

TABLE: dict[str, Any] = {
    "format": 2, "task": "classification", "split": "validation", "step": 7, "epoch": 0.5, "root": "/p",
    "classes": ["cat", "dog\x1b[2J", "eel"], "images": 10, "metrics": {"loss": math.nan, "accuracy": 0.6},
    "counts": [5, 5, 0], "recall": [0.8, 0.4, math.nan], "precision": [0.5, 1.0, math.nan], "f1": [0.6, 0.5, math.nan],
    "confusion": [[0, 0, 4], [0, 2, 1], [1, 0, 2], [1, 1, 2], [1, 2, 1]],
    "calibration": {"counts": [0, 10], "confidence": [0, 0.9], "accuracy": [0, 0.6]},
    "thresholds": {"at": [0.0, 0.8, 0.99], "answered": [10, 4, 0], "right": [6, 3, 0]},
    "pictures": [{
        "path": "dog/\udcff [b].png", "position": 3, "true": 1, "answer": 0, "confidence": math.nan,
        "loss": math.inf, "top": [[0, 0.9], [1, 0.1]],
    }],
    "of_a_later_version": {"x": 1},
}  # fmt: skip


def encoded(**changes: Any) -> bytes:
    return json.dumps({**TABLE, **changes}).encode()


def test_what_is_written_is_read() -> None:
    found = decode(encoded(), "validation-7.json")
    assert found.names == ("cat", "dog\\x1b[2J", "eel")
    assert (found.step, found.split, found.root, found.counts) == (7, "validation", "/p", (5, 5, 0))
    assert math.isnan(found.metrics["loss"])
    assert math.isnan(found.each("recall")[2])
    assert found.each("average_precision") == ()
    one = found.pictures[0]
    assert (one.path, one.true, one.answer, one.loss, one.top) == (
        "dog/\udcff [b].png", (1,), (0,), math.inf, ((0, 0.9), (1, 0.1)),
    )  # fmt: skip
    assert math.isnan(one.confidence)


def test_an_older_file_is_read() -> None:
    older = {key: value for key, value in TABLE.items() if key not in ("root", "thresholds", "pictures")}
    older |= {"format": 1, "mistakes": [[3, 1, 0, 0.9, 4.5]]}
    found = decode(json.dumps(older).encode(), "x")
    one = found.pictures[0]
    assert (one.path, one.position, one.true, one.answer, one.confidence, one.loss) == ("", 3, (1,), (0,), 0.9, 4.5)
    assert found.thresholds is None
    assert levels(found) == []
    numbers = {**older, "task": "regression", "residuals": [[3, [1.0], [2.5], 2.25]], "confusion": [], "counts": []}
    del numbers["mistakes"]
    numbers |= {"targets": ["age"], "recall": [], "precision": [], "f1": []}
    del numbers["classes"]
    found = decode(json.dumps(numbers).encode(), "x")
    assert (found.pictures[0].true, found.pictures[0].answer, found.residuals) == ((1.0,), (2.5,), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"confusion": [[0, 3, 1]]},
        {"confusion": [[0, -1, 1]]},
        {"recall": [0.5]},
        {"counts": [1, 2, "x"]},
        {"classes": "cat"},
        {"split": "../../etc"},
        {"thresholds": {"at": [0.5], "answered": [1, 2], "right": [1]}},
        {"thresholds": {"at": [0.5], "answered": ["x"], "right": [1]}},
        {"calibration": {"counts": [1], "confidence": [], "accuracy": [0.5]}},
        {"pictures": [{**TABLE["pictures"][0], "path": "../../etc/passwd"}]},
        {"pictures": [{**TABLE["pictures"][0], "path": "/etc/passwd"}]},
        {"pictures": [{**TABLE["pictures"][0], "path": 5}]},
        {"pictures": [{**TABLE["pictures"][0], "true": 3}]},
        {"pictures": [{**TABLE["pictures"][0], "answer": math.nan}]},
        {"pictures": [{**TABLE["pictures"][0], "top": [[7, 0.5]]}]},
        {"pictures": [{**TABLE["pictures"][0], "answer": [math.inf]}]},
        {"format": 0},
        {"format": "2"},
        {"task": "poetry"},
    ],
)
def test_what_points_nowhere_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(FailureError, match="x\\.json is damaged"):
        decode(encoded(**changes), "x.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"nonsense", b'{"format": 2}', b"[" * 100_000])
def test_what_is_no_evaluation_is_refused(data: bytes) -> None:
    with pytest.raises(FailureError, match="is damaged"):
        decode(data, "x.json")


def test_a_newer_file_says_so() -> None:
    with pytest.raises(FailureError, match="was written by a newer version of cnntrain"):
        decode(encoded(format=3, task="poetry"), "x.json")


def test_pairs_by_hand() -> None:
    assert pairs(decode(encoded(), "x")) == [Pair(1, 0, 2, 0.4), Pair(0, 2, 1, 0.2), Pair(1, 2, 1, 0.2)]


def test_levels_by_hand() -> None:
    first, second, third = levels(decode(encoded(), "x"))
    assert first == Level(0.0, 1.0, 0.6, 0.6)
    assert second == Level(0.8, 0.4, 0.75, 0.3)
    assert (third.at, third.coverage, third.recall) == (0.99, 0.0, 0.0)
    assert math.isnan(third.precision)


def test_levels_of_a_label() -> None:
    table = encoded(
        task="multilabel",
        thresholds={"at": [0.5], "answered": [[4], [2], [0]], "right": [[3], [1], [0]]},
        pictures=[{**TABLE["pictures"][0], "true": [0, 1], "answer": []}],
    )
    found = decode(table, "x")
    assert levels(found, 0) == [Level(0.5, 0.4, 0.75, 0.6)]
    assert math.isnan(levels(found, 2)[0].recall)
    assert (found.pictures[0].true, found.pictures[0].answer) == ((0, 1), ())


def test_the_worst_come_first_whatever_is_not_a_number() -> None:
    rows = [(0.5, 2.0), (math.nan, 1.0), (0.9, math.nan), (0.7, 3.0)]
    pictures = [
        {**TABLE["pictures"][0], "position": place, "confidence": confidence, "loss": loss}
        for place, (confidence, loss) in enumerate(rows)
    ]
    found = decode(encoded(pictures=pictures), "x")
    assert [one.position for one in worst(found, "confidence")] == [2, 3, 0, 1]
    assert [one.position for one in worst(found, "loss")] == [2, 3, 0, 1]
    assert worst(found.model_copy(update={"task": "regression"}), "confidence")[0].position == 2
