"""A fence around an open box: a sidecar that holds its network namespace and refuses the machine's own addresses in it.

    fence starts -> rules of routing are laid down in its namespace and tried -> box (door, service) joins the namespace

So nothing of a box has run before, and a box that is restarted is in the same namespace. The right to change routes is
the fence's alone: no box has it, and none can see the fence's processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.api import SandboxError
from harness.sandboxes._box import STAY
from harness.sandboxes._context import Base
from harness.sandboxes._engine import Engine
from harness.sandboxes._exec import Command, run
from harness.sandboxes._watch import Watch

SCRIPT = Path(__file__).with_name("_refuse.py")
MEMORY = 64 * 1024**2
PIDS = 16
LAYING_S = 30.0
SAID_BYTES = 16 * 1024
HELP = (
    "needs python3 in the default image and a kernel from 4.17 on; `sandbox: {use: docker, refused: []}` does without"
)


def fence_of(container: str) -> str:
    """The name of a container's fence: a dot is in no name of a service."""
    return f"{container}.fence"


@dataclass(frozen=True, slots=True)
class Fences:
    """What the fences of one box and of its services are made with. Without `image` there are none."""

    engine: Engine
    image: Base | None
    network: str
    labels: Mapping[str, str]
    refused: Sequence[str]

    async def around(self, container: str, host: str) -> str:
        """Put up the fence of a container that is still to be made; its name, or nothing where it has none.

        `host` is the host name of who joins, if it has one. Raises SandboxError where anything refused is reached.
        """
        if self.image is None:
            return ""
        name = fence_of(container)
        await self.engine.call(_make, self, self.image, name, host)
        argv = ("python3", "-IS", "-c", SCRIPT.read_text(encoding="utf-8"), *self.refused)
        laid = await run(self.engine, name, Command(argv, LAYING_S, SAID_BYTES, "0", "/"), Watch(self.engine, name, 0))
        if laid.exit_code or laid.timed_out:
            said = (laid.stderr or laid.stdout).decode("utf-8", "replace").strip().rpartition("\n")[2] or "no answer"
            what = "no box with `network: open`: the machine's own addresses cannot be refused in it"
            raise SandboxError("engine", f"{what} ({said}): {HELP}")
        return name


def _make(fences: Fences, image: Base, name: str, host: str) -> None:
    api = fences.engine.api
    api.create_container(
        image.id,
        name=name,
        entrypoint=list(STAY[:1]),
        command=list(STAY[1:]),
        user="0",
        hostname=host or None,
        labels=dict(fences.labels),
        healthcheck={"test": ["NONE"]},
        host_config=api.create_host_config(
            read_only=True,
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],
            security_opt=["no-new-privileges"],
            mem_limit=MEMORY,
            memswap_limit=MEMORY,
            pids_limit=PIDS,
            log_config={"Type": "none", "Config": {}},
            ipc_mode="private",
        ),
        networking_config=joins(api, fences.network, host),
    )
    api.start(name)


def joins(api: Any, network: str, alias: str) -> Any:
    """How a container joins a network, and by which name it is known there, if any."""
    return api.create_networking_config({network: api.create_endpoint_config(aliases=[alias] if alias else None)})
