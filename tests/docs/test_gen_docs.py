"""The reference pages are what the code says, and the check can tell when they are not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "gen_docs.py"


@pytest.fixture
def gen_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_docs", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_pages_are_current() -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_stale_page_is_named_and_mended(
    gen_docs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gen_docs, "ROOT", tmp_path)
    monkeypatch.setattr(gen_docs, "PAGES", tmp_path / "reference")
    monkeypatch.setattr(sys, "argv", ["gen_docs.py"])
    assert gen_docs.main() == 0
    page = tmp_path / "reference" / "records.md"
    page.write_text(page.read_text() + "edited\n")
    monkeypatch.setattr(sys, "argv", ["gen_docs.py", "--check"])
    capsys.readouterr()
    assert gen_docs.main() == 1
    assert "stale: records.md" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["gen_docs.py"])
    assert gen_docs.main() == 0
    assert not page.read_text().endswith("edited\n")


def test_absent_module_of_ours_is_noted_and_a_broken_one_is_an_error(
    gen_docs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent: list[str] = []
    assert gen_docs.existing("harness.cli.nothing_cmd", absent, "nothing") is None
    assert absent == ["nothing"]
    (tmp_path / "breaks.py").write_text("import no_such_package_of_anyone\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_package_of_anyone"):
        gen_docs.existing("breaks", absent, "breaks")


def test_cells_keep_a_table_whole(gen_docs: ModuleType) -> None:
    assert gen_docs._cell("a |\n b") == "a \\| b"
    assert gen_docs._value("x`y|z") == "`` x`y\\|z ``"
