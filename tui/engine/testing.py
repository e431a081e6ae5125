"""A trained network on a split or on other pictures: ``python -m tui.engine.testing``, asked by ``cnntrain test``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.dataset.labels import number_of
from tui.core.dataset.samples import Sample, classes_of
from tui.core.errors import FailureError, UsageError
from tui.core.text import clean, clean_path
from tui.engine.service import Listener, never, serve

if TYPE_CHECKING:
    from tui.core.dataset.manifest import Manifest
    from tui.core.dataset.scan import Scan
    from tui.core.settings import Settings


def evaluate_run(job: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Evaluate a run's network.

    Args:
        job: ``run``, ``weights``, ``split`` of the run, or ``data`` (a directory) with ``set`` (assignments for
            the settings of how to read it).
        listener: told how far it has come.

    Returns:
        what an evaluation's file holds, with ``split``, ``step``, ``classes``, ``root`` and ``unreadable``.
    """
    listener.progress("loading")
    from tui.core.dataset.containment import check_contained
    from tui.core.dataset.targets import targets_of
    from tui.engine import evaluate
    from tui.engine.data.named import NamedPictures
    from tui.engine.trained import load

    trained = load(Path(job["run"]), job["weights"], device=job.get("device", "auto"))
    for note in trained.notes:
        listener.warn(note)
    manifest, settings = trained.manifest, trained.settings
    if job.get("data"):
        settings = _reading(settings, job)
        root, split, samples = _other(manifest, settings, listener)
    else:
        root, split = manifest.root, job["split"]
        samples = manifest.splits[split]
        if not samples:
            others = [name for name, there in manifest.splits.items() if there and name != "train"]
            step = f"Name a folder with --data, or another split with --split {' or '.join(others)}."
            raise UsageError("There is nothing to test on", f"the run has no {split} pictures", step)
        if not root.is_dir():
            cause = f"the directory {clean_path(root, 200)} is gone"
            raise FailureError("The pictures cannot be read", cause, "Bring it back, or name another with --data.")
        check_contained(root, [path for path, _ in samples], settings.data.follow_links)
    targets = targets_of(samples, manifest.task, manifest.outputs)
    size = evaluate.batch_size(1, settings.data.image_size)
    paths = [path for path, _ in samples]
    with NamedPictures(str(root), paths, settings.data, targets) as pictures:
        batches = _told(pictures.batches(size), len(paths), listener)
        found = evaluate.evaluate(
            trained.model, batches, trained.objective, normalise=trained.normalise, stopping=never
        )
        assert found is not None
    if len(pictures.unreadable) == len(paths):
        raise FailureError("None of the pictures can be read", clean(next(iter(pictures.unreadable.values())), 200))
    table: dict[str, Any] = json.loads(
        found.to_json(paths.__getitem__, split=split, step=trained.step, weights=trained.weights, classes=trained.names)
    )
    unreadable = [{"path": paths[place], "error": why} for place, why in sorted(pictures.unreadable.items())]
    return {**table, "task": manifest.task, "root": str(root), "unreadable": unreadable}


def _told(batches: Any, total: int, listener: Listener) -> Any:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.indices)
        listener.progress("testing", done, total)


def _reading(settings: Settings, job: dict[str, Any]) -> Settings:
    """Return the run's settings for reading another directory: what the run's own was read by does not count."""
    from tui.core.groups.data import DataSettings
    from tui.core.schema import parse_assignments, with_changes

    own = ("layout", "list", "list_root", "path_column", "label_columns", "split_column", "group_column", "exclude")
    fresh = {f"data.{name}": getattr(DataSettings(), name) for name in own if name in DataSettings.model_fields}
    wanted = parse_assignments(job.get("set", ()))
    if other := [key for key in wanted if key not in fresh and key != "data.follow_links"]:
        cause = f"{other[0]} is no setting of how a folder is read"
        raise UsageError("A trained run cannot be changed", cause, f"There are {', '.join(fresh)}.")
    return with_changes(settings, {**fresh, **wanted, "data.directory": str(job["data"])}, source="--set")


def _other(manifest: Manifest, settings: Settings, listener: Listener) -> tuple[Path, str, list[Sample]]:
    """Look through another directory; return (root, which part of it, samples with the run's own targets)."""
    from tui.core.dataset.exclusions import without
    from tui.core.dataset.scan import scan

    data = settings.data.model_copy(update={"task": manifest.task})
    found = scan(Path(data.directory), data, progress=lambda done: listener.progress("looking through it", done))
    for problem in found.problems:
        if problem.severity != "info":
            listener.warn(problem.text)
    if data.exclude:
        found = without(found, Path(data.exclude).expanduser())
    split = next((name for name in ("all", "test", "validation", "train") if found.samples.get(name)), "all")
    samples = found.samples.get(split, [])
    return found.root, split, _translated(samples, found, manifest)


def _translated(samples: list[Sample], found: Scan, manifest: Manifest) -> list[Sample]:
    """Return the samples with their targets by the run's class map, or in its order of numbers.

    Raises:
        UsageError: there are classes or numbers that the run does not know, or its numbers are not there.
    """
    theirs = found.target_names if manifest.task == "regression" else found.classes
    ours = manifest.target_names if manifest.task == "regression" else manifest.classes
    place = {name: index for index, name in enumerate(ours)}
    used = set(theirs)
    if manifest.task != "regression":
        used = {theirs[index] for _, target in samples for index in classes_of(target, manifest.task)}
    unknown = sorted(used - set(ours))
    if unknown or (manifest.task == "regression" and set(theirs) != set(ours)):
        names = ", ".join(f'"{clean(name, 40)}"' for name in (unknown or sorted(set(ours) - set(theirs)))[:3])
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        cause = f"the run was not trained on {names}{more}" if unknown else f"{names} is missing"
        known = ", ".join(clean(name, 40) for name in ours[:6]) + (", ..." if len(ours) > 6 else "")
        step = f"It knows {known}."
        if manifest.task != "regression" and _numbers(unknown) and not _numbers(ours[:1]):
            listed = found.layout == "list"
            cause = f"{'its labels' if listed else 'the class folders'} are numbers, {names}{more}, "
            cause += f"where the run expects names of classes ({found.described or clean_path(found.root, 100)})"
            way = "Write names in place of the numbers, or name the column of names: --set data.label_columns=COLUMN."
            step += f" {way if listed else 'Give the folders these names.'}"
        raise UsageError("These pictures do not fit the run", cause, step)
    if manifest.task == "regression":
        order = [theirs.index(name) for name in ours]
        return [(path, tuple(target[index] for index in order)) for path, target in samples]  # type: ignore[index]
    mapped = [tuple(place[theirs[index]] for index in classes_of(target, manifest.task)) for _, target in samples]
    if manifest.task == "multilabel":
        return [(path, tuple(sorted(indices))) for (path, _), indices in zip(samples, mapped, strict=True)]
    return [(path, indices[0]) for (path, _), indices in zip(samples, mapped, strict=True)]


def _numbers(names: Sequence[str]) -> bool:
    return all(number_of(name) is not None for name in names)


if __name__ == "__main__":
    serve(evaluate_run)
