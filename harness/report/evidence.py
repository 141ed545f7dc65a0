"""What every section of the full report is made from: the run's records as columns, its plan, and its short report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.report.columns import STATUSES, Columns
from harness.report.history import HIDDEN, History, RunCounts, read_history
from harness.report.judged import Judged, read_judged
from harness.report.model import Rate, Report, SystemReport
from harness.report.rates import rate, task_means
from harness.report.system import graded
from harness.stats.intervals import Codes, Numbers
from harness.store.manifest import Manifest
from harness.store.read import DECIDED

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """A run as sections see it. They read nothing else, and the same evidence gives the same section.

    `decided` holds the rows that decide their trial, one entry for each of `manifest.systems`; `family` a code for
    every task code.
    """

    folder: Path
    manifest: Manifest
    rows: Columns
    family: Codes
    decided: tuple[Columns, ...]
    report: Report

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the systems, in the order of the plan."""
        return tuple(s.name for s in self.manifest.systems)

    @property
    def systems(self) -> tuple[SystemReport, ...]:
        """What the short report says of each system."""
        return self.report.systems

    @cached_property
    def graded(self) -> tuple[Columns, ...]:
        """The deciding rows with a verdict, by system."""
        return tuple(rows.where(graded(rows)) for rows in self.decided)

    @cached_property
    def history(self) -> History:
        """This run and the ones before it on the same suite."""
        return read_history(self.folder, self.manifest, self._counts())

    @cached_property
    def judged(self) -> Judged:
        """What judges said of parts of the work."""
        return read_judged(self.folder)

    def tagged(self, *tags: str) -> Mask:
        """For every task code whether the task has one of these tags."""
        wanted = set(tags)
        return np.array([not wanted.isdisjoint(a.tags) for a in self.rows.about], dtype=bool)

    def share(self, rows: Columns, hit: Mask | Numbers) -> Rate:
        """How often something was so, as a mean over tasks with both intervals. `hit` has a value for every row."""
        return rate(task_means(rows.codes("task"), np.asarray(hit, dtype=np.float64)), self.family)

    def _counts(self) -> RunCounts:
        """This run as the ledger sees it; attempts of systems that were not planned are left out, as everywhere."""
        results: dict[tuple[str, str], tuple[int, int]] = {}
        settled = [STATUSES.index(s) for s in STATUSES if s in DECIDED]
        n_tasks = len(self.rows.tasks)
        for name, ok in zip(self.names, self.graded, strict=True):
            task = ok.codes("task")
            n = np.bincount(task, minlength=n_tasks)
            won = np.bincount(task, weights=ok.column["passed"], minlength=n_tasks).astype(np.int64)
            results |= {(name, self.rows.tasks[t]): (int(won[t]), int(n[t])) for t in np.flatnonzero(n).tolist()}
        held = self.tagged(HIDDEN)
        return RunCounts(
            decided=sum(int(np.isin(d.column["status"], settled).sum()) for d in self.decided),
            skipped=sum(int((d.column["status"] == STATUSES.index("skipped")).sum()) for d in self.decided),
            graded=sum(n for _, n in results.values()),
            passed=sum(won for won, _ in results.values()),
            cost_usd=sum(s.cost.total + s.cost.judge_total for s in self.systems),
            unpriced=sum(s.cost.unpriced + s.cost.judge_unpriced for s in self.systems),
            hidden=any(bool(held[ok.codes("task")].any()) for ok in self.graded),
            results=results,
        )
