"""Open a box: network, services in order, its door, the box itself; and everything gone when the context ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from time import monotonic
from typing import Any

import msgspec

from harness.api import Healthcheck, Mount, Purpose, SandboxError, SandboxSpec, Service
from harness.sandboxes._box import STAY, DockerBox
from harness.sandboxes._context import Base
from harness.sandboxes._door import Door, engine_mounts, make_door
from harness.sandboxes._engine import Engine, NotThere, Things
from harness.sandboxes._exec import Command, Finished, run
from harness.sandboxes._fence import Fences, fence_of, joins
from harness.sandboxes._files import user_ids
from harness.sandboxes._images import Images
from harness.sandboxes._owner import labels_for
from harness.sandboxes._watch import Watch

SERVICE_CAPS = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")
"""What database images need to hand their data folder to their own user and become it."""
SWITCH_CAPS = ("CHOWN", "KILL", "SETGID", "SETUID")
"""What root in a grader's box needs to run programs of the work as another user, and to end them."""
SERVICE_PIDS = 512
NO_DNS = "127.0.0.1"
"""On a private network names of services are answered by the engine; a server that is not there keeps it from asking
the host's for all others (CVE-2024-29018: before engine 23.0.11 that was a way out)."""
LOG_LINES = 20
OPEN_FILES = 16384


@dataclass(frozen=True)
class Workshop:
    """What boxes are made with."""

    engine: Engine
    images: Images
    refused: Sequence[str] = ()
    ids: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)


@asynccontextmanager
async def open_box(shop: Workshop, spec: SandboxSpec, purpose: Purpose) -> AsyncIterator[DockerBox]:
    """A box, and nothing of it afterwards, also when opening fails or is cancelled.

    Raises MissingRequirement, SandboxError.
    """
    engine = shop.engine
    await engine.ready()
    name = f"harness-{token_hex(6)}"
    services = [f"{name}-{service.name}" for service in spec.services]
    door = f"{name}-door" if purpose.door else ""
    fenced = map(fence_of, (name, *services)) if needs_fence(shop, spec) else ()
    made = (name, *([door] if door else ()), *reversed(services), *fenced)
    things = Things(made, name if spec.network != "none" else "")
    image = await shop.images.get(spec, purpose.workspace)
    labels = labels_for(purpose)
    engine.hold(things)
    try:
        if things.network:
            await engine.call(_make_network, engine, name, labels, spec.network == "internal")
        fences = await fences_for(shop, spec, purpose, name)
        joined = Joined(name, labels, spec, purpose, fences)
        started = zip(spec.services, services, strict=True)
        digests = {s.name: await _start_service(shop, s, container, joined) for s, container in started}
        inside = await fences.around(name, "box")
        if purpose.door:
            base = await shop.images.get(SandboxSpec(), purpose.workspace)
            network = joins(engine.api, name, "box") if things.network else None
            await engine.call(make_door, engine, door, base, spec, Door(purpose.door, labels, network, inside))
        fittings = Fittings(labels, inside or door, purpose.mounts)
        try:
            box_id, owner = await engine.call(_make_box, shop, name, image, spec, fittings)
        except NotThere:  # the image was removed since it was found
            shop.images.forget()
            image = await shop.images.get(spec, purpose.workspace)
            box_id, owner = await engine.call(_make_box, shop, name, image, spec, fittings)
        here = msgspec.structs.replace(spec, workdir=spec.workdir or image.workdir or "/")
        box = DockerBox(engine, box_id, image.id, here, _user(spec, image), owner)
        box.network = things.network
        box.service_images = digests
        if spec.healthcheck:
            await _wait_healthy(engine, box_id, spec.healthcheck, "the box")
        for service, container in zip(spec.services, services, strict=True):
            await engine.call(_still_there, engine, service, container)
        yield box
    finally:
        await engine.release(things)


