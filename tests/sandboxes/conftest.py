"""A real engine for tests of boxes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from box_lab import WithDocker, opened, remove_images_of

from harness.api import Purpose
from harness.sandboxes.docker import Docker


@pytest.fixture
def docker() -> WithDocker:
    """Run a coroutine function with an open sandbox."""

    def run(body: Callable[[Docker], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with opened() as sandbox:
                await body(sandbox)

        asyncio.run(whole())

    return run


@pytest.fixture
def purpose(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Purpose]:
    """A run of this test's own, by which what it leaves behind is told from other tests' boxes.

    Images in whose build this run is named are removed afterwards: nobody will ask for them again.
    """
    began = time.time()
    own = Purpose(f"test-{uuid4().hex[:8]}", "task/system/1", tmp_path)
    yield own
    if request.node.get_closest_marker("docker"):
        remove_images_of(own.run, began)
