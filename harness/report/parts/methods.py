"""16 Methods and limits: written from what was in fact computed."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.evidence import Evidence
from harness.report.section import Section, Table
from harness.report.words import many


def methods(e: Evidence, sections: Sequence[Section]) -> Section:
    """The methods of the sections that are there, and what limits this run."""
    used = tuple((s.title, m) for s in sections for m in s.methods)
    gone = tuple((s.title, s.why_not) for s in sections if s.why_not)
    tables = [Table("methods used", ("section", "method"), used)]
    if gone:
        tables.append(Table("not available, and why", ("section", "reason"), gone))
    limits = tuple((f"{i}", said) for i, said in enumerate(_limits(e), 1))
    tables.append(Table("limits of this run", ("", "limit"), limits))
    return Section(
        "methods",
        "methods and limits",
        tables=tuple(tables),
        notes=("every interval is at 95 %, two-sided, unless it says otherwise; formulas: docs/reference/report.md",),
        data={"methods": [m for _, m in used], "unavailable": {s.key: s.why_not for s in sections if s.why_not}},
    )


def _limits(e: Evidence) -> list[str]:
    m, r = e.manifest, e.report
    said = [f"INVALID: {why}" for why in r.invalid]
    said += list(r.warnings)
    families = max((s.passed.families for s in e.systems), default=0)
    tasks = max((s.passed.tasks for s in e.systems), default=0)
    if tasks:
        said.append(
            f"{many(tasks, 'task')} in {families:,} families: intervals for other tasks hold for tasks of this kind, "
            "written by the same people"
        )
    if m.epochs == 1:
        said.append("one epoch: flakiness cannot be seen, and the run-again interval is an upper bound")
    if m.selection.filters:
        said.append(f"the command line chose {m.n_tasks:,} of {m.selection.tasks_in_suite:,} tasks")
    if m.cache:
        said.append("the call cache was on: answers may be older than this run, and say nothing about drift")
    weak = sum(int((ok.column["weak"] == 1).sum()) for ok in e.graded)
    if weak:
        graded = sum(len(ok) for ok in e.graded)
        said.append(
            f"{weak:,} of {graded:,} grades rest on weak evidence: similarity, a test run that the tested program "
            "could describe, or a verifier that the work could speak for"
        )
    if any(s.cost.judge_calls for s in e.systems):
        said.append("some grades are a judge's: see what is known about the judge before believing them")
    said.append("systems are shown side by side here, not tested against each other: use harness compare")
    return said
