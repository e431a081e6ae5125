"""When an app has come to rest: nothing is left to do on its loop, and no thread of it computes.

Textual's own wait, after every key of a test twice, sleeps in steps of 20 ms until the process took almost no time of
the processor in one. This one looks at what is left to do, which is known: it is over at once when there is nothing,
and not before when another process keeps the processor.
"""

from __future__ import annotations

import asyncio
from time import monotonic, process_time, thread_time

from textual._context import active_app
from textual._wait import SLEEP_GRANULARITY

_LONGEST = 1.0
"""Seconds of the processor after which an app that never rests is taken as it is; Textual counts those of the clock."""
_GLANCE = 0.001
"""Seconds in which a thread that has work is seen to do some of it; where a worker is known to be under way, longer."""
_NOTHING = 0.05
"""Share of that time which sleeping threads take of the processor."""
_OWN_TURN = "screen_update"
"""The timer that draws a screen sixty times a second if anything changed; what it would draw is drawn at once."""


async def until_at_rest(shortest: float = 0.0, longest: float = _LONGEST) -> None:
    """Wait as `textual._wait.wait_for_idle` does: until everything that was asked for has been done and drawn.

    What is left: callbacks and messages, whose receivers are ready to run; changes that are not drawn; timers that end
    within the time that Textual's wait would have taken at least; workers and other threads that compute.
    """
    loop = asyncio.get_running_loop()
    end, enough = monotonic() + max(shortest, SLEEP_GRANULARITY), process_time() + longest
    while process_time() < enough:
        if await _rested(loop, enough) and not _draw():
            due = _next_turn(loop, before=end)
            if due is not None:
                await asyncio.sleep(max(0.0, due - monotonic()))
            elif await _threads_rest() and not loop._ready:  # type: ignore[attr-defined]
                return


async def _rested(loop: asyncio.AbstractEventLoop, enough: float) -> bool:
    """Run what is ready until nothing is: then every task waits for a time, a thread or the outside."""
    while process_time() < enough:
        await asyncio.sleep(0)
        if not loop._ready:  # type: ignore[attr-defined]
            return True
    return False


def _draw() -> bool:
    """Draw what changed on the screen; return whether anything did."""
    app = active_app.get(None)
    if app is None or not app._screen_stack or not app.screen._update_timer._active.is_set():
        return False
    app.screen._on_timer_update()
    return True


def _next_turn(loop: asyncio.AbstractEventLoop, before: float) -> float | None:
    """Return when the first timer ends, if that is before a time; the drawing of screens does not count."""
    soon = [one for one in loop._scheduled if one.when() < before and not one.cancelled()]  # type: ignore[attr-defined]
    if not soon:
        return None
    drawing = {id(task._fut_waiter) for task in asyncio.all_tasks(loop) if task.get_name() == _OWN_TURN}  # type: ignore[attr-defined]
    return min((one.when() for one in soon if not any(id(argument) in drawing for argument in one._args)), default=None)


async def _threads_rest() -> bool:
    app = active_app.get(None)
    glance = SLEEP_GRANULARITY if app is not None and any(not one.is_finished for one in app.workers) else _GLANCE
    before = process_time() - thread_time()
    await asyncio.sleep(glance)
    return process_time() - thread_time() - before < _NOTHING * glance
