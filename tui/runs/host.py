"""What this machine knows about itself and its processes: name, boot, start times, kills for memory.

A process id says nothing by itself: it is reused, and it means another process after a reboot or on
another machine. Host, boot and start time together name one process for ever.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from functools import cache
from pathlib import Path

_VMSTAT = Path("/proc/vmstat")
_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")
_SESSION, _MANAGER = re.compile(r"/session-[^/]*\.scope"), re.compile(r"/user@\d+\.service")
_SYSTEMD = (Path("/usr/lib/systemd"), Path("/etc/systemd"), Path("/run/systemd"))
_LINGERING = Path("/var/lib/systemd/linger")


@cache
def host_name() -> str:
    """Return this machine's name."""
    return socket.gethostname()


@cache
def boot_id() -> str:
    """Return what changes with every start of this machine; empty where the system has no such thing."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return _output("sysctl", "-n", "kern.bootsessionuuid")


def start_time(pid: int) -> str:
    """Return when a living process was started, in the system's own unit; empty when there is none.

    A process that is dead but not yet collected by its parent counts as dead.
    """
    if pid <= 0:
        return ""
    try:
        # The name in parentheses may hold anything, so the fields are counted after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _output("ps", "-o", "lstart=", "-p", str(pid))
    except IndexError:
        return ""


def memory_kills() -> tuple[int, int]:
    """Return how often the kernel has killed for memory: in this process's control group, on this machine."""
    return _group_kills(), _counter(_VMSTAT)


def kept_at_logout_by(command: str) -> str:
    """Return what keeps this process and its children alive when the user logs out; empty: nothing is needed.

    systemd ends the processes of a session with it where ``KillUserProcesses`` is set, and those of the user's own
    manager with the user's last session unless the user lingers (logind.conf(5), loginctl(1)).

    Args:
        command: with which the same work is started again.
    """
    group = _own_group()
    if _SESSION.search(group) and _kills_sessions():
        return f"`loginctl enable-linger`, then `systemd-run --user --scope {command}`"
    if _MANAGER.search(group) and not _lingers():
        return "`loginctl enable-linger`"
    return ""


def _kills_sessions() -> bool:
    import configparser

    dropped = sorted((path for root in _SYSTEMD for path in root.glob("logind.conf.d/*.conf")), key=lambda p: p.name)
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read([*(root / "logind.conf" for root in _SYSTEMD), *dropped], encoding="utf-8")
    except (OSError, ValueError, configparser.Error):
        return False
    login = dict(parser["Login"]) if parser.has_section("Login") else {}
    if login.get("killuserprocesses", "no").strip().lower() not in ("yes", "y", "true", "t", "1", "on"):
        return False
    only = login.get("killonlyusers", "").split()
    user = _user()
    return user not in login.get("killexcludeusers", "root").split() and (not only or user in only)


def _lingers() -> bool:
    return (_LINGERING / _user()).exists()


def _user() -> str:
    import pwd

    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return ""


def _own_group() -> str:
    try:
        return _OWN_GROUP.read_text("utf-8", "replace")
    except OSError:
        return ""


def _group_kills() -> int:
    for line in _own_group().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            return _counter(_CGROUP / path.lstrip("/") / "memory.events")
        if "memory" in controllers.split(","):
            return _counter(_CGROUP / "memory" / path.lstrip("/") / "memory.oom_control")
    return 0


def _counter(path: Path) -> int:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    except (OSError, ValueError, IndexError):
        return 0


def _output(*command: str) -> str:
    import subprocess

    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=2, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
