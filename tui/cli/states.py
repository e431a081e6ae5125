"""What a run's state, and the doctor's verdict on it, mean to a script: the exit code of each.

Codes 1 and 2 are used for neither: they say that the command itself failed or was mistyped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.core.rundir import RunDir

if TYPE_CHECKING:
    from tui.runs.state import RunState
    from tui.runs.status import Status

EXIT_CODES: dict[Status, int] = {
    "finished": 0,
    "preparing": 3,
    "running": 3,
    "paused": 3,
    "stopping": 3,
    "silent": 4,
    "failed": 5,
    "crashed": 6,
    "stopped": 75,
    "interrupted": 75,
}

EXIT_CODES_HELP = """\b
Exit codes:
   0  finished
   3  going on: preparing, running, paused or stopping
   4  silent: alive, but without news
   5  failed
   6  crashed
  75  stopped or interrupted; `cnntrain resume` goes on
   1  the state cannot be read
   2  no such run
"""

VERDICTS = {"": 0, "info": 0, "warning": 3, "critical": 4}
"""By the severity of the gravest finding that stands."""

VERDICTS_HELP = """\b
Exit codes:
   0  nothing is wrong; there may be notes
   3  something is wrong
   4  something critical is wrong: it learns nothing, or ended by it
   1  the records cannot be read, or there are none yet
   2  no such run
"""


def folded(run: RunDir) -> RunState:
    """Read a run's state as it is now."""
    from tui.runs.follow import RunFollower

    follower = RunFollower(run, history=False)
    follower.poll()
    return follower.state
