"""How busy the machine is: from the kernel's tables and the driver's tool, whatever they leave out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import builders
from tui.core.rundir import RunDir
from tui.runs import machine
from tui.runs.machine import Card, Machine


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "hwmon").mkdir()
    monkeypatch.setattr(machine, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "_SENSORS", tmp_path / "hwmon")
    monkeypatch.setattr("shutil.which", lambda name: None)
    return tmp_path


def test_the_processor_is_as_busy_as_it_was_since_the_sample_before(kernel: Path) -> None:
    table = kernel / "proc" / "stat"
    table.write_text("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3 4\n")
    host = Machine()
    assert host.sample().busy is None
    table.write_text("cpu  160 0 115 720 105 0 0 0 0 0\n")
    assert host.sample().busy == pytest.approx(0.75)
    assert host.sample().busy is None


def test_memory_and_temperature(kernel: Path) -> None:
    (kernel / "proc" / "meminfo").write_text("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  400 kB\n")
    for number, (name, degrees) in enumerate((("coretemp", "61500"), ("nvme", "90000"), ("k10temp", "broken"))):
        sensor = kernel / "hwmon" / f"hwmon{number}"
        sensor.mkdir()
        (sensor / "name").write_text(f"{name}\n")
        (sensor / "temp1_input").write_text(degrees)
    sample = Machine().sample()
    assert (sample.used, sample.total, sample.celsius) == (600 * 1024, 1000 * 1024, 61.5)


def test_a_system_that_tells_nothing_gives_an_empty_sample(kernel: Path) -> None:
    sample = Machine().sample(os.getpid())
    assert (sample.busy, sample.used, sample.celsius, sample.own_memory, sample.cards) == (None, None, None, None, ())


def test_the_driver_tells_of_each_card_what_it_knows(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        "#!/bin/sh\necho 'NVIDIA X, 97, 1024, 2048, 66, 310.50'\necho 'Old, [N/A], [N/A], [N/A], 50, [Not Supported]'\n"
    )
    tool.chmod(0o755)
    assert machine.cards(str(tool)) == (
        Card("NVIDIA X", 0.97, 1 << 30, 2 << 30, 66.0, 310.5),
        Card("Old", None, None, None, 50.0, None),
    )
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert machine.cards(str(tool)) == ()
    assert machine.cards(str(tmp_path / "none")) == ()


def test_the_run_says_which_machine_and_process(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.make()
    host = Machine()
    assert host.observe(run).host == ""
    builders.own(run)
    seen = host.observe(run)
    assert seen.sample is not None
    assert seen.sample.own_memory
    builders.own(run, host="elsewhere", boot_id="another")
    assert (host.observe(run).host, host.observe(run).sample) == ("elsewhere", None)
