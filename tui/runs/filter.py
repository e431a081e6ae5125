"""Which runs are meant: ``optimizer.lr>=1e-3 and best.accuracy>0.7 and state==finished``, read and never evaluated.

    filter      all of several words or comparisons, joined by and, or, not and parentheses
    comparison  field operator value, with = == != < <= > >= and ~ (contains)
    word        runs with that text in their name, preset, pictures, note or state

`tui.runs.fields` says which fields there are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui.core.errors import UsageError, did_you_mean
from tui.core.text import clean
from tui.runs.fields import Field, Subject, known_field

if TYPE_CHECKING:
    from tui.runs.catalog import Summary

Test = Callable[[Subject], bool]

HELP = (
    "A filter compares fields with = != < <= > >= or ~ (contains), joined by and, or, not and parentheses: "
    "optimizer.lr>=1e-3 and best.accuracy>70% and state=finished. Fields are the settings (also without "
    "their group, or by initials: lr), best.METRIC, last.METRIC and test.METRIC, and state, name, preset, data, task, "
    "note, pinned, step and epoch. A word alone is searched for in names, presets, pictures, notes and states; pinned "
    "finds those that are."
)
_LONGEST = 2000
_DEEPEST = 50
_TOKEN = re.compile(r"""\s*(?:(?P<mark><=|>=|==|!=|[<>=~()])|(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s<>=!~()"']+))""")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?%?", re.ASCII)
_ORDERED: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b or math.isclose(a, b, rel_tol=1e-9),
    "!=": lambda a, b: not (a == b or math.isclose(a, b, rel_tol=1e-9)),
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SIGNS = {"and": ("&", "&&"), "or": ("|", "||")}
"""What programmers type for a word."""
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class FilterError(UsageError):
    """A filter cannot be read.

    Args:
        cause: what is wrong, naming the text.
        column: where, counted from 1.
        hint: what to write instead.
    """

    def __init__(self, cause: str, column: int, hint: str = "") -> None:
        super().__init__("The filter cannot be read", f"{cause} (column {column})", hint)
        self.column = column


@dataclass(frozen=True)
class _Token:
    kind: str
    """mark, quoted or word; end behind the last."""
    text: str
    column: int


class Filter:
    """A filter that was read.

    Args:
        text: as a person typed it; an empty one fits every run.

    Raises:
        FilterError: it cannot be read.
    """

    def __init__(self, text: str) -> None:
        self._test: Test = _Reader(text).read() if text.strip() else lambda subject: True

    def fits(self, summary: Summary) -> bool:
        """Whether a run is meant. Its settings are read from its directory if the filter asks for any."""
        return self._test(Subject(summary))


class _Reader:
    """Goes over the text once, from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def read(self) -> Test:
        test = self._any()
        if self._next.kind != "end":
            raise FilterError(f'"{self._next.text}" closes nothing', self._next.column, "Take it away.")
        return test

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _is(self, word: str) -> bool:
        return self._next.kind == "word" and self._next.text.lower() in (word, *_SIGNS.get(word, ()))

    def _any(self) -> Test:
        tests = [self._all()]
        while self._is("or"):
            self._take()
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._is("and") or (self._next.kind in ("word", "quoted") and not self._is("or")) or self._opens():
            if self._is("and"):
                self._take()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda subject: all(test(subject) for test in tests)

    def _opens(self) -> bool:
        return self._next.kind == "mark" and self._next.text == "("

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FilterError("it goes too deep", self._next.column, "Use fewer parentheses.")
        try:
            if self._is("not"):
                self._take()
                test = self._one()
                return lambda subject: not test(subject)
            if self._opens():
                opened = self._take()
                test = self._any()
                if self._take().text != ")":
                    raise FilterError('"(" is not closed', opened.column, 'Add a ")".')
                return test
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        left = self._value("a word or a comparison")
        if self._next.kind != "mark" or self._next.text in "()":
            return _search(left.text)
        operator = self._take()
        right = self._value(f'a value after "{operator.text}"')
        sign = {"=": "=="}.get(operator.text, operator.text)
        if left.kind == "word" and right.kind == "word" and _number(left.text) is not None is _number(right.text):
            left, right, sign = right, left, _MIRRORED.get(sign, sign)  # 0.7<best.accuracy
        if self._next.kind == "mark" and self._next.text not in "()":
            raise FilterError("two comparisons in one", self._next.column, 'Join them with "and".')
        return _compared(left, operator, sign, right)

    def _value(self, wanted: str) -> _Token:
        token = self._take()
        joined = token.kind == "word" and token.text.lower() in ("and", "or", *_SIGNS["and"], *_SIGNS["or"])
        if token.kind in ("end", "mark") or joined:
            there = f'there is "{token.text}"' if token.text else "there is nothing"
            raise FilterError(f"{there} where {wanted} should be", token.column, "For example: best.accuracy>0.7.")
        return token


def _tokens(text: str) -> list[_Token]:
    if len(text) > _LONGEST:
        raise FilterError(f"it has {len(text):,} characters", _LONGEST, f"Use at most {_LONGEST:,}.")
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            left = text[at:].lstrip()
            hint = 'Write != or "not".' if left.startswith("!") else "Close the quotation mark."
            raise FilterError(f'"{clean(left, 20)}" cannot be read', len(text) - len(left) + 1, hint)
        kind = str(found.lastgroup)
        part = found[kind]
        tokens.append(_Token(kind, part[1:-1] if kind == "quoted" else part, found.start(kind) + 1))
        at = found.end()
    return [*tokens, _Token("end", "", len(text) + 1)]


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _search(text: str) -> Test:
    wanted = text.casefold()

    def test(subject: Subject) -> bool:
        one = subject.summary
        return (one.pinned and wanted == "pinned") or any(
            wanted in part.casefold() for part in (one.name, one.preset, one.dataset, one.note, one.status)
        )

    return test


def _compared(left: _Token, operator: _Token, sign: str, right: _Token) -> Test:
    try:
        field = known_field(left.text)
    except UsageError as error:
        raise FilterError(error.cause, left.column, error.next_step) from None
    if field.kind == "number":
        return _number_compared(field, operator, sign, right)
    if field.kind == "flag":
        return _flag_compared(field, operator, sign, right)
    return _text_compared(field, operator, sign, right)


def _number_compared(field: Field, operator: _Token, sign: str, right: _Token) -> Test:
    wanted = _number(right.text)
    if sign == "~":
        raise FilterError(f"{field.name} is a number, which contains nothing", operator.column, "Use = or < or >.")
    if wanted is None:
        shown = clean(right.text, 40)
        raise FilterError(f'{field.name} is a number, and "{shown}" is none', right.column, "Write one, as 0.05.")
    compare = _ORDERED[sign]

    def test(subject: Subject) -> bool:
        value = field.get(subject)
        return isinstance(value, (int, float)) and compare(value, wanted)

    return test


def _flag_compared(field: Field, operator: _Token, sign: str, right: _Token) -> Test:
    word = right.text.lower()
    if sign not in ("==", "!="):
        raise FilterError(f"{field.name} is true or false", operator.column, "Use = or !=.")
    if word not in (*_TRUE, *_FALSE):
        raise FilterError(f'{field.name} is true or false, not "{clean(right.text, 40)}"', right.column, "Write true.")
    wanted = (word in _TRUE) == (sign == "==")
    return lambda subject: field.get(subject) is wanted


def _text_compared(field: Field, operator: _Token, sign: str, right: _Token) -> Test:
    wanted = right.text.casefold()
    if sign in _MIRRORED:
        raise FilterError(f"{field.name} is a text", operator.column, "Use = != or ~ (contains).")
    if sign != "~" and field.choices and wanted not in field.choices:
        near = did_you_mean(wanted, field.choices).replace("did", "Did", 1)
        cause = f'{field.name} is never "{clean(right.text, 40)}"'
        raise FilterError(cause, right.column, near or f"There are {', '.join(field.choices)}.")

    def test(subject: Subject) -> bool:
        values = [_words(value) for value in field.all_of(subject)]
        if sign == "~":
            return any(wanted in value for value in values)
        return bool(values) and (wanted in values) == (sign == "==")

    return test


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value))
    return str(value).casefold()
