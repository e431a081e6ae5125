"""A trained network as a file for other programs: ``python -m tui.engine.exporting``, asked by ``cnntrain export``.

Each file is written aside, read back, run beside the network it was made from on the same pictures, and
only then given its name. Class map and preprocessing go into the file, and as JSON beside it.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core.errors import FailureError, UsageError
from tui.core.text import clean, clean_path
from tui.engine.service import Listener, serve

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tui.engine.trained import Trained

    Run = Callable[[Tensor], Tensor]

FORMATS = {"safetensors": ".safetensors", "onnx": ".onnx", "torchscript": ".torchscript", "pt2": ".pt2"}
"""The ending of each format's files."""
KEY = "cnntrain"
"""Under which the preprocessing is found in a file's metadata."""
TOLERANCE = 1e-3
"""How far outputs may differ, as a share of the largest output (or of one)."""
BATCHES = (2, 1, 3)
"""Sizes that are tried: a network that only takes the size it was traced with is no use."""
_ONNX = ("onnx", "onnxscript", "onnxruntime")


def export(job: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Write a run's network in one of `FORMATS`.

    Args:
        job: ``run``, ``weights``, ``format``, ``output`` (absolute path), ``replace``.
        listener: told what is going on.

    Returns:
        ``path``, ``beside`` (the JSON), ``bytes``, ``difference`` (largest, absolute), ``largest`` (output).
    """
    _check_packages(job["format"])
    output = Path(job["output"])
    beside = output.with_name(f"{output.name}.json")
    if not job["replace"] and (there := next((path for path in (output, beside) if os.path.lexists(path)), None)):
        raise UsageError("The model is not exported", f"{clean_path(there)} exists", "Add --force to replace it.")
    listener.progress("loading")
    import torch

    from tui.engine.trained import load, preprocessing, to_text

    trained = load(Path(job["run"]), job["weights"], device="cpu")
    for note in trained.notes:
        listener.warn(note)
    only_weights = job["format"] == "safetensors"
    text = to_text(preprocessing(trained, only_weights=only_weights))
    model = copy.deepcopy(trained.model).to(memory_format=torch.contiguous_format).eval()
    if not only_weights:
        model = _in_units(trained, model)
    listener.progress(f"writing {job['format']}")
    with _aside(output) as path, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of exporters about themselves
        with _refused(job["format"]):
            again = _WRITERS[job["format"]](trained, model, path, text)
        listener.progress("comparing the outputs")
        with _refused(job["format"]), torch.inference_mode():
            difference, largest = _compare(trained, model, again)
        if not difference <= TOLERANCE * max(1.0, largest):
            cause = f"its outputs differ by up to {difference:.3g} from the network's"
            raise FailureError("The exported model is wrong and was not kept", cause, "Try another --format.")
        size = path.stat().st_size
        (path.parent / beside.name).write_text(text, "utf-8")
    return {
        "path": str(output),
        "beside": str(beside),
        "bytes": size,
        "difference": difference,
        "largest": largest,
        "step": trained.step,
        "weights": trained.weights,
    }


@contextlib.contextmanager
def _aside(output: Path) -> Iterator[Path]:
    """Give a place beside ``output``; what was made there and its JSON get their names when all went well."""
    try:
        folder = tempfile.mkdtemp(prefix=f".{output.name[:40]}.", dir=output.parent)
    except OSError as error:
        cause = f"{clean_path(output.parent)}: {error.strerror}"
        raise FailureError("The model cannot be written", cause, "Name another file with --output.") from error
    path = Path(folder) / output.name
    umask = os.umask(0)
    os.umask(umask)
    try:
        yield path
        for made in (path, path.with_name(f"{path.name}.json")):
            made.chmod(0o666 & ~umask)  # exporters do not agree about it
            os.replace(made, output.with_name(made.name))
    finally:
        for left in list(Path(folder).iterdir()):
            left.unlink(missing_ok=True)
        os.rmdir(folder)


@contextlib.contextmanager
def _refused(form: str) -> Iterator[None]:
    """Say in a sentence what an exporter or runtime throws."""
    try:
        yield
    except (OSError, FailureError, UsageError):
        raise
    except Exception as error:
        import traceback

        traceback.print_exc()
        lines = str(error).strip().splitlines()
        cause = clean(f"{type(error).__name__}: {lines[0] if lines else ''}", 200)
        raise FailureError(f"The network cannot be exported as {form}", cause, "Try another --format.") from error


def _check_packages(form: str) -> None:
    missing = [name for name in _ONNX if form == "onnx" and importlib.util.find_spec(name) is None]
    if missing:
        cause = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise UsageError("ONNX cannot be written", cause, "Install them with `pip install 'cnntrain[onnx]'`.")


def _in_units(trained: Trained, model: nn.Module) -> nn.Module:
    """Return the network; of a regression with its outputs in the targets' units."""
    import torch
    from torch import nn

    from tui.engine.trained import scale_of

    scale = scale_of(trained)
    if scale is None:
        return model
    last = nn.Linear(len(scale[0]), len(scale[0]))
    with torch.no_grad():
        last.bias.copy_(torch.tensor(scale[0]))
        last.weight.copy_(torch.diag(torch.tensor(scale[1])))
    return nn.Sequential(model, last).eval()


def _pictures(trained: Trained, count: int) -> Tensor:
    """Return ``count`` made-up pictures as the network sees them, float32 [count, C, H, W]."""
    import torch

    data = trained.settings.data
    generator = torch.Generator().manual_seed(count)
    shape = (count, data.image_size, data.image_size, data.channels)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return trained.normalise(pixels).contiguous()


def _compare(trained: Trained, model: nn.Module, again: Run) -> tuple[float, float]:
    """Return (largest difference, largest output) over batches of several sizes; NaN differs infinitely."""
    import torch

    difference = largest = 0.0
    for count in BATCHES:
        images = _pictures(trained, count)
        expected, found = model(images), again(images)
        if expected.shape != found.shape:
            raise ValueError(f"it answers with the shape {tuple(found.shape)} instead of {tuple(expected.shape)}")
        apart = torch.nan_to_num((expected - found).abs(), nan=float("inf"))
        difference, largest = max(difference, float(apart.max())), max(largest, float(expected.abs().max()))
    return difference, largest


def _safetensors(trained: Trained, model: nn.Module, path: Path, text: str) -> Run:
    import safetensors.torch

    from tui.engine import models
    from tui.engine.checkpoint import restore_weights

    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(weights, path, metadata={"format": "pt", KEY: text})
    again = models.unloaded(trained.settings, trained.objective.outputs).eval()
    restore_weights(again, safetensors.torch.load_file(path))
    return again


def _torchscript(trained: Trained, model: nn.Module, path: Path, text: str) -> Run:
    import torch

    with torch.no_grad():
        traced = torch.jit.trace(model, _pictures(trained, BATCHES[0]))
    torch.jit.save(traced, str(path), _extra_files={f"{KEY}.json": text})
    found = {f"{KEY}.json": ""}
    again = torch.jit.load(str(path), _extra_files=found)
    _check_text(found[f"{KEY}.json"], text)
    return again


def _pt2(trained: Trained, model: nn.Module, path: Path, text: str) -> Run:
    import torch

    program = torch.export.export(model, (_pictures(trained, BATCHES[0]),), dynamic_shapes=_any_batch(), strict=False)
    torch.export.save(program, path, extra_files={f"{KEY}.json": text})
    found = {f"{KEY}.json": ""}
    again = torch.export.load(path, extra_files=found)
    _check_text(found[f"{KEY}.json"], text)
    return again.module()


def _onnx(trained: Trained, model: nn.Module, path: Path, text: str) -> Run:
    import onnxruntime
    import torch

    with contextlib.redirect_stdout(io.StringIO()):  # it reports every step
        program = torch.onnx.export(
            model,
            (_pictures(trained, BATCHES[0]),),
            input_names=["images"],
            output_names=["outputs"],
            dynamic_shapes=_any_batch(),
            dynamo=True,
        )
    assert program is not None
    program.model.metadata_props[KEY] = text
    program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    _check_text(session.get_modelmeta().custom_metadata_map.get(KEY, ""), text)
    return lambda images: torch.from_numpy(session.run(["outputs"], {"images": images.numpy()})[0])


def _any_batch() -> tuple[Any, ...]:
    import torch

    return ({0: torch.export.Dim("batch", min=1)},)


def _check_text(found: str | bytes, text: str) -> None:
    if json.loads(found or "null") != json.loads(text):
        raise ValueError("the preprocessing did not get into the file")


_WRITERS: dict[str, Callable[[Trained, nn.Module, Path, str], Run]] = {
    "safetensors": _safetensors,
    "torchscript": _torchscript,
    "pt2": _pt2,
    "onnx": _onnx,
}


if __name__ == "__main__":
    serve(export)
