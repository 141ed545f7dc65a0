"""Every installed model keeps its contract as `harness plugin check` asks for it; no name has to be added here."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli._contracts import run_contract
from harness.plugins.loader import installed, load
from harness.testing.checks import failed


@pytest.mark.parametrize("name", sorted(installed("model")))
def test_installed_model_keeps_the_contract(name: str, tmp_path: Path) -> None:
    findings = run_contract("model", load("model", name, tmp_path), tmp_path)
    assert failed(findings) == [] and len(findings) > 8
