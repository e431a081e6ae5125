"""What is asked of a trained run: the jobs for the engine (`tui.runs.service`), made from what a person typed."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tui.core.errors import UsageError
from tui.core.rundir import RunDir
from tui.core.text import clean_path

Weights = Literal["best", "last", "averaged"]
FORMATS = {
    "safetensors": "the weights alone; a file that cannot run code",
    "onnx": "for ONNX Runtime and others; cnntrain[onnx]",
    "torchscript": "for PyTorch without this program, or C++",
    "pt2": "for torch.export and what compiles it",
}
"""The formats of an export, and what each is for."""
_GLOB = frozenset("*?[")


def target(run: RunDir, form: str, output: str, weights: str) -> Path:
    """Return the file that an export is written to: ``output``, in it if it is a directory, or one in this place.

    Raises:
        UsageError: its directory does not exist, or something that is no file has its name.
    """
    usual = f"{run.given_name}-{weights}.{form}"
    path = Path(os.path.abspath(os.path.expanduser(output or usual)))
    if path.is_dir():
        path = path / usual
    if not path.parent.is_dir():
        cause = f"there is no directory {clean_path(path.parent)}"
        raise UsageError("The model cannot be written there", cause, "Make it, or name another one.")
    if path.exists() and not path.is_file():
        cause = f"{clean_path(path)} is a device or a pipe"
        raise UsageError("The model cannot be written there", cause, "Name a file.")
    return path


def compared(done: Mapping[str, Any]) -> str:
    """Return how the outputs of an exported network are beside those of the original, as ``exporting`` answered."""
    return f"outputs differ by at most {done['difference']:.2g}" if done["difference"] else "outputs are the same"


def exporting_job(run: RunDir, form: str, output: str, *, weights: Weights, replace: bool) -> dict[str, Any]:
    """Return the job for ``exporting``.

    Raises:
        UsageError: there is no such directory.
    """
    path = str(target(run, form, output, weights))
    return {"run": _path(run), "weights": weights, "format": form, "output": path, "replace": replace}


def evaluation_job(
    run: RunDir, data: str, *, weights: Weights, split: str = "test", set_: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the job for ``testing``: on a folder or list file ``data``, or without it on one of the run's splits."""
    job = {"run": _path(run), "weights": weights, "split": split, "set": list(set_)}
    return {**job, "data": os.path.abspath(os.path.expanduser(data))} if data else job


def predicting_job(
    run: RunDir,
    names: Sequence[str],
    *,
    weights: Weights,
    top: int | None,
    listed: Callable[[], list[str]] | None = None,
) -> dict[str, Any]:
    """Return the job for ``predicting``, which gives an item for each picture; see `pictures_of`.

    Raises:
        UsageError: there are no pictures.
    """
    paths = pictures_of(names, listed)
    if not paths:
        shown = ", ".join("the list on stdin" if name == "-" else clean_path(name, 80) for name in names[:3])
        raise UsageError("There is nothing to predict", f"no pictures are in {shown}", "Name pictures or folders.")
    return {"run": _path(run), "weights": weights, "paths": paths, "top": top}


def pictures_of(names: Sequence[str], listed: Callable[[], list[str]] | None = None) -> list[str]:
    """Return the absolute paths of files, of all pictures below folders, and of what globs name.

    Args:
        names: as a person typed them.
        listed: returns the paths that ``-`` stands for.
    """
    found: list[str] = []
    for name in names:
        path = os.path.expanduser(name)
        if name == "-" and listed is not None:
            found += map(os.path.abspath, listed())
        elif os.path.isdir(path):
            found += _below(path)
        elif _GLOB & set(path) and not os.path.lexists(path):
            for match in sorted(glob.glob(path, recursive=True)):
                found += _below(match) if os.path.isdir(match) else [os.path.abspath(match)]
        else:
            found.append(os.path.abspath(path))
    return found


def _below(folder: str) -> list[str]:
    from tui.core.dataset.pictures import EXTENSIONS

    found = []
    for place, folders, files in os.walk(os.path.abspath(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = (name for name in sorted(files) if not name.startswith("."))
        found += [os.path.join(place, name) for name in names if os.path.splitext(name)[1].lower() in EXTENSIONS]
    return found


def _path(run: RunDir) -> str:
    return str(run.path.resolve())
