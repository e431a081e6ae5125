"""What a trained network says about pictures: ``python -m tui.engine.predicting``, asked by ``cnntrain predict``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tui.engine.service import Listener, serve

_LIKELY = 0.5


def predict(job: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Answer for each picture, in order; one item each.

    Args:
        job: ``run``, ``weights``, ``paths`` (absolute), ``top`` (answers per picture; None: the best, or of
            several labels those that are likely).
        listener: gets ``{"path", "answers": [[name, number], ...]}``, or ``{"path", "error"}`` for a picture that
            cannot be read. Answers are probabilities, the highest first; of a regression all its numbers.
    """
    listener.progress("loading")
    import torch

    from tui.engine import evaluate
    from tui.engine.data.named import NamedPictures
    from tui.engine.trained import load

    trained = load(Path(job["run"]), job["weights"], device=job.get("device", "auto"))
    for note in trained.notes:
        listener.warn(note)
    paths, task = list(job["paths"]), trained.objective.task
    size = evaluate.batch_size(1, trained.settings.data.image_size)
    names = trained.names
    told = 0

    def tell_until(end: int) -> None:
        nonlocal told
        while told < end:
            if told in pictures.unreadable:
                there = os.path.lexists(paths[told])
                why = pictures.unreadable[told] if there else "there is no such file"
                listener.item({"path": paths[told], "error": why})
            told += 1

    with NamedPictures("", paths, trained.settings.data) as pictures, torch.inference_mode():
        for batch in pictures.batches(size):
            numbers = trained.objective.predictions(trained.model(trained.normalise(batch.images))).cpu()
            order = numbers.argsort(1, descending=True) if task != "regression" else None
            for row, place in enumerate(batch.indices.tolist()):
                tell_until(place)
                best = order[row, : job["top"] or len(names)].tolist() if order is not None else range(len(names))
                if job["top"] is None and task == "classification":
                    best = best[:1]
                elif job["top"] is None and task == "multilabel":
                    best = [index for index in best if numbers[row, index] >= _LIKELY]
                answers = [[names[index], float(numbers[row, index])] for index in best]
                listener.item({"path": paths[place], "answers": answers})
                told = place + 1
            listener.progress("predicting", told, len(paths))
        tell_until(len(paths))
        unreadable = len(pictures.unreadable)
    return {"task": task, "pictures": len(paths), "unreadable": unreadable}


if __name__ == "__main__":
    serve(predict)
