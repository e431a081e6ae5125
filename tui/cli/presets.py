"""``cnntrain presets``: list, show, check and compare presets."""

from __future__ import annotations

from collections.abc import Sequence

from tui.cli.table import aligned
from tui.cli.terminal import complain, emit, say, width, wrapped
from tui.core import presets
from tui.core.errors import CnntrainError
from tui.core.refusal import SettingsError
from tui.core.schema import Setting, all_settings, changes, idle_words, in_effect, in_words, known_key, value_of
from tui.core.settings import Settings
from tui.core.text import clean_lines, clean_path


def list_presets() -> None:
    """Write each preset's name, whose it is, and when to use it."""
    found = presets.available()
    if not found:
        complain(f"there are no presets in {clean_path(presets.shipped_directory())}; is cnntrain installed whole?")
        return
    owners = aligned(
        [("PRESET", "FROM"), *((one.name, "cnntrain" if one.shipped else "you") for one in found)], room=None
    )
    indent = " " * (max(map(len, owners)) + 2)
    for owner, use in zip(owners, ("USE IT FOR", *(one.description for one in found)), strict=True):
        emit(wrapped(use, indent, first=owner.ljust(len(indent)), piped=10_000) + "\n")


def show_preset(name: str, *, every: bool) -> None:
    """Write a preset's TOML, or every setting with its help, limits, default and value in this preset.

    Raises:
        UsageError: there is no such preset, or its settings cannot be used (its text is written first).
    """
    preset = presets.find(name)
    if every:
        settings = presets.load(preset)
        say(f"# {preset.name}: * marks what differs from the default")
        for setting in all_settings().values():
            _show_setting(setting, settings)
        return
    presets.read_toml(preset.path)  # refuses what is no small TOML file before it is shown
    emit(clean_lines(preset.path.read_text("utf-8")).rstrip("\n") + "\n")
    presets.load(preset)


def _show_setting(setting: Setting, settings: Settings) -> None:
    value = value_of(settings, setting.key)
    first = next(one.key for one in all_settings().values() if one.group == setting.group)
    if setting.key == first:
        say(f"[{setting.group}] {setting.group_title}")
    facts = [f"default {in_words(setting.default) or 'empty'}", setting.limits]
    mark = "*" if value != setting.default else " "
    say(f"{mark} {setting.key} = {in_words(value) or 'empty'}  ({'; '.join(fact for fact in facts if fact)})")
    emit(wrapped(f"{setting.title}: {setting.help}", "      ") + "\n")
    if setting.when is not None:
        unused = "" if in_effect(settings, setting) else ", so not in this preset"
        emit(wrapped(f"Has an effect when {setting.when.wanted}{unused}.", "      ") + "\n")


def check_presets(files: Sequence[str]) -> int:
    """Say of each file that it is valid, or why not; return 2 if any is not, else 0."""
    code = 0
    for name in files:
        try:
            settings = presets.load(presets.find(name))
            stated = [known_key(key) for key in changes(Settings(), settings)]
        except SettingsError as error:
            told = error.problems
            if len(told) > 1:
                complain(f"{error.title}, {len(told)} problems:", told)
            else:
                complain(str(error))
            code = error.exit_code
        except CnntrainError as error:
            complain(str(error))
            code = error.exit_code
        else:
            many = f"{len(stated)} setting{'' if len(stated) == 1 else 's'}"
            say(f"{clean_path(name)}: valid, {many} other than the default")
            for setting in stated:
                if not in_effect(settings, setting):
                    complain(f"warning: {idle_words(setting)}.")
    return code


def diff_presets(first: str, second: str) -> None:
    """Write the settings in which two presets differ.

    Raises:
        UsageError: one of them does not exist or cannot be used.
    """
    one, other = presets.find(first), presets.find(second)
    differing = changes(presets.load(one), presets.load(other))
    if not differing:
        say("the two presets give the same settings")
        return
    names = (first, second) if one.name == other.name else (one.name, other.name)
    rows = [("SETTING", *names)]
    rows += [(key, in_words(a) or "empty", in_words(b) or "empty") for key, (a, b) in differing.items()]
    for line in aligned(rows, room=width(), shrink=(2, 1, 0)):
        say(line)
