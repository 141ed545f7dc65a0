"""Opened sandboxes for tests, and what one run has left on the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from harness.api import Purpose
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


async def left_of(sandbox: Docker, purpose: Purpose) -> list[str]:
    """What the engine holds for a purpose's run."""
    return [f"{h.what} {h.name}" for h in await sandbox.held() if h.run == purpose.run]
