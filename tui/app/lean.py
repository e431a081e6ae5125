"""What would cost the screen memory and time at every start, for nothing."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def leave_out_openssl() -> None:
    """Let ``import ssl`` fail from now on: asyncio and hashlib do without it, five megabytes lighter.

    The screen opens no connection, and hashes with BLAKE2 only, which is Python's own. To be called before the first
    import of asyncio; what has been imported already stays.
    """
    for name in ("ssl", "_hashlib"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


@contextmanager
def collecting_put_off() -> Iterator[None]:
    """Let the garbage collector rest while the screen opens: it would go through all that is imported, to find nothing.

    That takes a tenth of the time until the first chart. `collect_now` ends it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def collect_now() -> None:
    """Collect what has become garbage, if that was put off; what is left, the program, is not gone through again."""
    if not gc.isenabled():
        gc.collect()
        gc.freeze()
        gc.enable()
