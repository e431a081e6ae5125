"""Panels of a few bars: where a step's time goes, and how busy the machine is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.app.format import size
from tui.app.palette import Tone
from tui.app.widgets.panel import Panel, Row, Run, ScrollPanel, fit

if TYPE_CHECKING:
    from tui.core.rundir import RunDir
    from tui.runs.machine import Observed, Sample

Bar = tuple[str, float | None, Tone, str]
"""Name, share from 0 to 1 (None where there is no bar), tone, and what is written behind it."""


def bar_rows(bars: Sequence[Bar], width: int) -> list[Row]:
    """Return a row for each bar."""
    name = max((len(label) for label, *_ in bars), default=0)
    said = max((len(text) for *_, text in bars), default=0)
    room = width - name - said - 2
    rows: list[Row] = []
    for label, share, tone, text in bars:
        row: list[Run] = [(f"{label:<{name}} ", "muted")]
        if share is None or room < 4:
            rows.append((*row, (fit(text, width - name - 1), "text")))
            continue
        halves = round(min(1.0, max(0.0, share)) * 2 * room)
        filled = "━" * (halves // 2) + "╸" * (halves % 2)
        row += [(filled, tone), ("─" * (room - len(filled)), "faint"), (f" {text:>{said}}", "text")]
        rows.append(tuple(row))
    return rows


class Spending(Panel):
    """Where the time of a step goes, and what holds the training up."""

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(title, number, id=id)
        self._bars: list[Bar] = []
        self._verdict: tuple[str, Tone] = ("", "muted")
        self._at: int | None = None

    def show(self, wait: float | None, diagnostics: float | None, logging: float | None, at: int | None = None) -> None:
        """Show shares of the step's time from 0 to 1; None for what was not recorded.

        Args:
            wait: waiting for the next batch.
            diagnostics: gradient norms, probes, records and requests.
            logging: the part of these that went to the records.
            at: the step that they are from, if not the newest.
        """
        self._bars, self._at = [], at
        if wait is None or diagnostics is None:
            self._verdict = ("", "muted")
            self.redraw()
            return
        shares: list[tuple[str, float, Tone]] = [
            ("compute", max(0.0, 1 - wait - diagnostics), "good"),
            ("data wait", wait, "warn"),
            ("probes" if logging is not None else "diagnostics", max(0.0, diagnostics - (logging or 0.0)), "second"),
        ]
        if logging is not None:
            shares.append(("logging", logging, "mark"))
        self._bars = [(label, share, tone, f"{100 * share:.1f} %") for label, share, tone in shares]
        self._verdict = _verdict(wait, diagnostics)
        self.redraw()

    def value(self) -> Row:
        """Return what holds the training up; of a step that is not the newest, which one it is."""
        if self._at is not None:
            return ((f"step {self._at:,}", "mark"),)
        return (self._verdict,) if self._verdict[0] else ()

    def body(self, width: int, height: int) -> list[Row]:
        """Return the bars."""
        if not self._bars:
            return [(), (("  after the first batches", "muted"),)]
        return bar_rows(self._bars, width)


def _verdict(wait: float, diagnostics: float) -> tuple[str, Tone]:
    """Name the bottleneck: a fifth of the time is more than chance takes."""
    if wait >= 0.2 and wait >= diagnostics:
        return "data is the bottleneck", "warn"
    if diagnostics >= 0.2:
        return "diagnostics cost much", "warn"
    return "compute-bound", "good"


class Host(ScrollPanel):
    """How busy the machine is that trains; many cards are scrolled through."""

    def __init__(self, title: str, number: int = 0, *, id: str | None = None) -> None:
        super().__init__(title, number, id=id)
        self._observed: Observed | None = None
        self._live = False
        self._sampler: Sampler | None = None
        self._rows: list[Row] = []

    def show(self, run: RunDir, *, live: bool) -> None:
        """Show the machine that a run is on as it was seen last, and have somebody look again while the run lives."""
        self._live = live
        if live:
            if self._sampler is None:
                self._sampler = Sampler(run)
            self._observed = self._sampler.newest()
        self.redraw()

    def value(self) -> Row:
        """Return the machine's name, behind the rows that are shown if not all are."""
        name = self._observed.host if self._observed is not None else ""
        rows = super().value()
        named: Row = ((fit(name, min(len(name), max(8, self.size.width // 2))), "muted"),) if name else ()
        return (*rows, ("  ", "muted"), *named) if rows and named else rows or named

    def body(self, width: int, height: int) -> list[Row]:
        """Return the bars: processor, memory, and each card's."""
        self._total = 0
        if not self._live:
            return [(), (("  shown while the run goes on", "muted"),)]
        if self._observed is None:
            return [(), (("  looking", "muted"),)]
        if self._observed.sample is None:
            return [(), (("  not this machine", "muted"),)]
        return super().body(width, height)

    def count(self, width: int) -> int:
        """Return how many bars there are."""
        sample = self._observed.sample if self._observed is not None else None
        self._rows = bar_rows(machine_bars(sample), width) if sample is not None else []
        return len(self._rows)

    def rows(self, first: int, last: int, width: int) -> list[Row]:
        """Return some of the bars."""
        return self._rows[first:last]

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        if self._sampler is not None:
            self._sampler.close()


def machine_bars(sample: Sample) -> list[Bar]:
    """Return what is shown of a sample, the most important first."""
    heat = "" if sample.celsius is None else f"  {sample.celsius:.0f} °C"
    busy = "–" if sample.busy is None else f"{100 * sample.busy:.0f} % of {sample.cores}"
    bars: list[Bar] = [("CPU", sample.busy or 0.0, _heavy(sample.busy), busy + heat)]
    if sample.used is not None and sample.total:
        share = sample.used / sample.total
        bars.append(("memory", share, _heavy(share), f"{size(sample.used)} of {size(sample.total)}"))
    for number, card in enumerate(sample.cards):
        name = "GPU" if len(sample.cards) == 1 else f"GPU {number}"
        more = [f"{100 * card.busy:.0f} %"] if card.busy is not None else []
        more += [f"{card.celsius:.0f} °C"] if card.celsius is not None else []
        more += [f"{card.watts:.0f} W"] if card.watts is not None else []
        bars.append((name, card.busy, "good", "  ".join(more) or "–"))
        if card.used is not None and card.total:
            share = card.used / card.total
            bars.append((f"{name} memory", share, _heavy(share), f"{size(card.used)} of {size(card.total)}"))
    if sample.own_memory is not None:
        cores = "" if sample.own_cores is None else f"{sample.own_cores:.1f} cores, "
        bars.append(("this run", None, "text", f"{cores}{size(sample.own_memory)}"))
    if sample.load is not None:
        bars.append(("load", None, "text", f"{sample.load:.1f} on {sample.cores} cores"))
    return bars


def _heavy(share: float | None) -> Tone:
    return "bad" if share is not None and share >= 0.95 else "line"


class Sampler:
    """A thread that looks at the machine whenever it is asked: a driver may take its time."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._wanted = threading.Event()
        self._over = False
        self._newest: Observed | None = None
        threading.Thread(target=self._work, name="sampler", daemon=True).start()

    def newest(self) -> Observed | None:
        """Return what was seen last, and have somebody look again."""
        self._wanted.set()
        return self._newest

    def close(self) -> None:
        """End the thread."""
        self._over = True
        self._wanted.set()

    def _work(self) -> None:
        from tui.runs.machine import Machine

        machine = Machine()
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._over:
                return
            self._newest = machine.observe(self._run)
