"""12 Dev against hidden: whether passing what can be seen means passing what cannot."""

from __future__ import annotations

import numpy as np

from harness.report.evidence import Evidence
from harness.report.history import HIDDEN
from harness.report.section import Section, Table
from harness.report.words import many, share, short_rate
from harness.stats.paired import mcnemar

HOW = (
    f"no grader tells visible tests from hidden ones (`visible` of test_report and code_tests), and no task is tagged "
    f"`{HIDDEN}`"
)


def hidden(e: Evidence) -> Section:
    """Visible and hidden tests of the same trials, and tasks tagged `hidden`. Unavailable without either."""
    seen = [ok.where(~np.isnan(ok.column["visible"])) for ok in e.graded]
    split = e.tagged(HIDDEN)
    tables, data = [], {}
    if any(len(s) for s in seen):
        rows = []
        for name, part in zip(e.names, seen, strict=True):
            dev, own = part.column["visible"] == 1, part.column["passed"] == 1
            among = part.where(dev)
            lost = among.column["passed"] == 0
            b, c = int((dev & ~own).sum()), int((~dev & own).sum())
            rows.append(
                (
                    name,
                    f"{len(part):,}",
                    f"{int(dev.sum()):,} / {int(own.sum()):,}",
                    share(e.share(among, lost), int(lost.sum()), len(among)) if len(among) else "none passed them",
                    f"{b:,} / {c:,}",
                    _p_by_task(part.codes("task"), dev, own),
                )
            )
            data[name] = {"trials": len(part), "dev_pass": int(dev.sum()), "passed": int(own.sum()), "dev_only": b}
        header = (
            "system",
            "trials",
            "pass visible / all",
            "hidden fails | visible passes",
            "only one: v / h",
            "McNemar p",
        )
        note = "overfit to the tests that could be seen; p from tasks (first difference of each), not from epochs"
        tables.append(Table("visible tests against hidden ones, in the same trials", header, tuple(rows), (note,)))
    if split.any() and not split.all():
        tables.append(_split(e, split))
    looks = sum(line.hidden for line in e.history.ledger)
    if not tables:
        return Section("hidden", "dev against hidden", why_not=HOW)
    return Section(
        "hidden",
        "dev against hidden",
        tables=tuple(tables),
        notes=(f"runs that looked at hidden tasks, this one included: {looks:,}",) if split.any() else (),
        methods=("P(hidden fails | visible passes) as a mean over tasks; exact McNemar by task",),
        data={"systems": data, "looks": looks},
    )


def _p_by_task(task: np.ndarray, dev: np.ndarray, own: np.ndarray) -> str:
    """McNemar over tasks: each counts once, by which of the two passed more often."""
    codes, at = np.unique(task, return_inverse=True)
    lean = np.bincount(at, weights=dev.astype(float) - own.astype(float), minlength=len(codes))
    b, c = int((lean > 0).sum()), int((lean < 0).sum())
    return f"{mcnemar(b, c).exact:.3g} ({b:,} against {c:,} tasks)" if b + c else "no task differs"


def _split(e: Evidence, split: np.ndarray) -> Table:
    rows = []
    for name, ok in zip(e.names, e.graded, strict=True):
        inside = split[ok.codes("task")]
        parts = [ok.where(~inside), ok.where(inside)]
        rows.append((name, *(short_rate(e.share(p, p.column["passed"])) for p in parts)))
    n = int(split.sum())
    note = f"{many(n, 'task')} held back; the two sets hold other tasks, so a gap is also their difficulty"
    return Table("tasks that are held back", ("system", "dev tasks", "hidden tasks"), tuple(rows), (note,))
