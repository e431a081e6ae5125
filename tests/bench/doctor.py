"""How often the doctor is right: planted faults and sound runs, through the real engine.

    python -m tests.bench.doctor record --out DIR --family shapes --seed 0
    python -m tests.bench.doctor repair --out DIR --family digits --seed 1
    python -m tests.bench.doctor report --out DIR [--family F] [--seed N] [--detail]

``record`` trains each case once and keeps its signals in DIR; ``report`` judges them with today's rules, so that a
rule can change without training again. ``repair`` trains on: with the doctor's first offer, and with the next offer
of the run that gave; beside it LR/10 and a random change. Each case is a file, and what is there is not made
again: stop and go on at any time, and start several processes on one DIR.

The thresholds were tuned on the family *shapes* with seed 0 alone.
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
from collections.abc import Iterator
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
    parser.add_argument("--only", action="append", help="names of cases")
    parser.add_argument("--detail", action="store_true", help="one line per case")
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


def report(arguments: argparse.Namespace) -> None:
    """Print the tables."""
    from tests.doctor_baselines import BASELINES
    from tests.doctor_cases import CASES
    from tests.doctor_runs import read

    results: dict[str, list[Judged]] = defaultdict(list)
    costs = []
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
        costs.append((time.process_time() - began) / max(1, len(made.steps)))
        results["cnntrain"].append(ours)
        if arguments.detail:
            mark = "" if (ours.right if case.causes else not ours.warnings + ours.criticals) else "   <<<"
            _say(f"{family} {seed} {case.group:9} {case.name:28} best {made.best:.2f}  {ours.said}{mark}")
        for name, rules in BASELINES.items():
            results[name].append(baseline(made, case, rules(made)))
    for name, all_of in results.items():
        _summary(name, all_of)
    if costs:
        _say(f"the doctor's own time: median {1e6 * statistics.median(costs):.0f} us per step (feeding and judging)")
    _repairs(arguments)


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


def _repairs(arguments: argparse.Namespace) -> None:
    """Print how many faults each way has healed."""
    healed: dict[str, list[bool]] = defaultdict(list)
    ill = 0
    for path in sorted(arguments.out.glob("*/*/*.repair.json")):
        if not _asked(path, arguments):
            continue
        table = json.loads(path.read_text())
        if table["faulty"] >= HEALED * table["twin"]:
            continue  # the fault does not lower the accuracy: nothing to heal
        ill += table["way"] == "doctor"
        if not table["offer"]:
            continue
        healed[table["way"]].append(any(each["best"] >= HEALED * table["twin"] for each in table["tries"]))
        if arguments.detail and not healed[table["way"]][-1]:
            _say(f"not healed: {path.parent.parent.name} {path.parent.name} {json.dumps(table)[:400]}")
    if ill:
        ways = ", ".join(f"{way} {sum(each)}/{len(each)}" for way, each in healed.items())
        _say(f"repair (>= 90 % of the twin), {ill} faults that cost accuracy, of those with an offer: {ways}")


def _asked(path: Path, arguments: argparse.Namespace) -> bool:
    family, seed = path.parent.parent.name, int(path.parent.name)
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
