"""What a person sees when a command cannot do its work: one sentence, and an exit code that scripts can use.

Exit codes: 2 for what was typed, 1 for what failed, 130 for Ctrl-C. A traceback is never shown; that of
a defect is kept in a file, and the sentence names it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tui.cli.terminal import complain
from tui.core.errors import CnntrainError

INTERRUPTED = 130
_KEPT = 20


def exit_code_of(action: Callable[[], object]) -> int:
    """Run a command and return its exit code: what it returned if that is a number, else 0.

    Everything that it raises, except `SystemExit`, becomes one sentence on stderr.
    """
    try:
        answer = action()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return report(error)
    return answer if isinstance(answer, int) else 0


def report(error: Exception) -> int:
    """Write the one sentence for ``error`` and return the exit code that goes with it."""
    if isinstance(error, CnntrainError):
        complain(str(error))
        return error.exit_code
    if type(error).__name__ == "Abort":  # Typer's own: Ctrl-C, or a question without an answer
        return INTERRUPTED
    if hasattr(error, "format_message"):  # Typer's own errors, whichever way its version names them
        complain(_usage_sentence(error))
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        what = f"{error.strerror}{where}"
    else:
        what = f"this is a defect ({type(error).__name__}: {str(error)[:300]})"
    saved = _save_traceback(error)
    kept = f"The details are in {saved}" if saved else "The details could not be saved"
    complain(f"The command cannot go on: {what}. {kept}.")
    return 1


def _usage_sentence(error: Exception) -> str:
    message = " ".join(str(error.format_message()).split()).replace("Value error, ", "")  # type: ignore[attr-defined]
    command = getattr(getattr(error, "ctx", None), "command_path", "") or "cnntrain"
    if not message.endswith((".", "?", ")")):
        message += "."
    return f"{message} Try `{command} --help`."


def _save_traceback(error: Exception) -> Path | None:
    """Write the traceback to a file of its own and return its path; None when nowhere can be written."""
    from tui.core.files import cache_directory

    text = "".join(traceback.format_exception(error))
    text = f"cnntrain {' '.join(sys.argv[1:])}\nPython {sys.version}\n\n{text}"
    data = text.encode("utf-8", "backslashreplace")
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.getpid()}.txt"
    with contextlib.suppress(OSError):
        directory = cache_directory() / "crashes"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / name
        path.write_bytes(data)
        for old in sorted(directory.glob("*.txt"))[:-_KEPT]:
            old.unlink(missing_ok=True)
        return path
    with contextlib.suppress(OSError):
        # A new private directory: a shared temporary place may hold someone else's link of this name.
        directory = Path(tempfile.mkdtemp(prefix="cnntrain-"))
        try:
            (directory / name).write_bytes(data)
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return directory / name
    return None
