"""Rows of the validation table (stats_ci.md 6.7): what is planted, what must come out, and what did.

A module `rows_<stream>.py` beside this one has a list `ROWS`; `test_planted.py` runs each row with few replicates, and
`scripts/simulate.py` with many, which writes docs/validation.md. To add a row is to add it to a list.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.records.outcome import Digests
from harness.records.task import Shape
from harness.report.columns import About
from harness.report.measured import PASS_RATE, Measured, Origin, Tally, Totals
from harness.store.manifest import SystemInfo
from harness.testing.simulate import Conduct, Drawn, Night, World, draw, task_name

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Cell:
    """One number: `value` must lie in [low, high], which have the Monte Carlo tolerance in them."""

    what: str
    value: float
    low: float
    high: float

    @property
    def ok(self) -> bool:
        return self.low <= self.value <= self.high


@dataclass(frozen=True)
class Row:
    """`cells(replicates)` measures; `quick` replicates on every change, `full` by `make simulate`."""

    number: int
    planted: str
    requirement: str
    cells: Callable[[int], list[Cell]]
    quick: int = 400
    full: int = 4000


def tolerance(p: float, replicates: int) -> float:
    """Three standard errors of a share: what luck alone may do."""
    return 3 * math.sqrt(p * (1 - p) / replicates)


def at_most(what: str, value: float, limit: float, replicates: int) -> Cell:
    return Cell(what, value, 0.0, limit + tolerance(limit, replicates))


def at_least(what: str, value: float, limit: float, replicates: int) -> Cell:
    return Cell(what, value, limit - tolerance(limit, replicates), 1.0)


def between(what: str, value: float, low: float, high: float, replicates: int) -> Cell:
    return Cell(what, value, low - tolerance(low, replicates), high + tolerance(high, replicates))


def all_rows() -> Iterator[Row]:
    """The rows of every module, by number."""
    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))
    modules = [importlib.import_module(p.stem) for p in sorted(HERE.glob("rows_*.py"))]
    yield from sorted((row for m in modules for row in m.ROWS), key=lambda row: row.number)


def means(world: World, drawn: Drawn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Graded trials and passes per task."""
    ok = drawn.graded
    n = np.bincount(drawn.task[ok], minlength=world.tasks).astype(np.float64)
    return n, np.bincount(drawn.task[ok], weights=drawn.passed[ok], minlength=world.tasks)


def measured(world: World, night: Night, conduct: Conduct, system: int = 0) -> Measured:
    """What `measure` gives of the same night's folder (held equal in test_planted.py), without the folder."""
    drawn = draw(world, night, conduct, system)
    n, total = means(world, drawn)
    family = world.family()
    planned = world.tasks * night.epochs
    ran = int((drawn.status != 3).sum())
    passes = Tally(n, total, total)
    return Measured(
        label=f"night {night.seed}",
        suite=world.suite,
        system=SystemInfo("sim", "h", {"main": "m"}, "h", "m"),
        runs=(f"run-{night.seed}",),
        tasks=tuple(task_name(i) for i in range(world.tasks)),
        about=tuple(About(f"f{f}" if world.families else "", Shape(), ()) for f in family.tolist()),
        digests=(Digests("t", "g"),) * world.tasks,
        planned=np.full(world.tasks, float(night.epochs)),
        unseen=0,
        tallies={
            PASS_RATE: passes,
            "cost": Tally(n, n * 0.01, n * 0.0001),
            "log_seconds": Tally(n, n, n),
            "seconds": Tally(n, n, n),
            "tokens_in": Tally(n, n, n),
            "tokens_out": Tally(n, n, n),
        },
        totals=Totals(planned, int(n.sum()), float(total.sum()), ran, ran, 1.0, 0, 0, 0.0, 0, 1.0, 0.0, 1.0, 0, 0),
        origin=Origin(tasks_digest="same"),
    )
