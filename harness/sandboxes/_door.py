"""A box's door to the gateway: a sidecar that holds the box's network namespace and a trial's socket.

    agent in the box -> 127.0.0.1:8089 in the shared namespace -> sidecar -> unix socket -> gateway on the host

The sidecar comes first and the box joins its namespace (`reference/agents.md`, section 3, c2), so that a box without a
network has loopback and nothing else. The folder with the socket is in the sidecar alone, whose files and processes
the box cannot see.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.types import Mount as EngineMount

from harness.api import Mount, SandboxError, SandboxSpec
from harness.plugins.gateway import DOOR_FOLDER, DOOR_PORT, DOOR_SOCKET
from harness.sandboxes._context import Base
from harness.sandboxes._engine import Engine

MEMORY = 64 * 1024**2
PIDS = 16
NOBODY = "65534:65534"
FORWARDER = Path(__file__).with_name("_forwarder.py")
NO_DNS = "127.0.0.1"


def make_door(engine: Engine, name: str, image: Base, spec: SandboxSpec, door: Door) -> None:
    """Start the sidecar `name`. It carries the box's host name and, where the task has a network, its address."""
    api = engine.api
    host = api.create_host_config(
        network_mode="none" if spec.network == "none" else f"container:{door.inside}" if door.inside else None,
        dns=[NO_DNS] if spec.network == "internal" else None,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        pids_limit=PIDS,
        log_config={"Type": "none", "Config": {}},
        ipc_mode="private",
        mounts=[EngineMount(DOOR_FOLDER, str(door.folder), type="bind", read_only=True)],
    )
    api.create_container(
        image.id,
        name=name,
        entrypoint=["python3", "-c", FORWARDER.read_text(encoding="utf-8")],
        command=[str(DOOR_PORT), f"{DOOR_FOLDER}/{DOOR_SOCKET}"],
        user=NOBODY,
        hostname=None if door.inside else "box",
        labels=dict(door.labels),
        healthcheck={"test": ["NONE"]},
        host_config=host,
        networking_config=door.joins if spec.network != "none" and not door.inside else None,
    )
    api.start(name)


class Door:
    """What a sidecar is given: the socket's folder, labels, and how it joins the task's network: by itself, or in the
    namespace of the container `inside`."""

    __slots__ = ("folder", "inside", "joins", "labels")

    def __init__(self, folder: Path, labels: Mapping[str, str], joins: Any, inside: str = "") -> None:
        self.folder = folder
        self.labels = labels
        self.joins = joins
        self.inside = inside


def engine_mounts(mounts: tuple[Mount, ...]) -> list[EngineMount]:
    """Read-only bind mounts. Raises SandboxError for what is not there: the engine's own words would not say why."""
    for mount in mounts:
        if not mount.source.exists():
            raise SandboxError("files", f"{mount.source} is to be mounted at {mount.target} and does not exist")
    return [EngineMount(m.target, str(m.source.resolve()), type="bind", read_only=True) for m in mounts]
