"""The real supervisor with the fake engine: the only difference is the command it starts, and its patience."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from tui.runs import postmortem, supervisor

if __name__ == "__main__":
    plan = Path(sys.argv[1], "fake.json")
    if plan.exists():
        told = json.loads(plan.read_text())
        supervisor.KILL_SECONDS = told.get("kill_seconds", supervisor.KILL_SECONDS)
        if told.get("out_of_memory"):  # each look finds one kill more
            kills = itertools.count()
            postmortem.memory_kills = lambda: (next(kills), 0)
    engine = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]
    sys.exit(supervisor.main(engine=engine))
