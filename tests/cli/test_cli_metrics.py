"""cnntrain metrics: every number comes out exactly, of each step only what counts."""

from __future__ import annotations

import csv
import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_run
from tui.core.events import Rewound
from tui.core.metrics import BATCH
from tui.core.records import BATCHES, LAYERS, Encoder, Header
from tui.core.rundir import RunDir

NAMES = tuple(metric.name for metric in BATCH)


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def new_run(root: Path, name: str = "20260131-120000-run") -> RunDir:
    run = RunDir(root / name)
    run.make()
    run.settings.write_text("[run]\nformat = 1\n")
    return run


def record(run: RunDir, attempt: int, steps: range, value: float, *, kind: str = BATCHES, names=NAMES) -> None:
    header = Header(kind, names, attempt, run.name)
    encoder = Encoder(header)
    records = (encoder.encode(step, 1000.5 + step, [value + step] * len(names)) for step in steps)
    run.segment(kind, attempt).write_bytes(header.encode() + b"".join(records))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_csv_has_a_line_for_each_step(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 4), 0.1)
    result = cnntrain("metrics", str(run.path))
    assert (result.exit_code, result.stderr) == (0, "")
    rows = table(result.stdout)
    assert tuple(rows[0]) == ("step", "time", "attempt", *NAMES)
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [float(row["time"]) for row in rows] == [1001.5, 1002.5, 1003.5]
    assert [row["loss"] for row in rows] == ["1.1", "2.1", "3.1"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_numbers_come_back_to_their_last_bit(cnntrain, tmp_path: Path, form: str) -> None:
    run = new_run(tmp_path)
    values = [0.1, 1e-45, 3.4028234e38, -123456.789, 1 / 3, 16777217.0, 0.0]
    header = Header(BATCHES, NAMES, 1, run.name)
    run.segment(BATCHES, 1).write_bytes(header.encode() + Encoder(header).encode(1, 1768.000001, values))
    text = cnntrain("metrics", str(run.path), "--format", form).stdout
    row = table(text)[0] if form == "csv" else json.loads(text)
    assert [float32(float(row[name])) for name in NAMES] == [float32(value) for value in values]
    assert float(row["time"]) == 1768.000001


def test_nan_and_infinity_are_kept(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    values = [math.nan, math.inf, -math.inf, 1.0, 1.0, 1.0, 1.0]
    header = Header(BATCHES, NAMES, 1, run.name)
    run.segment(BATCHES, 1).write_bytes(header.encode() + Encoder(header).encode(1, 1.0, values))
    assert cnntrain("metrics", str(run.path)).stdout.splitlines()[1].startswith("1,1.0,1,nan,inf,-inf,1.0")
    line = cnntrain("metrics", str(run.path), "--format", "jsonl").stdout
    assert '"loss":NaN,"accuracy":Infinity,"learning_rate":-Infinity' in line
    read = json.loads(line)
    assert math.isnan(read["loss"])
    assert read["learning_rate"] == -math.inf


def test_the_latest_attempt_counts_for_each_step(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 101), 1000)
    record(run, 2, range(51, 81), 2000)
    record(run, 3, range(61, 91), 3000)
    rows = table(cnntrain("metrics", str(run.path)).stdout)
    assert [int(row["step"]) for row in rows] == list(range(1, 91))
    assert {row["attempt"] for row in rows[:50]} == {"1"}
    assert {row["attempt"] for row in rows[50:60]} == {"2"}
    assert {row["attempt"] for row in rows[60:]} == {"3"}
    assert rows[60]["loss"] == "3061.0"


def test_a_rewind_voids_steps_that_were_not_made_again(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 101), 1000)
    record(run, 2, range(55, 60), 2000)  # its first records were lost
    run.events.write_bytes(Rewound(step=50, attempt=2, checkpoint="step-000000050").encode())
    rows = table(cnntrain("metrics", str(run.path)).stdout)
    assert [int(row["step"]) for row in rows] == [*range(1, 51), *range(55, 60)]


def test_layers_are_columns(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 11), 0.0)
    record(run, 1, range(2, 11, 2), 0.0, kind=LAYERS, names=("conv.weight", 'odd,"%s\x1b[2J'))
    rows = table(cnntrain("metrics", str(run.path), "--kind", "layers").stdout)
    assert tuple(rows[0]) == ("step", "time", "attempt", "conv.weight", 'odd,"%s\\x1b[2J')
    assert [row["step"] for row in rows] == ["2", "4", "6", "8", "10"]
    lines = cnntrain("metrics", str(run.path), "--kind", "layers", "--format", "jsonl").stdout.splitlines()
    assert json.loads(lines[0])['odd,"%s\\x1b[2J'] == 2.0


