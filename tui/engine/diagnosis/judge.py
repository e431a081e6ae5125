"""Hands the signals to the doctor in order, and tells what it finds as events."""

from __future__ import annotations

import heapq

from tui.core.diagnosis.doctor import Doctor
from tui.core.diagnosis.finding import Change, Finding
from tui.core.diagnosis.sequence import place
from tui.core.diagnosis.signals import Facts, Signal
from tui.core.events import Cleared, Found
from tui.engine.link import Link


class Judge:
    """Feeds a doctor with signals in the order of `tui.core.diagnosis.sequence`, however they arrive.

    Args:
        link: gets an event for each finding.
        facts: of the run.
    """

    def __init__(self, link: Link, facts: Facts) -> None:
        self._link, self._doctor = link, Doctor(facts)
        self._waiting: list[tuple[tuple[int, int], int, Signal]] = []
        self._count = 0

    def hear(self, signal: Signal) -> None:
        """Take a signal; it is judged when nothing of an earlier step can come any more."""
        self._count += 1
        heapq.heappush(self._waiting, (place(signal), self._count, signal))

    def judge(self, until: int) -> None:
        """Feed the signals of the steps up to ``until``, and tell what is found."""
        while self._waiting and self._waiting[0][0][0] <= until:
            self._tell(self._doctor.feed(heapq.heappop(self._waiting)[2]))

    def start(self) -> list[Finding]:
        """Judge what is known before the first step; tell it, and return what stands."""
        self.judge(0)
        self._tell(self._doctor.finish())
        return self._doctor.findings

    def _tell(self, changes: list[Change]) -> None:
        for change in changes:
            found = change.finding
            if change.kind == "cleared":
                self._link.event(Cleared(code=found.code, title=found.title))
                continue
            self._link.event(Found.of(found).but(step=0))  # the step at which it is told
