"""Tests marked `docker` need a container engine: without one they are left out, told at the end, or fail in CI.

`HARNESS_REQUIRE_DOCKER=1` says that there must be one.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads of several workers only wait for each other

import pytest

from harness.sandboxes.docker import Docker

REQUIRED = "HARNESS_REQUIRE_DOCKER"
LEFT_OUT = "needs a container engine: "


@cache
def why_no_engine() -> str:
    """Why no box can be opened, or nothing; asked once in each process."""

    async def ask() -> str:
        sandbox = Docker(engine_wait_s=1)
        try:
            return await sandbox.available()
        finally:
            await sandbox.aclose()

    return asyncio.run(ask())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The engine's tests of a file stay together, so that its boxes and images are made once (--dist loadgroup)."""
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") and (why := why_no_engine()):
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{REQUIRED}=1, but: {why}", pytrace=False)
        pytest.skip(LEFT_OUT + why)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [r for r in terminalreporter.getreports("skipped") if LEFT_OUT in str(r.longrepr)]
    if skipped:
        why = str(skipped[0].longrepr).partition(LEFT_OUT)[2].rstrip("')")
        terminalreporter.section("left out")
        terminalreporter.line(f"{len(skipped)} tests that need a container engine: {why}")
