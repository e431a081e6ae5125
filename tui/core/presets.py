"""Presets: small TOML files that state only what differs from the defaults.

They are shipped in ``presets/`` and saved by the user under the configuration directory; a path to any
TOML file is as good as a name. A preset is data: it is parsed and checked, and loads no code.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui.core.architectures import TORCHVISION, is_timm
from tui.core.errors import FailureError, UsageError, did_you_mean
from tui.core.files import config_directory, write_atomic
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    # Listing presets costs a few milliseconds; the schema behind a preset costs 150: imported where it is used.
    from tui.core.settings import Settings

_LARGEST = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Preset:
    """A preset file; `load` reads and checks it."""

    name: str
    path: Path
    shipped: bool

    @property
    def description(self) -> str:
        """The comment at the top of the file: when to use this preset. Sanitized, on one line."""
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                head = file.read(4096)
        except OSError:
            return ""
        lines = []
        for line in head.splitlines():
            if not line.startswith("#"):
                break
            lines.append(line.lstrip("# ").rstrip())
        return clean(" ".join(line for line in lines if line))


def shipped_directory() -> Path:
    """Where the presets of this installation are: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "presets"
    return inside if inside.is_dir() else package.parent / "presets"


def user_directory() -> Path:
    """Where the user's own presets are saved."""
    return config_directory() / "presets"


def available() -> list[Preset]:
    """Return the user's presets and the shipped ones, by name; the user's own hides a shipped one of its name."""
    found: dict[str, Preset] = {}
    for directory, shipped in ((shipped_directory(), True), (user_directory(), False)):
        try:
            paths = sorted(path for path in directory.iterdir() if path.suffix == ".toml" and path.is_file())
        except OSError:
            continue
        for path in paths:
            found[path.stem] = Preset(path.stem, path, shipped)
    return sorted(found.values(), key=lambda preset: (preset.shipped, preset.name))


def find(name: str) -> Preset:
    """Return the preset with this name, or the file at this path.

    Raises:
        UsageError: there is none; the closest name is suggested.
    """
    presets = {preset.name: preset for preset in available()}
    if name in presets:
        return presets[name]
    path = Path(name).expanduser()
    if path.suffix == ".toml" or path.parent != Path("."):
        if path.is_file():
            return Preset(path.stem, path, shipped=False)
        raise UsageError("No such preset", clean_path(path), "Check the path.")
    there = ", ".join(map(clean, presets))
    near = did_you_mean(name, presets) or f"There are: {there}."
    if is_timm(name) or name in TORCHVISION:
        near = f"That is a network: add --set model.name={clean(name, 80)} to a preset ({there})."
    raise UsageError("No such preset", f'"{clean(name, 80)}"', near[0].upper() + near[1:])


def load(preset: Preset) -> Settings:
    """Return the preset's settings laid over the defaults.

    Raises:
        UsageError: it cannot be read, is not TOML, has unknown keys or values out of range, or names code.
    """
    settings = read_settings(preset.path)
    _refuse_code(settings, f"The preset {clean_path(preset.path)} is not used")
    return settings


def _refuse_code(settings: Settings, title: str) -> None:
    from tui.core.architectures import is_code

    if is_code(name := settings.model.name):
        step = f"Take that line out, and type --set model.name={name} if you trust it."
        raise UsageError(title, f"model.name is {name}, and a preset loads no code", step)


def read_settings(path: Path) -> Settings:
    """Return the settings in a TOML file laid over the defaults; a run's own ``[run]`` table is passed over.

    Raises:
        UsageError: it cannot be read, is not TOML, or has unknown keys or values out of range.
    """
    from tui.core.schema import validated

    table = read_toml(path)
    table.pop("run", None)
    return validated(table, source=clean_path(path))


def read_toml(path: Path) -> dict[str, object]:
    """Return the tables of a TOML file.

    Raises:
        UsageError: it cannot be read or is not TOML.
    """
    title = "The settings cannot be read"
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UsageError(title, f"{clean_path(path)} is larger than 1 MiB", "This is no settings file.")
        return tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise UsageError(title, f"{clean_path(path)}: {error.strerror}", "Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        cause = f"{clean_path(path)} is not TOML: {clean(str(error), 120)}"
        raise UsageError(title, cause, "Mend that line.") from error


def to_toml(settings: Settings, *, comment: str = "") -> str:
    """Return settings as a preset's text: the comment, then only what differs from the defaults.

    The data's directory is left out: a preset is for any data.
    """
    import tomli_w

    from tui.core.schema import nested
    from tui.core.settings import Settings

    table = nested(settings, base=Settings())
    table.get("data", {}).pop("directory", None)
    lines = "".join(f"# {clean(line)}\n" for line in comment.splitlines() if line.strip())
    return lines + tomli_w.dumps({group: values for group, values in table.items() if values})


def check_name(name: str) -> None:
    """Check that one of the user's presets can have this name.

    Raises:
        UsageError: it cannot be a file name, or is a shipped preset's.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "The preset cannot be saved",
            f'"{clean(name, 80)}" is not a usable name',
            "Use small letters, digits, dots and dashes, starting with a letter or digit.",
        )
    if (shipped_directory() / f"{name}.toml").exists():
        raise UsageError("The preset cannot be saved", f'"{name}" is shipped with cnntrain', "Choose another name.")


def save(name: str, settings: Settings, *, comment: str = "", replace: bool = False) -> Preset:
    """Save settings as one of the user's presets.

    Raises:
        UsageError: the name cannot be a file name, is a shipped preset's, or is taken and ``replace`` is False; or
            the settings name code.
        FailureError: the directory cannot be written.
    """
    check_name(name)
    _refuse_code(settings, "The preset is not saved")
    path = user_directory() / f"{name}.toml"
    if path.exists() and not replace:
        raise UsageError("The preset cannot be saved", f'you already have a preset "{name}"', "Choose another name.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, to_toml(settings, comment=comment))
    except OSError as error:
        cause = f"{clean_path(path)}: {error.strerror}"
        raise FailureError("The preset cannot be saved", cause, "Check the directory's permissions.") from error
    return Preset(name, path, shipped=False)
