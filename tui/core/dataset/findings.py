"""What the check of a dataset finds, with what is done about it by default and which setting changes that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tui.core.dataset.problems import Problem, Severity, many, names_of

Action = Literal["skip", "convert", "refuse", "keep"]

DONE: dict[Action, str] = {
    "skip": "skipped",
    "convert": "converted",
    "refuse": "refused",
    "keep": "kept as it is",
}

RULES: dict[str, tuple[Action, str]] = {
    # From the scan.
    "unusable": ("refuse", ""),
    "wrapped": ("keep", ""),
    "extra_folder": ("skip", ""),
    "no_validation": ("keep", "data.validation_fraction"),
    "no_test": ("keep", ""),
    "datasets": ("keep", ""),
    "excluded": ("skip", "data.exclude"),
    "exclude_unknown": ("keep", "data.exclude"),
    "empty_file": ("skip", ""),
    "broken_link": ("skip", ""),
    "closed": ("skip", ""),
    "visited_before": ("skip", ""),
    "outside": ("skip", "data.follow_links"),
    "outside_used": ("keep", "data.follow_links"),
    "not_pictures": ("skip", ""),
    "hidden": ("skip", ""),
    "loose": ("skip", ""),
    "flat_split": ("skip", "data.list"),
    "empty_class": ("skip", "data.empty_classes"),
    "one_class": ("refuse", ""),
    "class_unknown": ("refuse", ""),
    "undivided": ("refuse", "data.layout"),
    "class_missing": ("keep", ""),
    "name_collision": ("keep", ""),
    # From list files.
    "list_line": ("skip", ""),
    "list_split": ("skip", "data.split_column"),
    "list_missing": ("skip", "data.list_root"),
    "list_outside": ("skip", "data.follow_links"),
    "list_ending": ("keep", ""),
    "list_ambiguous": ("skip", ""),
    "list_ignored": ("skip", "data.list"),
    "list_places": ("keep", ""),
    "list_label": ("skip", "data.label_columns"),
    "list_duplicate": ("skip", ""),
    "list_contradiction": ("skip", "data.task"),
    "list_two_splits": ("keep", ""),
    "list_unlisted": ("skip", ""),
    "list_unused": ("skip", ""),
    "list_encoding": ("keep", ""),
    "moved_targets": ("keep", "data.flip"),
    "target_constant": ("keep", "data.label_columns"),
    "no_labels": ("keep", ""),
    # From the files.
    "unreadable": ("skip", ""),
    "not_a_picture": ("skip", ""),
    "damaged": ("skip", ""),
    "unsupported": ("skip", ""),
    "bomb": ("skip", ""),
    "class_unreadable": ("keep", ""),
    "greyscale": ("convert", "data.channels"),
    "palette": ("convert", ""),
    "alpha": ("convert", ""),
    "cmyk": ("convert", ""),
    "16_bit": ("convert", ""),
    "float": ("convert", ""),
    "rotated": ("convert", ""),
    "animated": ("convert", ""),
    "elongated": ("convert", "data.resize"),
    "checksum": ("keep", ""),
    "misnamed": ("keep", ""),
    # From comparing them.
    "imbalance": ("keep", ""),
    "leak": ("keep", "data.exclude"),
    "contradiction": ("keep", "data.exclude"),
    "duplicate": ("keep", "data.exclude"),
    "nearly_equal": ("keep", "data.exclude"),
    "alike": ("keep", "data.exclude"),
}
"""{code: (what is done by default, the setting that changes it, if there is one)}."""


@dataclass(frozen=True)
class Finding:
    """Something that the check has found."""

    code: str
    """A key of `RULES`."""
    severity: Severity
    """``info`` is a note: it does not make a dataset unclean."""
    text: str
    """One sanitized sentence."""
    paths: tuple[str, ...] = ()
    """All that it is about, raw and relative to the root (at most a hundred of what a scan passes over)."""
    groups: tuple[tuple[str, ...], ...] = ()
    """For copies: which belong together."""
    decided: Action | None = None
    """What is done about this one, if that is not what `RULES` say."""

    @property
    def action(self) -> Action:
        """What is done about it by default."""
        return self.decided or RULES[self.code][0]

    @property
    def setting(self) -> str:
        """The dotted key of the setting that changes it; empty: none does."""
        return RULES[self.code][1]

    @property
    def done(self) -> str:
        """What is done about it and what changes that, as a clause."""
        done = self.action
        return f"{DONE[done]}; {self.setting} changes that" if self.setting else DONE[done]


def of_problem(problem: Problem) -> Finding:
    """Return what a scan has found as a finding."""
    text = f"{problem.text} {problem.step}" if problem.step else problem.text
    action: Action | None = "refuse" if problem.severity == "error" else None
    return Finding(problem.code, problem.severity, text, problem.paths, decided=action)


TRAITS = {
    "greyscale": ("is greyscale", "are greyscale", "made RGB, or kept grey with data.channels = 1"),
    "palette": ("has a palette", "have a palette", "made RGB"),
    "alpha": ("has transparent parts", "have transparent parts", "laid over white"),
    "cmyk": ("is CMYK", "are CMYK", "made RGB"),
    "16_bit": ("has 16 bits per value", "have 16 bits per value", "scaled to 8"),
    "float": ("has floating point values", "have floating point values", "scaled from 0..1 or 0..255 to 8 bits"),
    "rotated": ("is rotated by EXIF data", "are rotated by EXIF data", "turned, in training and prediction alike"),
    "animated": ("has several frames", "have several frames", "the first one is used"),
    "checksum": (
        "does not agree with its checksums",
        "do not agree with their checksums",
        "some bits were changed after it was written; it opens, perhaps with wrong colours",
    ),
    "elongated": (
        "is more than three times as long as wide",
        "are more than three times as long as wide",
        "brought to a square as data.resize says",
    ),
}


def unusual(code: str, paths: Sequence[str]) -> Finding:
    """Return the finding about pictures that can be used and are not plain RGB pictures."""
    one, several, how = TRAITS[code]
    text = f"{many(len(paths), 'picture')} {one if len(paths) == 1 else several} ({how}): {names_of(paths, 2)}."
    return Finding(code, "warning" if code == "checksum" else "info", text, tuple(paths))


FAULTS = {
    "unreadable": ("cannot be read", "cannot be read"),
    "empty_file": ("is empty", "are empty"),
    "not_a_picture": ("has a picture's name and is none", "have a picture's name and are none"),
    "damaged": ("is damaged or cut short", "are damaged or cut short"),
    "unsupported": ("is of a kind that is not supported", "are of a kind that is not supported"),
    "bomb": ("is too large to be opened", "are too large to be opened"),
}


def faulty(code: str, reasons: Sequence[tuple[str, str]]) -> Finding:
    """Return the finding about files that cannot be used, from (path, reason) of each."""
    paths = [path for path, _ in reasons]
    one, several = FAULTS[code]
    text = f"{many(len(paths), 'file')} {one if len(paths) == 1 else several}: {names_of(paths, 3)} ({reasons[0][1]})."
    return Finding(code, "warning", text, tuple(paths))
