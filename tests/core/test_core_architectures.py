"""The list of model names is torchvision's own; compared in a subprocess, because torch stays out of this process."""

from __future__ import annotations

import json
import subprocess
import sys

from tui.core.architectures import TORCHVISION


def test_every_name_is_a_classification_model_of_torchvision() -> None:
    code = "import json; from torchvision import models; print(json.dumps(models.list_models(module=models)))"
    names = json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=100))
    assert set(TORCHVISION) <= set(names)
    assert len(TORCHVISION) >= 80