@dataclass(frozen=True, slots=True)
class Fittings:
    """What a box has besides its spec. `inside` is the container whose network namespace it joins, if any."""

    labels: Mapping[str, str]
    inside: str
    mounts: tuple[Mount, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """What a service shares with its box."""

    network: str
    labels: Mapping[str, str]
    spec: SandboxSpec
    purpose: Purpose
    fences: Fences


def needs_fence(shop: Workshop, spec: SandboxSpec) -> bool:
    """Whether what is on this box's network has a way out, and something is refused there."""
    return spec.network == "open" and bool(shop.refused)


async def fences_for(shop: Workshop, spec: SandboxSpec, purpose: Purpose, network: str) -> Fences:
    """The fences on a box's network: none where it has no way out. Raises SandboxError."""
    image = await shop.images.get(SandboxSpec(), purpose.workspace) if needs_fence(shop, spec) else None
    return Fences(shop.engine, image, network, labels_for(purpose), shop.refused)


def _user(spec: SandboxSpec, image: Base) -> str:
    return spec.user or image.user or "0"


def _make_box(
    shop: Workshop, name: str, image: Base, spec: SandboxSpec, fittings: Fittings
) -> tuple[str, tuple[int, int]]:
    """Create and start; the container's id, and who owns what is written into it."""
    api = shop.engine.api
    limits = limits_of(shop.engine, spec)
    if fittings.inside:  # the namespace, its names and its servers are that container's
        limits |= {"network_mode": f"container:{fittings.inside}", "dns": None}
    if fittings.mounts:
        limits["mounts"] = engine_mounts(fittings.mounts)
    made = api.create_container(
        image.id,
        name=name,
        entrypoint=list(STAY[:1]),
        command=list(STAY[1:]),
        user="0",
        hostname=None if fittings.inside else "box",
        working_dir=spec.workdir or None,
        environment=dict(spec.env),
        labels=dict(fittings.labels),
        healthcheck={"test": ["NONE"]},
        host_config=api.create_host_config(**limits),
        networking_config=joins(api, name, "box") if spec.network != "none" and not fittings.inside else None,
    )
    user = _user(spec, image)
    owner = shop.ids.get((image.id, user))
    if owner is None:
        owner = shop.ids[(image.id, user)] = user_ids(shop.engine, made["Id"], user)
    api.start(made["Id"])
    return str(made["Id"]), owner


def limits_of(engine: Engine, spec: SandboxSpec) -> dict[str, Any]:
    """The host configuration that holds a box within its spec."""
    cpus = min(spec.cpus, engine.cpus) if engine.cpus else spec.cpus
    return {
        "network_mode": "none" if spec.network == "none" else None,
        "dns": [NO_DNS] if spec.network == "internal" else None,
        "cap_drop": ["ALL"],
        "cap_add": list(SWITCH_CAPS) if spec.switch_user else None,
        "security_opt": ["no-new-privileges"],
        "mem_limit": spec.memory,
        "memswap_limit": spec.memory,
        "nano_cpus": int(cpus * 1e9),
        "pids_limit": spec.pids,
        "ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "nofile", "Soft": OPEN_FILES, "Hard": OPEN_FILES},
            *([{"Name": "fsize", "Soft": spec.disk, "Hard": spec.disk}] if spec.disk else []),
        ],
        "tmpfs": {"/scratch": f"size={min(spec.disk or spec.memory, spec.memory)},mode=1777,exec"},
        "log_config": {"Type": "none", "Config": {}},
        "ipc_mode": "private",
    }


def _make_network(engine: Engine, name: str, labels: Mapping[str, str], internal: bool) -> None:
    """A bridge of the box's own. An internal one has no route out, and the host has no address on it."""
    options = {"com.docker.network.bridge.inhibit_ipv4": "true"} if internal else {}
    engine.api.create_network(
        name, driver="bridge", internal=internal, labels=dict(labels), options=options, check_duplicate=True
    )


