"""2 Headline: coverage, pass rates with both intervals, and what failing looks like from outside."""

from __future__ import annotations

import numpy as np

from harness.records.content import Json
from harness.report.columns import Columns
from harness.report.evidence import Evidence
from harness.report.section import Figure, Section, Series, Table
from harness.report.tables import apart_tables, coverage_table, results_table, self_verification_tables, value_tables
from harness.report.words import percent, share
from harness.stats.repeats import pass_all


def headline_section(e: Evidence) -> Section:
    """Never unavailable: what is missing in it says so in its cell."""
    data: dict[str, Json] = {}
    rows = []
    for s, ok in zip(e.systems, e.graded, strict=True):
        failed = ok.column["passed"] == 0
        done = ok.column["declared"] == 1
        claimed = ok.where(done)
        lied = claimed.column["passed"] == 0
        rate = e.share(claimed, lied)
        k = e.manifest.epochs
        every = pass_power(ok, k)
        rows.append(
            (
                s.name,
                share(e.share(ok, failed), int(failed.sum()), len(ok)) if len(ok) else "not graded",
                share(rate, int(lied.sum()), len(claimed)) if len(claimed) else "never declared done",
                f"{percent(every[0])} of {every[1]:,} tasks" if every[1] else f"no task has {k} graded epochs",
            )
        )
        data[s.name] = {
            "verifier_fails": int(failed.sum()),
            "graded": len(ok),
            "declared_done": len(claimed),
            "false_success": int(lied.sum()),
            "pass_all_epochs": every[0] if every[1] else None,
        }
    every_epoch = "its epoch" if e.manifest.epochs == 1 else f"all {e.manifest.epochs} epochs"
    verify = Table(
        "verification failure: of all, and of those the system declared done",
        (
            "system",
            "verifier fails / graded",
            "false success: fails / declared done",
            f"passes in {every_epoch}",
        ),
        tuple(rows),
        ("false success is work that the system said was done and the verifier fails",),
    )
    return Section(
        "headline",
        "headline",
        tables=(
            coverage_table(e.systems),
            results_table(e.report),
            verify,
            *value_tables(e.report),
            *self_verification_tables(e.systems),
            *apart_tables(e.report.by_task),
        ),
        figures=_figure(e),
        methods=(
            "pass rate: mean over tasks; interval for other tasks: Wilson with a design effect and t(G-1) (Wilson "
            "1927; Miller, arXiv 2411.00640); run again: within-task variance with two pseudo-tasks",
            "worst to best case: bounds over what was not graded (Manski 1990)",
        ),
        data={"systems": data},
    )


def pass_power(ok: Columns, k: int) -> tuple[float, int]:
    """pass^k as a mean over the tasks with at least k graded epochs, and how many these are."""
    task, at = np.unique(ok.codes("task"), return_inverse=True)
    if not len(task):
        return float("nan"), 0
    n = np.bincount(at).astype(np.float64)
    won = np.bincount(at, weights=ok.column["passed"]).astype(np.float64)
    found = pass_all(won, n, k)
    kept = found[~np.isnan(found)]
    return (float(kept.mean()), len(kept)) if len(kept) else (float("nan"), 0)


def _figure(e: Evidence) -> tuple[Figure, ...]:
    shown = [s for s in e.systems if s.passed.value is not None]
    if not shown:
        return ()

    def series(name: str, pick: str) -> Series:
        spans = [getattr(s.passed, pick) for s in shown]
        value = tuple(s.passed.value or 0.0 for s in shown)
        nan = float("nan")
        return Series(
            name,
            value,
            (),
            tuple(i.low if i else nan for i in spans),
            tuple(i.high if i else nan for i in spans),
        )

    return (
        Figure(
            "ranges",
            "Pass rate, with 95 % intervals",
            "pass rate",
            "",
            (series("other tasks of this kind", "other_tasks"), series("this suite run again", "again")),
            names=tuple(s.name for s in shown),
            share_x=True,
        ),
    )
