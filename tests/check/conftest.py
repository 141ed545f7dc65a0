"""A workspace for QA, and a real engine. Without one, tests are skipped, or fail where CI says there must be one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from check_lab import CheckLab

from harness.sandboxes.docker import Docker


@pytest.fixture
def plain(tmp_path: Path) -> CheckLab:
    return CheckLab(tmp_path)


@pytest.fixture(scope="session")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> CheckLab:
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
    lab = CheckLab(tmp_path_factory.mktemp("checked"))
    lab.write_image()
    return lab
