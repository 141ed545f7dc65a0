"""The fixtures of the engine's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from box_bench import BoxBench
from engine_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def boxes(tmp_path: Path) -> BoxBench:
    return BoxBench(tmp_path)
