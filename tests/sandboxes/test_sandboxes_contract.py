"""The contract suite on the shipped sandbox, and the suite itself on one that breaks the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from harness.api import NO_PURPOSE, Box, Json, Purpose, Sandbox, SandboxSpec
from harness.sandboxes.docker import Docker
from harness.testing.check_sandbox import WHOLE, check_open_sandbox, check_sandbox
from harness.testing.checks import Finding, failed
from harness.testing.fakes import FakeBox
from harness.testing.sandbox_attacks import CHECKS as ATTACKS
from harness.testing.sandbox_basics import CHECKS as BASICS

NAMES = [*BASICS, *ATTACKS, *WHOLE]


@pytest.fixture(scope="module")
def findings() -> Mapping[str, Finding]:
    async def look() -> list[Finding]:
        sandbox = Docker()
        try:
            return await check_open_sandbox(sandbox, Path())
        finally:
            await sandbox.aclose()

    return {f.check: f for f in asyncio.run(look())}


@pytest.mark.docker
@pytest.mark.parametrize("name", NAMES)
def test_docker_keeps_the_contract(findings: Mapping[str, Finding], name: str) -> None:
    assert findings[name].ok, findings[name].detail


class Leaky(Sandbox):
    """Boxes that pretend: every command succeeds, nothing is limited, nothing is removed."""

    example: ClassVar[Mapping[str, Json]] = {}

    @asynccontextmanager
    async def open(self, spec: SandboxSpec, purpose: Purpose = NO_PURPOSE) -> AsyncIterator[Box]:
        """A dictionary of files."""
        yield FakeBox()


def test_suite_sees_a_sandbox_that_only_pretends() -> None:
    bad = {f.check for f in failed(asyncio.run(check_sandbox(Leaky, Path())))}
    by_accident = {"a file is replaced", "a missing file is FileNotFoundError"}
    by_accident |= {"stdin nobody reads does no harm", "without stdin a program sees its end"}
    assert set(NAMES) - bad == by_accident


class Absent(Leaky):
    """No engine."""

    async def available(self) -> str:
        """Never."""
        return "no engine answers"


def test_suite_without_an_engine_is_not_green() -> None:
    bad = failed(asyncio.run(check_sandbox(Absent, Path())))
    assert [(f.check, f.detail) for f in bad] == [("boxes can be opened", "no engine answers")]
