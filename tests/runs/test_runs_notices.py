"""Notices: what is sent, by whom it can be ordered, and that a run never suffers from it."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import builders
import pytest

from tests.runs.processes import over, state_of, until
from tui.core import events
from tui.core.errors import UsageError
from tui.core.files import COMMAND_VARIABLE, WEBHOOK_VARIABLE, config_directory
from tui.core.groups.notices import NoticeSettings
from tui.core.rundir import RunDir
from tui.runs import launch, notices
from tui.runs.notices import Notifier, destinations, notices_file

NOTE = "import json, os, sys; json.dump([json.load(sys.stdin), dict(os.environ)], open(sys.argv[1], 'w'))"


class Web:
    """A server on the loopback that keeps what it is sent."""

    def __init__(self, code: int = 200) -> None:
        self.bodies: list[dict[str, Any]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                web.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(code)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNTRAIN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    config_directory().mkdir()


def write(**table: Any) -> None:
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    notices_file().write_text("\n".join(lines))
    notices_file().chmod(0o600)


def end(run: RunDir, notifier: Notifier, reason: events.Reason = "finished") -> None:
    notifier.ended(events.Ended(step=20, reason=reason, exit_code=0, text="All \x1b[31mdone\n."))
    notifier.close()


def critical(run: RunDir, code: str = "nan") -> None:
    found = events.Found(step=5, code=code, severity="critical", message="The loss is NaN.")
    builders.append_event(run, found)


def test_a_webhook_gets_ends_and_critical_findings(tmp_path: Path, web: Web) -> None:
    write(webhook=web.address, send="all")
    run = builders.make_run(tmp_path / "runs", steps=20)
    critical(run, "old")
    told: list[str] = []
    notifier = Notifier(run, NoticeSettings(), told.append)
    critical(run)
    critical(run)
    builders.append_event(run, events.Found(code="slow", severity="warning", message="It is slow."))
    notifier.look()
    notifier.look()
    end(run, notifier)
    assert sorted(body["event"] for body in web.bodies) == ["finding", "finished"]
    last = next(body for body in web.bodies if body["event"] == "finished")
    assert last["text"] == last["content"] == f"{run.name}: All \\x1b[31mdone\\x0a."
    assert last["test"]["accuracy"] > 0
    assert told == []


def test_problems_alone_leave_out_good_ends(tmp_path: Path, web: Web) -> None:
    write(webhook=web.address)
    run = builders.make_run(tmp_path / "runs", steps=20)
    notifier = Notifier(run, NoticeSettings(send="problems"), pytest.fail)
    end(run, notifier)
    assert web.bodies == []
    notifier.crashed(events.Message(step=3, level="error", text="x"), "The engine was killed.")
    end(run, notifier, "failed")
    assert sorted(body["event"] for body in web.bodies) == ["crash", "failed"]


def test_a_command_is_told_by_its_environment_and_input_and_never_through_a_shell(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    write(command=[sys.executable, "-c", NOTE, str(out), "$(touch pwned)"], send="all")
    run = builders.make_run(tmp_path / "runs", name="20260131-120000-;touch pwned", steps=20)
    notifier = Notifier(run, NoticeSettings(), pytest.fail)
    end(run, notifier)
    body, environment = json.loads(out.read_text())
    assert body["event"] == environment["CNNTRAIN_EVENT"] == "finished"
    assert environment["CNNTRAIN_NAME"] == run.name
    assert environment["CNNTRAIN_RUN"] == str(run.path)
    assert "\x1b" not in environment["CNNTRAIN_TEXT"]
    assert not list(Path.cwd().glob("pwned*"))
    assert not list(tmp_path.glob("pwned*"))


def test_the_command_line_decides_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write(command=["one"], webhook="https://example.org/a")
    monkeypatch.setenv(COMMAND_VARIABLE, "two 'and more'")
    assert destinations().command == ("two", "and more")
    assert destinations().webhook == "https://example.org/a"
    assert destinations().send == "all"
    monkeypatch.setenv(COMMAND_VARIABLE, "two 'open")
    with pytest.raises(UsageError, match="quotation"):
        destinations()


def test_nothing_is_sent_without_being_asked_for(tmp_path: Path, web: Web) -> None:
    run = builders.make_run(tmp_path / "runs", steps=20)
    write(webhook=web.address)
    end(run, Notifier(run, NoticeSettings(), pytest.fail), "failed")
    notices_file().unlink()
    told: list[str] = []
    end(run, Notifier(run, NoticeSettings(send="all"), told.append), "failed")
    assert web.bodies == []
    assert len(told) == 1
    assert "No webhook or command is named in" in told[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('webhook = "file:///etc/passwd"', "no http or https"),
        ('shell = "rm"', 'unknown "shell"'),
        ('send = "everything"', "off, problems or all"),
        ("command = [1]", "each in quotes"),
        ("[", "is not TOML"),
        ("\0", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: str, words: str) -> None:
    notices_file().write_text(content)
    notices_file().chmod(0o600)
    with pytest.raises(UsageError, match="Notices cannot be sent") as error:
        destinations()
    assert words in str(error.value)
    told: list[str] = []
    run = builders.make_run(tmp_path / "runs", steps=20)
    end(run, Notifier(run, NoticeSettings(send="all"), told.append))
    assert len(told) == 1


def test_a_file_that_others_can_write_is_not_trusted() -> None:
    write(command=["true"], send="all")
    notices_file().chmod(0o666)
    with pytest.raises(UsageError, match="can be written by others"):
        destinations()


def test_neither_a_run_nor_a_preset_can_name_a_command() -> None:
    assert set(NoticeSettings.model_fields) == {"send", "screen"}
    for key in ("command", "webhook"):
        with pytest.raises(ValueError, match=key):
            NoticeSettings.model_validate({key: "x"})


@pytest.mark.parametrize("command", [["/does/not/exist"], [sys.executable, "-c", "raise SystemExit(3)"]])
def test_what_fails_is_told_once(tmp_path: Path, command: list[str]) -> None:
    failing = Web(500)
    write(command=command, webhook=failing.address, send="all")
    run = builders.make_run(tmp_path / "runs", steps=20)
    told: list[str] = []
    notifier = Notifier(run, NoticeSettings(), told.append)
    critical(run)
    notifier.look()
    end(run, notifier)
    failing.server.shutdown()
    failing.server.server_close()
    assert len(told) == 1
    assert "could not be sent" in told[0]


def test_it_is_known_beforehand_that_nobody_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notices.missing("off") == ""
    assert notices.missing("all").endswith("notices.toml, so notices.send=all tells nobody.")
    write(command=["/does/not/exist"])
    assert notices.missing("problems") == "There is no program /does/not/exist."
    write(command=[sys.executable])
    assert notices.missing("all") == ""
    monkeypatch.setenv(WEBHOOK_VARIABLE, "chat.example")
    assert "the webhook is no http or https address" in notices.missing("all")
    assert notices.missing("off") == ""


def test_an_address_that_was_typed_wrong_is_told_whatever_the_run_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, "chat.example")
    told: list[str] = []
    Notifier(builders.make_run(tmp_path / "runs", steps=20), NoticeSettings(), told.append)
    assert len(told) == 1
    assert "the webhook is no http or https address. Correct it" in told[0]


def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "_COMMAND_SECONDS", 0.3)
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    write(command=[sys.executable, "-c", code], send="all")
    monkeypatch.setattr(notices, "_COMMAND_SECONDS", 5.0)
    run = builders.make_run(tmp_path / "runs", steps=20)
    told: list[str] = []
    notifier = Notifier(run, NoticeSettings(), told.append)
    end(run, notifier)
    assert "it took more than" in told[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_server_that_does_not_answer_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(notices, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        write(webhook=f"http://127.0.0.1:{listener.getsockname()[1]}/", send="all")
        run = builders.make_run(tmp_path / "runs", steps=20)
        notifier = Notifier(run, NoticeSettings(), lambda _: None)
        begun = time.monotonic()
        end(run, notifier)
        assert time.monotonic() - begun < 5


def test_numbers_that_json_lacks_are_left_out() -> None:
    assert notices._finite({"a": {"b": math.nan, "c": math.inf, "d": 1.5}}) == {"a": {"b": None, "c": None, "d": 1.5}}


def test_the_supervisor_sends_the_end(fake: Callable[..., RunDir], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    slow = f"import time; time.sleep(1); {NOTE}"
    write(command=[sys.executable, "-c", slow, str(out)], webhook="http://127.0.0.1:9/", send="all")
    run = fake(steps=5)
    launch.start(run)
    until(over(run))
    until(lambda: out.exists() and out.stat().st_size)
    until(lambda: any("could not be sent by the webhook" in str(event) for event in state_of(run).log))
    state = state_of(run)
    assert state.status == "finished"
    assert sum("could not be sent" in str(event) for event in state.log) == 1
    until(lambda: json.loads(out.read_text())[0]["event"] == "finished")
