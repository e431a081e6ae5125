"""One case of the doctor's benchmark: trained once through the real engine, its signals kept, judged at will."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from tests import planting
from tests.doctor_cases import BASE, Case
from tests.doctor_pictures import CLASSES, COUNTS, make_family
from tui.core.dataset.manifest import make_manifest
from tui.core.dataset.scan import scan
from tui.core.diagnosis import signals as kinds
from tui.core.diagnosis.doctor import Doctor
from tui.core.diagnosis.finding import Change
from tui.core.diagnosis.sequence import place
from tui.core.diagnosis.signals import Facts, Layer, Signal, Step, Validation
from tui.core.schema import flattened, with_changes
from tui.core.settings import Settings
from tui.engine.data.training import TrainingData
from tui.engine.diagnosis.judge import Judge
from tui.engine.link import Stopped

_KINDS = {kind.__name__: kind for kind in kinds.Signal.__args__}


@dataclass
class Record:
    """What one training gave."""

    case: str
    facts: Facts
    signals: list[Signal]
    end: str
    seconds: float

    @property
    def best(self) -> float:
        """The best validation accuracy; 0 without any."""
        found = [each.accuracy for each in self.signals if isinstance(each, Validation)]
        return max((each for each in found if math.isfinite(each)), default=0.0)

    @property
    def steps(self) -> list[Step]:
        """The steps in order."""
        return [each for each in self.signals if isinstance(each, Step)]

    def judge(self) -> tuple[Doctor, list[tuple[int, Change]]]:
        """Feed a new doctor; return it and what it said at which step."""
        doctor, said, step = Doctor(self.facts), [], 0
        for signal in self.signals:
            step = getattr(signal, "step", step)
            said += [(step, change) for change in doctor.feed(signal)]
        return doctor, said + [(step, change) for change in doctor.finish()]

    def write(self, path: Path) -> None:
        """Keep it as compressed JSON."""
        table = {
            "case": self.case,
            "settings": flattened(self.facts.settings),
            "facts": {key: value for key, value in asdict(self.facts).items() if key != "settings"},
            "signals": [[type(each).__name__, list(asdict(each).values())] for each in self.signals],
            "end": self.end,
            "seconds": self.seconds,
        }
        temporary = path.with_suffix(".part")
        with gzip.open(temporary, "wt") as file:
            json.dump(table, file)
        temporary.rename(path)


def read(path: Path) -> Record:
    """Read a kept record."""
    with gzip.open(path, "rt") as file:
        table = json.load(file)
    known = flattened(Settings())
    settings = with_changes(Settings(), {k: v for k, v in table["settings"].items() if k in known}, source=str(path))
    facts = {key: tuple(value) if isinstance(value, list) else value for key, value in table["facts"].items()}
    facts["layers"] = tuple(Layer(**each) for each in facts["layers"])
    made = [_signal(name, values) for name, values in table["signals"]]
    return Record(table["case"], Facts(settings=settings, **facts), made, table["end"], table["seconds"])


def _signal(name: str, values: list[Any]) -> Signal:
    kind = _KINDS[name]
    arguments = zip((field.name for field in fields(kind)), values, strict=False)  # what is younger keeps its default
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in arguments})


def train(
    case: Case, family: str, seed: int, place_: Path, *, changes: dict[str, Any], enough: float = math.inf
) -> Record:
    """Train a case.

    Args:
        case: what is planted.
        family: of pictures.
        seed: of the training.
        place_: where pictures, caches and runs are kept.
        changes: beside the case's own settings: a repair.
        enough: the validation accuracy at which it may end.
    """
    os.environ.setdefault("CNNTRAIN_CACHE", str(place_ / "cache"))
    root = select(place_ / "pictures", family, case.pictures)
    base = {**BASE, "data.directory": str(root), "training.seed": seed}
    settings = with_changes(Settings(), {**base, **case.changes, **changes}, source=case.name)
    name = f"{os.getpid()}-{time.monotonic_ns()}"
    run = planting.new_run(place_ / "runs", name, settings)
    manifest = make_manifest(scan(root), settings)
    began = time.monotonic()
    try:
        with (
            overheard(enough) as (facts, heard),
            TrainingData(manifest, settings, progress=lambda *_: None, stopping=lambda: False) as data,
        ):
            seen = case.data(data) if case.data else data
            end = planting.train(run, settings, seen, list(manifest.classes), plant=case.plant)
    finally:
        shutil.rmtree(run.path, ignore_errors=True)
    return Record(case.name, facts[0], sorted(heard, key=place), end.text, time.monotonic() - began)


@contextlib.contextmanager
def overheard(enough: float = math.inf) -> Iterator[tuple[list[Facts], list[Signal]]]:
    """Keep what the engine tells its doctor; end a run whose validation accuracy is ``enough``."""
    facts: list[Facts] = []
    heard: list[Signal] = []
    begin, hear = Judge.__init__, Judge.hear

    def begin_and_keep(self: Judge, link: Any, known: Facts) -> None:
        facts.append(known)
        begin(self, link, known)

    def hear_and_keep(self: Judge, signal: Signal) -> None:
        heard.append(signal)
        hear(self, signal)
        if isinstance(signal, Validation) and signal.accuracy >= enough:
            raise Stopped("good enough")

    Judge.__init__, Judge.hear = begin_and_keep, hear_and_keep  # type: ignore[method-assign]
    try:
        yield facts, heard
    finally:
        Judge.__init__, Judge.hear = begin, hear  # type: ignore[method-assign]


def select(folder: Path, family: str, pictures: str) -> Path:
    """Return a folder with a selection of a family, made of links that cost nothing."""
    root = make_family(folder, family)
    if pictures == "all":
        return root
    chosen = folder / f"{family}-{pictures}"
    if chosen.exists():
        return chosen
    building = folder / f"{family}-{pictures}.{os.getpid()}"
    for label in range(CLASSES):
        name = f"class_{label}"
        for split in COUNTS:
            (building / split / name).mkdir(parents=True)
        files = sorted((root / "train" / name).iterdir())[: _kept(pictures, label)]
        for file in files:
            os.link(file, building / "train" / name / file.name)
        for file in sorted((root / "val" / name).iterdir()):
            os.link(file, building / "val" / name / file.name)
            if pictures == "leak" and label < 5:
                os.link(file, building / "train" / name / f"copy-{file.name}")
    building.rename(chosen)
    return chosen


def _kept(pictures: str, label: int) -> int:
    """Return how many training pictures of a class are kept."""
    full = COUNTS["train"]
    if pictures.endswith(", even"):
        return sum(_kept(pictures.removesuffix(", even"), each) for each in range(CLASSES)) // CLASSES
    match pictures:
        case "few":
            return 6
        case "lost":
            return full if label == 0 else 2
        case "long_tail":
            return max(3, round(full * 0.55**label))
        case "mild":
            return full - 10 * label
        case _:
            return full


def prepare() -> None:
    """One thread, so that results repeat and neighbours are not disturbed."""
    torch.set_num_threads(1)
