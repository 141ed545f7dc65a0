"""The fixtures of the gateway's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_bench import GateBench

from harness.testing.wire import WireServer


@pytest.fixture(scope="session")
def provider() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def wire(provider: WireServer) -> WireServer:
    provider.reset()
    return provider


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hg-") as name:
        yield Path(name)


@pytest.fixture
def gate(short: Path) -> GateBench:
    return GateBench(short)
