"""A Docker sandbox for tests that need a real box."""

from __future__ import annotations

import asyncio
import os

import pytest

from harness.sandboxes.docker import Docker


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips without an engine; fails where HARNESS_REQUIRE_DOCKER=1 says that there must be one."""

    async def why_not() -> str:
        sandbox = Docker()
        try:
            return await sandbox.available()
        finally:
            await sandbox.aclose()

    if reason := asyncio.run(why_not()):
        if os.environ.get("HARNESS_REQUIRE_DOCKER") == "1":
            pytest.fail(f"HARNESS_REQUIRE_DOCKER=1, and {reason}")
        pytest.skip(reason)
