from __future__ import annotations

import random

import pytest
from cases import CASES, GOLDEN, drawn

KEPT = sorted(p.name for p in GOLDEN.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_reports_are_as_kept(tmp_path, name):
    """`python tests/golden/regenerate.py` writes them anew."""
    for ending, text in drawn(CASES[name](tmp_path)).items():
        assert text == (GOLDEN / f"{name}.{ending}").read_text(encoding="utf-8")


def test_no_golden_file_is_unread():
    assert sorted(f"{name}.{ending}" for name in CASES for ending in ("txt", "short.txt", "md", "json")) == KEPT


@pytest.mark.parametrize("name", ["ordinary", "invalid"])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_lines_does_not_matter(tmp_path, name, seed):
    path = CASES[name](tmp_path)
    before = drawn(path)
    lines = (path / "attempts.jsonl").read_text().splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    (path / "attempts.jsonl").write_text("".join(lines))
    assert drawn(path) == before
