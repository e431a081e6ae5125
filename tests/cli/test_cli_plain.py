"""Plain progress: what it says, when it ends and with which code, and what Ctrl-C does."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from tests import builders
from tests.runs.processes import state_of
from tui.cli import plain
from tui.cli.plain import PlainView
from tui.core import control, events
from tui.core.rundir import RunDir
from tui.runs import launch

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunDir]:
    """A run that this very process trains, to the eye."""
    run = builders.make_run(tmp_path, steps=40, epochs=4, status="running")
    builders.stop_the_clock(monkeypatch, run)
    yield run
    if run in builders._HELD:
        builders.let_go(run)


def meanwhile(*actions: Callable[[], None]) -> None:
    """Do these things, one after the other, while the view is open."""
    before = signal.getsignal(signal.SIGINT)

    def work() -> None:
        wait(lambda: signal.getsignal(signal.SIGINT) != before)
        for action in actions:
            time.sleep(0.1)
            action()

    threading.Thread(target=work, daemon=True).start()


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def ended(run: RunDir, reason: events.Reason, code: int, text: str = "") -> Callable[[], None]:
    def end() -> None:
        builders.append_event(run, events.Ended(step=40, reason=reason, exit_code=code, text=text))
        builders.let_go(run)

    return end


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return what was written to stdout, without the times."""
    written = capsys.readouterr().out.splitlines()
    assert all(time.strptime(line[:8], "%H:%M:%S") for line in written)
    return [line[9:] for line in written]


def test_it_tells_everything_once_and_ends_with_the_engine(run: RunDir, capsys) -> None:
    meanwhile(
        lambda: builders.append_event(run, events.EpochEnded(epoch=5, loss=0.5, score=0.75, seconds=3)),
        ended(run, "finished", 0, "All done."),
    )
    assert PlainView(run).follow() == 0
    said = lines(capsys)
    assert said[0] == f"run {run.path}"
    assert said[1] == "preparing: decoding pictures"
    assert said[2].startswith("simple_cnn with 123,456 weights on cpu, 6 classes")
    assert sum("training loss" in line for line in said) == 5
    assert sum("validation after epoch" in line for line in said) == 4
    assert said[-2] == "epoch 5: training loss 0.5000, accuracy 75.0 %, took 0:03"
    assert said[-1] == "finished: All done."


def test_a_finding_is_said_once_however_much_follows_from_it(run: RunDir, capsys) -> None:
    found = {"code": "rate_high", "severity": "critical", "title": "Learning rate too high", "message": "It jumps."}
    meanwhile(
        lambda: builders.append_event(run, events.Found(step=60, **found)),
        lambda: builders.append_event(run, events.Found(step=70, effects=["died"], **found)),
        lambda: builders.append_event(run, events.Cleared(step=80, code="rate_high", title="Learning rate too high")),
        lambda: builders.append_event(run, events.Found(step=90, **found)),
        ended(run, "finished", 0),
    )
    assert PlainView(run).follow() == 0
    said = lines(capsys)
    over = "no longer so: Learning rate too high"
    assert said[-4:] == ["critical: It jumps.", over, "critical: It jumps.", "finished"]


def test_what_was_before_is_passed_over(run: RunDir, capsys) -> None:
    view = PlainView(run)
    view.pass_over()
    meanwhile(ended(run, "finished", 0))
    assert view.follow() == 0
    assert lines(capsys) == [f"run {run.path}", "finished"]


@pytest.mark.parametrize(
    ("reason", "code", "hint"),
    [("stopped", 75, True), ("failed", 1, False), ("killed", 137, True), ("failed", -9, False)],
)
def test_the_exit_code_is_the_engines(run: RunDir, capsys, reason: events.Reason, code: int, hint: bool) -> None:
    meanwhile(ended(run, reason, code, "\x1b[2JBecause."))
    assert PlainView(run).follow() == (code if code >= 0 else 137)
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].endswith(f"{reason}: \\x1b[2JBecause.")
    assert ("cnntrain resume" in err) == hint


def test_it_waits_until_the_run_can_be_resumed(run: RunDir, capsys) -> None:
    times: list[float] = []

    def end() -> None:
        builders.append_event(run, events.Ended(reason="stopped", exit_code=75))

    def release() -> None:
        times.append(time.monotonic())
        builders.let_go(run)

    meanwhile(end, release)
    assert PlainView(run).follow() == 75
    assert time.monotonic() > times[0]


def test_a_run_that_dies_without_a_word_is_told(run: RunDir, capsys) -> None:
    builders.own(run, pid=2**22 + 1, start_time="1")
    meanwhile(lambda: builders.let_go(run))
    assert PlainView(run).follow() == 137
    out, err = capsys.readouterr()
    assert "crashed: Nobody noted why it ended: its supervisor was killed" in out
    assert "cnntrain resume" in err


