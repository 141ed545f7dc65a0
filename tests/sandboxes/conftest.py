"""A real engine for tests of boxes: skipped with the reason where there is none, failed where one is required."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

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


@pytest.fixture(scope="session")
def engine() -> None:
    """The engine of this machine, with the default image built."""

    async def look() -> str:
        async with opened() as sandbox:
            return await sandbox.available()

    if why := asyncio.run(look()):
        if os.environ.get("HARNESS_REQUIRE_DOCKER") == "1":
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture
def docker(engine: None) -> WithDocker:
    """Run a coroutine function with an open sandbox."""

    def run(body: Callable[[Docker], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with opened() as sandbox:
                await body(sandbox)

        asyncio.run(whole())

    return run


@pytest.fixture
def purpose(tmp_path: Path) -> Purpose:
    """A run of this test's own, by which what it leaves behind is told from other tests' boxes."""
    return Purpose(f"test-{uuid4().hex[:8]}", "task/system/1", tmp_path)


async def left_of(sandbox: Docker, purpose: Purpose) -> list[str]:
    """What the engine holds for a purpose's run."""
    return [f"{h.what} {h.name}" for h in await sandbox.held() if h.run == purpose.run]
