"""What a survey and a check have found, in words and in bars; no widget here."""

from __future__ import annotations

from collections.abc import Collection

from textual.content import Content

from tui.app.checkup import Checkup
from tui.app.samples import value_words, values_of
from tui.app.survey import Survey
from tui.core.dataset.findings import DONE, Finding
from tui.core.dataset.problems import many, names_of
from tui.core.dataset.samples import DIVIDED
from tui.core.dataset.scan import Scan
from tui.core.dataset.sizes import Sizes
from tui.core.settings import Settings
from tui.core.text import clean

SIGNS = {"error": ("✗", "$text-error"), "warning": ("!", "$text-warning"), "info": ("·", "$foreground-muted")}
_BINS = 10


def summary(survey: Survey | None, findings: Collection[Finding] = ()) -> Content:
    """Return what is in the folder, in a few lines; a warning that is one of the ``findings`` is told there."""
    if survey is None:
        return Content.styled(
            "Choose a folder that holds one folder per class, or train, val and test folders of them; "
            "or a list file of pictures and what they show.",
            "$foreground-muted",
        )
    if survey.error:
        return Content.styled(f"✗ {clean(survey.error, 600)}", "$text-error")
    if survey.scan is None:
        return Content("Stopped.") if survey.cancelled else progress(survey)
    lines = [
        Content.styled(_count_words(survey.scan), "bold"),
        Content(_layout_words(survey.scan, survey.settings)),
        Content(" · ".join(f"{name} {count:,}" for name, count in survey.splits.items() if count)),
        Content(clean(survey.scan.described, 400)),
        Content(_size_words(survey.sizes) if survey.sizes else "measuring sizes…" if survey.measured else ""),
    ]
    if survey.warning and not any(_same(survey.warning, finding.text) for finding in findings):
        lines.append(Content.styled(f"! {clean(survey.warning, 400)}", "$text-warning"))
    if len(survey.scan.target_names) > 1:
        below = f"below: the values of {names_of(survey.scan.target_names[:1])}"
        lines.append(Content.styled(below, "$foreground-muted"))
    return Content("\n").join(words for words in lines if words.plain)


def _same(warning: str, found: str) -> bool:
    """Whether a refusal, its title first, and a finding, which may have none, are one sentence."""
    return clean(warning).rstrip(".").endswith(found.rstrip("."))


def progress(survey: Survey) -> Content:
    """Return how far it is. How many files there are in all is not known before: the bar only shows that it moves."""
    width = 24
    at = (survey.seen // 512) % (2 * (width - 6))
    at = min(at, 2 * (width - 6) - at)
    if survey.cancelled:
        return Content("Stopped.")
    return Content.assemble(
        f"Looking through it… {survey.seen:,} files\n",
        ("─" * at, "$border-blurred"),
        ("━" * 6, "$primary"),
        ("─" * (width - 6 - at), "$border-blurred"),
        ("  Escape stops", "$foreground-muted"),
    )


def bars(scan: Scan) -> tuple[list[str], list[int]]:
    """Return names and counts: of the classes, or for numbers of equal parts of their range."""
    if scan.task != "regression":
        return list(scan.classes), [sum(counts) for counts in zip(*scan.counts.values(), strict=True)]
    values = sorted(values_of(scan))
    if not values:
        return [], []
    low, high = values[0], values[-1]
    if low == high:
        return [value_words(low)], [len(values)]
    edges = [low + (high - low) * number / _BINS for number in range(_BINS + 1)]
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int((value - low) / (high - low) * _BINS))] += 1
    return [f"{value_words(edges[bin])} – {value_words(edges[bin + 1])}" for bin in range(_BINS)], counts


def told(finding: Finding, left_out: int = 0) -> Content:
    """Return a finding with what is done about it."""
    sign, style = SIGNS[finding.severity]
    parts: list[Content | tuple[str, str]] = [(f"{sign} ", style), Content(clean(finding.text, 400))]
    if finding.code != "unusable":
        parts.append((f" {DONE[finding.action]}", "$accent" if finding.action != "keep" else "$foreground-muted"))
    if left_out:
        parts.append((f" ✗ {left_out:,} left out", "$text-success"))
    return Content.assemble(*parts)


def check_words(checkup: Checkup | None) -> Content:
    """Return how far a check is, or what came of it, on one line."""
    if checkup is None:
        return Content("")
    heading = ("Check ", "bold $primary")
    if checkup.error:
        return Content.assemble(heading, (f"✗ {clean(checkup.error, 200)}", "$text-error"))
    if checkup.cancelled:
        return Content.assemble(heading, ("stopped; ^r decodes every picture", "$foreground-muted"))
    report = checkup.report
    if report is None:
        of = f" of {checkup.total:,}" if checkup.total else ""
        return Content.assemble(heading, f"{checkup.stage or 'begins'}: {checkup.count:,}{of}")
    style = {"clean": "$text-success", "findings": "$text-warning", "unusable": "$text-error"}[report.verdict]
    serious = sum(finding.severity != "info" for finding in report.findings)
    verdict = {"clean": "clean", "findings": many(serious, "finding"), "unusable": "not usable"}
    words = Content.assemble(heading, (verdict[report.verdict], style))
    if report.deep:
        words = words.append(Content.styled(" all decoded", "$foreground-muted"))
    else:
        words = words.append(
            Content.assemble((" headers only, ", "$foreground-muted"), ("^r", "bold $accent"), " decodes all")
        )
    if report.exclude:
        words = words.append(Content.assemble(" ", ("^o", "bold $accent"), f" leave out {len(report.exclude):,}"))
    return words


def _count_words(scan: Scan) -> str:
    pictures = many(scan.total, "picture")
    if scan.task == "regression":
        names = ", ".join(clean(name, 24) for name in scan.target_names[:4])
        return f"{pictures}, {many(len(scan.target_names), 'number')} to learn: {names}"
    if scan.task == "multilabel":
        return f"{many(len(scan.classes), 'label')}, {pictures}"
    return f"{many(len(scan.classes), 'class')}, {pictures}"


def _layout_words(scan: Scan, settings: Settings) -> str:
    if scan.layout in DIVIDED:
        where = ", ".join(scan.counts)
        return f"in the folders {where}" if scan.layout == "split_folders" else f"{where} folders in each class"
    how = "a list file" if scan.layout == "list" else "one folder per class"
    if "all" not in scan.samples:
        return f"{how}, divided already: {', '.join(scan.samples)}"
    validation, test = round(100 * settings.data.validation_fraction), round(100 * settings.data.test_fraction)
    return f"{how}, divided {100 - validation - test}/{validation}/{test}"


def _size_words(sizes: Sizes) -> str:
    if not sizes.measured:
        return "no picture could be measured"
    (w_low, w_mid, w_high), (h_low, h_mid, h_high) = sizes.width, sizes.height
    modes = ", ".join(clean(mode, 12) for mode in list(sizes.modes)[:4])
    if (w_low, h_low) == (w_high, h_high):
        return f"all {w_low}×{h_low} px, {modes}"
    return f"{w_mid}×{h_mid} px in the middle, {w_low}–{w_high} × {h_low}–{h_high}, {modes}"
