"""A run's network with its trained weights, read from the run directory and nothing else; nothing is changed there.

The run may come from someone else: weights are safetensors that must fit the network of the settings,
names are cleaned before they are shown, and nothing leads out of the run directory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tui.core.dataset.manifest import Manifest, load_manifest
from tui.core.dataset.targets import targets_of
from tui.core.errors import CnntrainError, FailureError, UsageError
from tui.core.metrics import AVERAGED
from tui.core.presets import read_settings
from tui.core.rundir import RunDir
from tui.core.settings import Settings
from tui.core.text import clean, clean_path
from tui.engine import device as devices
from tui.engine import losses, models, normalisation
from tui.engine.checkpoint import Checkpoint, Damaged, restore_weights
from tui.engine.compute import choose
from tui.engine.data.batches import normalise
from tui.engine.store import Store

Weights = Literal["best", "last", "averaged"]


@dataclass
class Trained:
    """A network that is ready to answer."""

    run: RunDir
    settings: Settings
    manifest: Manifest
    names: list[str]
    """What the outputs are called, as they may be shown: classes, labels, or the numbers of a regression."""
    objective: losses.Objective
    model: nn.Module
    """In evaluation mode, on the device."""
    device: torch.device
    mean: list[float]
    std: list[float]
    step: int
    """Of the weights."""
    weights: Weights
    notes: list[str] = field(default_factory=list)
    """What a person should know, one sentence each."""

    def normalise(self, images: Tensor) -> Tensor:
        """Bring uint8 [B, H, W, C] to the device as float32 [B, C, H, W]."""
        return normalise(images, self.mean, self.std, self.device)


def load(path: Path, weights: Weights, *, device: str = "auto") -> Trained:
    """Return the network of a run.

    Args:
        path: the run directory.
        weights: ``best`` falls back to the last ones, with a note, where no validation chose any; ``averaged`` are
            the moving average (EMA) of the last step.
        device: as ``training.device``; not the run's own, which may be another machine's.

    Raises:
        UsageError: it is no run, it keeps no average, or the device cannot be used.
        FailureError: the run has no weights yet, or they are damaged or do not fit its settings.
    """
    run = RunDir(path)
    if not run.exists:
        raise UsageError("No such run", clean_path(path), "`cnntrain runs` lists the runs.")
    settings, manifest = read_settings(run.settings), load_manifest(run.dataset)
    notes: list[str] = []
    checkpoint, kind = _checkpoint(run, weights, notes)
    mean, std = _normalisation(run, settings)
    chosen = devices.choose(settings.training.model_copy(update={"device": device}))
    devices.prepare(chosen, settings.training.model_copy(update={"threads": 0}))
    objective = losses.objective(
        settings, targets_of(manifest.splits["train"], manifest.task, manifest.outputs), chosen
    )
    measured = {"best": settings.training.best_by, "averaged": AVERAGED}.get(kind, "")
    model = _network(settings, objective.outputs, checkpoint.name, checkpoint.weights(measured))
    return Trained(
        run=run,
        settings=settings,
        manifest=manifest,
        names=[clean(name, 120) for name in manifest.classes or manifest.target_names],
        objective=objective,
        model=choose(settings.compute, chosen).place(model).eval(),
        device=chosen,
        mean=mean,
        std=std,
        step=_step(checkpoint),
        weights=kind,
        notes=notes,
    )


def _checkpoint(run: RunDir, weights: Weights, notes: list[str]) -> tuple[Checkpoint, Weights]:
    title = "The run's weights cannot be used"
    store = Store(run)
    try:
        found = store.named("last" if weights == "averaged" else weights)
        if found is None and weights == "best":
            weights, found = "last", store.named("last")
            if found is not None:
                notes.append("No validation has chosen the best weights: the last ones are used.")
    except Damaged as error:
        other = "last" if weights == "best" else "best"
        step = f"Try --weights {other}."
        raise FailureError(title, f"the {weights} checkpoint is damaged: {clean(str(error), 160)}", step) from error
    except OSError as error:
        raise FailureError(title, f"{clean_path(error.filename or run.checkpoints)}: {error.strerror}") from error
    if found is None:
        raise FailureError(title, f"{clean(run.name, 100)} has no checkpoint yet", "Let it train for a while.")
    if weights == "averaged" and found.average is None:
        cause = f"{clean(run.name, 100)} keeps none, because optimizer.ema_decay is 0"
        raise UsageError("There are no averaged weights", cause, "Use --weights best or last.")
    return found, weights


def _network(settings: Settings, outputs: int, name: str, weights: dict[str, Tensor]) -> nn.Module:
    try:
        model = models.unloaded(settings, outputs)
        restore_weights(model, weights)
    except CnntrainError:
        raise
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        cause = f"{name} does not fit the network in settings.toml: {clean(str(error), 160)}"
        raise FailureError("The run's weights cannot be used", cause, "Were its files mixed up?") from error
    return model


def _step(checkpoint: Checkpoint) -> int:
    try:
        return int(checkpoint.state["progress"]["step"])
    except (KeyError, TypeError, ValueError):
        return 0


def _normalisation(run: RunDir, settings: Settings) -> tuple[list[float], list[float]]:
    """Return the mean and the deviation that the run was trained with, as its last start has noted them."""
    mean, std = normalisation.noted(run, settings.data)
    if not (mean and std):
        cause = f"{clean_path(run.events)} does not say with which mean and deviation it was trained"
        raise FailureError("The run's pictures cannot be prepared", cause, "Copy the whole run directory.")
    return mean, std


def scale_of(trained: Trained) -> tuple[list[float], list[float]] | None:
    """Return (mean, deviation) per output that bring a regression's outputs into the targets' units, else None."""
    if not isinstance(trained.objective, losses.Regression):
        return None
    return trained.objective.mean.tolist(), trained.objective.deviation.tolist()


def preprocessing(trained: Trained, *, only_weights: bool = False) -> dict[str, Any]:
    """Return what must happen to a picture before the network sees it, and what its outputs mean, as plain values.

    Args:
        trained: the network.
        only_weights: its outputs are as the network was trained; else a regression's are in the targets' units.
    """
    data = trained.settings.data
    meanings = {
        "classification": "logits; softmax over them gives the probabilities of the classes",
        "multilabel": "logits; sigmoid of each gives the probability of its label",
        "regression": "numbers in the targets' units",
    }
    meaning = meanings[trained.objective.task]
    scale = scale_of(trained) if only_weights else None
    if scale is not None:
        meaning = "standardised numbers: times output_deviation plus output_mean they are in the targets' units"
    return {
        "format": 1,
        "task": trained.objective.task,
        "outputs": trained.names,
        "output_meaning": meaning,
        **({} if scale is None else {"output_mean": scale[0], "output_deviation": scale[1]}),
        "input": {
            "layout": "float32 [batch, channels, height, width]",
            "size": data.image_size,
            "channels": data.channels,
            "colours": "RGB" if data.channels == 3 else "grey",
            "resize": data.resize,
            "resize_meaning": _RESIZE[data.resize],
            "interpolation": "bilinear with antialiasing (Pillow), EXIF rotation applied, transparency over white",
            "scale": "pixels / 255, then (value - mean) / std per channel",
            "mean": trained.mean,
            "std": trained.std,
        },
        "model": trained.settings.model.name,
        "run": clean(trained.run.name, 200),
        "step": trained.step,
        "weights": trained.weights,
        "versions": devices.versions(),
    }


_RESIZE = {
    "crop": "the largest centred square is cut out and scaled",
    "letterbox": "scaled to fit, centred on grey bars of value 127",
    "squash": "scaled to the square, shape not kept",
}


def to_text(table: dict[str, Any]) -> str:
    """Return a table as indented JSON."""
    return json.dumps(table, indent=2, ensure_ascii=True) + "\n"
