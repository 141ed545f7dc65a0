"""Design 009 names the test that proves each row of the specification: each name is that of a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "design" / "009-judge-measurement.md"
ROWS, PROPERTIES = 19, 7


def proofs() -> str:
    """The section of the page that names tests."""
    return PAGE.read_text(encoding="utf-8").split("## What proves the specification")[1].split("\n## ")[0]


def names_in(path: Path) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.M))


def test_every_test_that_is_named_is_there() -> None:
    files = {p.name: names_in(p) for p in (ROOT / "tests").rglob("test_*.py")}
    every = {name for names in files.values() for name in names}
    named = re.findall(r"(?:(test_\w+\.py)(?:`: `|::))?(test_\w+?)(\.\.\.|`|_\.\.\.)", proofs())
    assert len(named) > 40
    for file, name, end in named:
        there = files[file] if file else every
        fits = name in there if end == "`" else any(t.startswith(name) for t in there)
        assert fits, f"{file}::{name}{end}"


def test_every_row_of_the_table_has_a_proof() -> None:
    rows = [line for line in proofs().splitlines() if line.startswith("| ") and "must hold" not in line]
    rows = [r for r in rows if not r.startswith("| property")]
    assert len(rows) == ROWS + PROPERTIES
    assert all("`" in r.rsplit("|", 2)[1] for r in rows)
