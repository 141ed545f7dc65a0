"""A workspace for QA, and one with an image for tasks in boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
from check_lab import CheckLab


@pytest.fixture
def plain(tmp_path: Path) -> CheckLab:
    return CheckLab(tmp_path)


@pytest.fixture(scope="session")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> CheckLab:
    lab = CheckLab(tmp_path_factory.mktemp("checked"))
    lab.write_image()
    return lab
