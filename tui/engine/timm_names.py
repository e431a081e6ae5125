"""The names of timm's models: ``python -m tui.engine.timm_names``, asked by ``cnntrain models list timm:``."""

from __future__ import annotations

import importlib
from typing import Any

from tui.core.architectures import TIMM
from tui.engine.service import Listener, serve


def list_names(job: dict[str, Any], listener: Listener) -> dict[str, Any]:
    """Return ``names``, each with those of its pretrained weights: ``timm:resnet18.a1_in1k``."""
    timm = importlib.import_module("timm")
    plain, tagged = timm.list_models(), timm.list_pretrained()
    return {"names": [f"{TIMM}{name}" for name in sorted({*plain, *tagged})]}


if __name__ == "__main__":
    serve(list_names)
