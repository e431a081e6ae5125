"""Lists of pictures to leave out: text files, one path per line, that any editor or ``find`` can write.

A path is relative to the dataset, or absolute; its bytes are kept. Empty lines and lines that begin with
``# `` are passed over. A line that begins with a quotation mark is a JSON string, for names with line breaks.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tui.core.dataset.problems import Problem, many, names_of, some_of
from tui.core.dataset.samples import Sample, classes_of, count_classes
from tui.core.dataset.scan import Scan, signature_of, stamped
from tui.core.errors import UsageError
from tui.core.files import write_atomic
from tui.core.text import clean_path

_TITLE = "The list of pictures to leave out cannot be used"
_MOST_BYTES = 1 << 30


def write_list(path: Path, pictures: Iterable[str]) -> None:
    """Write a list.

    Raises:
        OSError: it cannot be written.
    """
    write_atomic(path, "".join(f"{_line(picture)}\n" for picture in pictures).encode("utf-8", "surrogateescape"))


def _line(picture: str) -> str:
    plain = picture == picture.strip() and not picture.startswith(("#", '"')) and len(picture.splitlines()) == 1
    return picture if plain else json.dumps(picture, ensure_ascii=True)


def read_list(path: Path, root: Path) -> set[str]:
    """Return the pictures of a list, as paths relative to ``root``.

    Raises:
        UsageError: it cannot be read, or a line is no path.
    """
    shown = clean_path(path, 200)
    try:
        if not path.is_file():
            raise UsageError(_TITLE, f"there is no file {shown}", "Check data.exclude.")
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(_TITLE, f"{shown} is larger than 1 GiB", "Check data.exclude.")
        text = os.fsdecode(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise UsageError(_TITLE, f"{shown}: {reason}", "Check data.exclude.") from error
    pictures = set()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line.strip() or line.startswith("# "):
            continue
        if line.startswith('"'):
            try:
                line = str(json.loads(line))
            except ValueError:
                cause = f"line {number} of {shown} begins with a quotation mark and is no JSON string"
                raise UsageError(_TITLE, cause, "Write each path as it is, one per line.") from None
        pictures.add(_relative(line, root))
    return pictures


def _relative(path: str, root: Path) -> str:
    if os.path.isabs(path):
        path = os.path.relpath(path, root)
    return os.path.normpath(path).replace(os.sep, "/")


def without(scan: Scan, path: Path) -> Scan:
    """Return the scan without the pictures that a list names.

    Raises:
        UsageError: the list cannot be read, or nothing is left of a class to train on.
    """
    listed = read_list(path, scan.root)
    there = {picture for samples in scan.samples.values() for picture, _ in samples}
    kept = {split: [sample for sample in samples if sample[0] not in listed] for split, samples in scan.samples.items()}
    kept = {split: samples for split, samples in kept.items() if samples}
    first = next(iter(scan.samples))
    left = {index for _, target in kept.get(first, []) for index in classes_of(target, scan.task)}
    lost = [name for label, name in enumerate(scan.classes) if label not in left]
    shown = clean_path(path, 200)
    if lost:
        where = "" if first == "all" else f" in {first}"
        cause = f"{shown} leaves no picture of {names_of(lost)}{where}"
        raise UsageError(_TITLE, cause, "Take some lines out of it, or move the class folder away.")
    stamps = {
        split: array(
            "q", [n for place in _left(samples, listed) for n in scan.stamps[split][2 * place : 2 * place + 2]]
        )
        for split, samples in scan.samples.items()
        if split in kept and scan.stamps
    }
    problems = list(scan.problems)
    if gone := sorted(listed & there):
        are = "is" if len(gone) == 1 else "are"
        text = f"{many(len(gone), 'picture')} listed in {shown} {are} left out."
        problems.append(Problem("excluded", "info", text, some_of(gone)))
    if unknown := sorted(listed - there):
        name = "names" if len(unknown) == 1 else "name"
        text = f"{many(len(unknown), 'line')} of {shown} {name} no picture of this dataset: {names_of(unknown)}."
        problems.append(Problem("exclude_unknown", "warning", text, some_of(unknown)))
    return replace(
        scan,
        samples=kept,
        counts={split: count_classes(samples, len(scan.classes), scan.task) for split, samples in kept.items()},
        problems=problems,
        stamps=stamps,
        signature=signature_of((picture, *stamp) for picture, stamp in stamped(kept, stamps).items()),
    )


def _left(samples: Sequence[Sample], listed: set[str]) -> list[int]:
    return [place for place, (path, _) in enumerate(samples) if path not in listed]
