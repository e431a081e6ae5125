"""Telling a person who does not look: a webhook, a command. Sent by the supervisor, so that no screen need be open.

Where to and by which program is never read from a run or a preset, which may come from anyone: it stands in the
person's own ``notices.toml`` in the configuration directory, or in the environment, where the command line puts it.
A notice that cannot be sent costs a run nothing, and is told once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tui.core.errors import UsageError
from tui.core.events import Ended, Event, Found
from tui.core.files import COMMAND_VARIABLE, WEBHOOK_VARIABLE, config_directory
from tui.core.rundir import RunDir
from tui.core.text import clean, clean_path
from tui.runs.event_tail import EventTail
from tui.runs.host import host_name

if TYPE_CHECKING:
    from tui.core.groups.notices import NoticeSettings

Send = Literal["off", "problems", "all"]
_LEVELS: tuple[Send, ...] = ("off", "problems", "all")
_SCREENS = ("off", "bell", "desktop")
_WEB_SECONDS, _COMMAND_SECONDS = 10.0, 30.0
_PATIENCE = 15.0
"""Seconds that the supervisor waits at its end for what is still being sent."""
_LARGEST = 1 << 16
_TEXT = 1000


@dataclass(frozen=True)
class Destinations:
    """Where notices go."""

    send: Send = "off"
    """At least this much is sent, whatever a run's settings say."""
    screen: str = "off"
    """Likewise for a screen that is open."""
    webhook: str = ""
    command: tuple[str, ...] = ()


def notices_file() -> Path:
    """Where a person says where notices go."""
    return config_directory() / "notices.toml"


def destinations() -> Destinations:
    """Return where notices go: what the environment says, else the person's own file.

    Raises:
        UsageError: the file or an address cannot be used; says what is wrong with it.
    """
    own = _own_file()
    webhook, command = os.environ.get(WEBHOOK_VARIABLE, ""), os.environ.get(COMMAND_VARIABLE, "")
    try:
        words = tuple(shlex.split(command)) if command else own.command
    except ValueError as error:
        raise _refused(f"the command {clean(command, 80)} has {str(error).lower()}") from None
    send: Send = "all" if webhook or command else own.send
    found = Destinations(send, own.screen, webhook or own.webhook, words)
    if found.webhook and not found.webhook.lower().startswith(("http://", "https://")):
        raise _refused("the webhook is no http or https address")
    return found


def missing(send: str) -> str:
    """Return why a run with this ``notices.send`` would tell nobody of anything, or an empty text."""
    if send == "off":
        return ""
    try:
        to = destinations()
    except UsageError as error:
        return str(error)
    if to.webhook or to.command:
        return _no_program(to)
    return f"No webhook or command is named in {clean_path(notices_file())}, so notices.send={send} tells nobody."


def check_typed() -> None:
    """Refuse a webhook or a command of the environment, into which the command line puts them, that cannot be used.

    Raises:
        UsageError: says what is wrong with it.
    """
    wrong = _no_program(destinations())
    if wrong:
        raise UsageError("Notices cannot be sent", wrong.removesuffix("."), "Name one that can be run.")


def _no_program(to: Destinations) -> str:
    name = to.command[0] if to.command else ""
    return f"There is no program {clean(name, 80)}." if name and shutil.which(name) is None else ""


def _own_file() -> Destinations:
    path = notices_file()
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            table: dict[str, Any] = tomllib.loads(file.read(_LARGEST).decode("utf-8"))
    except FileNotFoundError:
        return Destinations()
    except OSError as error:
        raise _refused(f"{clean_path(path)}: {error.strerror}") from None
    except ValueError as error:
        raise _refused(f"{clean_path(path)} is not TOML: {clean(str(error), 120)}") from None
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _refused(f"{clean_path(path)} can be written by others", "Take that away with chmod go-w.")
    unknown = sorted(set(table) - {"send", "screen", "webhook", "command"})
    if unknown:
        raise _refused(f'{clean_path(path)} has an unknown "{clean(unknown[0], 40)}"')
    send, screen, command = table.get("send", "off"), table.get("screen", "off"), table.get("command", [])
    words = [command] if isinstance(command, str) else command
    if send not in _LEVELS or screen not in _SCREENS or not isinstance(table.get("webhook", ""), str):
        raise _refused(f"{clean_path(path)}: send is off, problems or all; screen is off, bell or desktop")
    if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise _refused(f"{clean_path(path)}: command is a program and its arguments, each in quotes")
    return Destinations(send, screen, table.get("webhook", ""), tuple(words))


def _refused(cause: str, step: str = "Correct it; a run goes on without notices.") -> UsageError:
    return UsageError("Notices cannot be sent", cause, step)


