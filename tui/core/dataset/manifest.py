"""``dataset.json`` of a run: the class map, which picture is in which split, and what was odd about them.

The engine trains on what is written here and never looks through the folder again, so a resumed run sees
the pictures it started with. The file may come from someone else: paths that lead out of the root are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tui.core.dataset.exclusions import without
from tui.core.dataset.problems import Problem
from tui.core.dataset.scan import Layout, Sample, Scan
from tui.core.dataset.scan import scan as look_through
from tui.core.dataset.split import SPLITS, divide
from tui.core.errors import FailureError, UsageError
from tui.core.files import write_atomic
from tui.core.settings import Settings
from tui.core.text import clean_path

FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The data of one run."""

    root: Path
    classes: tuple[str, ...]
    """Raw folder names in the order of their labels. Clean them before showing."""
    splits: dict[str, list[Sample]]
    """(path relative to the root, label) of ``train``, ``validation`` and ``test``; test may be empty."""
    signature: str
    """`Scan.signature` of all pictures when the run was made."""
    layout: Layout
    problems: list[Problem]

    def counts(self, split: str) -> list[int]:
        """Return the number of pictures per class."""
        counted = [0] * len(self.classes)
        for _, label in self.splits[split]:
            counted[label] += 1
        return counted


def make_manifest(scan: Scan, settings: Settings) -> Manifest:
    """Divide the pictures of a scan for a run.

    Pictures that ``data.exclude`` lists are left out first. A scan that passed links over which
    ``data.follow_links`` wants followed is made again.

    Raises:
        UsageError: a class is too small to divide, a batch is larger than the training split, or the list of
            pictures to leave out cannot be used.
    """
    if settings.data.follow_links and not scan.follow_links:
        scan = look_through(scan.root, follow_links=True)
    if settings.data.exclude:
        scan = without(scan, Path(settings.data.exclude).expanduser())
    splits = divide(scan, settings.data, settings.training.seed)
    batch, there = settings.training.batch_size, len(splits["train"])
    if batch > there:
        fitting = 1 << (max(2, there // 4).bit_length() - 1)
        if there < 2:
            step = "Add pictures."
        else:
            step = f"Set training.batch_size to {fitting} or add pictures."
        pictures = "picture" if there == 1 else "pictures"
        verb = "is" if there == 1 else "are"
        cause = f"training.batch_size is {batch} but there {verb} only {there} training {pictures}"
        raise UsageError("A batch is larger than the dataset", cause, step)
    return Manifest(
        root=scan.root,
        classes=scan.classes,
        splits=splits,
        signature=scan.signature,
        layout=scan.layout,
        problems=list(scan.problems),
    )


def save_manifest(manifest: Manifest, path: Path) -> None:
    """Write the manifest as JSON; any bytes in file names survive.

    Raises:
        OSError: the file cannot be written.
    """
    table = {
        "format": FORMAT,
        "root": str(manifest.root),
        "layout": manifest.layout,
        "signature": manifest.signature,
        "classes": list(manifest.classes),
        "splits": {
            name: {"paths": [path for path, _ in samples], "labels": [label for _, label in samples]}
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
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        cause = f"{clean_path(path)} is damaged"
        raise FailureError(title, cause, "Start the run again from its preset.") from error


def _manifest(table: Mapping[str, Any]) -> Manifest:
    classes = tuple(str(name) for name in table["classes"])
    if table["layout"] not in ("class_folders", "split_folders") or not Path(table["root"]).is_absolute():
        raise ValueError
    return Manifest(
        root=Path(table["root"]),
        classes=classes,
        splits={name: _samples(table["splits"][name], len(classes)) for name in SPLITS},
        signature=str(table["signature"]),
        layout=table["layout"],
        problems=[
            Problem(str(p["code"]), p["severity"], str(p["text"]), tuple(str(path) for path in p["paths"]))
            for p in table["problems"]
        ],
    )


def _samples(columns: Mapping[str, Any], classes: int) -> list[Sample]:
    samples: list[Sample] = []
    for path, label in zip(columns["paths"], columns["labels"], strict=True):
        inner = PurePosixPath(path)
        if inner.is_absolute() or ".." in inner.parts or "\0" in path or type(label) is not int:
            raise ValueError
        if not 0 <= label < classes:
            raise ValueError
        samples.append((path, label))
    return samples
