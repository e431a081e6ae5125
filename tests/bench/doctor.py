"""How often the doctor is right: planted faults and sound runs, through the real engine.

    python -m tests.bench.doctor record --out DIR --family shapes --seed 0
    python -m tests.bench.doctor repair --out DIR --family digits --seed 1
    python -m tests.bench.doctor report --out DIR [--pair shapes/1 ...] [--detail | --markdown]

``record`` trains each case once and keeps its signals in DIR; ``report`` judges them with today's rules, so that a
rule can change without training again; with ``--markdown`` it is the README's table. ``repair`` trains on: with the
doctor's first offer, and with the next offer of the run that gave; beside it LR/10 and a random change. Each case is
a file, and what is there is not made again: stop and go on at any time, and start several processes on one DIR.

The thresholds were tuned on the family *shapes* with seed 0. What *digits* with seed 1 then showed (false alarms on
slow starts) led to stricter rules, so that seed is no longer unseen; *digits* 2 and *shapes* 1 were only measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HEALED = 0.9
"""Share of the twin's best validation accuracy."""
NEVER = 10**9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("record", "repair", "report"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--family", action="append")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--pair", action="append", metavar="FAMILY/SEED", help="report these alone")
    parser.add_argument("--only", action="append", help="names of cases")
    parser.add_argument("--detail", action="store_true", help="one line per case")
    parser.add_argument("--markdown", action="store_true", help="the README's table")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if arguments.do == "report":
        report(arguments)
        return
    from tests.doctor_runs import prepare

    prepare()
    for family in arguments.family or ["shapes"]:
        for seed in arguments.seed or [0]:
            (record if arguments.do == "record" else repair)(arguments.out, family, seed, arguments.only)


# --- training ------------------------------------------------------------------------------------------------


def record(out: Path, family: str, seed: int, only: list[str] | None) -> None:
    """Train every case that is not there yet."""
    from tests.doctor_cases import CASES
    from tests.doctor_runs import train

    for name, case in CASES.items():
        path = _path(out, family, seed, name)
        if (only and name not in only) or path.exists():
            continue
        with _claimed(path) as mine:
            if mine:
                made = train(case, family, seed, out, changes={})
                made.write(path)
                _say(f"{family} {seed} {name}: {made.seconds:.1f} s, best {made.best:.3f}; {made.end[:60]}")


WAYS = ("doctor", "LR/10", "random")
OFFERS = 2
"""How many of the doctor's offers are tried, one after the other."""


def repair(out: Path, family: str, seed: int, only: list[str] | None) -> None:
    """Try each way on every fault that costs accuracy and for which the doctor has an offer: the doctor's way first."""
    from tests.doctor_cases import FAULTS
    from tests.doctor_runs import read

    for way in WAYS:
        for case in FAULTS:
            path = _path(out, family, seed, case.name)
            result = path.with_suffix("").with_suffix(f".{way.replace('/', '')}.repair.json")
            if (only and case.name not in only) or result.exists() or not path.exists():
                continue
            with _claimed(result) as mine:
                if mine:
                    table = _tried(way, case, read(path), _twin(out, family, seed, case.name), out, family, seed)
                    result.write_text(json.dumps(table, indent=1))
                    _say(f"{family} {seed} {json.dumps(table)}")


def _tried(way: str, case: Any, first: Any, twin: float, out: Path, family: str, seed: int) -> dict[str, Any]:
    """Train a faulty run with the changes of one way, until it is as good as its twin; return what came of it."""
    from tests.doctor_runs import train
    from tui.core.schema import value_of

    tries: list[dict[str, Any]] = []
    table = {"case": case.name, "way": way, "twin": twin, "faulty": first.best, "offer": bool(_offer(first))}
    changes: dict[str, Any] = {}
    made = first
    if first.best >= HEALED * twin or not table["offer"]:
        return {**table, "tries": tries}  # nothing to heal, or nothing to heal it with
    for _ in range(OFFERS if way == "doctor" else 1):
        if way == "doctor":
            change = _offer(made)
        elif way == "LR/10":
            change = {"optimizer.learning_rate": value_of(first.facts.settings, "optimizer.learning_rate") / 10}
        else:
            change = _random_change(first.facts.settings, case.name)
        if not change:
            break
        changes |= change
        made = train(case, family, seed, out, changes=changes, enough=HEALED * twin)
        tries.append({"change": change, "best": made.best, "end": made.end[:80]})
        if made.best >= HEALED * twin:
            break
    return {**table, "tries": tries}


