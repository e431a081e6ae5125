"""What this machine knows about itself and its processes: name, boot, start times, kills for memory.

A process id says nothing by itself: it is reused, and it means another process after a reboot or on
another machine. Host, boot and start time together name one process for ever.
"""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path

_VMSTAT = Path("/proc/vmstat")
_CGROUP = Path("/sys/fs/cgroup")


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


def kills_at_logout() -> bool:
    """Whether this machine ends a user's processes when the user logs out (systemd's KillUserProcesses)."""
    import configparser
    import getpass

    files = [
        Path("/usr/lib/systemd/logind.conf"),
        Path("/etc/systemd/logind.conf"),
        *sorted(Path("/usr/lib/systemd/logind.conf.d").glob("*.conf")),
        *sorted(Path("/etc/systemd/logind.conf.d").glob("*.conf")),
    ]
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        parser.read(files, encoding="utf-8")
        user = getpass.getuser()
    except (OSError, KeyError, ValueError, configparser.Error):
        return False
    login = dict(parser["Login"]) if parser.has_section("Login") else {}
    if login.get("killuserprocesses", "no").strip().lower() not in ("yes", "true", "1", "on"):
        return False
    excluded = login.get("killexcludeusers", "root").split()
    return user not in excluded and not Path("/var/lib/systemd/linger", user).exists()


def _group_kills() -> int:
    try:
        lines = Path("/proc/self/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0
    for line in lines:
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
