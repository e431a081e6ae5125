"""A run that is being set up: a preset, what was changed in it and how it is kept. The form shows one; no widget here.

What stands in each field is kept as typed, right or wrong. The settings are the last ones that were right as a
whole; what is wrong is known by setting, from the same validator that reads presets and ``--set``.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.core import schema
from tui.core.errors import UsageError
from tui.core.naming import safe_name
from tui.core.refusal import SettingsError
from tui.core.rundir import new_run
from tui.core.settings import Settings
from tui.core.text import clean, clean_path

if TYPE_CHECKING:
    from tui.core.dataset.scan import Scan
    from tui.core.summary import Summary

NAME = schema.NAME
DIRECTORY = "data.directory"

RUN_NAME = schema.Setting(
    key=NAME,
    group="run",
    group_title="Run",
    title="Name",
    help="What the run is called. Its directory gets this name with the time of the start in front.",
    unit="",
    kind="text",
    default="",
    choices=(),
    minimum=None,
    maximum=None,
    also="",
    above=None,
    below=None,
    when=None,
)


def fields() -> dict[str, schema.Setting]:
    """Return everything that can be set for a run by its key, in the order of the form."""
    return {NAME: RUN_NAME, **schema.all_settings()}


@dataclass
class Edit:
    """What was changed in one field until it was left."""

    key: str
    before: str
    after: str


class Draft:
    """A run being set up.

    Args:
        preset: the preset's name, as the command line takes it.
        base: the preset's settings; what differs from them is shown.
        root: where runs are kept.
        root_typed: what ``--runs`` is given in the command line; empty if it is not needed.
        settings: where to start from, if not from the preset.
        name: the run's name, if not the preset's.
        pictures: about how many it trained on, if it comes from a run.
    """

    def __init__(
        self,
        preset: str,
        base: Settings,
        *,
        root: Path,
        root_typed: str = "",
        settings: Settings | None = None,
        name: str = "",
        pictures: int = 0,
    ) -> None:
        self.preset = preset
        self.base = base
        self.root = root
        self.root_typed = root_typed
        self.settings = settings or base
        """The last settings that were right."""
        self.problems: dict[str, str] = {}
        """What is wrong, one sentence by setting; empty when the run can be started."""
        self.texts = {key: schema.in_words(value) for key, value in schema.flattened(self.settings).items()}
        """What stands in each field."""
        self.texts[NAME] = name or Path(preset).stem
        self.network: tuple[Settings, Summary] | None = None
        """What was last found out about the network, and with which settings."""
        self._effective = self.settings
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._editing = False
        self._scan: tuple[str, Scan] | None = None
        self._shown_directory = (clean_path(self.directory), self.directory)
        self._trained_on = (self.directory, pictures)
        self._missing: str | None = None
        self.texts[DIRECTORY] = self._shown_directory[0]
        self._kept = dict(self.texts)
        self._check()

    @property
    def name(self) -> str:
        """The run's name."""
        return self.texts[NAME].strip()

    @property
    def directory(self) -> str:
        """The folder of pictures; empty while none is chosen."""
        return self.settings.data.directory

    @property
    def edited(self) -> bool:
        """Whether something was changed here that would be lost."""
        return self.texts != self._kept

    def write(self, key: str, text: str) -> None:
        """Take what was typed for a setting and check everything anew."""
        before = self.texts[key]
        if text != before:
            self._undone.clear()
            if self._editing and self._done and self._done[-1].key == key:
                self._done[-1].after = text
            else:
                self._done.append(Edit(key, before, text))
            self._editing = True
        self.texts[key] = text
        self._check()

    def looked_for(self, directory: str, there: bool) -> None:
        """Take notice that there is such a folder, or none."""
        self._missing = None if there else directory
        self._check()

    @property
    def becomes(self) -> str:
        """What the run's directory is called after its time; empty where that is the name, or nothing is left of it."""
        name = safe_name(self.name)
        return name if name != self.name else ""

    def leave(self) -> None:
        """Take notice that another field is edited from now on: what was typed so far is one step for `undo`."""
        self._editing = False

    def undo(self) -> str | None:
        """Take the last step back; return the key of the field that changed, or None when there is no step."""
        return self._go(self._done, self._undone, lambda edit: edit.before)

    def redo(self) -> str | None:
        """Make the step again that was last taken back; return the key of the field that changed, or None."""
        return self._go(self._undone, self._done, lambda edit: edit.after)

    def _go(self, source: list[Edit], target: list[Edit], text: Callable[[Edit], str]) -> str | None:
        self._editing = False
        while source:
            edit = source.pop()
            target.append(edit)
            if self.texts[edit.key] != text(edit):  # typed and deleted again is no step
                self.texts[edit.key] = text(edit)
                self._check()
                return edit.key
        return None

    def original(self, key: str) -> str:
        """Return the preset's value as it is typed; the directory, which no preset has, as it was chosen."""
        if key == NAME:
            return Path(self.preset).stem
        if key == DIRECTORY:
            return self._shown_directory[0]
        return schema.in_words(schema.value_of(self.base, key))

    def use_directory(self, directory: Path, scan: Scan | None = None) -> None:
        """Choose the pictures; ``scan`` is what was found there. It is no edit for `undo`."""
        path = os.path.abspath(directory)
        self._scan = (path, scan) if scan is not None else None
        # The field shows what can be printed; the folder's name may hold more than that.
        self._shown_directory = (clean_path(path), path)
        self.texts[DIRECTORY] = self._kept[DIRECTORY] = clean_path(path)
        self.leave()
        self._check()

    @property
    def scan(self) -> Scan | None:
        """What was found in the directory that is set now; None if it was not looked through."""
        return self._scan[1] if self._scan is not None and self._scan[0] == self.directory else None

    @property
    def outputs(self) -> int | None:
        """How many outputs the network gets; None if nobody looked at the pictures."""
        if self.scan is None:
            return None
        return len(self.scan.target_names if self.scan.task == "regression" else self.scan.classes)

    @property
    def epoch_steps(self) -> int | None:
        """About how many steps an epoch has; None if nobody looked at the pictures."""
        if self.scan is None:
            directory, known = self._trained_on
            return max(1, known // self.settings.step_images) if known and directory == self.directory else None
        data = self.settings.data
        if "all" in self.scan.samples:
            pictures = self.scan.total * (1 - data.validation_fraction - data.test_fraction)
        else:
            kept = 0.0 if "validation" in self.scan.samples else data.validation_fraction
            pictures = len(self.scan.samples.get("train", ())) * (1 - kept)
        return max(1, int(pictures) // self.settings.step_images)

    def rebase(self, preset: str) -> None:
        """Take ``preset``, in which the settings were saved, as what they differ from."""
        if self.name == self.original(NAME):
            self.texts[NAME] = preset
        self._kept = dict(self.texts)
        self.preset = preset
        self.base = schema.with_changes(self.settings, {DIRECTORY: ""}, source="the preset")
        self._check()

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Return (the preset's value, ours) of the settings that differ; the directory is no part of a preset."""
        found = schema.changes(self.base, self.settings)
        found.pop(DIRECTORY, None)
        return found

    def differs(self, key: str) -> bool:
        """Whether what stands in the field is not what the preset says."""
        if key == DIRECTORY or self.texts[key].strip() == self.original(key):
            return False
        return key in self.problems or key == NAME or key in schema.changes(self.base, self._effective)

    def in_effect(self, key: str) -> bool:
        """Whether the setting changes anything, as the others stand."""
        if self.split_already(key):
            return False
        return key == NAME or schema.in_effect(self._effective, schema.known_key(key))

    def split_already(self, key: str) -> bool:
        """Whether the setting is a share that the dataset's folders or list decide, as far as they were looked at."""
        if self.scan is None or "all" in self.scan.samples:
            return False
        return key == "data.test_fraction" or (key == "data.validation_fraction" and "validation" in self.scan.samples)

    def command(self) -> list[str]:
        """Return the equivalent command, quoted for a shell: its beginning, then each option with its value."""
        options = [("--data", self.directory)] if self.directory else []
        options += [("--set", f"{key}={_literal(value)}") for key, (_, value) in self.changes().items()]
        if self.name != self.original(NAME):
            options.append(("--name", self.name))
        if self.root_typed:
            options.append(("--runs", self.root_typed))
        return [f"cnntrain train {_quoted(self.preset)}", *(f"{option} {_quoted(word)}" for option, word in options)]

    def command_line(self) -> str:
        """Return the equivalent command on one line."""
        return " ".join(self.command())

    def _check(self) -> None:
        self.problems = {}
        values = self._typed()
        try:
            self.settings = self._effective = schema.with_changes(self.base, values, source="the form")
        except SettingsError as error:
            self.problems = error.by_setting() or {DIRECTORY: "; ".join(error.problems)}
            self._effective = self._nearly(values)
        if not self.texts[DIRECTORY].strip():
            self.problems[DIRECTORY] = "Choose a folder of pictures."
        elif self.settings.data.directory == self._missing:
            self.problems.setdefault(DIRECTORY, f"There is no {clean_path(self._missing)}.")
        try:
            new_run(self.root, self.name)
        except UsageError:
            self.problems[NAME] = "The run's name needs at least one letter or digit."

    def _typed(self) -> dict[str, Any]:
        """Return what was typed for each setting as TOML would have it."""
        values = {key: schema.parse_value(key, self.texts[key]) for key in schema.all_settings()}
        shown, path = self._shown_directory
        if self.texts[DIRECTORY] == shown:
            values[DIRECTORY] = path
        elif values[DIRECTORY]:
            values[DIRECTORY] = os.path.abspath(os.path.expanduser(values[DIRECTORY]))
        return values

    def _nearly(self, values: Mapping[str, Any]) -> Settings:
        """Return the last right settings with all that can be laid over them: they tell what has an effect."""
        settings = self.settings
        right = {key: value for key, value in values.items() if key not in self.problems}
        try:
            return schema.with_changes(settings, right, source="the form")
        except UsageError:
            pass  # they do not go together with what is left of the last right settings
        for key, value in right.items():
            try:
                settings = schema.with_changes(settings, {key: value}, source="the form")
            except UsageError:
                continue
        return settings


def _literal(value: Any) -> str:
    words = schema.in_words(value)
    return f"[{words}]" if isinstance(value, tuple) else words


def _quoted(word: str) -> str:
    """Quote a word for a shell, which makes the home directory of ``~/`` only where that is not quoted."""
    home = os.path.expanduser("~") + os.sep
    if word.startswith(home) and home != os.sep * 2:
        return f"~/{shlex.quote(word.removeprefix(home))}" if word != home else "~/"
    return shlex.quote(word)


def problem_words(draft: Draft, key: str) -> str:
    """Return what is wrong with a setting, safe to show; empty when nothing is."""
    problem = draft.problems.get(key, "")
    if "." not in problem.partition(" ")[0]:  # else it starts with a setting's key, which stays as it is
        problem = problem[:1].upper() + problem[1:]
    return clean(problem, 300)
