"""What a checkpoint consists of, and how it proves to be whole.

A checkpoint is a directory with the weights and the optimizer's state as safetensors, the rest as JSON, and a manifest
with the size and SHA-256 of each file. Nothing in it is ever unpickled. Those of a run are in its `tui.engine.store`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from tui.core.metrics import AVERAGED
from tui.core.text import clean

FORMAT = 1
MODEL, OPTIMIZER, STATE, MANIFEST = "model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"
AVERAGE = "average.safetensors"
"""The averaged weights, where a run has them."""
_FILES = (MODEL, OPTIMIZER, STATE)

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


def write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> dict[str, Any]:
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