def _twin(out: Path, family: str, seed: int, name: str) -> float:
    """Return the best accuracy of a case without its fault; equal twins are trained once."""
    from tests.doctor_cases import CASES
    from tests.doctor_runs import train

    case = CASES[name]
    key = "twin " + (" ".join(f"{k}={v}" for k, v in sorted(case.twin.items())) or "base")
    path = _path(out, family, seed, key).with_suffix("").with_suffix(".twin.json")
    if not path.exists():
        made = train(case.__class__(key, "twin", dict(case.twin)), family, seed, out, changes={})
        path.write_text(json.dumps(made.best))
    return float(json.loads(path.read_text()))


def _offer(made: Any) -> dict[str, Any]:
    """Return the change of the first grave finding that offers one."""
    _, said = made.judge()
    found = [change.finding for _, change in said if change.kind == "raised" and change.finding.change]
    grave = [finding for finding in found if finding.severity != "info"]
    chosen = (grave or found)[:1]
    return dict(chosen[0].change or {}) if chosen else {}


def _random_change(settings: Any, seed: str) -> dict[str, Any]:
    """Return one of the changes that people try."""
    random = np.random.default_rng([*seed.encode()])
    rate = settings.optimizer.learning_rate
    changes: list[dict[str, Any]] = [
        {"optimizer.learning_rate": rate * 10},
        {"optimizer.learning_rate": rate / 10},
        {"optimizer.learning_rate": rate / 3},
        {"model.batch_norm": True},
        {"model.dropout": 0.3},
        {"model.activation": "leaky_relu"},
        {"model.width": 16},
        {"training.batch_size": 64},
        {"optimizer.clip_norm": 1.0},
        {"optimizer.name": "adam", "optimizer.learning_rate": 1e-3},
        {"schedule.name": "cosine"},
        {"optimizer.weight_decay": 5e-3},
    ]
    return changes[int(random.integers(len(changes)))]


# --- judging -------------------------------------------------------------------------------------------------


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


def judged(record: Any, case: Any) -> Judged:
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


def baseline(record: Any, case: Any, alarms: list[tuple[int, str]]) -> Judged:
    """Judge a record by another's rules."""
    from tests.doctor_baselines import SAME

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
        _say(markdown(found, _repaired(arguments)))
        return
    for name, all_of in found.results.items():
        _summary(name, all_of)
    if found.costs:
        _say(f"the doctor's own time: median {1e6 * statistics.median(found.costs):.0f} us per step")
    _tell_repairs(_repaired(arguments), detail=arguments.detail)


def _judgements(arguments: argparse.Namespace) -> Judgements:
    from tests.doctor_baselines import BASELINES
    from tests.doctor_cases import CASES
    from tests.doctor_runs import read

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
            _say(f"{family} {seed} {case.group:9} {case.name:28} best {made.best:.2f}  {ours.said}{mark}")
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
    missed = [each for each in faults["cnntrain"] if not each.right]
    loud = [each for each in sound["cnntrain"] if each.warnings + each.criticals]
    told = sorted({f"{each.name} ({each.first.replace('_', ' ') or 'nothing'})" for each in missed + loud})
    when = time.strftime("%Y-%m-%d", time.gmtime(found.newest))
    text = [*lines, "", f"Family and seed: {', '.join(sorted(found.where))}; trained {when}."]
    text += [f"Where cnntrain was wrong, with what it said: {'; '.join(told)}."] if told else []
    healed = _healed(repairs)
    if healed:
        ways = ", ".join(f"{way} {sum(each)} of {len(each)}" for way, each in healed.items())
        ill, none = _without_offer(repairs)
        text.append(
            f"Of {ill} faults that cost accuracy {none} have no offer, as no setting mends them. Healed (90 % of the "
            f"accuracy without the fault, in as many steps): {ways}."
        )
    return "\n".join(text)


