"""Reading the declarations in `tui.core.settings`: what settings there are, and how text becomes a value.

One validator for the form, ``--set``, presets and a run's own file: each goes through `validated`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from tui.core.errors import UsageError, did_you_mean
from tui.core.refusal import SettingsError, fitting
from tui.core.settings import Settings
from tui.core.text import clean

NAME = "run.name"
"""What a run's name is called beside the settings; it is none."""

_NUMBER = re.compile(r"[+-]?(\d+(_\d+)*\.?\d*|\.\d+)([eE][+-]?\d+)?")

Kind = Literal["choice", "bool", "int", "float", "text", "numbers"]


@dataclass(frozen=True)
class Condition:
    """A setting has an effect only while another one has one of some values, or has none of them."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def met(self, settings: Settings) -> bool:
        """Whether it is so in these settings."""
        return (in_words(value_of(settings, self.key)) in self.values) is not self.negated

    @property
    def wanted(self) -> str:
        """What must be: ``optimizer.name is sgd or muon``."""
        return f"{self.key} is {'not ' * self.negated}{' or '.join(self.values)}"

    @property
    def missed(self) -> str:
        """What is instead: ``optimizer.name is not sgd or muon``."""
        return f"{self.key} is {'not ' * (not self.negated)}{' or '.join(self.values)}"


@dataclass(frozen=True)
class Setting:
    """One setting as the form, the help and the README show it."""

    key: str
    """Dotted: ``optimizer.learning_rate``."""
    group: str
    group_title: str
    title: str
    help: str
    unit: str
    kind: Kind
    default: Any
    choices: tuple[Any, ...]
    minimum: float | None
    maximum: float | None
    above: float | None
    """Exclusive lower limit."""
    below: float | None
    """Exclusive upper limit."""
    also: str
    """Words by which people look for it."""
    when: Condition | None
    """Without one the setting always has an effect."""

    @property
    def limits(self) -> str:
        """The allowed values in words: ``"8 to 1,024 px"``."""
        if self.kind == "choice":
            return ", ".join(str(choice) for choice in self.choices)
        if self.kind == "bool":
            return "true, false"
        if None not in (self.minimum, self.maximum):
            return f"{_number(self.minimum)} to {_number(self.maximum)} {self.unit}".rstrip()
        bounds = (
            ("above", self.above),
            ("at least", self.minimum),
            ("below", self.below),
            ("at most", self.maximum),
        )
        words = " and ".join(f"{word} {_number(bound)}" for word, bound in bounds if bound is not None)
        return f"{words} {self.unit}".strip()


def _number(bound: float | None) -> str:
    return f"{bound:,.0f}" if bound is not None and float(bound).is_integer() else f"{bound:g}"


@cache
def all_settings() -> dict[str, Setting]:
    """Return every setting by its dotted key, in the order of declaration."""
    found: dict[str, Setting] = {}
    for group, group_field in Settings.model_fields.items():
        model = group_field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for name, field in model.model_fields.items():
            extra = field.json_schema_extra
            assert isinstance(extra, dict)
            when = extra["when"]
            limits = {
                limit: getattr(constraint, limit)
                for constraint in field.metadata
                for limit in ("ge", "le", "gt", "lt")
                if getattr(constraint, limit, None) is not None
            }
            kind, choices = _kind(field.annotation)
            found[f"{group}.{name}"] = Setting(
                key=f"{group}.{name}",
                group=group,
                group_title=group_field.title or group,
                title=field.title or name,
                help=field.description or "",
                unit=str(extra["unit"]),
                kind=kind,
                default=field.default,
                choices=choices,
                minimum=limits.get("ge"),
                maximum=limits.get("le"),
                above=limits.get("gt"),
                below=limits.get("lt"),
                also=str(extra["also"]),
                when=Condition(str(when[0]), tuple(map(str, when[1:])), extra["unless"] is True)
                if isinstance(when, list)
                else None,
            )
    return found


def _kind(annotation: Any) -> tuple[Kind, tuple[Any, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if get_origin(annotation) is tuple:
        return "numbers", ()
    return {bool: "bool", int: "int", float: "float", str: "text"}[annotation], ()  # type: ignore[return-value]


def value_of(settings: Settings, key: str) -> Any:
    """Return the value of the setting with the dotted ``key``."""
    group, name = key.split(".")
    return getattr(getattr(settings, group), name)


def in_effect(settings: Settings, setting: Setting) -> bool:
    """Whether ``setting`` changes anything in these settings (momentum does nothing for Adam)."""
    return setting.when is None or setting.when.met(settings)


def idle_words(setting: Setting) -> str:
    """Return the sentence, without a full stop, for a setting that has no effect because of another one."""
    assert setting.when is not None
    return f"{setting.key} has no effect: {setting.when.missed}"


def flattened(settings: Settings) -> dict[str, Any]:
    """Return ``{dotted key: value}`` of all settings."""
    return {key: value_of(settings, key) for key in all_settings()}


def changes(old: Settings, new: Settings) -> dict[str, tuple[Any, Any]]:
    """Return ``{dotted key: (old value, new value)}`` of the settings that differ."""
    before, after = flattened(old), flattened(new)
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def nested(settings: Settings, *, base: Settings | None = None) -> dict[str, dict[str, Any]]:
    """Return ``{group: {name: value}}`` ready for TOML; with ``base`` only what differs from it."""
    chosen = flattened(settings) if base is None else {k: new for k, (_, new) in changes(base, settings).items()}
    table: dict[str, dict[str, Any]] = {}
    for key, value in chosen.items():
        group, name = key.split(".")
        table.setdefault(group, {})[name] = list(value) if isinstance(value, tuple) else value
    return table


def parse_value(key: str, text: str) -> Any:
    """Turn what a person typed for ``key`` into the value TOML would give; ``.5``, ``1e5`` steps and lists too.

    Raises:
        UsageError: there is no such setting.
    """
    setting = known_key(key)
    text = text.strip()
    if setting.kind == "text" or (setting.kind == "choice" and all(isinstance(c, str) for c in setting.choices)):
        return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text
    if setting.kind == "numbers":
        parts = re.split(r"[\s,]+", text.removeprefix("[").removesuffix("]").strip(" ,"))
        return [float(part) for part in parts if part] if all(map(_is_number, filter(None, parts))) else text
    if setting.kind in ("int", "float") and _is_number(text):
        value = float(text)
        return int(value) if setting.kind == "int" and value.is_integer() else value
    try:
        return tomllib.loads(f"value = {text.lower() if setting.kind == 'bool' else text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # the validator says what is wrong with it


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def known_key(key: str) -> Setting:
    """Return the declaration of ``key``.

    Raises:
        UsageError: there is no such setting; the closest is suggested.
    """
    settings = all_settings()
    if key in settings:
        return settings[key]
    if key == NAME:
        raise UsageError("Unknown setting", f'"{key}": a run\'s name is none', "Give it with --name NAME.")
    raise UsageError("Unknown setting", f'"{clean(key, 80)}"', _suggest_key(key))


def _suggest_key(key: str) -> str:
    settings = all_settings()
    group, _, name = key.rpartition(".")
    in_group = [s.key.split(".")[1] for s in settings.values() if s.group == group]
    elsewhere = [s.key for s in settings.values() if s.key.split(".")[1] == name]
    elsewhere = elsewhere or [s.key for s in settings.values() if name.casefold() in s.also.split()]
    if elsewhere:
        hint = f'did you mean "{elsewhere[0]}"?'
    elif in_group and (near := did_you_mean(name, in_group)):
        hint = near.replace('"', f'"{group}.', 1)
    elif not group and (near := did_you_mean(name, (by_name := {k.split(".")[1]: k for k in settings}))):
        typed = near.split('"')[1]
        hint = near.replace(f'"{typed}"', f'"{by_name[typed]}"')
    else:
        hint = did_you_mean(key, settings) or "`cnntrain presets show cpu-quick --all` lists every setting"
    return hint[0].upper() + hint[1:] if hint.startswith("did") else f"{hint}."


def validated(values: Mapping[str, Any], *, source: str, base: Settings | None = None) -> Settings:
    """Return ``base`` (or the defaults) with ``values`` laid over it, checked.

    Args:
        values: ``{group: {name: value}}`` as TOML gives it; values keep TOML's types.
        source: what is being read, for the message: a file's path, ``--set``, a form.

    Raises:
        SettingsError: every problem in one sentence, with the closest known name for an unknown one.
    """
    problems: list[str] = []
    usual = base or Settings()
    merged: dict[str, dict[str, Any]] = nested(usual)
    known = all_settings()
    for group, table in values.items():
        if group not in Settings.model_fields:
            hint = did_you_mean(group, Settings.model_fields) or f"the groups are {', '.join(Settings.model_fields)}"
            problems.append(f'unknown group "{clean(str(group), 60)}", {hint}')
        elif not isinstance(table, Mapping):
            problems.append(f'"{group}" must be a table of settings, like [{group}]')
        else:
            for name, value in table.items():
                if f"{group}.{name}" in known:
                    merged[group][name] = value
                else:
                    key = clean(f"{group}.{name}", 80)
                    problems.append(f'unknown setting "{key}", {_suggest_key(key).rstrip(".").replace("Did", "did")}')
    settings, more = fitting(merged, known, usual, whole=not problems)
    if settings is None or problems:
        raise SettingsError(source, [*problems, *more], known)
    return settings


def with_changes(settings: Settings, new: Mapping[str, Any], *, source: str) -> Settings:
    """Return ``settings`` with the dotted keys in ``new`` set, checked.

    Raises:
        UsageError: an unknown key, or a value that the setting refuses.
    """
    table: dict[str, dict[str, Any]] = {}
    for key, value in new.items():
        known_key(key)
        group, name = key.split(".")
        table.setdefault(group, {})[name] = value
    return validated(table, source=source, base=settings)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Turn ``["optimizer.learning_rate=0.1", ...]`` into ``{dotted key: value}``.

    Raises:
        UsageError: an assignment has no ``=`` or an unknown key.
    """
    new: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(
                "A setting cannot be read",
                f'"{clean(assignment, 80)}" has no "="',
                "Write --set section.key=value, as in --set training.epochs=5.",
            )
        new[key.strip()] = parse_value(key.strip(), text)
    return new


def in_words(value: Any) -> str:
    """Return a setting's value as it is typed: ``0.05``, ``true``, ``0.4, 0.5, 0.5``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, (tuple, list)):
        return ", ".join(in_words(item) for item in value)
    return str(value)
