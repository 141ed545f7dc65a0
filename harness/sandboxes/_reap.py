"""Find and remove what processes left on the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from docker.errors import APIError

from harness.api import Held
from harness.sandboxes._build import NAME
from harness.sandboxes._engine import Engine, remove_container, remove_network
from harness.sandboxes._images import forget_key, used_at
from harness.sandboxes._owner import CREATED, IMAGE, OWNER, RUN, TRIAL, is_alive

T = TypeVar("T")
DAY_S = 86400.0
BUSY_S = 20.0
"""How long to ask again while somebody else is in the way; after that sizes of images are unknown, and 0."""
OURS = {"label": [OWNER]}


def held(engine: Engine) -> list[Held]:
    """Everything of ours: containers, networks and volumes with their owners, and cached images."""
    return [*_made(engine), *images_of(engine)]


def _made(engine: Engine) -> list[Held]:
    api = engine.api
    listed = _patiently(lambda: api.containers(all=True, filters=OURS))
    containers = [_held("container", _name(c), c["Labels"]) for c in listed]
    networks = [_held("network", n["Name"], n["Labels"]) for n in api.networks(filters=OURS)]
    volumes = [_held("volume", v["Name"], v["Labels"]) for v in api.volumes(filters=OURS)["Volumes"] or ()]
    return [*containers, *networks, *volumes]


def images_of(engine: Engine, *, sizes: bool = True) -> list[Held]:
    """Cached images, the longest unused first. Their `sizes` take the engine longer than the rest."""
    about = _usage(engine) if sizes else ()
    own = {i["Id"]: max(0, i["Size"] - max(0, i.get("SharedSize") or 0)) for i in about}
    found = [
        Held("image", name, "", "", float(i["Created"]), True, _last_use(i), own.get(i["Id"], 0))
        for i in engine.api.images(filters={"label": [IMAGE]})
        for name in _names_of(i)
    ]
    return sorted(found, key=lambda image: image.used)


def _usage(engine: Engine) -> Iterable[Mapping[str, Any]]:
    """What the engine says of the disk that each image takes; none when it does not come to say it."""
    with suppress(APIError):
        return _patiently(engine.api.df)["Images"] or ()
    return ()


def _patiently(ask: Callable[[], T]) -> T:
    """Ask again when others are the trouble. Raises APIError.

    Docker answers one question about the disk at a time and refuses the others; Podman fails to list its containers
    when one of them is removed meanwhile.
    """
    until = time.monotonic() + BUSY_S
    while True:
        try:
            return ask()
        except APIError as e:
            said = str(e).lower()
            if time.monotonic() >= until or not any(
                words in said for words in ("already running", "no such container")
            ):
                raise
            time.sleep(0.1)


def prune(engine: Engine, things: Iterable[Held]) -> list[Held]:
    """Remove these; what was removed. Images that something still uses stay."""
    removed = []
    for thing in things:
        with suppress(APIError):
            _remove(engine, thing)
            removed.append(thing)
    return removed


def reap(engine: Engine, unused_days: float | None = None) -> list[Held]:
    """Remove what dead processes left behind, images unused for so long, and old ones that no name leads to."""
    dead = [thing for thing in _made(engine) if not thing.alive]
    if unused_days is not None:
        before = time.time() - unused_days * DAY_S
        dead += [image for image in images_of(engine, sizes=False) if image.used <= before]
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
        forget_key(thing.name.rpartition(":")[2])


def _names_of(image: Mapping[str, Any]) -> list[str]:
    """Our names of an image, its id where it has none at all; nothing for one that somebody made of ours and named."""
    names = image["RepoTags"] or [f"{NAME}:"]
    return [image["Id"] if name == f"{NAME}:" else name for name in names if name.startswith(f"{NAME}:")]


def _last_use(image: Mapping[str, Any]) -> float:
    """When a box was last made of an image, as far as this machine knows, else when it was built."""
    return used_at(str((image["Labels"] or {}).get(IMAGE, ""))) or float(image["Created"])


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
