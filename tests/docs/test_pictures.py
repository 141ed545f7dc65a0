"""The pictures of the docs show what the code says now: each PNG holds its words (scripts/doc_pictures.py)."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from harness.config.load import load_suite
from harness.engine.select import select_systems

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"


def words_of(name: str) -> str:
    with Image.open(IMAGES / f"{name}.png") as picture:
        return str(picture.info["Description"])


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("doc_pictures", ROOT / "scripts" / "doc_pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_in_the_docs_has_its_words_and_is_shown() -> None:
    shown = {
        name for page in (ROOT / "docs").rglob("*.md") for name in re.findall(r"images/(\w+)\.png", page.read_text())
    }
    assert shown == {p.stem for p in IMAGES.iterdir()}
    for name in shown:
        assert len(words_of(name).splitlines()) > 5, name


def test_the_picture_of_a_trend_is_what_the_command_says_of_these_nights(script: ModuleType, tmp_path: Path) -> None:
    assert script.trend_words(tmp_path / "nights") == words_of("trend"), "scripts/doc_pictures.py trend"


def test_the_pictures_of_the_suite_mine_are_of_the_suite_as_it_is() -> None:
    suite = load_suite(ROOT, "mine")
    systems = select_systems(suite, [])
    trials = len(suite.tasks) * len(systems) * suite.epochs
    about = f"{len(suite.tasks)} tasks x {len(systems)} systems x {suite.epochs} epochs, {trials:,} attempts"
    assert about in words_of("report"), "scripts/doc_pictures.py nightly report"
    night = words_of("nightly")
    assert f"{trials} of {trials} trials graded" in night, "scripts/doc_pictures.py nightly report"
    steps = re.findall(r"(?m)^  (\w+) +(ok|not measured) ", night)
    assert [name for name, _ in steps] == ["replay", "sandbox", "sentinels", "run", "gate", "trend"]


@pytest.mark.slow
@pytest.mark.docker
def test_the_picture_of_a_night_is_what_the_command_says(script: ModuleType, tmp_path: Path) -> None:
    said = script.night_words(tmp_path / "mine")
    dated = re.compile(r"\d{4}-\d\d-\d\d")
    assert dated.sub("DAY", said) == dated.sub("DAY", words_of("nightly")), "scripts/doc_pictures.py nightly"
