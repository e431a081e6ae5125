"""The engine's process: ``python -m tui.engine RUN --attempt N``, started by the supervisor.

It opens the door to the run directory first, says that it is here, and only then imports torch, which
takes seconds. However it ends, the last thing it writes is one `Ended` event with one sentence.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from tui.core import memory
from tui.core.dataset.containment import check_contained
from tui.core.dataset.decoders import worker_count
from tui.core.dataset.manifest import load_manifest
from tui.core.disk import trouble
from tui.core.errors import CnntrainError
from tui.core.events import Ended, Exit, Reason
from tui.core.leash import slip
from tui.core.presets import read_settings
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.engine import normalisation, waiting
from tui.engine.link import Link, Stopped, Vanished, say, wait_until_known

_VANISHED = "The run directory was deleted or moved while training; the engine stopped."


def main() -> NoReturn:
    """Run one attempt and leave with its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tui.engine", description=__doc__)
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument("--attempt", type=int, required=True, help="counted from 1, each number used once")
    parser.add_argument("--leash", type=int, default=-1, help="what to take off once torch is there (tui.core.leash)")
    arguments = parser.parse_args()
    began = waiting.look()
    run = RunDir(arguments.run.absolute())
    wait_until_known()
    try:
        link = Link(run, arguments.attempt)
    except OSError as error:
        say(f"The run {clean_path(run.path)} cannot be opened: {trouble(error, run.path)}.")
        sys.exit(Exit.USAGE)
    link.watch()
    link.preparing("importing")
    reason, code, text = _attempt(link, began, arguments.leash)
    say(text)
    link.tell_lost()
    if link.mirror is not None:
        link.mirror.close()
    link.event(Ended(reason=reason, exit_code=code, text=text))
    link.close()
    # Not sys.exit: threads of libraries must not keep a finished engine alive.
    os._exit(code)


def _attempt(link: Link, began: waiting.Moment | None, leash: int) -> tuple[Reason, int, str]:
    """Train; return (reason, exit code, sentence) of the end."""
    try:
        return "finished", Exit.FINISHED, _train(link, began, leash)
    except Stopped as end:
        return "stopped", Exit.STOPPED, str(end)
    except Vanished:
        return "stopped", Exit.STOPPED, _VANISHED
    except CnntrainError as error:
        if error.__cause__ is not None:
            traceback.print_exc()
        return "failed", error.exit_code, str(error)
    except OSError as error:
        if not os.path.lexists(link.run.path):
            return "stopped", Exit.STOPPED, _VANISHED
        traceback.print_exc()
        where = f" ({clean_path(error.filename, 200)})" if isinstance(error.filename, str) else ""
        text = f"The run failed: {trouble(error, link.run.path)}{where}. Mend that and resume it."
        return "failed", Exit.FAILED, text
    except BaseException as error:
        traceback.print_exc()
        what = clean(f"{type(error).__name__}: {error}", 200)
        return "failed", Exit.FAILED, f"The engine failed unexpectedly ({what}); {link.run.log.name} has the details."


def _train(link: Link, began: waiting.Moment | None, leash: int) -> str:
    settings = read_settings(link.run.settings)
    manifest = load_manifest(link.run.dataset)
    paths = (path for samples in manifest.splits.values() for path, _ in samples)
    check_contained(manifest.root, paths, settings.data.follow_links)
    waiting.decide(settings, link, began)
    # Late, so that the first event and the first complaints come before the three seconds that this takes. For as long
    # no thread of ours runs that could see the supervisor die, and there is nothing yet that could be saved.
    from tui.engine import device as devices
    from tui.engine.attempt import begin
    from tui.engine.data.training import Stopped as DataStopped
    from tui.engine.data.training import TrainingData
    from tui.engine.trainer import Trainer

    device = devices.choose(settings.training)
    devices.prepare(device, settings.training, deterministic=settings.compute.deterministic)
    slip(leash)
    short = memory.shortages(worker_count(settings.data.workers))
    threads = devices.too_many_threads(device, settings.training)
    for note in (devices.unused_accelerator(device), devices.crowded(device), threads, *short):
        if note:
            link.message("warning", note)
    classes = [clean(name, 120) for name in manifest.classes or manifest.target_names]
    resumed = link.attempt > 1
    mean, std = normalisation.noted(link.run, settings.data)
    try:
        with TrainingData(
            manifest,
            settings,
            progress=link.preparing,
            stopping=link.stop_wanted,
            pin=device.type == "cuda",
            resumed=resumed,
            mean=mean,
            std=std,
            early=settings.diagnosis.preflight != "stop",  # what would stop it may need every picture
        ) as data:
            return Trainer(begin(link, settings, data, classes, device)).run()
    except DataStopped as end:
        link.answer_stop()
        raise Stopped("Stopped before the first step. Resume it to go on.") from end


if __name__ == "__main__":
    main()
