"""The settings of precision and speed."""

from __future__ import annotations

from typing import Literal

from tui.core.groups.declare import Group, setting


class ComputeSettings(Group):
    """With how many bits and in which way the arithmetic is done."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "Precision",
        "Of the network's insides; weights stay float32. auto: bfloat16 on NVIDIA GPUs since Ampere, else float32. float16 leaves steps out that overflow.",
        default="auto",
        also="fp16 bf16 amp mixed half autocast",
    )
    memory_format: Literal["auto", "channels_last", "contiguous"] = setting(
        "Memory format",
        "How pictures lie in memory; channels_last suits convolutions on CPUs and NVIDIA GPUs. auto: that, except on MPS.",
        default="auto",
    )
    compile: bool = setting(
        "Compile",
        "Translate the network with torch.compile: minutes at the start for faster steps on a GPU. Where it fails, training goes on without it and says why.",
        default=False,
        also="inductor",
    )
    waiting: Literal["auto", "spin", "sleep"] = setting(
        "Waiting threads",
        "What processor threads do while they wait for each other: spin for a moment, which is up to twice as fast alone, or sleep, which is better beside other busy programs. auto: sleep if others keep the cores busy at the start.",
        default="auto",
    )
    deterministic: bool = setting(
        "Deterministic",
        "Use only algorithms that give the same bits each time, on a GPU too; slower there. On a CPU a run repeats itself anyway.",
        default=False,
        also="reproducible reproducibility",
    )
    tf32: bool = setting(
        "TF32",
        "Let NVIDIA GPUs since Ampere shorten float32 numbers to 19 bits inside products; much faster, hardly ever worse.",
        default=True,
    )
