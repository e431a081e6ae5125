"""Checkpoints that are whole or not there, and that prove it.

A checkpoint is a directory ``step-000000123`` with the weights and the optimizer's state as safetensors,
the rest as JSON, and a manifest with the size and SHA-256 of each file. It is written aside, brought to
the disk, renamed, verified, and only then named by ``last.json`` or ``best.json``; what is older is removed
after that. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from tui.core.files import sync_directory, write_atomic
from tui.core.metrics import AVERAGED
from tui.core.rundir import RunDir
from tui.core.text import clean

FORMAT = 1
MODEL, OPTIMIZER, STATE, MANIFEST = "model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"
AVERAGE = "average.safetensors"
"""The averaged weights, where a run has them."""

_NAME = re.compile(r"step-\d{9,}")
_ASIDE = ".new-"
_REPLACED = ".old-"
_REMOVED = ".gone-"
_POINTERS = (".last.json.", ".best.json.")
_CHUNK = 1 << 20
_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_DAMAGE = (errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""What the disk says of a file that is lost; anything else (permission, too many open files) passes."""


class Damaged(Exception):  # noqa: N818  said of a checkpoint
    """A checkpoint does not verify; the text says which file and why."""


@dataclass(frozen=True)
class Checkpoint:
    """One that has been read back whole."""

    name: str
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    state: dict[str, Any]
    average: dict[str, Tensor] | None = None
    """The averaged weights, where the run has them."""

    def weights(self, metric: str) -> dict[str, Tensor]:
        """Return the weights that ``metric``, by its name, was measured of: the averaged ones for ``ema_...``."""
        if metric.startswith(AVERAGED) and self.average is not None:
            return self.average
        return self.model


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
                    files[name] = _write(aside / name, encoded(tensors))
            files[STATE] = _write(aside / STATE, [json.dumps({"format": FORMAT, "best": best, **state}).encode()])
            _write(aside / MANIFEST, [json.dumps({"format": FORMAT, "files": files}).encode()])
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


def encoded(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """Yield the parts of a safetensors file: the header, then each tensor's memory, uncopied where it can be.

    The library's own `save` copies everything twice while no other thread can run: 70 ms for 100 MB, which the
    training would have to wait for. The format: https://github.com/huggingface/safetensors#format
    """
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for tensor in tensors.values():
        if tensor.numel():
            yield memoryview(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> dict[str, Any]:
    """Write a file and bring it to the disk; return its entry in the manifest, from the bytes in memory."""
    hashed, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
            hashed.update(part)
            size += len(part)
        file.flush()
        os.fsync(file.fileno())
    return {"bytes": size, "sha256": hashed.hexdigest()}


def verify(directory: Path) -> None:
    """Read every file of a checkpoint and compare it with the manifest.

    Raises:
        Damaged: a file is missing, has another size, or another hash.
        OSError: a file cannot be read.
    """
    try:
        table = json.loads((directory / MANIFEST).read_bytes())
        names = (*_FILES, AVERAGE) if AVERAGE in table["files"] else _FILES
        expected = {name: (int(table["files"][name]["bytes"]), str(table["files"][name]["sha256"])) for name in names}
    except FileNotFoundError as error:
        raise Damaged(f"{MANIFEST} is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{MANIFEST} cannot be read") from error
    for name, (size, digest) in expected.items():
        hashed = hashlib.sha256()
        try:
            with (directory / name).open("rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    raise Damaged(f"{name} has {os.fstat(file.fileno()).st_size} bytes instead of {size}")
                while chunk := file.read(_CHUNK):
                    hashed.update(chunk)
        except FileNotFoundError as error:
            raise Damaged(f"{name} is missing") from error
        if hashed.hexdigest() != digest:
            raise Damaged(f"the content of {name} has changed")


_FILES = (MODEL, OPTIMIZER, STATE)


def load(directory: Path) -> Checkpoint:
    """Verify a checkpoint and read it to the CPU.

    Raises:
        Damaged: it does not verify, or is from a newer version.
        OSError: a file cannot be read.
    """
    verify(directory)
    try:
        state = json.loads((directory / STATE).read_bytes())
        if state["format"] > FORMAT:
            raise Damaged("it was written by a newer version of cnntrain")
        return Checkpoint(
            name=directory.name,
            model=safetensors.torch.load_file(directory / MODEL),
            optimizer=safetensors.torch.load_file(directory / OPTIMIZER),
            state=state,
            average=safetensors.torch.load_file(directory / AVERAGE) if _averaged(directory) else None,
        )
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise Damaged(clean(str(error), 120)) from error


def _averaged(directory: Path) -> bool:
    """Whether a verified checkpoint has averaged weights; a file that its manifest does not name is none."""
    return AVERAGE in json.loads((directory / MANIFEST).read_bytes())["files"]


def restore_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy saved weights and statistics into a model, bit for bit and in the model's memory layout.

    Raises:
        KeyError: the model has other weights.
        RuntimeError: a weight has another shape.
    """
    there = model.state_dict()
    if there.keys() != weights.keys():
        raise KeyError(", ".join(sorted(there.keys() ^ weights.keys())[:3]))
    with torch.no_grad():
        for name, tensor in there.items():
            if tensor.shape != weights[name].shape:
                raise RuntimeError(f"{name} has the shape {tuple(weights[name].shape)}")
            tensor.copy_(weights[name])
