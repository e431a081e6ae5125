"""Why settings are refused: everything that is wrong with them at once, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tui.core.errors import UsageError, did_you_mean
from tui.core.settings import Settings
from tui.core.text import clean

if TYPE_CHECKING:
    from tui.core.schema import Setting

_KEY = re.compile(r"\b[a-z]+\.[a-z0-9_]+\b")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*")
_NOUNS = {"int": "a whole number", "float": "a number", "numbers": "a list of numbers", "text": "a text"}

_LIKE = {"numbers": "write them as 0.5, 0.25"}


class SettingsError(UsageError):
    """Settings were refused.

    Args:
        source: where they are from: a file's path, ``--set``, the form.
        problems: one sentence for each; each names the settings that it is about.
        known: the keys of all settings.
    """

    def __init__(self, source: str, problems: Iterable[str], known: Collection[str]) -> None:
        self.problems = tuple(problems)
        self._known = known
        super().__init__(f"The settings in {clean(source, 200)} cannot be used", "; ".join(self.problems))

    def by_setting(self) -> dict[str, str]:
        """Return ``{dotted key: sentence}`` for the settings that the problems name."""
        named = ((key, problem) for problem in reversed(self.problems) for key in _KEY.findall(problem))
        return {key: problem for key, problem in named if key in self._known}


def fitting(
    table: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Setting],
    usual: Settings,
    *,
    whole: bool = True,
) -> tuple[Settings | None, list[str]]:
    """Return the settings in a table, or None and everything that is wrong with them.

    How settings go together is looked at only where each is right for itself. So what was told is laid aside, with
    its usual value in its place, and the rest is looked at again; what then is wrong because of that value is not told.

    Args:
        table: ``{group: {name: value}}`` of known settings only, as TOML gives it.
        known: all settings by their dotted keys.
        usual: settings that can be used.
        whole: whether the table holds all that was meant; else only what a setting has wrong by itself is told.
    """
    values = {
        group: {name: tuple(value) if isinstance(value, list) else value for name, value in named.items()}
        for group, named in table.items()
    }
    told: list[str] = []
    aside: set[str] = set()
    while True:
        try:
            settings = Settings.model_validate(values, strict=True)
        except ValidationError as error:
            found = [(_sentence(one, known), one) for one in error.errors(include_url=False, include_context=True)]
        else:
            return (None if aside else settings), told
        before = frozenset(aside)
        for sentence, detail in found:
            keys = [key for key in (_key(detail), *_KEY.findall(sentence)) if key in known]
            if sentence not in told and before.isdisjoint(keys) and (whole or len(set(keys)) == 1):
                told.append(sentence)
            aside.update(next(([key] for key in keys if key not in before), []))
        if aside == before:
            return None, told
        for key in aside - before:
            group, name = key.split(".")
            values[group][name] = getattr(getattr(usual, group), name)


def _key(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"][:2])


def _sentence(detail: ErrorDetails, known: Mapping[str, Setting]) -> str:
    key = _key(detail)
    message = detail["msg"].removeprefix("Value error, ")
    setting = known.get(key)
    if setting is None:
        return message
    if detail["type"] == "value_error":
        return f"{key}: {message}"
    given = str(detail["input"])
    hint = did_you_mean(given, map(str, setting.choices)) if setting.choices else ""
    if setting.kind == "float" and _DECIMAL_COMMA.fullmatch(given):
        hint = f"write {given.strip().replace(',', '.')} with a decimal point"
    word, expected = _NOUNS.get(setting.kind, "one of"), setting.limits or _LIKE.get(setting.kind, setting.kind)
    shown = clean(repr(detail["input"]), 60)
    return f"{key} is {shown} but must be {word}: {expected}" + (f", {hint}" if hint else "")
