"""Find and remove what processes left on the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from docker.errors import APIError

from harness.api import Held
from harness.sandboxes._engine import Engine, remove_container, remove_network
from harness.sandboxes._owner import CREATED, IMAGE, OWNER, RUN, TRIAL, is_alive

OURS = {"label": [OWNER]}


def held(engine: Engine) -> list[Held]:
    """Everything of ours: containers, networks and volumes with their owners, and cached images."""
    api = engine.api
    containers = [_held("container", _name(c), c["Labels"]) for c in api.containers(all=True, filters=OURS)]
    networks = [_held("network", n["Name"], n["Labels"]) for n in api.networks(filters=OURS)]
    volumes = [_held("volume", v["Name"], v["Labels"]) for v in api.volumes(filters=OURS)["Volumes"] or ()]
    images = [
        Held("image", (i["RepoTags"] or [i["Id"]])[0], "", "", float(i["Created"]), True)
        for i in api.images(filters={"label": [IMAGE]})
    ]
    return [*containers, *networks, *volumes, *images]


def prune(engine: Engine, things: Iterable[Held]) -> list[Held]:
    """Remove these; what was removed. Images that something still uses stay."""
    removed = []
    for thing in things:
        with suppress(APIError):
            _remove(engine, thing)
            removed.append(thing)
    return removed


def reap(engine: Engine) -> list[Held]:
    """Remove what dead processes left behind, and old images of ours that no name leads to."""
    dead = [thing for thing in held(engine) if not thing.alive]
    removed = prune(engine, dead)
    with suppress(APIError):
        engine.api.prune_images({"dangling": True, "label": [IMAGE], "until": "1h"})
    return removed


def _remove(engine: Engine, thing: Held) -> None:
    if thing.what == "container":
        remove_container(engine.api, thing.name)
    elif thing.what == "network":
        remove_network(engine.api, thing.name)
    elif thing.what == "volume":
        engine.api.remove_volume(thing.name, force=True)
    else:
        engine.api.remove_image(thing.name)


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Names"][0]).lstrip("/") if container["Names"] else str(container["Id"])


def _held(what: str, name: str, labels: Mapping[str, str]) -> Held:
    created = labels.get(CREATED, "")
    return Held(
        what,
        name,
        labels.get(RUN, ""),
        labels.get(TRIAL, ""),
        float(created) if created.replace(".", "", 1).isdigit() else 0.0,
        is_alive(labels.get(OWNER, "")),
    )
