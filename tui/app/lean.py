"""Libraries of libraries that the screen has no use for, and that would cost it memory and time at every start."""

from __future__ import annotations

import sys


def leave_out_openssl() -> None:
    """Let ``import ssl`` fail from now on: asyncio and hashlib do without it, five megabytes lighter.

    The screen opens no connection, and hashes with BLAKE2 only, which is Python's own. To be called before the first
    import of asyncio; what has been imported already stays.
    """
    for name in ("ssl", "_hashlib"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
