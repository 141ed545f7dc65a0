"""The validation table with few replicates, and the proof that its short cut is the real path."""

from __future__ import annotations

from pathlib import Path

import pytest
from cells import Row, all_rows, measured

from harness.report.compare import compare
from harness.report.comparison import Options
from harness.report.measured import PASS_RATE, measure
from harness.report.trials import read_trials
from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run


@pytest.mark.parametrize("row", list(all_rows()), ids=lambda r: f"{r.number}")
def test_what_is_planted_comes_out(row: Row) -> None:
    cells = row.cells(row.quick)
    assert cells
    assert [c for c in cells if not c.ok] == []


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
