"""What can be found out before the start, on the run's own pictures: ``python -m tui.engine.rehearsing``.

Asked by ``cnntrain train --dry-run``, ``cnntrain rates`` and the settings screen. Everything is built as a run
builds it, in a directory that who asked throws away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.text import clean
from tui.engine.service import Listener, never, serve

if TYPE_CHECKING:
    from tui.engine.attempt import Attempt

_SETTINGS = {"logging.tensorboard": False, "diagnosis.probes": "on", "diagnosis.preflight": "warn"}
"""What a rehearsal needs, whatever the run does."""


def rehearse(job: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Make a dry run or a range test.

    Args:
        job: ``what`` (``dry run`` or ``rates``), ``settings`` (a table), ``scratch`` (an empty directory), ``root``
            (of the runs).
        listener: told how far it has come.

    Returns:
        `tui.core.rehearsal.Rehearsal` or `tui.core.rate_range.RateRange` as a table.
    """
    began = time.monotonic()
    listener.progress("importing")
    from tui.engine import failures
    from tui.engine.ranging import range_test
    from tui.engine.rehearsal import rehearse as rehearse_attempt

    with _attempt(job, listener) as attempt:
        try:
            if job["what"] == "rates":
                return range_test(attempt, tell=listener.progress).to_table()
            place = Path(job["root"])
            return rehearse_attempt(attempt, began=began, place=place, tell=listener.progress).to_table()
        except (RuntimeError, MemoryError) as error:
            size = attempt.settings.training.batch_size
            raise failures.explained(error, attempt.device, attempt.progress.step + 1, size) from error


@contextmanager
def _attempt(job: dict[str, Any], listener: Listener) -> Iterator[Attempt]:
    from tui.core.dataset.manifest import make_manifest
    from tui.core.dataset.scan import scan
    from tui.core.rundir import RunDir
    from tui.core.schema import validated, with_changes
    from tui.engine import device as devices
    from tui.engine.attempt import begin
    from tui.engine.data.training import TrainingData
    from tui.engine.link import Link

    settings = with_changes(validated(job["settings"], source="the form"), _SETTINGS, source="the rehearsal")
    directory = Path(settings.data.directory)
    found = scan(directory, settings.data, progress=lambda done: listener.progress("looking through it", done))
    manifest = make_manifest(found, settings)
    run = RunDir(Path(job["scratch"]) / "run")
    run.make()
    device = devices.choose(settings.training)
    devices.prepare(device, settings.training, deterministic=settings.compute.deterministic)
    classes = [clean(name, 120) for name in manifest.classes or manifest.target_names]
    pin = device.type == "cuda"
    with TrainingData(manifest, settings, progress=listener.progress, stopping=never, pin=pin) as data:
        yield begin(Link(run, 1), settings, data, classes, device)


if __name__ == "__main__":
    serve(rehearse)
