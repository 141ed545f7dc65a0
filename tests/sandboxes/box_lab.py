"""Opened sandboxes for tests, and what one run has left on the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import docker
from docker.errors import NotFound

from harness.api import Purpose
from harness.sandboxes._owner import IMAGE
from harness.sandboxes.docker import Docker

WithDocker = Callable[[Callable[[Docker], Coroutine[Any, Any, None]]], None]


@asynccontextmanager
async def opened(**parameters: Any) -> AsyncIterator[Docker]:
    """A sandbox that is closed at the end."""
    sandbox = Docker(**parameters)
    try:
        yield sandbox
    finally:
        await sandbox.aclose()


def remove_images_of(word: str, since: float) -> None:
    """Remove cached images that were built since then with this word in a step of their build."""
    engine = docker.APIClient(version="1.41")
    try:
        for image in engine.images(filters={"label": [IMAGE]}):
            if image["Created"] >= int(since) - 1:
                with suppress(NotFound):  # another test removes its own at the same time
                    if any(word in step["CreatedBy"] for step in engine.history(image["Id"])):
                        engine.remove_image(image["Id"], force=True)
    finally:
        engine.close()


async def left_of(sandbox: Docker, purpose: Purpose) -> list[str]:
    """What the engine holds for a purpose's run."""
    return [f"{h.what} {h.name}" for h in await sandbox.held() if h.run == purpose.run]
