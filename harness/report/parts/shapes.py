"""11 Slices by shape and tag: seen rates, and rates drawn towards the mean of their field, for small groups."""

from __future__ import annotations

import numpy as np

from harness.records.content import Json
from harness.report.evidence import Evidence
from harness.report.model import Rate, Slice
from harness.report.section import Section, Table
from harness.report.tables import slices_table
from harness.report.words import many, percent
from harness.stats.intervals import Interval
from harness.stats.variants import partially_pooled

Z = 1.959963984540054
FEWEST = 2
"""Tasks of a slice that is shown."""


def shapes(e: Evidence) -> Section:
    """Unavailable when no task says its shape and none has a tag."""
    found = e.report.slices
    if not found:
        return Section("slices", "slices", why_not="no task says its shape (horizon, stakes, surface) or has a tag")
    fields = [f for f in dict.fromkeys(s.field for s in found) if f != "tag"]
    tables = [_pooled(e, field, [s for s in found if s.field == field]) for field in fields]
    return Section(
        "slices",
        "slices by shape and tag",
        tables=(*(t for t in tables if t), _whole(e, found)),
        notes=("exploration, never a verdict: among thirty slices one differs by chance nearly always",),
        methods=("partially pooled within a field (DerSimonian and Laird 1986; Efron and Morris 1975)",),
        data={"slices": [_data(e, s) for s in found]},
    )


def _whole(e: Evidence, found: tuple[Slice, ...]) -> Table:
    """Slices of several tasks; one task is no slice."""
    shown = tuple(s for s in found if s.tasks >= FEWEST)
    table = slices_table(shown, e.systems)
    left = len(found) - len(shown)
    more = (f"{many(left, 'slice')} of one task: only in summary.json",) if left else ()
    return Table(table.title, table.header, table.rows, (*table.notes, *more))


def _pooled(e: Evidence, field: str, parts: list[Slice]) -> Table | None:
    """One field's slices: what was seen, and what is to be expected."""
    cells: dict[str, list[str]] = {p.value: [] for p in parts}
    for i in range(len(e.names)):
        known = [p for p in parts if p.rates[i].value is not None]
        values = np.array([p.rates[i].value for p in known], dtype=np.float64)
        pooled = partially_pooled(values, np.array([_variance(p.rates[i]) for p in known]))
        drawn = dict(zip((p.value for p in known), pooled.value.tolist(), strict=True)) if pooled else {}
        for p in parts:
            seen = p.rates[i]
            if seen.value is None:
                cells[p.value].append("not graded")
            else:
                pulled = f" -> {percent(drawn[p.value])}" if p.value in drawn else ""
                cells[p.value].append(f"{percent(seen.value)}{pulled}")
    if len(parts) < 2:
        return None
    rows = tuple((p.value, f"{p.tasks:,}", *cells[p.value]) for p in parts)
    note = "seen rate -> expected rate: small groups that differ little are drawn to the mean of the field"
    return Table(f"by {field}", (field, "tasks", *e.names), rows, (note,))


def _variance(rate: Rate) -> float:
    """The variance of a slice's rate from its interval, else from its tasks with a pseudo-task of either outcome."""
    n = rate.tasks + 2
    p = ((rate.value or 0.0) * rate.tasks + 1) / n
    plain = p * (1 - p) / n
    return max(plain, _from(rate.other_tasks)) if rate.other_tasks else plain * max(1.0, rate.tasks / rate.families)


def _from(interval: Interval) -> float:
    return ((interval.high - interval.low) / (2 * Z)) ** 2


def _data(e: Evidence, s: Slice) -> dict[str, Json]:
    return {
        "field": s.field,
        "value": s.value,
        "tasks": s.tasks,
        "rates": {name: r.value for name, r in zip(e.names, s.rates, strict=True)},
    }
