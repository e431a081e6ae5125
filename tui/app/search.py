"""Finding names by what is typed; no widget here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

_NEAR = 0.6
"""How alike two words are at least, from 0 to 1, for the one to be a slip of the other."""

_ENOUGH = 0.5
"""Of the best score: what has less is not offered."""
_MOST = 12


def matching(choices: Sequence[str], typed: str, more: Mapping[str, str] | None = None) -> list[str]:
    """Return the choices that contain every word that was typed; those that start with it come first.

    Then come those in which a word starts with it as it was typed, those that have it as their initials, and in the
    end those of which ``more`` says every word. Without ``more``, where no choice has the words, those are meant that
    have its letters in their order.
    """
    words = [letters(word) for word in re.split(r"[\s_-]+", typed) if letters(word)]
    found = [choice for choice in choices if all(word in letters(choice) for word in words)]
    if more and words:
        whole = {choice: f" {_spoken(choice)} {_spoken(more.get(choice, ''))}" for choice in choices}
        said = (choice for choice in choices if all(f" {word}" in whole[choice] for word in _words(typed)))
        initial = (choice for choice in choices if _initials(choice).startswith(letters(typed)))
        found = list(dict.fromkeys([*found, *initial, *said]))
    elif not found:
        found = [choice for choice in choices if _in_order(letters(typed), letters(choice))]
    return sorted(found, key=lambda choice: _rank(choice, words, typed.strip().casefold()))


def _rank(choice: str, words: Sequence[str], literally: str) -> int:
    """Return how near a choice is to what was typed, 0 for the nearest."""
    typed, own = "".join(words), letters(choice)
    if own.startswith(typed):
        return 0
    if re.search(rf"(?<![^\W_]){re.escape(literally)}", choice.casefold()):  # from the start of a word on
        return 1
    if _initials(choice).startswith(typed):
        return 2
    if literally in choice.casefold():
        return 3
    return 4 if all(word in own for word in words) else 5


def _initials(choice: str) -> str:
    return "".join(word[0] for word in _words(choice))


def nearest(choices: Sequence[str], typed: str) -> list[str]:
    """Return the choices that have some of the words that were typed, slips allowed, the most alike first.

    The last word counts most: of ``compute.device`` that is what it is about, the rest where it was looked for.
    """
    wanted, name = _words(typed), letters(typed.rpartition(".")[2])
    scores = {choice: _score(wanted, _words(choice)) + 2 * (name in letters(choice)) for choice in choices}
    least = max(_ENOUGH * max(scores.values(), default=0), _NEAR)
    found = sorted((choice for choice in choices if scores[choice] >= least), key=lambda choice: -scores[choice])
    return found[:_MOST]


def _score(wanted: Sequence[str], words: Sequence[str]) -> float:
    return sum((2 if place == len(wanted) - 1 else 1) * _alike(word, words) for place, word in enumerate(wanted))


def _alike(word: str, words: Sequence[str]) -> float:
    """Return 1 for a word that is there, less for one like it, 0 for none."""
    if word in words:
        return 1.0
    close = difflib.get_close_matches(word, words, n=1, cutoff=_NEAR)
    return difflib.SequenceMatcher(None, word, close[0]).ratio() if close else 0.0


def _in_order(wanted: str, text: str) -> bool:
    left = iter(text)
    return all(letter in left for letter in wanted)


def _words(text: str) -> list[str]:
    return _spoken(text).split()


def _spoken(text: str) -> str:
    """Return the words of a text, small, with a blank between them."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def letters(text: str) -> str:
    """Return the letters and digits of a text, small."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())
