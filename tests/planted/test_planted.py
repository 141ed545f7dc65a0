"""The validation table with few replicates, and the proof that its short cut is the real path."""

from __future__ import annotations

from pathlib import Path

import pytest
from cells import Row, all_rows, measured
from rows_tests import PROOFS, TESTS, by_tests

from harness.report.compare import compare
from harness.report.comparison import Options
from harness.report.measured import PASS_RATE, measure
from harness.report.trials import read_trials
from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run


@pytest.mark.parametrize("row", [row for row in all_rows() if row.quick], ids=lambda r: f"{r.number}")
def test_what_is_planted_comes_out(row: Row) -> None:
    cells = row.cells(row.quick)
    assert cells
    assert [c for c in cells if not c.ok] == []


def test_all_21_rows_are_there_and_each_has_tests_that_exist() -> None:
    assert {row.number for row in all_rows()} >= set(range(1, 22))
    assert set(PROOFS) == set(range(1, 22))
    for node in (node for nodes in PROOFS.values() for node in nodes):
        path, _, name = node.partition("::")
        text = (TESTS / path).read_text(encoding="utf-8")
        assert f"def {name or 'test_'}" in text, node


def test_a_row_of_tests_counts_its_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_three.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('n', [1, 2, 3])\ndef test_three(n):\n    assert n < 3\n",
        encoding="utf-8",
    )
    monkeypatch.setitem(PROOFS, 99, (str(tmp_path / "test_three.py"),))
    (cell,) = by_tests(99, 1)
    assert (cell.what, round(cell.value, 3), cell.ok) == ("`test_three::test_three` (3 cases)", 0.667, False)


def test_the_arrays_of_these_rows_are_those_of_the_run_folder(tmp_path: Path) -> None:
    world = World(tasks=60, families=12, seed=2)
    night = Night(epochs=3, seed=4, missing=Missing(random=0.01))
    conduct = Conduct(delta=-0.1)
    path = simulate_run(tmp_path, world, night, {"sim": conduct})
    real, quick = measure(read_trials(path), "sim"), measured(world, night, conduct)
    for part in ("n", "total", "squares"):
        assert getattr(real.tallies[PASS_RATE], part).tolist() == getattr(quick.tallies[PASS_RATE], part).tolist()
    assert real.tasks == quick.tasks
    assert (real.totals.planned, real.totals.graded) == (quick.totals.planned, quick.totals.graded)
    before = simulate_run(tmp_path, world, Night(epochs=3, seed=9), {"sim": Conduct()}, 1)
    one = compare(measure(read_trials(before), "sim"), real, Options()).metrics[0]
    two = compare(measured(world, Night(epochs=3, seed=9), Conduct()), quick, Options()).metrics[0]
    assert (one.low, one.high, one.verdict, one.worst) == (two.low, two.high, two.verdict, two.worst)
