"""The report of a dry run: what each measurement is called, when it is a warning, and what is proposed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from sound_rehearsal import SOUND

from tui.core import memory
from tui.core.memory import GIB
from tui.core.rehearsal import Overfit, Rehearsal, report, smaller_batch


def tones(found: Rehearsal) -> dict[str, str]:
    return {line.label: line.tone for line in report(found)}


def words(found: Rehearsal) -> dict[str, str]:
    return {line.label: line.text for line in report(found)}


def test_a_sound_run() -> None:
    assert set(tones(SOUND).values()) == {"plain", "good"}
    said = words(SOUND)
    assert said["the whole run"] == "about 10:00 for 1,000 steps; 0:50 an epoch"
    assert said["one step"] == "0.5 s for 32 pictures, 64 images/s"
    assert said["memory"] == "at most 1.0 GiB at once; 8.0 GiB can be had"
    assert said["batch size"] == "32 fit; up to 256 would (computed from two sizes)"
    assert said["disk"].startswith("41.0 MiB for the run (4 checkpoints of 10.0 MiB, records)")
    assert said["learning"].endswith("the network can learn")


def test_bfloat16_is_proposed_only_where_it_takes_clearly_less_time() -> None:
    found = replace(SOUND, bfloat16=0.43)
    assert (
        words(found)["precision"]
        == "in bfloat16 a step takes 43% of the time on this machine: compute.precision=bfloat16"
    )
    assert found.faster == {"compute.precision": "bfloat16"}
    assert Rehearsal.from_table(found.to_table()) == found
    for share in (None, 0.9, 3.0):
        found = replace(SOUND, bfloat16=share)
        assert "precision" not in words(found)
        assert found.faster == {}


@pytest.mark.parametrize(
    ("change", "label", "tone", "said"),
    [
        ({"max_seconds": 300.0}, "the whole run", "plain", "5:40, where training.max_minutes ends it; all 1,0"),
        ({"max_seconds": 900.0}, "the whole run", "plain", "about 10:00 for 1,000 steps; 0:50 an epoch"),
        ({"wait_seconds": 0.2}, "one step", "warning", "40% of it waits for pictures: raise data.workers"),
        ({"peak": int(7.5 * GIB)}, "memory", "warning", "7.5 GiB at once"),
        ({"fits": False, "largest_batch": 11, "tried": True}, "batch size", "bad", "training.batch_size=8 and"),
        ({"fits": False, "largest_batch": 0}, "batch size", "bad", "nor does any smaller batch"),
        ({"largest_batch": 32}, "batch size", "warning", "not many more"),
        ({"disk_free": 1 << 20}, "disk", "bad", "only 1.0 MiB are free"),
        ({"first_loss": math.nan}, "first loss", "bad", "something is wrong before the first step"),
        ({"first_loss": 9.0, "findings": [{"code": "bad_start", "severity": "warning", "title": "t", "message": "m"}]},
         "first loss", "warning", "9, but a network that knows nothing has 2.3"),
        ({"overfit": Overfit(32, 40, 2.3, 2.29)}, "learning", "bad", "they are not learned. Check the labels"),
        ({"overfit": Overfit(32, 40, 2.3, math.nan)}, "learning", "bad", "not learned"),
        ({"overfit": Overfit(32, 8, 2.3, 3.1, early=True)}, "learning", "plain", "this proves nothing"),
        ({"overfit": Overfit(32, 8, 2.3, math.nan, early=True)}, "learning", "bad", "not learned"),
        ({"overfit": Overfit(32, 8, 2.3, 1.0, early=True)}, "learning", "good", "the network can learn"),
        ({"overfit": Overfit(32, 40, 2.3, 1.0, 0.1)}, "learning", "warning", "a tenth of the learning rate"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change: dict[str, object], label: str, tone: str, said: str) -> None:
    found = replace(SOUND, **change)  # type: ignore[arg-type]
    assert tones(found)[label] == tone
    assert said in words(found)[label]
    assert (
        Rehearsal.from_table(found.to_table()) == found
        or math.isnan(found.first_loss)
        or found.overfit is None
        or (math.isnan(found.overfit.last))
    )


def test_a_smaller_batch_keeps_the_pictures_of_a_step_where_it_can() -> None:
    assert smaller_batch(128, 1, 70) == {"training.batch_size": 64, "optimizer.accumulate": 2}
    assert smaller_batch(96, 2, 50) == {"training.batch_size": 48, "optimizer.accumulate": 4}
    assert smaller_batch(127, 1, 60) == {"training.batch_size": 60}  # a prime: the steps become smaller


def test_memory_of_machine_and_container(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available() == 2 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() == 2 << 20
    (tmp_path / "memory.max").write_text(f"{3 << 20}\n")
    (tmp_path / "memory.current").write_text(f"{2 << 20}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {1 << 19}\n")
    assert memory.available() == (1 << 20) + (1 << 19)  # what is only cached counts as free
    (tmp_path / "meminfo").unlink()
    (tmp_path / "memory.max").unlink()
    assert memory.available() is None
    assert memory.peak() >= memory.resident() // 2 > 1 << 20
    assert [memory.in_words(size) for size in (1 << 12, 5 << 20, 3 * GIB, 1000 * GIB)] == [
        "4 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "1,000 GiB",
    ]