def _summary(name: str, results: list[Judged]) -> None:
    faults = [each for each in results if each.group != "healthy"]
    sound = [each for each in results if each.group == "healthy"]
    if faults:
        delays = [each.hit for each in faults if each.hit < NEVER]
        within = {limit: sum(each.hit <= limit for each in faults) for limit in (100, 300, NEVER - 1)}
        by = ", ".join(f"{count}/{len(faults)}" for count in within.values())
        _say(
            f"{name}: faults named within 100, 300 steps, ever: {by}; first alarm right "
            f"{sum(each.right for each in faults)}/{len(faults)}; median delay {statistics.median(delays or [NEVER]):g}"
        )
    if sound:
        loud = sum(bool(each.warnings + each.criticals) for each in sound)
        grave = sum(bool(each.criticals) for each in sound)
        _say(
            f"{name}: sound runs with a warning {loud}/{len(sound)}, with a critical {grave}; "
            f"warnings per run {sum(e.warnings + e.criticals for e in sound) / len(sound):.2f}; "
            f"lowest best accuracy {min(each.best for each in sound):.2f}"
        )


def _repaired(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what came of each way with each fault."""
    paths = sorted(arguments.out.glob("*/*/*.repair.json"))
    return [json.loads(path.read_text()) for path in paths if _asked(path, arguments)]


def _ill(table: dict[str, Any]) -> bool:
    return bool(table["faulty"] < HEALED * table["twin"])


def _healed(repairs: list[dict[str, Any]]) -> dict[str, list[bool]]:
    """Return by way whether it healed each of the faults that cost accuracy and have an offer."""
    healed: dict[str, list[bool]] = {way: [] for way in WAYS}
    for table in repairs:
        if _ill(table) and table["offer"]:
            healed[table["way"]].append(any(each["best"] >= HEALED * table["twin"] for each in table["tries"]))
    return {way: each for way, each in healed.items() if each}


def _without_offer(repairs: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many faults cost accuracy, and for how many of those there is no offer."""
    ill = [table for table in repairs if table["way"] == "doctor" and _ill(table)]
    return len(ill), sum(not table["offer"] for table in ill)


def _tell_repairs(repairs: list[dict[str, Any]], *, detail: bool) -> None:
    """Print how many faults each way has healed."""
    for table in repairs if detail else []:
        if _ill(table) and table["offer"] and not any(e["best"] >= HEALED * table["twin"] for e in table["tries"]):
            _say(f"not healed: {json.dumps(table)[:400]}")
    healed = _healed(repairs)
    if healed:
        ways = ", ".join(f"{way} {sum(each)}/{len(each)}" for way, each in healed.items())
        ill, none = _without_offer(repairs)
        _say(f"repair (>= 90 % of the twin), {ill} faults that cost accuracy, {none} without an offer: {ways}")


def _asked(path: Path, arguments: argparse.Namespace) -> bool:
    family, seed = path.parent.parent.name, int(path.parent.name)
    if arguments.pair and f"{family}/{seed}" not in arguments.pair:
        return False
    return (not arguments.family or family in arguments.family) and (not arguments.seed or seed in arguments.seed)


# --- files ---------------------------------------------------------------------------------------------------


def _path(out: Path, family: str, seed: int, name: str) -> Path:
    safe = "".join(each if each.isalnum() or each in "-_=." else "_" for each in name)
    folder = out / family / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{safe}.json.gz"


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[bool]:
    """Say whether this process is the only one that makes ``path``; what died an hour ago claims nothing."""
    claim = path.with_name(path.name + ".claim")
    if claim.exists() and time.time() - claim.stat().st_mtime > 3600:
        claim.unlink()
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        yield False
        return
    try:
        yield True
    finally:
        claim.unlink()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
