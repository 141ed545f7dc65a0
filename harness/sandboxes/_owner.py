"""Whose a container is: labels that name the process that made it, and whether that process still runs."""

from __future__ import annotations

import os
import socket
import time
from functools import cache
from pathlib import Path

from harness.api import Purpose

OWNER = "harness.owner"
RUN = "harness.run"
TRIAL = "harness.trial"
CREATED = "harness.created"
PID = "harness.pid"
IMAGE = "harness.image"


def labels_for(purpose: Purpose) -> dict[str, str]:
    """Labels of everything that is opened for a trial by this process."""
    return {
        OWNER: this_process(),
        PID: str(os.getpid()),
        RUN: purpose.run,
        TRIAL: purpose.trial,
        CREATED: f"{time.time():.3f}",
    }


def this_process() -> str:
    """Host, boot, pid namespace, pid and start time: unlike a pid alone, never given to another process."""
    return _identity(os.getpid())


@cache
def _identity(pid: int) -> str:
    return "/".join((socket.gethostname(), _boot(), _pid_space(), str(pid), _started(pid)))


def is_alive(owner: str) -> bool:
    """Whether the process of an owner label may still run; True wherever that cannot be told from here.

    It cannot for another host, or for another container on this one, whose pids are not ours.
    """
    parts = owner.split("/")
    if len(parts) != 5:
        return False
    host, boot, space, pid, started = parts
    if host != socket.gethostname():
        return True
    if boot != _boot():
        return False
    if space != _pid_space():
        return True
    if started:
        return _started(int(pid)) == started
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _boot() -> str:
    return _first_line(Path("/proc/sys/kernel/random/boot_id"))


def _pid_space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """The process's start in clock ticks since boot (field 22 of /proc/PID/stat); empty when there is none."""
    stat = _first_line(Path(f"/proc/{pid}/stat"))
    fields = stat.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0]
    except OSError:
        return ""
