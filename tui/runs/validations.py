"""The evaluations of a run in detail: which one is meant, and what its file says."""

from __future__ import annotations

from tui.core.dataset.manifest import load_manifest
from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.evaluations import MOST_BYTES, TITLE, Detail, decode
from tui.core.events import Evaluated
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.runs.state import RunState


def choose(state: RunState, at: str) -> Evaluated:
    """Return the evaluation that ``at`` names: ``best``, ``last``, ``test``, or the step of a validation.

    Raises:
        UsageError: there is none of that name.
    """
    title = "There is no such evaluation"
    name = clean(state.run.name, 100)
    if at == "test":
        if state.test is None:
            raise UsageError(title, f"{name} has not been tested yet", "Name another one with --at best or --at last.")
        return state.test
    if not state.evaluations:
        raise UsageError(title, f"{name} has not been validated yet", "Let it train for an epoch.")
    if at == "last":
        return state.evaluations[-1]
    if at == "best":
        return state.best or state.evaluations[-1]
    found = next((event for event in state.evaluations if str(event.step) == at), None)
    if found is None:
        steps = [f"{event.step}" for event in state.evaluations]
        shown = ", ".join(steps) if len(steps) <= 8 else ", ".join([*steps[:4], "...", *steps[-3:]])
        raise UsageError(title, f'"{clean(at, 40)}" is none', f"There are best, last, test and the steps {shown}.")
    return found


def read(run: RunDir, event: Evaluated) -> Detail:
    """Return the details of an evaluation; pictures of an older run get their paths from its manifest.

    Raises:
        FailureError: the file is missing, damaged, or from a newer version.
    """
    path = run.evaluation(event.split, event.step)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        cause = f"{path.parent.name}/{path.name} is not there"
        raise FailureError(TITLE, cause, "The numbers of its event stay; another validation may have it.") from error
    except OSError as error:
        raise FailureError(TITLE, f"{path.name}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise FailureError(TITLE, f"{path.name} is larger than any evaluation")
    return _with_paths(run, decode(data, path.name))


def _with_paths(run: RunDir, detail: Detail) -> Detail:
    if detail.root or not detail.pictures:
        return detail
    try:
        manifest = load_manifest(run.dataset)
    except CnntrainError:
        return detail
    samples = manifest.splits[detail.split]
    pictures = tuple(
        one.model_copy(update={"path": samples[one.position][0]}) if one.position < len(samples) else one
        for one in detail.pictures
    )
    return detail.model_copy(update={"root": str(manifest.root), "pictures": pictures})
