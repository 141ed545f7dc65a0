"""A real engine for tests of boxes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from box_lab import WithDocker, opened

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
def purpose(tmp_path: Path, own_images: Callable[[str], str]) -> Purpose:
    """A run of this test's own, by which what it leaves behind is told from other tests' boxes.

    Images in whose build this run is named are removed afterwards: nobody will ask for them again.
    """
    return Purpose(own_images(f"test-{uuid4().hex[:8]}"), "task/system/1", tmp_path)
