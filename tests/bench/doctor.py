"""How often the doctor is right: planted faults and sound runs, through the real engine.

    python -m tests.bench.doctor record --out DIR --family shapes --seed 0
    python -m tests.bench.doctor repair --out DIR --family digits --seed 1
    python -m tests.bench.doctor report --out DIR [--pair shapes/1 ...] [--detail | --markdown]

``record`` trains each case once and keeps its signals in DIR; ``report`` judges them with today's rules, so that a
rule can change without training again; with ``--markdown`` it is the README's table. ``repair`` trains on: with the
doctor's first offer, and with the next offer of the run that gave; beside it LR/10 and a random change. Each case is
a file, and what is there is not made again: stop and go on at any time, and start several processes on one DIR.

The thresholds were tuned on the family *shapes* with seed 0. What *digits* with seed 1 then showed (false alarms on
slow starts) led to stricter rules, and what *digits* 2 and *shapes* 1 showed to those that tell what is lost from what
never arrived; the offers were developed on *digits* 1. *Digits* 3 was only measured, with all of that frozen. What it
left unhealed or unnamed led to other offers and to a sign of too much momentum, developed on *shapes* 0; *digits* 4
and *shapes* 2 were only measured, with these frozen. What those two left unhealed led to other offers again (no
dropout at all, a rate that falls with the validation, new weights for units that start dead, clipping above the usual
gradient), developed on these two; the rules stayed. *Digits* 5 and *shapes* 3 were only measured, with these frozen.
What they left unhealed led to other offers once more (weights drawn as fits the network, with a clipped gradient; a
lower rate for statistics that lag only if they go on lagging; norm layers for bounded activations that end in one
answer), developed on *digits* 1, 3, 4, 5 and *shapes* 0 to 3; the rules stayed. *Digits* 6 and *shapes* 4 were only
measured, with these frozen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.doctor_cases import CASES, FAULTS, Case
from tests.doctor_report import HEALED, WAYS, report, say
from tests.doctor_runs import Record, prepare, read, train
from tui.core.schema import value_of

OFFERS = 2
"""How many of the doctor's offers are tried, one after the other."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("record", "repair", "report"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--family", action="append")
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--pair", action="append", metavar="FAMILY/SEED", help="report these alone")
    parser.add_argument("--only", action="append", help="names of cases")
    parser.add_argument("--way", action="append", choices=WAYS, help="of repair; by default all, the doctor's first")
    parser.add_argument("--detail", action="store_true", help="one line per case")
    parser.add_argument("--markdown", action="store_true", help="the README's table")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.do == "report":
        report(arguments)
        return
    prepare()
    for family in arguments.family or ["shapes"]:
        for seed in arguments.seed or [0]:
            if arguments.do == "record":
                record(arguments.out, family, seed, arguments.only)
            else:
                repair(arguments.out, family, seed, arguments.only, arguments.way or WAYS)


# --- training ------------------------------------------------------------------------------------------------


def record(out: Path, family: str, seed: int, only: list[str] | None) -> None:
    """Train every case that is not there yet."""
    for name, case in CASES.items():
        path = _path(out, family, seed, name)
        if (only and name not in only) or path.exists():
            continue
        with _claimed(path) as mine:
            if mine:
                made = train(case, family, seed, out, changes={})
                made.write(path)
                say(f"{family} {seed} {name}: {made.seconds:.1f} s, best {made.best:.3f}; {made.end[:60]}")


def repair(out: Path, family: str, seed: int, only: list[str] | None, ways: Sequence[str]) -> None:
    """Try each way on every fault that costs accuracy and for which the doctor has an offer: the doctor's way first."""
    for way in ways:
        for case in FAULTS:
            path = _path(out, family, seed, case.name)
            result = path.with_suffix("").with_suffix(f".{way.replace('/', '')}.repair.json")
            if (only and case.name not in only) or result.exists() or not path.exists():
                continue
            with _claimed(result) as mine:
                if mine:
                    table = _tried(way, case, read(path), _twin(out, family, seed, case.name), out, family, seed)
                    result.write_text(json.dumps(table, indent=1))
                    say(f"{family} {seed} {json.dumps(table)}")


def _tried(way: str, case: Case, first: Record, twin: float, out: Path, family: str, seed: int) -> dict[str, Any]:
    """Train a faulty run with the changes of one way, until it is as good as its twin; return what came of it."""
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
    case = CASES[name]
    key = "twin " + (" ".join(f"{k}={v}" for k, v in sorted(case.twin.items())) or "base")
    key += f" {case.twin_pictures}" if case.twin_pictures != "all" else ""
    path = _path(out, family, seed, key).with_suffix("").with_suffix(".twin.json")
    if not path.exists():
        twin = Case(key, "twin", dict(case.twin), pictures=case.twin_pictures)
        made = train(twin, family, seed, out, changes={})
        path.write_text(json.dumps(made.best))
    return float(json.loads(path.read_text()))


def _offer(made: Record) -> dict[str, Any]:
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


if __name__ == "__main__":
    main()
