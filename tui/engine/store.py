"""The checkpoints of a run, each of them whole or not there.

A checkpoint (`tui.engine.checkpoint`) is a directory ``step-000000123``. It is written aside, brought to the disk,
verified, renamed, and only then named by ``last.json`` or ``best.json``; what is older is removed after that.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from torch import Tensor

from tui.core.files import sync_directory, write_atomic
from tui.core.rundir import RunDir
from tui.core.text import clean
from tui.engine.checkpoint import (
    AVERAGE,
    FORMAT,
    MANIFEST,
    MODEL,
    OPTIMIZER,
    STATE,
    Checkpoint,
    Damaged,
    encoded,
    load,
    verify,
    write_parts,
)

_NAME = re.compile(r"step-\d{9,}")
_ASIDE = ".new-"
_REPLACED = ".old-"
_REMOVED = ".gone-"
_POINTERS = (".last.json.", ".best.json.")
_DAMAGE = (errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""What the disk says of a file that is lost; anything else (permission, too many open files) passes."""


class Store:
    """The checkpoints of a run."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._root = run.checkpoints

    def save(
        self,
        step: int,
        model: dict[str, Tensor],
        optimizer: dict[str, Tensor],
        state: dict[str, Any],
        *,
        best: bool,
        kept: Collection[int] = (),
        average: dict[str, Tensor] | None = None,
    ) -> tuple[str, int]:
        """Publish a checkpoint; return (directory's name, bytes).

        Args:
            step: steps done.
            model: weights and statistics.
            optimizer: its state.
            state: everything else, as JSON's types.
            best: it is the best so far.
            kept: steps of others that stay, besides the last two and the best.
            average: the averaged weights, where the run has them.

        Raises:
            OSError: it could not be written or read back; the ones before are untouched.
        """
        target = self._run.checkpoint(step)
        previous = self._named("last")
        aside = self._root / f"{_ASIDE}{target.name}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir()
            files = {}
            for name, tensors in ((MODEL, model), (OPTIMIZER, optimizer), (AVERAGE, average)):
                if tensors is not None:
                    files[name] = write_parts(aside / name, encoded(tensors))
            files[STATE] = write_parts(aside / STATE, [json.dumps({"format": FORMAT, "best": best, **state}).encode()])
            write_parts(aside / MANIFEST, [json.dumps({"format": FORMAT, "files": files}).encode()])
            verify(aside)
            sync_directory(aside)
            self._publish(aside, target)
        except Damaged as error:
            raise OSError(f"what was written reads back differently: {error}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        for kind in ("last", "best") if best else ("last",):
            self._point(kind, target.name)
        others = {self._run.checkpoint(other).name for other in kept}
        self._prune({target.name, previous, self._named("last"), self._named("best"), *others})
        return target.name, sum(entry["bytes"] for entry in files.values())

    def _publish(self, aside: Path, target: Path) -> None:
        replaced = self._root / f"{_REPLACED}{target.name}"
        if target.exists():  # the same step, saved again after its validation
            shutil.rmtree(replaced, ignore_errors=True)
            os.rename(target, replaced)
        try:
            os.rename(aside, target)
        except OSError:
            if replaced.exists():  # the running engine may need it, not only the next one
                os.rename(replaced, target)
            raise
        sync_directory(self._root)
        shutil.rmtree(replaced, ignore_errors=True)

    def _point(self, kind: str, name: str) -> None:
        if self._named(kind) != name:
            write_atomic(self._run.pointer(kind), json.dumps({"directory": name}), durable=True)

    def _prune(self, kept: set[str]) -> None:
        for path in self._all():
            if path.name not in kept:
                gone = path.with_name(f"{_REMOVED}{path.name}")
                with contextlib.suppress(OSError):
                    os.rename(path, gone)  # half a removal must not look like a damaged checkpoint
                shutil.rmtree(gone, ignore_errors=True)

    def tidy(self) -> None:
        """Take away what a killed save left behind, and undo half a replacement."""
        with contextlib.suppress(OSError):
            for path in list(self._root.iterdir()):
                if path.name.startswith(_REPLACED):
                    original = path.with_name(path.name.removeprefix(_REPLACED))
                    if not original.exists() and _NAME.fullmatch(original.name):
                        os.rename(path, original)
                        continue
                if path.name.startswith(_POINTERS) and path.suffix == ".tmp":
                    path.unlink()
                elif path.name.startswith((_ASIDE, _REPLACED, _REMOVED)) and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)

    def newest(self) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest checkpoint that verifies, and a sentence for each damaged one on the way to it.

        A damaged one is set aside under another name, never deleted.

        Raises:
            OSError: one cannot be read, and not because it is damaged.
        """
        with contextlib.suppress(OSError):
            self._root.mkdir(exist_ok=True)
        self.tidy()
        problems = []
        for path in self._all():
            try:
                checkpoint = load(path)
            except (Damaged, OSError) as error:
                if isinstance(error, OSError) and error.errno not in _DAMAGE:
                    raise  # it may be whole: starting without it would cost its steps
                why = clean(str(error), 160)
                problems.append(f"Checkpoint {path.name} is damaged ({why}); it was set aside")
                self._set_aside(path)
                continue
            with contextlib.suppress(OSError):
                # A kill can come between the checkpoint's own name and the files that point to it.
                for kind in ("last", "best") if checkpoint.state.get("best") else ("last",):
                    self._point(kind, path.name)
            return checkpoint, problems
        return None, problems

    def best(self) -> Checkpoint | None:
        """Return the best checkpoint, or None when there is none.

        Raises:
            Damaged: it does not verify.
            OSError: it cannot be read.
        """
        return self.named("best")

    def named(self, kind: str) -> Checkpoint | None:
        """Return the ``last`` or ``best`` checkpoint and change nothing; None when there is none.

        Raises:
            Damaged: it does not verify, or is a link.
            OSError: it cannot be read.
        """
        name = self._named(kind)
        if name and (self._root / name).is_symlink():
            raise Damaged(f"{name} is a link")
        return load(self._root / name) if name else None

    def _set_aside(self, path: Path) -> None:
        copy = 0
        while (aside := path.with_name(f"damaged-{path.name}" + (f"-{copy}" if copy else ""))).exists():
            copy += 1
        with contextlib.suppress(OSError):
            os.rename(path, aside)

    def _all(self) -> list[Path]:
        """Checkpoints, newest first."""
        found = [path for path in self._root.iterdir() if _NAME.fullmatch(path.name) and not path.is_symlink()]
        return sorted(found, key=lambda path: int(path.name.removeprefix("step-")), reverse=True)

    def _named(self, kind: str) -> str:
        """The directory a pointer names, or an empty text; a name that leads elsewhere is no name."""
        try:
            name = json.loads(self._run.pointer(kind).read_bytes())["directory"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return name if isinstance(name, str) and _NAME.fullmatch(name) else ""
