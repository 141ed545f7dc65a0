"""One image for all attacks. Without an engine they are skipped, or fail where CI says that there must be one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from grading_lab import Lab, make_lab

from harness.sandboxes.docker import Docker


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    async def why_not() -> str:
        docker = Docker(engine_wait_s=1)
        try:
            return await docker.available()
        finally:
            await docker.aclose()

    missing = asyncio.run(why_not())
    if missing and os.environ.get("HARNESS_REQUIRE_DOCKER") == "1":
        pytest.fail(f"HARNESS_REQUIRE_DOCKER=1, but: {missing}")
    if missing:
        pytest.skip(missing)
    workspace: Path = tmp_path_factory.mktemp("lab")
    return make_lab(workspace)
