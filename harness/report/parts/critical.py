"""6 Critical errors: every one of them by name, and what the exact bound still allows."""

from __future__ import annotations

from harness.records.content import Json
from harness.report.columns import CriticalError
from harness.report.evidence import Evidence
from harness.report.section import Section, Table
from harness.report.words import many, of
from harness.stats.exact import upper_bound

CRITICAL = "critical"
"""The tag of a task on which a wrong answer is a critical error; the engine marks its grade."""
MOST_LISTED = 200


def critical(e: Evidence) -> Section:
    """Unavailable when nothing was graded. No error at all is a finding, with its bound."""
    if not any(len(ok) for ok in e.graded):
        return Section("critical", "critical errors", why_not="no trial was graded")
    decided = {
        (e.rows.tasks[t], name, epoch, attempt)
        for name, rows in zip(e.names, e.decided, strict=True)
        for t, epoch, attempt in zip(rows.codes("task"), rows.codes("epoch"), rows.codes("attempt"), strict=True)
    } if e.rows.criticals else set()  # fmt: skip
    found = [c for c in e.rows.criticals if (c.task, c.system, c.epoch, c.attempt) in decided]
    return Section(
        "critical",
        "critical errors",
        tables=(_bounds(e), *_listed(found)),
        notes=(
            f"a critical error: a grader marked it so, or a wrong answer was given to a task tagged `{CRITICAL}`",
            "none seen is not none possible: the bound says how often they may still happen",
        ),
        methods=("one-sided exact 95 % upper bound (Clopper and Pearson 1934), over tasks: any epoch",),
        data={"systems": _data(e), "errors": [_error(c) for c in found]},
    )


def _by_task(e: Evidence) -> list[tuple[str, int, int, int, int]]:
    """For each system: trials with an error, trials, tasks with an error in any epoch, tasks."""
    found = []
    for name, ok in zip(e.names, e.graded, strict=True):
        hit = ok.column["critical"] == 1
        tasks = len(set(ok.codes("task").tolist()))
        found.append((name, int(hit.sum()), len(ok), len(set(ok.where(hit).codes("task").tolist())), tasks))
    return found


def _bounds(e: Evidence) -> Table:
    rows = []
    tagged = e.tagged(CRITICAL)
    for (name, k, n, k_tasks, tasks), ok in zip(_by_task(e), e.graded, strict=True):
        asked = len(set(ok.where(tagged[ok.codes("task")]).codes("task").tolist()))
        bound = f"{k_tasks} in {tasks:,} -> <= {100 * upper_bound(k_tasks, tasks):.1f} %" if tasks else "not graded"
        rows.append((name, of(k, n), f"{asked:,}", bound))
    header = ("system", "trials with one", f"tasks tagged {CRITICAL}", "tasks with one, 95 % upper bound")
    return Table(
        "how many, and how many there may be", header, tuple(rows), ("the task is the unit, whatever its epochs",)
    )


def _listed(found: list[CriticalError]) -> list[Table]:
    if not found:
        return []
    rows = tuple((c.task, c.system, str(c.epoch), c.by, c.label or "(none)", c.why) for c in found[:MOST_LISTED])
    more = len(found) - MOST_LISTED
    notes = (f"{more:,} more are in summary.json",) if more > 0 else ()
    header = ("task", "system", "epoch", "said by", "label", "why")
    return [Table(f"every critical error: {many(len(found), 'error')}", header, rows, notes)]


def _data(e: Evidence) -> dict[str, Json]:
    return {
        name: {
            "trials_with_error": k, "trials": n, "tasks_with_error": k_tasks, "tasks": tasks,
            "upper_bound": upper_bound(k_tasks, tasks) if tasks else None,
        }
        for name, k, n, k_tasks, tasks in _by_task(e)
    }  # fmt: skip


def _error(c: CriticalError) -> dict[str, Json]:
    return {"task": c.task, "system": c.system, "epoch": c.epoch, "by": c.by, "label": c.label, "why": c.why}
