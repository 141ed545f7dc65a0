"""Tests marked `docker` need a container engine: without one they are left out, told at the end, or fail in CI.

`HARNESS_REQUIRE_DOCKER=1` says that there must be one. Images are named by what is in them, so that the same test makes
the same one in every run; git's dates are fixed for that. Only those stay that several files share and make once: the
default box, the labs' (`grading_lab`, `check_lab`, `runners_built`, `runners_js`), and the suite `mine`. What is one
test's is removed by `own_images`; what one file makes of fixed content, by the words of its `OWN_IMAGES`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads of several workers only wait for each other

import docker
import pytest
from docker.errors import APIError

from harness.sandboxes._owner import IMAGE
from harness.sandboxes.docker import Docker

os.environ |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-01-01T12:00:00Z")

REQUIRED = "HARNESS_REQUIRE_DOCKER"
LEFT_OUT = "needs a container engine: "
WAITING = 2
"""Workers beyond the cores."""


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


@pytest.fixture
def own_images() -> Iterator[Callable[[str], str]]:
    """Names words of a test's own: cached images in a step of whose build one stands are removed afterwards."""
    words: list[str] = []

    def mine(word: str) -> str:
        words.append(word)
        return word

    began = int(time.time()) - 1
    yield mine
    if words and not why_no_engine():
        _remove_images_of(words, began)


@pytest.fixture(scope="module")
def images_of_the_file(request: pytest.FixtureRequest) -> Iterator[None]:
    """Removes the cached images in a step of whose build one of the file's `OWN_IMAGES` stands, after its last test."""
    yield
    words = getattr(request.module, "OWN_IMAGES", ())
    if words and not why_no_engine():
        _remove_images_of(words, 0)


def _remove_images_of(words: Sequence[str], since: int) -> None:
    engine = docker.APIClient(version="1.41")
    try:
        for image in engine.images(filters={"label": [IMAGE]}):
            with suppress(APIError):  # another test removes its own at the same time, or has a box of it
                steps = engine.history(image["Id"]) if image["Created"] >= since else []
                if any(word in step["CreatedBy"] for step in steps for word in words):
                    engine.remove_image(image["Id"], force=True)
    finally:
        engine.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: more workers than cores, because a test of boxes waits for the engine most of its time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + WAITING


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share something made once stay on one worker (--dist loadgroup).

    The engine's tests of a file share boxes and images; others what a fixture of their module made.
    """
    for item in items:
        if item.get_closest_marker("docker") or _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.name))
        if item.get_closest_marker("docker") and isinstance(item, pytest.Function):
            item.fixturenames.append(
                "images_of_the_file"
            )  # not autouse: who needs no engine may run elsewhere meanwhile


def _shares(item: pytest.Item) -> bool:
    """Whether it uses a fixture that its own file makes once."""
    found = getattr(item, "_fixtureinfo", None)  # pytest has no public word for it
    made = found.name2fixturedefs.values() if found else ()
    return any(each[-1].scope == "module" and each[-1].baseid for each in made)


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
