"""The command line in this process, with its output in hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from tests.runs.conftest import fake

__all__ = ["fake"]

Command = Callable[..., Result]


@pytest.fixture
def cnntrain() -> Command:
    """Run ``cnntrain`` with these arguments, as in a pipe."""
    from tui.cli.program import app

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments), prog_name="cnntrain")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    return run
