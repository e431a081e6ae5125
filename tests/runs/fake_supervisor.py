"""The real supervisor with the fake engine: the only difference is the command it starts, and its patience."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tui.runs import supervisor

if __name__ == "__main__":
    plan = Path(sys.argv[1], "fake.json")
    if plan.exists():
        supervisor.KILL_SECONDS = json.loads(plan.read_text()).get("kill_seconds", supervisor.KILL_SECONDS)
    engine = [sys.executable, str(Path(__file__).with_name("fake_engine.py"))]
    sys.exit(supervisor.main(engine=engine))
