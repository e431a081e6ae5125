"""How much memory this process may still take, on the machine and in its container."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

GIB = 1 << 30
WORKER = 96 << 20
"""What a data worker may need: itself, and a large photograph while it is decoded."""
SHARED = 16 << 20
"""Less free shared memory than this is next to none."""
_TUNABLES, _LARGE_PAGES = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_CGROUP = Path("/sys/fs/cgroup")


def with_large_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process whose malloc asks Linux for pages of 2 MiB; what is said about it stays.

    glibc reads it at the start of a process. A step goes through some hundred megabytes of activations; finding their
    pages of 4 KiB takes 2 to 4 % of a small network's step.
    """
    said = environment.get(_TUNABLES, "")
    if _LARGE_PAGES in said:
        return dict(environment)
    return {**environment, _TUNABLES: ":".join(filter(None, (said, f"{_LARGE_PAGES}=1")))}


def available() -> int | None:
    """Return the bytes that can still be had without swapping: the machine's, or the container's if less.

    None where the system does not say.
    """
    known = [free for free in (_of_machine(), _of_container()) if free is not None]
    return min(known) if known else None


def peak() -> int:
    """Return the most bytes that this process has had in memory since `forget_peak`, or since its start."""
    with contextlib.suppress(OSError, ValueError):
        return _field(_STATUS, "VmHWM:")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def resident() -> int:
    """Return the bytes that this process has in memory now; its peak where the system does not say."""
    with contextlib.suppress(OSError, ValueError):
        return _field(_STATUS, "VmRSS:")
    return peak()


def forget_peak() -> None:
    """Let `peak` begin anew; nothing where the system cannot."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def shared_free(directory: str = "/dev/shm") -> int | None:
    """Return the free bytes of shared memory; None where there is no such file system."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def shortages(workers: int) -> list[str]:
    """Return a sentence for each kind of memory of which so many data workers would have too little."""
    said, free, shared = [], available(), shared_free()
    if free is not None and free < workers * WORKER:
        most = max(1, free // WORKER)
        needed = in_words(workers * WORKER)
        said.append(
            f"Only {in_words(free)} of memory are free, and {workers} data workers may need {needed}: "
            f"set data.workers={most}, or end other programs."
        )
    if shared is not None and shared < SHARED:
        said.append(
            f"Only {in_words(shared)} of shared memory (/dev/shm) are free: libraries that want more of it end with a "
            "bus error. Make room there; a container gets more with --shm-size."
        )
    return said


def in_words(size: float) -> str:
    """Return ``3.2 GiB``, ``410 MiB`` or ``12 KiB``."""
    for unit, name in ((GIB, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            share = size / unit
            return f"{share:.1f} {name}" if share < 100 else f"{share:,.0f} {name}"
    return f"{size / 1024:.0f} KiB"


def _of_machine() -> int | None:
    try:
        return _field(_MEMINFO, "MemAvailable:")
    except (OSError, ValueError):
        return None


def _of_container() -> int | None:
    """Return what the control group leaves; page cache that can be dropped counts as free."""
    try:
        most = (_CGROUP / "memory.max").read_text("ascii").strip()
        if most == "max":
            return None
        used = int((_CGROUP / "memory.current").read_text("ascii"))
        lines = (_CGROUP / "memory.stat").read_text("ascii").splitlines()
        cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
        return max(0, int(most) - used + cached)
    except (OSError, ValueError, IndexError):
        return None


def _field(path: Path, name: str) -> int:
    """Return a number of kibibytes as bytes."""
    for line in path.read_text("ascii", "replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise ValueError(name)
