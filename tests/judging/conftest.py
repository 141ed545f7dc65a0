"""The fixtures of the tests of judging."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from judge_lab import JudgeLab

sys.path.insert(0, str(Path(__file__).parent))  # the workspace's judge imports planted_judges
sys.path.insert(0, str(Path(__file__).parents[1] / "harnesses"))  # and its boxes are those of agent_boxes


@pytest.fixture
def lab(tmp_path: Path) -> JudgeLab:
    return JudgeLab(tmp_path)