def test_silence_is_broken_once_for_the_same_thing(run: RunDir, capsys, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(plain, "say", said.append)
    monkeypatch.setattr(plain, "HEARTBEAT", 0.1)
    beats = "epoch 4.00 of 6, step 40 of 60, loss "
    meanwhile(lambda: wait(lambda: beats in said[-1]), lambda: time.sleep(0.5), ended(run, "finished", 0))
    PlainView(run).follow()
    assert sum(beats in line for line in said) == 1


def interrupt(number: int = signal.SIGINT) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def stop_requests(run: RunDir) -> int:
    return sum(request.action == "stop" for request in control.pending(run))


def asked_to_stop(run: RunDir) -> Callable[[], None]:
    return lambda: wait(lambda: stop_requests(run))


def test_without_a_terminal_ctrl_c_stops_and_a_second_one_leaves_what_cannot_be_stopped_at_once(
    run: RunDir, capsys
) -> None:
    asked: list[int] = []
    meanwhile(interrupt(), asked_to_stop(run), lambda: asked.append(stop_requests(run)), interrupt())
    assert PlainView(run).follow() == 130
    assert asked == [1]
    out, err = capsys.readouterr()
    assert "stopping after a saved step" in out
    assert "The run cannot be stopped at once" in err
    assert "stops by itself" in err


def test_a_second_ctrl_c_stops_at_once(fake: Callable[..., RunDir], capsys, monkeypatch) -> None:
    run = fake(deaf=True, kill_seconds=0.2)  # its engine does not listen, so that only a kill ends it
    launch.start(run)
    wait(lambda: state_of(run).status == "running")
    said: list[str] = []
    monkeypatch.setattr(plain, "say", said.append)
    meanwhile(interrupt(), lambda: wait(lambda: "stops it at once" in said[-1]), interrupt())
    assert PlainView(run).follow() == 137
    assert any("stopping at once, without saving" in line for line in said)
    resume = f"`cnntrain resume {run.name}` continues from the newest checkpoint."
    assert said[-1].endswith(f"It was told to stop at once and was killed. {resume}")
    assert "continues from the last checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_waited_for(run: RunDir, capsys, number: int) -> None:
    meanwhile(interrupt(number), asked_to_stop(run), ended(run, "stopped", 75, "As asked."))
    assert PlainView(run).follow() == 75
    assert lines(capsys)[-1] == "stopped: As asked."


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_two_at_once_stop_and_leave(run: RunDir, capsys, number: int, code: int) -> None:
    def both() -> None:
        signal.raise_signal(number)  # in this thread it only wakes the main one
        os.kill(os.getpid(), number)

    meanwhile(both, interrupt(number))
    assert PlainView(run).follow() == code
    assert stop_requests(run) == 1


def test_the_signals_are_given_back(run: RunDir, capsys) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    meanwhile(ended(run, "finished", 0))
    PlainView(run).follow()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("answer", [True, False, None])
def test_on_a_terminal_ctrl_c_asks(run: RunDir, capsys, monkeypatch, answer: bool | None) -> None:
    def confirm(question: str, **_: object) -> bool:
        assert "Stop the run?" in question
        if answer is None:
            raise typer.Abort
        return answer

    monkeypatch.setattr(plain, "is_terminal", lambda stream: True)
    monkeypatch.setattr("typer.confirm", confirm)
    meanwhile(interrupt(), *([asked_to_stop(run), ended(run, "stopped", 75)] if answer else []))
    assert PlainView(run).follow() == (75 if answer else 130)
    assert stop_requests(run) == (1 if answer else 0)
    assert ("the training goes on" in capsys.readouterr().err) is not bool(answer)


def test_a_reader_that_has_gone_leaves_the_training_alone(run: RunDir) -> None:
    code = "import sys; from tests.cli.test_cli_plain import view; view(sys.argv[1])"
    shell = f'"{sys.executable}" -c "{code}" "{run.path}" | head -n 1; echo "${{PIPESTATUS[0]}}"'
    more = threading.Timer(3.0, lambda: builders.append_event(run, events.Message(level="info", text="more")))
    more.start()
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    more.cancel()
    assert done.stdout == f"{done.stdout.split()[0]} run {run.path}\n141\n"
    assert "the training goes on" in done.stderr
    assert stop_requests(run) == 0


def view(path: str) -> None:
    """What the subprocesses run."""
    from tui.cli.failures import exit_code_of

    sys.exit(exit_code_of(PlainView(RunDir(Path(path))).follow))


def test_under_a_real_terminal(run: RunDir) -> None:
    """A bar, the question at Ctrl-C, and an end without a traceback; a second Ctrl-C answers the question."""
    code = "import sys; from tests.cli.test_cli_plain import view; view(sys.argv[1])"
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"},
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(slave)
    seen = b""

    def until(words: bytes, *, pressing: bytes = b"") -> None:
        nonlocal seen
        deadline, again = time.monotonic() + 30, time.monotonic()
        while words not in seen:
            assert time.monotonic() < deadline, (words, seen)
            if pressing and time.monotonic() >= again:  # in the instant before Python waits for a line it is lost
                os.write(master, pressing)
                again += 3
            if select.select([master], [], [], 0.5)[0]:
                try:
                    seen += os.read(master, 65536)
                except OSError:  # the other end is closed
                    assert words in seen, (words, seen)

    try:
        until(b"epoch 4.0 of 6")
        os.write(master, b"\x03")
        until(b"Stop the run?")
        until(b"the training goes on", pressing=b"\x03")
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        os.close(master)
    assert b"Traceback" not in seen
    assert b"\x1b[?25h" in seen  # the cursor is back
    assert stop_requests(run) == 0
