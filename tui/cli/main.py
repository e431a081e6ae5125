"""The door of the command ``cnntrain``.

Without arguments it opens the screen at once: Typer is not even imported, because the first paint counts.
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
    if len(sys.argv) == 1 and "_CNNTRAIN_COMPLETE" not in os.environ:
        from tui.cli.places import runs_root
        from tui.cli.views import open_app

        sys.exit(exit_code_of(lambda: open_app(runs_root(None))))
    from tui.cli.program import app

    app(prog_name="cnntrain")


if __name__ == "__main__":
    main()
