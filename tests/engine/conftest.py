"""The fixtures of the engine's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from box_bench import BoxBench, engine_or_skip
from engine_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def engine() -> None:
    engine_or_skip()


@pytest.fixture
def boxes(engine: None, tmp_path: Path) -> BoxBench:
    return BoxBench(tmp_path)
