"""The report of the doctor's benchmark: what was named, what cried wolf, what was healed, and what was missed."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doctor_baselines import BASELINES, SAME
from tests.doctor_cases import CASES, Case
from tests.doctor_runs import Record, read

HEALED = 0.9
"""Share of the twin's best validation accuracy."""
LEARNED = 0.3
"""Accuracy, of ten classes, of a sound run whose silence proves something: three times chance."""
PLACES = ("settings", "code", "pictures")
"""Where a fault lies (`tests.doctor_cases.Case.place`); the twin and the offers know settings alone."""
NEVER = 10**9
WAYS = ("doctor", "LR/10", "random")
"""Of repair."""


@dataclass
class Judged:
    """What a doctor said of one record."""

    name: str
    group: str
    hit: int = NEVER
    """The step at which a right code was first raised."""
    first: str = ""
    """The first warning or critical finding; without one, the first at all."""
    warnings: int = 0
    criticals: int = 0
    best: float = 0.0
    right: bool = False
    said: str = ""


def judged(record: Record, case: Case) -> Judged:
    """Judge a record with our rules."""
    _, said = record.judge()
    raised: dict[str, tuple[int, Any]] = {}
    for step, change in said:
        if change.kind == "raised":
            raised.setdefault(change.finding.code, (step, change.finding))
    result = Judged(case.name, case.group, best=record.best)
    for code, (step, finding) in raised.items():
        result.warnings += finding.severity == "warning"
        result.criticals += finding.severity == "critical"
        if code in case.causes:
            result.hit = min(result.hit, step)
    grave = [code for code, (_, finding) in raised.items() if finding.severity != "info"]
    result.first = (grave or list(raised) or [""])[0]
    result.right = result.first in case.causes
    result.said = ", ".join(f"{code}@{step}" for code, (step, _) in raised.items())
    return result


def baseline(record: Record, case: Case, alarms: list[tuple[int, str]]) -> Judged:
    """Judge a record by another's rules."""
    result = Judged(case.name, case.group, best=record.best, warnings=len({code for _, code in alarms}))
    for step, code in alarms:
        if set(SAME[code]) & set(case.causes):
            result.hit = min(result.hit, step)
    result.first = alarms[0][1] if alarms else ""
    result.right = bool(alarms) and bool(set(SAME[result.first]) & set(case.causes))
    result.said = ", ".join(sorted({code for _, code in alarms}))
    return result


@dataclass
class Judgements:
    """All records of a report, judged."""

    results: dict[str, list[Judged]]
    """By whose rules."""
    costs: list[float]
    """Seconds of the doctor's own time per step."""
    where: set[str]
    """Family and seed."""
    newest: float = 0.0
    """When the last record was made."""


def report(arguments: argparse.Namespace) -> None:
    """Print the tables."""
    found = _judgements(arguments)
    if arguments.markdown:
        say(markdown(found, _repaired(arguments)))
        return
    for name, all_of in found.results.items():
        _summary(name, all_of)
    if found.costs:
        say(f"the doctor's own time: median {1e6 * statistics.median(found.costs):.0f} us per step")
    _tell_repairs(_repaired(arguments), detail=arguments.detail)


def _judgements(arguments: argparse.Namespace) -> Judgements:
    found = Judgements(defaultdict(list), [], set())
    for path in sorted(arguments.out.glob("*/*/*.json.gz")):
        if not _asked(path, arguments):
            continue
        family, seed = path.parent.parent.name, int(path.parent.name)
        made = read(path)
        case = CASES.get(made.case)
        if case is None or (arguments.only and case.name not in arguments.only):
            continue
        began = time.process_time()
        ours = judged(made, case)
        found.costs.append((time.process_time() - began) / max(1, len(made.steps)))
        found.results["cnntrain"].append(ours)
        found.where.add(f"{family} {seed}")
        found.newest = max(found.newest, path.stat().st_mtime)
        if arguments.detail:
            mark = "" if (ours.right if case.causes else not ours.warnings + ours.criticals) else "   <<<"
            say(f"{family} {seed} {case.group:9} {case.name:28} best {made.best:.2f}  {ours.said}{mark}")
        for name, rules in BASELINES.items():
            found.results[name].append(baseline(made, case, rules(made)))
    return found


def markdown(found: Judgements, repairs: list[dict[str, Any]]) -> str:
    """Return the README's table: what was named, what cried wolf, what was healed, and what was missed."""
    names = list(found.results)
    called = {"cnntrain": "cnntrain", "AutoTrainer": "AutoTrainer's rules", "Debugger": "SageMaker Debugger's rules"}
    faults = {name: [each for each in found.results[name] if each.group != "healthy"] for name in names}
    sound = {name: [each for each in found.results[name] if each.group == "healthy"] for name in names}

    def row(what: str, cells: list[str]) -> str:
        return f"| {what} | {' | '.join(cells)} |"

    def share(of: dict[str, list[Judged]], right: Callable[[Judged], bool]) -> list[str]:
        return [f"{sum(map(right, of[name]))} of {len(of[name])}" for name in names]

    lines = [
        row("", [called[name] for name in names]),
        "|---" * (len(names) + 1) + "|",
        row("planted faults named within 100 steps", share(faults, lambda each: each.hit <= 100)),
        row("within 300 steps", share(faults, lambda each: each.hit <= 300)),
        row("the first alarm names the cause", share(faults, lambda each: each.right)),
        row("sound runs with a false alarm", share(sound, lambda each: bool(each.warnings + each.criticals))),
    ]
    idle = sorted({each.name for each in sound["cnntrain"] if each.best < LEARNED})
    missed = [each for each in faults["cnntrain"] if not each.right]
    loud = [each for each in sound["cnntrain"] if each.warnings + each.criticals]
    told = sorted({f"{each.name} ({each.first.replace('_', ' ') or 'nothing'})" for each in missed + loud})
    when = time.strftime("%Y-%m-%d", time.gmtime(found.newest))
    text = [*lines, "", f"Family and seed: {', '.join(sorted(found.where))}; trained {when}."]
    text += [f"Where cnntrain was wrong, with what it said: {'; '.join(told)}."] if told else []
    least = min((each.best for each in sound["cnntrain"]), default=math.nan)
    text += (
        [f"Sound runs that hardly learned (below {LEARNED:.0%}), whose silence proves little: {', '.join(idle)}."]
        if idle
        else []
    )
    text += [] if idle else [f"All sound runs learned, the least to {least:.0%} of ten classes."]
    return "\n".join([*text, *(_repair_table(repairs) if repairs else [])])


