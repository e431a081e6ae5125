"""``dataset.json`` of a run: the class map, which picture is in which split, and what was odd about them.

The engine trains on what is written here and never looks through the folder again, so a resumed run sees
the pictures it started with. The file may come from someone else: paths that lead out of the root are refused.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from tui.core.dataset.exclusions import without
from tui.core.dataset.problems import Problem, names_of, some_of
from tui.core.dataset.same import Progress, find_again
from tui.core.dataset.samples import Layout, Sample, Target, count_classes
from tui.core.dataset.scan import Scan, reading_of, stamped
from tui.core.dataset.scan import scan as look_through
from tui.core.dataset.split import SPLITS, divide
from tui.core.dataset.unusable import TITLE
from tui.core.errors import FailureError, UsageError
from tui.core.files import write_atomic
from tui.core.metrics import Task
from tui.core.settings import Settings
from tui.core.tasks import check_fits
from tui.core.text import clean_path

FORMAT = 3
"""1: class folders only, without a task; 2: see `Manifest.gradual`; both are still read."""


@dataclass(frozen=True)
class Manifest:
    """The data of one run."""

    root: Path
    classes: tuple[str, ...]
    """Raw names in the order of their indices; empty for regression. Clean them before showing."""
    splits: dict[str, list[Sample]]
    """(path relative to the root, target) of ``train``, ``validation`` and ``test``; test may be empty.

    `tui.core.dataset.targets.targets_of` makes arrays of the targets.
    """
    signature: str
    """`Scan.signature` of all pictures when the run was made."""
    layout: Layout
    problems: list[Problem]
    task: Task = "classification"
    target_names: tuple[str, ...] = ()
    """What the numbers of a regression are called, raw; empty for the other tasks."""
    stamps: dict[str, array[int]] = field(default_factory=dict)
    """Size and time of change (ns) of each picture when the run was made, one after the other, by the keys of
    ``splits``; empty in runs of older versions."""
    gradual: bool = True
    """Whether nothing of the run depends on all pictures having been decoded: one that cannot be read keeps its place
    in the order, and mean and deviation are of a sample. Runs of older versions keep to what they began with."""

    def pictures(self) -> dict[str, tuple[int, int]]:
        """Return (size, time of change in ns) of every picture by its path, as the run was made; maybe nothing."""
        return stamped(self.splits, self.stamps)

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for a picture: one per class, or per number to learn."""
        return len(self.target_names if self.task == "regression" else self.classes)

    def counts(self, split: str) -> list[int]:
        """Return the number of pictures per class; empty for regression."""
        return count_classes(self.splits[split], len(self.classes), self.task)