def test_rare_layers_end_where_the_next_attempt_begins(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 101), 0.0)
    record(run, 1, range(10, 101, 10), 0.0, kind=LAYERS, names=("a",))
    record(run, 2, range(55, 101), 0.0)
    record(run, 2, range(100, 101, 10), 0.0, kind=LAYERS, names=("a",))
    rows = table(cnntrain("metrics", str(run.path), "--kind", "layers").stdout)
    assert [(row["step"], row["attempt"]) for row in rows] == [
        *((str(s), "1") for s in range(10, 51, 10)),
        ("100", "2"),
    ]


def test_columns_may_change_between_attempts(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 3), 0.0, names=("loss", "old"))
    record(run, 2, range(3, 5), 0.0, names=("new", "loss"))
    lines = cnntrain("metrics", str(run.path)).stdout.splitlines()
    assert lines[0] == "step,time,attempt,loss,old,new"
    assert lines[1] == "1,1001.5,1,1.0,1.0,"
    assert lines[3] == "3,1003.5,2,3.0,,3.0"
    objects = [json.loads(line) for line in cnntrain("metrics", str(run.path), "--format", "jsonl").stdout.splitlines()]
    assert list(objects[3]) == ["step", "time", "attempt", "new", "loss"]


def test_damage_is_passed_over_and_told(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 201), 0.0)
    data = bytearray(run.segment(BATCHES, 1).read_bytes())
    data[len(data) // 2] ^= 1
    run.segment(BATCHES, 1).write_bytes(bytes(data[:-3]))
    record(run, 2, range(300, 301), 0.0)
    run.segment(BATCHES, 2).write_bytes(b"no records\n")
    result = cnntrain("metrics", str(run.path))
    assert len(table(result.stdout)) == 198
    assert "1 damaged stretch" in result.stderr
    assert "batches-0002.seg cannot be read" in result.stderr


def test_a_run_without_records_has_only_a_heading(cnntrain, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    result = cnntrain("metrics", str(run.path))
    assert (result.exit_code, result.stdout) == (0, "step,time,attempt\n")
    assert "no such records yet" in result.stderr


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    def peak(steps: int) -> int:
        run = new_run(tmp_path, f"20260131-120000-{steps}")
        record(run, 1, range(1, steps + 1), 0.0)
        code = (
            "import resource, sys\nfrom pathlib import Path\nfrom tui.cli.metrics import write_metrics\n"
            "from tui.core.rundir import RunDir\n"
            "write_metrics(RunDir(Path(sys.argv[1])), form='csv', kind='batches')\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        with open(os.devnull, "w") as nowhere:
            done = subprocess.run(
                [sys.executable, "-c", code, str(run.path)],
                stdout=nowhere,
                stderr=subprocess.PIPE,
                text=True,
                timeout=100,
            )
        return int(done.stderr)

    assert peak(300_000) - peak(120_000) < 5_000  # KiB; the records themselves differ by 9 MB


def test_head_ends_it_without_a_word(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    record(run, 1, range(1, 100_001), 0.0)
    program = "from tui.cli.main import main; main()"
    shell = '"$@" | head -n 2; echo "${PIPESTATUS[0]}"'
    result = subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-c", program, "metrics", str(run.path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith("step,")
    assert lines[2] == "141"


def test_everything_as_event_files(cnntrain: Any, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = make_run(tmp_path / "runs", steps=40, attempts=((1, 30), (21, 40)), nan_from=39)
    done = cnntrain("metrics", str(run.path), "--format", "tensorboard")
    assert done.exit_code == 0, done.output
    assert "tensorboard --logdir" in done.stdout
    found = accumulator.EventAccumulator(str(run.tensorboard), size_guidance={accumulator.SCALARS: 0})
    found.Reload()
    losses = {one.step: one.value for one in found.Scalars("batch/loss")}
    rows = cnntrain("metrics", str(run.path)).stdout.splitlines()[1:]
    told = {int(row.split(",")[0]): float(row.split(",")[3]) for row in rows}
    assert losses == {step: pytest.approx(value) for step, value in told.items() if step < 39}  # no NaN there
    assert "validation/accuracy" in found.Tags()["scalars"]
    again = cnntrain("metrics", str(run.path), "--format", "tensorboard")
    assert again.exit_code == 2
    assert "has event files already" in again.stderr
    assert cnntrain("metrics", str(run.path), "--format", "tensorboard", "--output", str(tmp_path / "t")).exit_code == 0
    assert cnntrain("metrics", str(run.path), "--output", str(tmp_path / "t")).exit_code == 2