def _repair_table(repairs: list[dict[str, Any]]) -> list[str]:
    """Return the README's table of repairs: by where a fault lies and by way, and what was not healed."""
    ill = [table for table in repairs if _ill(table)]
    ways = [way for way in WAYS if any(table["way"] == way for table in repairs)]
    lines = ["", "| the fault lies in | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    for place in (*PLACES, "anywhere"):
        cells = []
        for way in ways:
            of = [each for each in ill if each["way"] == way and place in (_lies(each), "anywhere")]
            cells.append(f"{sum(map(_well, of))} of {len(of)}")
        lines.append(f"| {place} | {' | '.join(cells)} |")
    ours = [each for each in ill if each["way"] == WAYS[0]]
    offered = [each for each in ours if each["offer"]]
    lines += [
        "",
        f"With an offer: {sum(map(_well, offered))} of {len(offered)} healed; {len(ours) - len(offered)} without.",
    ]
    for place in PLACES:
        missed = [
            f"{each['case']} ({max([0.0, *(tried['best'] for tried in each['tries'])]):.0%} of {each['twin']:.0%})"
            if each["offer"]
            else f"{each['case']} (no offer)"
            for each in ours
            if _lies(each) == place and not _well(each)
        ]
        lines += [f"Not healed, {place}: {'; '.join(missed)}."] if missed else []
    return lines


def _summary(name: str, results: list[Judged]) -> None:
    faults = [each for each in results if each.group != "healthy"]
    sound = [each for each in results if each.group == "healthy"]
    if faults:
        delays = [each.hit for each in faults if each.hit < NEVER]
        within = {limit: sum(each.hit <= limit for each in faults) for limit in (100, 300, NEVER - 1)}
        by = ", ".join(f"{count}/{len(faults)}" for count in within.values())
        say(
            f"{name}: faults named within 100, 300 steps, ever: {by}; first alarm right "
            f"{sum(each.right for each in faults)}/{len(faults)}; median delay {statistics.median(delays or [NEVER]):g}"
        )
    if sound:
        loud = sum(bool(each.warnings + each.criticals) for each in sound)
        grave = sum(bool(each.criticals) for each in sound)
        say(
            f"{name}: sound runs with a warning {loud}/{len(sound)}, with a critical {grave}; "
            f"warnings per run {sum(e.warnings + e.criticals for e in sound) / len(sound):.2f}; "
            f"hardly learned: {', '.join(f'{e.name} {e.best:.0%}' for e in sound if e.best < LEARNED) or 'none'}"
        )


def _repaired(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what came of each way with each fault."""
    paths = sorted(arguments.out.glob("*/*/*.repair.json"))
    return [json.loads(path.read_text()) for path in paths if _asked(path, arguments)]


def _ill(table: dict[str, Any]) -> bool:
    return bool(table["faulty"] < HEALED * table["twin"])


def _well(table: dict[str, Any]) -> bool:
    return any(each["best"] >= HEALED * table["twin"] for each in table["tries"])


def _lies(table: dict[str, Any]) -> str:
    return CASES[str(table["case"])].place


def _healed(repairs: list[dict[str, Any]]) -> dict[str, list[bool]]:
    """Return by way whether it healed each of the faults that cost accuracy and have an offer."""
    healed: dict[str, list[bool]] = {way: [] for way in WAYS}
    for table in repairs:
        if _ill(table) and table["offer"]:
            healed[table["way"]].append(_well(table))
    return {way: each for way, each in healed.items() if each}


def _without_offer(repairs: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many faults cost accuracy, and for how many of those there is no offer."""
    ill = [table for table in repairs if table["way"] == "doctor" and _ill(table)]
    return len(ill), sum(not table["offer"] for table in ill)


def _tell_repairs(repairs: list[dict[str, Any]], *, detail: bool) -> None:
    """Print how many faults each way has healed."""
    for table in repairs if detail else []:
        if _ill(table) and table["offer"] and not _well(table):
            say(f"not healed: {json.dumps(table)[:400]}")
    healed = _healed(repairs)
    if healed:
        ways = ", ".join(f"{way} {sum(each)}/{len(each)}" for way, each in healed.items())
        ill, none = _without_offer(repairs)
        say(f"repair (>= 90 % of the twin), {ill} faults that cost accuracy, {none} without an offer: {ways}")


def _asked(path: Path, arguments: argparse.Namespace) -> bool:
    family, seed = path.parent.parent.name, int(path.parent.name)
    if arguments.pair and f"{family}/{seed}" not in arguments.pair:
        return False
    return (not arguments.family or family in arguments.family) and (not arguments.seed or seed in arguments.seed)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
