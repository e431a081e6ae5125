"""``cnntrain check``: what is wrong with a dataset, for people and for programs, and a list of what to leave out."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.cli.terminal import complain, emit, say, ticking, wrapped
from tui.cli.train import absolute
from tui.core.dataset.problems import many
from tui.core.errors import FailureError, UsageError
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.core.dataset.check import Report
    from tui.core.dataset.findings import Finding
    from tui.core.dataset.scan import Scan
    from tui.core.dataset.sizes import Sizes

EXIT_CODES = {"clean": 0, "findings": 3, "unusable": 2}
LAYOUTS = {
    "class_folders": "class folders",
    "split_folders": "split folders",
    "class_then_split": "split folders in class folders",
    "list": "list",
}
_BARS = " ▁▂▃▄▅▆▇█"
_HEADINGS = {"error": "Not usable", "warning": "Findings", "info": "Notes"}


def tell_findings(
    directory: str, *, as_json: bool, deep: bool, fix_list: str | None, assignments: Sequence[str]
) -> int:
    """Check a dataset, write what was found and return the exit code.

    Raises:
        UsageError: the list would be written into the dataset, or its folder is missing.
        FailureError: the list cannot be written.
    """
    from tui.core.dataset.check import check
    from tui.core.schema import parse_assignments, with_changes
    from tui.core.settings import Settings

    asked = Path(directory).expanduser()
    pictures = asked.parent if asked.is_file() else asked
    target = None if fix_list is None else _outside(Path(fix_list).expanduser(), pictures)
    new = {**parse_assignments(assignments), "data.directory": directory}
    data = with_changes(Settings(), {**new, **absolute(new)}, source="--set").data
    with ticking("checking") as tick:
        report = check(asked, deep=deep, data=data, progress=lambda stage, done, total: tick(done, total))
    if as_json:
        emit(json.dumps(_as_object(report), indent=2, ensure_ascii=True) + "\n")
    elif report.scan is None:
        complain(report.findings[0].text)
    else:
        _tell(report)
    if target is not None and report.scan is not None:
        _write(target, report)
    return EXIT_CODES[report.verdict]


def _outside(target: Path, directory: Path) -> Path:
    """Return where to write the list, which is never inside the dataset."""
    title = "The list cannot be written there"
    folder = Path(os.path.realpath(target.parent))
    if not folder.is_dir():
        raise UsageError(title, f"there is no directory {clean_path(target.parent)}", "Make it, or name another one.")
    if folder.is_relative_to(os.path.realpath(directory)):
        cause = f"{clean_path(target)} lies in the dataset, where nothing is ever written"
        raise UsageError(title, cause, "Name a file elsewhere.")
    return folder / target.name


def _write(target: Path, report: Report) -> None:
    from tui.core.dataset.exclusions import write_list

    try:
        write_list(target, report.exclude)
    except OSError as error:
        raise FailureError("The list cannot be written", f"{clean_path(target)}: {error.strerror}") from error
    if not report.exclude:
        complain(f"there is nothing to leave out; {clean_path(target)} is empty")
        return
    count = f"{len(report.exclude):,} path{'' if len(report.exclude) == 1 else 's'}"
    assignment = shlex.quote(f"data.exclude={target}")
    complain(f"{count} written to {clean_path(target)}; train without them with --set {clean(assignment)}")


def _tell(report: Report) -> None:
    assert report.scan is not None
    for line in _outline(report):
        say(line)
    for severity, heading in _HEADINGS.items():
        own = [finding for finding in report.findings if finding.severity == severity]
        if own:
            say()
            say(f"{heading}:")
        for finding in own:
            emit(wrapped(_sentence(finding), "    ", first="  - ") + "\n")
    how = "every picture decoded" if report.deep else "headers only; --deep decodes every picture and finds more"
    verdict = {"clean": "clean", "findings": "usable, with findings", "unusable": "not usable"}[report.verdict]
    say()
    say(f"{verdict[0].upper()}{verdict[1:]}: {report.scan.total:,} pictures checked in {report.seconds:.1f} s ({how}).")


def _sentence(finding: Finding) -> str:
    return finding.text if finding.code == "unusable" else f"{finding.text} [{finding.done}]"


def _outline(report: Report) -> list[str]:
    assert report.scan is not None
    found = report.scan
    layout = found.described or LAYOUTS[found.layout]
    parts = [f"{split} {len(samples):,}" for split, samples in found.samples.items() if split != "all"]
    lines = [
        f"{clean_path(found.root)}: {found.total:,} pictures{_of_task(found)}",
        f"  layout   {', '.join([layout, *parts])}",
    ]
    lines += _target_lines(found)
    if report.sizes is not None and report.sizes.measured:
        lines += _size_lines(report.sizes, report.formats)
    return lines


def _of_task(found: Scan) -> str:
    if found.task == "regression":
        return f" with {many(len(found.target_names), 'number')} each"
    return f" in {many(len(found.classes), 'class')}" + (", several to a picture" if found.task == "multilabel" else "")


def _target_lines(found: Scan) -> list[str]:
    """Return how what is learned is spread: class by class, or number by number."""
    from tui.core.dataset.spread import labels_per_picture, spreads_of

    samples = [sample for own in found.samples.values() for sample in own]
    if found.task == "regression":
        return [
            f'  target   "{clean(one.name, 40)}" {one.low:g} to {one.high:g} (middle {one.middle:g})'
            f"  {bars(one.histogram)}"
            for one in spreads_of(samples, found.target_names)
        ]
    counts = next(iter(found.counts.values()))
    most, least = counts.index(max(counts)), counts.index(min(counts))
    where = " in train" if "train" in found.counts else ""
    names = [f'"{clean(found.classes[index], 40)}" {counts[index]:,}' for index in (most, least)]
    lines = [f"  balance  largest class {names[0]}, smallest {names[1]}{where}"]
    if counts[most] == counts[least]:
        lines = [f"  balance  {counts[most]:,} of every class{where}"]
    if found.task == "multilabel":
        mean, none = labels_per_picture(samples)
        lines.append(f"  labels   {mean:.1f} to a picture, {none:,} without any")
    return lines


def bars(counts: Sequence[int]) -> str:
    """Return counts as a row of bars, the highest full; what is not zero is never blank."""
    top = max(counts, default=0)
    return "".join(_BARS[max(1, round(8 * count / top))] if count else " " for count in counts)


def _size_lines(sizes: Sizes, formats: dict[str, int]) -> list[str]:
    spans = [f"{name} {low:,} to {high:,} (middle {middle:,})" for name, (low, middle, high) in _axes(sizes)]
    modes = ", ".join(f"{clean(mode, 20)} {count:,}" for mode, count in sizes.modes.items())
    kinds = ", ".join(f"{clean(kind, 20)} {count:,}" for kind, count in formats.items())
    return [f"  sizes    {', '.join(spans)} pixels", f"  modes    {modes}", f"  formats  {kinds}"]


def _axes(sizes: Sizes) -> list[tuple[str, tuple[int, int, int]]]:
    return [("width", sizes.width), ("height", sizes.height)]


def _as_object(report: Report) -> dict[str, Any]:
    found, sizes = report.scan, report.sizes
    return {
        "directory": str(report.directory),
        "verdict": report.verdict,
        "exit_code": EXIT_CODES[report.verdict],
        "deep": report.deep,
        "seconds": round(report.seconds, 3),
        "root": str(found.root) if found else None,
        "layout": found.layout if found else None,
        "task": found.task if found else None,
        "target_names": list(found.target_names) if found else [],
        "described": found.described if found else "",
        "classes": list(found.classes) if found else [],
        "counts": found.counts if found else {},
        "sizes": {"width": sizes.width, "height": sizes.height} if sizes else None,
        "modes": sizes.modes if sizes else {},
        "formats": report.formats,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "text": finding.text,
                "action": finding.action,
                "setting": finding.setting or None,
                "paths": finding.paths,
                "groups": finding.groups,
            }
            for finding in report.findings
        ],
        "exclude": report.exclude,
    }
