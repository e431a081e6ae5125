"""Small sets of pictures for tests: each picture is different, and cheap to make."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from tui.core.dataset.manifest import Manifest, make_manifest
from tui.core.dataset.scan import scan
from tui.core.schema import validated
from tui.core.settings import Settings


def write_picture(path: Path, *, size: tuple[int, int] = (12, 12), seed: object = None, mode: str = "RGB") -> Path:
    """Write noise that depends on ``seed`` (by default on the path) in the format that the name says."""
    dice = random.Random(repr(path if seed is None else seed))
    channels = len(Image.new(mode, (1, 1)).getbands())
    image = Image.frombytes(mode, size, dice.randbytes(size[0] * size[1] * channels))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        image.save(file, format="JPEG" if path.suffix in (".jpg", ".jpeg") else "PNG")
    return path


def class_folders(root: Path, counts: Mapping[str, int], *, suffix: str = ".png") -> Path:
    """Make one folder per class with so many pictures; folder names may be any bytes (as os.fsdecode gives them)."""
    for name, count in counts.items():
        os.makedirs(root / name, exist_ok=True)
        for number in range(count):
            write_picture(root / name / f"{number:03d}{suffix}", seed=(name, number))
    return root


def settings_for(**groups: Mapping[str, object]) -> Settings:
    """Return settings for tiny pictures with ``groups`` laid over: ``settings_for(data={"crop": "none"})``."""
    table: dict[str, dict[str, object]] = {
        "data": {"image_size": 12, "workers": 1, "crop_padding": 2},
        "training": {"batch_size": 4},
    }
    for group, values in groups.items():
        table.setdefault(group, {}).update(values)
    return validated(table, source="a test")


def manifest_of(root: Path, settings: Settings) -> Manifest:
    """Scan and divide."""
    return make_manifest(scan(root), settings)


def gone(pid: int, seconds: float = 10.0) -> bool:
    """Wait until a process has ended; one that only waits to be collected has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            if not os.path.exists(f"/proc/{pid}"):
                return True
        time.sleep(0.02)
    return False