async def _start_service(shop: Workshop, service: Service, container: str, joined: Joined) -> str:
    """Start a sidecar and wait until it is healthy; its image's digest. Raises SandboxError with the end of its log."""
    engine = shop.engine
    image = await shop.images.get(service.box_spec(), joined.purpose.workspace)
    inside = await joined.fences.around(container, service.name)
    await engine.call(_make_service, engine, container, image, Placed(service, joined, inside))
    if service.healthcheck:
        await _wait_healthy(engine, container, service.healthcheck, f"service '{service.name}'")
    return image.id


@dataclass(frozen=True, slots=True)
class Placed:
    """A service and where it goes. `inside` is the container whose network namespace it joins, if any."""

    service: Service
    joined: Joined
    inside: str


def _make_service(engine: Engine, container: str, image: Base, placed: Placed) -> None:
    api = engine.api
    service, joined = placed.service, placed.joined
    closed = joined.spec.network == "internal"
    host = api.create_host_config(
        network_mode=f"container:{placed.inside}" if placed.inside else None,
        dns=[NO_DNS] if closed else None,
        cap_drop=["ALL"],
        cap_add=list(SERVICE_CAPS),
        security_opt=["no-new-privileges"],
        mem_limit=service.memory,
        memswap_limit=service.memory,
        pids_limit=SERVICE_PIDS,
        init=True,
        log_config={"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
    )
    api.create_container(
        image.id,
        name=container,
        hostname=None if placed.inside else service.name,
        command=list(service.command) or None,
        environment=dict(service.env),
        labels=dict(joined.labels),
        healthcheck={"test": ["NONE"]},
        host_config=host,
        networking_config=None if placed.inside else joins(api, joined.network, service.name),
    )
    api.start(container)


async def _wait_healthy(engine: Engine, container: str, check: Healthcheck, who: str) -> None:
    until, last = monotonic() + check.wait_s, "it was not tried"
    watch = Watch(engine, container, 0)
    argv = ("/bin/sh", "-c", check.command)
    while monotonic() < until:
        user = await engine.call(lambda: str(engine.api.inspect_container(container)["Config"]["User"]))
        try:
            tried = await run(engine, container, Command(argv, check.timeout_s, 64 * 1024, user or "0"), watch)
        except SandboxError as e:
            last = str(e)
            if not await engine.call(_is_running, engine, container):
                last = "it has ended"
                break
        else:
            if tried.exit_code == 0 and not tried.timed_out:
                return
            last = _said(tried)
        await asyncio.sleep(check.interval_s)
    raise SandboxError(
        "healthcheck", f"{who} is not healthy ({check.command!r}: {last}){await engine.call(_log, engine, container)}"
    )


def _still_there(engine: Engine, service: Service, container: str) -> None:
    """One that failed is no service, and work without it no measurement; one that did its work and ended may be meant.

    Raises SandboxError.
    """
    state = engine.api.inspect_container(container)["State"]
    if not state["Running"] and (code := state["ExitCode"]):
        what = f"service '{service.name}' is not healthy (it has ended with exit code {code})"
        raise SandboxError("healthcheck", f"{what}{_log(engine, container)}")


def _said(tried: Finished) -> str:
    words = (tried.stderr or tried.stdout).decode("utf-8", "replace").strip()[-500:]
    return f"exit {tried.exit_code}{', timed out' if tried.timed_out else ''}{f': {words}' if words else ''}"


def _is_running(engine: Engine, container: str) -> bool:
    return bool(engine.api.inspect_container(container)["State"]["Running"])


def _log(engine: Engine, container: str) -> str:
    """The end of a service's log, for an error; a box has none."""
    try:
        said = engine.guarded(lambda: engine.api.logs(container, tail=LOG_LINES)).decode("utf-8", "replace").strip()
    except SandboxError:
        return ""
    return f"\nits last words:\n{said}" if said else ""
