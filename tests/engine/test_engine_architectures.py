"""The list of model names is torchvision's own."""

from __future__ import annotations

from torchvision import models

from tui.core.architectures import TORCHVISION


def test_every_name_is_a_classification_model_of_torchvision() -> None:
    assert set(TORCHVISION) <= set(models.list_models(module=models))
    assert len(TORCHVISION) >= 80
