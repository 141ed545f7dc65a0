"""Workspaces for the tests of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_space import Space


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path.resolve())


@pytest.fixture(scope="session")
def make_space(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Space]:
    return lambda: Space(tmp_path_factory.mktemp("space").resolve())