def make_manifest(scan: Scan, settings: Settings, progress: Progress | None = None) -> Manifest:
    """Divide the pictures of a scan for a run.

    Pictures that ``data.exclude`` lists are left out first. A scan that was made with other settings of how
    to read the directory is made again.

    Args:
        scan: what there is.
        settings: of the run.
        progress: told (done, total) while files are compared.

    Raises:
        UsageError: the settings do not fit the task, a class is too small to divide, a batch is larger than the
            training split, or the list of pictures to leave out cannot be used.
    """
    if scan.reading and scan.reading != reading_of(settings.data):
        directory = settings.data.directory
        scan = look_through(Path(directory) if directory else scan.root, settings.data)
    if settings.data.exclude:
        scan = without(scan, Path(settings.data.exclude).expanduser())
    for problem in scan.problems:
        if problem.severity == "error":
            raise UsageError(TITLE, problem.text.rstrip("."), problem.step)
    check_fits(settings, scan.task, len(scan.classes))
    problems = list(scan.problems)
    splits = divide(scan, settings.data, settings.training.seed, _copies(scan, problems, progress))
    problems += _unvalidated(scan, splits)
    batch, there = settings.step_images, len(splits["train"])
    if batch > there:
        fitting = 1 << (max(2, there // 4).bit_length() - 1)
        if there < 2:
            step = "Add pictures."
        elif settings.optimizer.accumulate > 1:
            step = "Set a smaller optimizer.accumulate or training.batch_size."
        else:
            step = f"Set training.batch_size to {fitting} or add pictures."
        pictures = "picture" if there == 1 else "pictures"
        verb = "is" if there == 1 else "are"
        cause = f"{settings.step_words} but there {verb} only {there} training {pictures}"
        raise UsageError("A batch is larger than the dataset", cause, step)
    known = scan.pictures()
    return Manifest(
        root=scan.root,
        classes=scan.classes,
        splits=splits,
        stamps={
            name: array("q", chain.from_iterable(known[path] for path, _ in samples))
            for name, samples in splits.items()
            if known
        },
        signature=scan.signature,
        layout=scan.layout,
        problems=problems,
        task=scan.task,
        target_names=scan.target_names,
    )


def _copies(scan: Scan, problems: list[Problem], progress: Progress | None) -> dict[str, int]:
    """Return the copies among the pictures that we divide, so that none is in two splits."""
    key = "all" if "all" in scan.samples else "train"
    if scan.samples.get("validation") or key not in scan.stamps:
        return {}
    if key not in scan.copies:
        paths = [path for path, _ in scan.samples[key]]
        scan.copies[key] = find_again(scan.root, paths, scan.stamps[key], progress)
    found = scan.copies[key]
    if found is None:
        text = (
            "There are too many files of equal size to compare: copies may be in two splits (`cnntrain check` tells)."
        )
        problems.append(Problem("copies_unknown", "info", text))
    return found or {}


def _unvalidated(scan: Scan, splits: Mapping[str, list[Sample]]) -> list[Problem]:
    """Return a problem for classes that no picture validates, where what belongs together left none."""
    counts = count_classes(splits["validation"], len(scan.classes), scan.task)
    lacking = [name for name, count in zip(scan.classes, counts, strict=True) if not count]
    if scan.samples.get("validation") or not lacking:
        return []
    text = f"No picture of {names_of(lacking)} is kept for validation: nothing will be measured there."
    return [Problem("class_unvalidated", "warning", text, some_of(lacking))]


def save_manifest(manifest: Manifest, path: Path) -> None:
    """Write the manifest as JSON; any bytes in file names survive.

    Raises:
        OSError: the file cannot be written.
    """
    table = {
        "format": FORMAT,
        "root": str(manifest.root),
        "layout": manifest.layout,
        "task": manifest.task,
        "target_names": list(manifest.target_names),
        "signature": manifest.signature,
        "classes": list(manifest.classes),
        "splits": {
            name: {
                "paths": [path for path, _ in samples],
                "labels": [target for _, target in samples],
                "stamps": manifest.stamps[name].tolist() if name in manifest.stamps else [],
            }
            for name, samples in manifest.splits.items()
        },
        "problems": [asdict(problem) for problem in manifest.problems],
    }
    # ASCII only: a byte that is no UTF-8 is a lone surrogate here, which JSON can escape and UTF-8 cannot hold.
    write_atomic(path, json.dumps(table, ensure_ascii=True, separators=(",", ":")), durable=True)


def load_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        FailureError: it is missing, damaged, or from a newer version.
    """
    title = "The run's dataset cannot be read"
    try:
        table: Any = json.loads(path.read_bytes())
        if table["format"] > FORMAT:
            cause = f"{clean_path(path)} was written by a newer version of cnntrain"
            raise FailureError(title, cause, "Upgrade cnntrain.")
        return _manifest(table)
    except OSError as error:
        cause = f"{clean_path(path)}: {error.strerror}"
        raise FailureError(title, cause, "Start the run again from its preset.") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        cause = f"{clean_path(path)} is damaged"
        raise FailureError(title, cause, "Start the run again from its preset.") from error


def _manifest(table: Mapping[str, Any]) -> Manifest:
    classes = tuple(str(name) for name in table["classes"])
    task: Task = table.get("task", "classification")
    names = tuple(str(name) for name in table.get("target_names", ()))
    known = task in get_args(Task) and table["layout"] in get_args(Layout)
    if not known or not Path(table["root"]).is_absolute():
        raise ValueError
    width = len(names) if task == "regression" else len(classes)
    splits = {name: _samples(table["splits"][name], task, width) for name in SPLITS}
    return Manifest(
        root=Path(table["root"]),
        classes=classes,
        splits=splits,
        stamps=_stamps(table["splits"], splits),
        signature=str(table["signature"]),
        layout=table["layout"],
        problems=[
            Problem(str(p["code"]), p["severity"], str(p["text"]), tuple(str(path) for path in p["paths"]))
            for p in table["problems"]
        ],
        task=task,
        target_names=names,
        gradual=table["format"] > 2,
    )


def _samples(columns: Mapping[str, Any], task: Task, width: int) -> list[Sample]:
    samples: list[Sample] = []
    for path, label in zip(columns["paths"], columns["labels"], strict=True):
        inner = PurePosixPath(path)
        if inner.is_absolute() or ".." in inner.parts or "\0" in path:
            raise ValueError
        samples.append((path, _target(label, task, width)))
    return samples


def _stamps(table: Mapping[str, Any], splits: Mapping[str, list[Sample]]) -> dict[str, array[int]]:
    """Return size and time of each picture, or nothing where a version that did not keep them wrote the manifest."""
    stamps = {name: array("q", table[name].get("stamps", ())) for name in splits}
    if not any(stamps.values()):
        return {}
    if any(len(own) != 2 * len(splits[name]) for name, own in stamps.items()):
        raise ValueError
    return stamps


def _target(value: Any, task: Task, width: int) -> Target:
    """Return a target as JSON holds it, if it fits the task."""
    if task == "regression":
        numbers = tuple(float(number) for number in value if type(number) in (int, float))
        if len(numbers) != len(value) or len(numbers) != width or not all(map(math.isfinite, numbers)):
            raise ValueError
        return numbers
    indices = [value] if task == "classification" else value
    if any(type(index) is not int or not 0 <= index < width for index in indices):
        raise ValueError
    return indices[0] if task == "classification" else tuple(indices)
