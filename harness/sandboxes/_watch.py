"""Limits that the engine keeps but does not report: the kernel's out-of-memory kills, and what a box has written."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from time import monotonic
from typing import Any

from harness.sandboxes._engine import Engine

COUNTERS = (
    "/sys/fs/cgroup/memory/docker/{id}/memory.oom_control",
    "/sys/fs/cgroup/memory/system.slice/docker-{id}.scope/memory.oom_control",
    "/sys/fs/cgroup/docker/{id}/memory.events",
    "/sys/fs/cgroup/system.slice/docker-{id}.scope/memory.events",
    "/sys/fs/cgroup/machine.slice/libpod-{id}.scope/memory.events",
    "/sys/fs/cgroup/memory/libpod_parent/libpod-{id}/memory.oom_control",
    "/sys/fs/cgroup/memory/machine.slice/libpod-{id}.scope/memory.oom_control",
)
"""Where the host shows a container's `oom_kill` count: cgroup v1 and v2, by cgroupfs and by systemd; and Podman."""
PIDS = tuple(
    f"/sys/fs/cgroup/{place}/"
    for place in ("pids/docker/{id}", "pids/system.slice/docker-{id}.scope", "docker/{id}",
                  "system.slice/docker-{id}.scope", "machine.slice/libpod-{id}.scope", "pids/libpod_parent/libpod-{id}",
                  "pids/machine.slice/libpod-{id}.scope")
)  # fmt: skip
"""Where it shows how many processes a container has, and how often it was refused one more."""
OWN_PIDS = 2
"""The engine's init and what it waits for."""
PIDS_FULL = re.compile(r"^max (\d+)$", re.MULTILINE)
OOM_KILL = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
EVENT_S = 0.05
DISK_EVERY_S = 2.0
BETWEEN_S = 10.0
SHARE = 20
"""Measuring a box walks its files: at most a twentieth of the time goes into it."""


class Watch:
    """Of one container, from its start. `disk` in bytes, 0 for no limit."""

    __slots__ = (
        "_container", "_counter", "_disk", "_engine", "_killed", "_looked", "_most", "_next", "_opened", "_pids",
        "_refused",
    )  # fmt: skip

    def __init__(self, engine: Engine, container_id: str, disk: int) -> None:
        self._engine = engine
        self._container = container_id
        self._disk = disk
        self._counter = next((p for c in COUNTERS if (p := Path(c.format(id=container_id))).is_file()), None)
        self._pids = next((p for c in PIDS if (p := Path(c.format(id=container_id)) / "pids.current").is_file()), None)
        self._refused = 0
        self._killed = 0
        self._most = 0
        self._opened = time.time()
        self._looked = monotonic()
        self._next = monotonic() + DISK_EVERY_S / 2

    async def oom_killed(self, exit_code: int) -> bool:
        """Whether the kernel killed a process of the box since this was asked last.

        The host's counter tells at once. An engine elsewhere is asked for its events, and only after a failure.
        """
        now = self._count() if self._counter is not None else None
        if now is None:
            if exit_code == 0:
                return False
            await asyncio.sleep(EVENT_S)
            now = await self._engine.call(self._events)
        before, self._killed = self._killed, now
        return now > before

    def alone(self) -> bool:
        """Whether nothing but the box's own two processes is in it, where the host shows that: it costs no call."""
        try:
            return self._pids is not None and int(self._pids.read_text()) <= OWN_PIDS
        except (OSError, ValueError):
            return False

    def pids_full(self) -> bool:
        """Whether the box was refused a process since this was asked last, where the host shows that."""
        try:
            found = PIDS_FULL.search((self._pids.parent / "pids.events").read_text()) if self._pids else None
        except OSError:
            return False
        before, self._refused = self._refused, int(found[1]) if found else 0
        return self._refused > before

    def _count(self) -> int | None:
        try:
            found = OOM_KILL.search(self._counter.read_text()) if self._counter else None
        except OSError:
            return None
        return int(found[1]) if found else None

    def _events(self) -> int:
        """How many `oom` events the engine remembers of this container."""
        chosen = {"container": [self._container], "event": ["oom"], "type": ["container"]}
        until = f"{time.time():.9f}"  # whole seconds would leave out the last one
        events: Any = self._engine.api.events(since=int(self._opened) - 1, until=until, filters=chosen)
        return sum(1 for _ in events)

    async def disk_full(self, *, between: bool = False) -> bool:
        """Whether the box wrote more than it may. Measured now and then: during a command, and `between` commands.

        A box that is over its limit and shrinks is left to it: it is clearing up.
        """
        now = monotonic()
        if not self._disk or now < self._next or (between and now - self._looked < BETWEEN_S):
            return False
        written = await self._engine.call(self._written)
        self._looked = monotonic()
        self._next = self._looked + max(DISK_EVERY_S, SHARE * (self._looked - now))
        full = written > max(self._disk, self._most)
        self._most = written if written > self._disk else 0
        return full

    def _written(self) -> int:
        found = self._engine.api.containers(all=True, size=True, filters={"id": self._container})
        return int(found[0].get("SizeRw") or 0) if found else 0
