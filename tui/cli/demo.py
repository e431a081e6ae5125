"""``cnntrain demo``: pictures made on the spot, a preset for them, and the live screen."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tui.cli.terminal import complain, ticking
from tui.cli.train import DEMO, resolved, train
from tui.cli.views import View
from tui.core import presets
from tui.core.errors import FailureError
from tui.core.files import cache_directory
from tui.core.text import clean_path


def demo(*, root: Path, view: View) -> int:
    """Make the pictures if they are not there yet, train on them and return the command's exit code.

    Raises:
        FailureError: neither ``root`` nor the user's cache can be written.
    """
    from tui.core.dataset.demo import make_demo

    with ticking("making pictures") as tick:
        pictures = make_demo(cache_directory() / DEMO, progress=tick)
    settings = resolved(presets.find(DEMO), str(pictures), ())
    return train(settings, root=writable(root), name=DEMO, preset=DEMO, view=view)


def writable(root: Path) -> Path:
    """Return ``root``, or a directory in the user's cache, with a word about it, when runs cannot be kept there.

    Raises:
        FailureError: the cache cannot be written either.
    """
    other = cache_directory() / "runs"
    reason = _refusal(root)
    if not reason:
        return root
    if _refusal(other):
        raise FailureError(
            "The demo has nowhere to keep its run",
            f"{clean_path(root)}: {reason}; {clean_path(other)} cannot be written either",
            "Name a directory with --runs DIR.",
        )
    complain(f"{clean_path(root)} cannot be written ({reason}); the demo keeps its run in {clean_path(other)}.")
    return other


def _refusal(directory: Path) -> str:
    """Why no file can be made in ``directory``, which is made if need be; empty when one can."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__
