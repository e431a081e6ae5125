"""The door of the command ``cnntrain``.

Without arguments, and for ``watch RUN``, it opens the screen at once: Typer is not even imported, because the first
paint counts.
"""

from __future__ import annotations

import os
import sys

from tui.cli.failures import exit_code_of
from tui.cli.terminal import accept_any_text


def main() -> None:
    """Run the command line and leave with its exit code."""
    accept_any_text()
    # A shell that asks for completions calls without arguments too.
    if "_CNNTRAIN_COMPLETE" not in os.environ:
        match sys.argv[1:]:
            case []:
                from tui.cli.places import runs_root
                from tui.cli.views import open_app

                sys.exit(exit_code_of(lambda: open_app(runs_root(None))))
            case ["watch", run] if not run.startswith("-"):
                from tui.cli.views import watch_named

                sys.exit(exit_code_of(lambda: watch_named(run)))
    from tui.cli.program import app

    app(prog_name="cnntrain")


if __name__ == "__main__":
    main()