class Notifier:
    """Sends what happens in a run.

    Args:
        run: the run.
        wanted: the run's settings.
        tell: takes a sentence for the person when something cannot be sent.
    """

    def __init__(self, run: RunDir, wanted: NoticeSettings, tell: Callable[[str], None]) -> None:
        self._run, self._tell = run, tell
        self._told = False
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._codes: set[str] = set()
        self._tail: EventTail | None = None
        self._to = Destinations()
        self._level = 0
        with self._unharmed():
            self._begin(wanted)

    def _begin(self, wanted: NoticeSettings) -> None:
        try:
            self._to = destinations()
        except UsageError as error:  # whoever wrote that wanted something, whatever the run's settings say
            self._complain(str(error))
            return
        self._level = max(_LEVELS.index(wanted.send), _LEVELS.index(self._to.send))
        if self._level and not (self._to.webhook or self._to.command):
            self._level = 0
        wrong = missing(wanted.send)
        if wrong:
            self._complain(wrong)
        if self._level:
            self._tail = EventTail(self._run.events)
            self._tail.poll()  # what happened before is known

    def look(self) -> None:
        """Send the critical findings that came since the last look."""
        with self._unharmed():
            if self._tail is None or not self._tail.waiting():
                return
            for event in self._tail.poll():
                if isinstance(event, Found) and event.severity == "critical" and event.code not in self._codes:
                    self._codes.add(event.code)
                    self._send("finding", event, f"critical: {event.message}")

    def crashed(self, event: Event, text: str) -> None:
        """Send that the engine crashed and is started again."""
        with self._unharmed():
            if self._level:
                self._send("crash", event, text)

    def ended(self, event: Ended) -> None:
        """Send that the run is over; of good ends only where all is wanted."""
        self.look()
        with self._unharmed():
            if self._level and (event.reason in ("failed", "killed") or _LEVELS[self._level] == "all"):
                self._send(event.reason, event, event.text or event.reason)

    @contextlib.contextmanager
    def _unharmed(self) -> Iterator[None]:
        """Let nothing that goes wrong here reach who supervises a run."""
        try:
            yield
        except Exception as error:
            self._complain(f"Notices cannot be sent: {clean(f'{type(error).__name__}: {error}', 200)}.")

    def close(self) -> None:
        """Wait a moment for what is on its way."""
        deadline = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _send(self, kind: str, event: Event, text: str) -> None:
        body = _body(self._run, kind, event, clean(text, _TEXT))
        for way, there in ((_post, self._to.webhook), (_call, self._to.command)):
            if there:
                thread = threading.Thread(target=self._try, args=(way, there, body), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _try(self, way: Callable[[Any, dict[str, Any]], None], there: Any, body: dict[str, Any]) -> None:
        try:
            way(there, body)
        except Exception as error:  # whatever a library throws: the run must not notice
            what = "webhook" if way is _post else "command"
            cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._complain(f"A notice could not be sent by the {what}: {clean(cause or type(error).__name__, 200)}.")

    def _complain(self, sentence: str) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            with contextlib.suppress(Exception):
                self._tell(sentence)


def _body(run: RunDir, kind: str, event: Event, text: str) -> dict[str, Any]:
    from tui.runs.catalog import summary_of

    now = summary_of(run)
    sentence = f"{now.name}: {text}"
    return {
        "event": kind,
        "name": now.name,
        "run": str(run.path),
        "host": clean(host_name(), 80),
        "step": event.step,
        "total_steps": now.total_steps,
        "epoch": now.epoch,
        "best": dict(now.best),
        "test": dict(now.test),
        "text": sentence,
        "content": sentence,
    }


def _post(address: str, body: dict[str, Any]) -> None:
    """Post JSON; ``text`` and ``content`` are what the usual chat services show."""
    from urllib.request import Request, urlopen

    data = json.dumps(_finite(body), ensure_ascii=True).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "cnntrain"}
    with urlopen(Request(address, data, headers), timeout=_WEB_SECONDS) as answer:
        answer.read(1024)


def _call(command: tuple[str, ...], body: dict[str, Any]) -> None:
    """Run a command, with no shell: what is told is in its environment and, as JSON, on its standard input."""
    keys = ("event", "name", "run", "text", "step")
    told = {f"CNNTRAIN_{key.upper()}": str(body[key]) for key in keys}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, **told},
    )
    try:
        process.communicate(json.dumps(_finite(body), ensure_ascii=True).encode(), timeout=_COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise TimeoutError(f"it took more than {_COMMAND_SECONDS:.0f} seconds") from None
    if process.returncode:
        raise RuntimeError(f"it ended with code {process.returncode}")


def _finite(value: Any) -> Any:
    """Return the value without NaN and infinities, which strict readers of JSON refuse."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))) else value
