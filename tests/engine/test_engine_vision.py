"""torchvision is imported without torch's compiler, which is there all the same for whoever asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import sys
import torch
from tui.engine import vision
assert vision.models().get_model("resnet18", weights=None) is not None
assert vision.transforms().resize is not None
assert not [name for name in sys.modules if name.startswith("torch._dynamo")]
{then}
import torch._dynamo
assert torch._dynamo.__spec__ is not None
assert torch._dynamo.utils.is_compile_supported.__module__ == "torch._dynamo.utils"
"""


@pytest.mark.parametrize(
    "then",
    [
        "torch.compile(torch.nn.Linear(2, 2), backend='eager')(torch.ones(1, 2))",
        "import torchvision\nassert torchvision.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5).tolist() == [0]",
        "it = sys.modules['torchvision.ops.roi_align']\nassert it.is_compile_supported('cpu') in (True, False)",
    ],
)
def test_the_compiler_comes_when_it_is_asked_for(then: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(then=then)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_newer_torchvision_that_wants_more_of_the_compiler_gets_it() -> None:
    script = """
import sys, torch
from tui.engine import vision
with vision._left_out():
    from torch._dynamo.utils import counters, is_compile_supported
    assert is_compile_supported("cpu") in (True, False)
import torch._dynamo.utils
assert counters is torch._dynamo.utils.counters
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
