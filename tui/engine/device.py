"""Where the arithmetic happens: which device, how many threads, which memory layout, and what its errors mean."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import pwd
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from tui.core.errors import FailureError
from tui.core.settings import TrainingSettings
from tui.core.text import clean

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc refuses more


def choose(training: TrainingSettings) -> torch.device:
    """Return the device of ``training.device``; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        FailureError: the device that was asked for cannot be used; says why.
    """
    wanted = training.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    elif wanted == "cuda" and not torch.cuda.is_available():
        raise FailureError("CUDA cannot be used", why_no_cuda(), "Set training.device=auto to train without it.")
    elif wanted == "mps" and not torch.backends.mps.is_available():
        cause = "this machine has no Metal device, or torch was built without MPS"
        raise FailureError("MPS cannot be used", cause, "Set training.device=auto to train without it.")
    return torch.device(wanted)


def why_no_cuda() -> str:
    """Say why CUDA is not there: a build without it, no driver, or a driver that does not fit."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return clean(str(error).splitlines()[0], 200)
    return "no CUDA device was found"


def unused_accelerator(device: torch.device) -> str:
    """Return a sentence when the CPU was chosen though the machine has an NVIDIA device, else an empty text."""
    if device.type != "cpu" or not Path("/dev/nvidiactl").exists():
        return ""
    return f"This machine has an NVIDIA device, but it cannot be used: {why_no_cuda()}. Training on the CPU."


def crowded(device: torch.device) -> str:
    """Return a sentence when others use more than half of the GPU's memory, else an empty text."""
    if device.type != "cuda":
        return ""
    free, total = torch.cuda.mem_get_info(device)
    if free * 2 > total:
        return ""
    gib = 1 << 30
    used = f"The GPU's memory is in use by others: {free / gib:.1f} of {total / gib:.1f} GiB are free."
    owners = _owners(device)
    return f"{used} {', '.join(owners)}." if owners else used


def _owners(device: torch.device) -> list[str]:
    """Return who has memory of a GPU, the most first, as far as the driver's own tool says."""
    command = ["nvidia-smi", "--query-compute-apps=used_memory,pid,process_name", "--format=csv,noheader,nounits"]
    with contextlib.suppress(AttributeError, RuntimeError, AssertionError):
        command.append(f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.split(", ", 2) for line in answer.splitlines()]
    found = [
        (int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3 and row[0].isdigit() and row[1].isdigit()
    ]
    return [
        f"{used / 1024:.1f} GiB: {clean(os.path.basename(name), 40)} (process {pid}{_user(pid)})"
        for used, pid, name in sorted(found, reverse=True)[:3]
        if pid != os.getpid()
    ]


def _user(pid: int) -> str:
    with contextlib.suppress(OSError, KeyError):
        return f" of {clean(pwd.getpwuid(os.stat(f'/proc/{pid}').st_uid).pw_name, 40)}"
    return ""


def prepare(device: torch.device, training: TrainingSettings, *, deterministic: bool = False) -> None:
    """Set the process up for ``device``: threads, memory allocator, convolution search or determinism."""
    torch.set_num_threads(training.threads or processors())
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    if deterministic != torch.are_deterministic_algorithms_enabled():  # even to say no, torch imports its compiler
        torch.use_deterministic_algorithms(deterministic)
    if device.type == "cpu":
        keep_memory()
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = not deterministic


def too_many_threads(device: torch.device, training: TrainingSettings) -> str:
    """Return a sentence when a step is to have more threads than there are cores for it, else an empty text."""
    cores = processors()
    if device.type != "cpu" or training.threads <= cores:
        return ""
    there = f"{cores} processor core{'s' if cores != 1 else ''}"
    text = f"training.threads is {training.threads}, but this process may use only {there}: threads that have to wait"
    return f"{text} for a core make each step slower. 0 takes as many as there are."


def processors() -> int:
    """How many processor cores this process may use: affinity and the container's quota count."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        cores = min(cores, max(1, math.ceil(int(quota) / int(period))))
    return cores


def keep_memory() -> bool:
    """Make glibc keep freed memory instead of handing it back after every step; whether it agreed.

    Activations of a training step are freed and asked for again 10 to 200 times a second; mapping and
    clearing their pages anew costs about 15 % of a step of a small network.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    kept = mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    return bool(kept and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def seed(device: torch.device, number: int) -> None:
    """Set the generator that dropout draws from on ``device``; ``torch.manual_seed`` would take 0.1 ms for all."""
    if device.type == "cuda":
        torch.cuda.manual_seed(number)
    elif device.type == "mps":
        torch.mps.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)


def describe(device: torch.device) -> str:
    """Name the device for a person: ``cpu (2 threads)``, ``cuda (NVIDIA H200)``."""
    if device.type == "cuda":
        return f"cuda ({clean(torch.cuda.get_device_name(device), 60)})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread{'s' if threads != 1 else ''})"
    return device.type


def versions() -> dict[str, str]:
    """The versions that decide the numbers."""
    found = {
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "python": platform.python_version(),
    }
    with contextlib.suppress(PackageNotFoundError):
        found["cnntrain"] = version("cnntrain")
    if torch.version.cuda and torch.cuda.is_available():
        found["cuda"] = torch.version.cuda
    return found
