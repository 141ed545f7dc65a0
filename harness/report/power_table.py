"""What a suite can tell, before money is spent: detectable losses, costs and the design to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from harness.report.economy import unpriced
from harness.report.identity import family_of
from harness.report.measured import PASS_RATE, Measured
from harness.report.section import Table
from harness.report.words import many, money
from harness.stats.intervals import FEW_FAMILIES, cluster_variance
from harness.stats.power import Design, detectable, epochs_for, power_of, tasks_for

WITHIN, RATE = 0.094, 0.75
"""Variance within tasks and pass rate where nothing is known: rates ~ Beta(0.75, 0.25), so mostly easy or hard."""
BETWEEN = 0.10
"""Variance between tasks of what another system changes, where no two were seen: discordance near 0.3."""
EPOCHS = (1, 3, 5)
DELTA = 0.05
BEYOND = "more than 100 points: with so few tasks not even the loss of every success would be shown"


@dataclass(frozen=True, slots=True)
class Basis:
    """What is known about a suite. `within`, `between`, `deff`, `rate` as in Design.

    `cost_usd` is that of one trial; None: unknown.
    """

    tasks: int
    families: int
    within: float = WITHIN
    between: float = BETWEEN
    deff: float = 1.0
    rate: float = RATE
    cost_usd: float | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One design: `same` is the loss found when the same system is run again, `other` between two systems.

    None where not even a loss of everything is: `why_not` says so.
    """

    tasks: int
    epochs: int
    same: float | None
    other: float | None
    power: float
    cost_usd: float | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class PowerTable:
    """All designs, and the cheapest that finds `delta` for the same system; None when none of them does."""

    basis: Basis
    delta: float
    rows: tuple[Row, ...]
    recommended: Row | None
    tasks_needed: int | None
    epochs_needed: int | None


def basis_of(tasks: int, families: int, history: Sequence[Sequence[Measured]]) -> Basis:
    """From runs of the suite, newest first, each with its systems; defaults where they tell nothing."""
    said: list[str] = []
    history = [[m for m in run if _is_telling(m)] for run in history]
    measured = [m for run in history for m in run]
    within = [w for m in measured if (w := _within(m)) is not None]
    found = Basis(tasks, families)
    if within:
        rate = float(np.mean([m.tallies[PASS_RATE].mean[m.tallies[PASS_RATE].n > 0].mean() for m in measured]))
        found = replace(found, within=float(np.mean([w for w, _ in within])), rate=rate)
        where = f"from {many(len(within), 'system')} run repeatedly"
        said.append(f"variance within tasks {found.within:.3f} at a pass rate of {100 * rate:.0f}%, {where}")
    else:
        said.append(f"variance within tasks {WITHIN}: assumed, no system was run with several epochs")
    pairs = [p for run in history for a, b in combinations(run, 2) if (p := _between(a, b)) is not None]
    if pairs:
        found = replace(
            found,
            between=float(np.mean([v for v, _ in pairs])),
            deff=max(1.0, float(np.mean([d for _, d in pairs]))),
        )
        where = f"design effect {found.deff:.2f}, from {many(len(pairs), 'pair')}"
        said.append(f"variance between tasks {found.between:.3f}, {where}")
    else:
        said.append(f"variance between tasks {BETWEEN}: assumed, no two systems were run together")
    costs = [m.totals.cost_usd / m.totals.graded for m in measured if m.totals.graded and not unpriced(m)]
    if costs:
        found = replace(found, cost_usd=float(np.mean(costs)))
        said.append(f"{money(float(np.mean(costs)))} a graded trial, from {many(len(costs), 'system')}")
    return replace(found, known=tuple(said))


def _is_telling(m: Measured) -> bool:
    """Ceilings, floors, stored and scripted answers do not vary, and say nothing about a model that does."""
    still = m.system.privileged or m.system.stored or m.system.simulated
    return not still and bool(m.tallies[PASS_RATE].total.any())


def _within(m: Measured) -> tuple[float, int] | None:
    tally = m.tallies[PASS_RATE]
    repeated = tally.n > 1
    if repeated.sum() < 5:
        return None
    return max(float(tally.within[repeated].mean()), 0.5 / (len(tally.n) + 2)), int(repeated.sum())


def _between(a: Measured, b: Measured) -> tuple[float, float] | None:
    """Variance over tasks of the true difference of two systems, and its design effect."""
    if a.tasks != b.tasks:
        return None
    x, y = a.tallies[PASS_RATE], b.tallies[PASS_RATE]
    both = (x.n > 0) & (y.n > 0)
    if both.sum() < 10 or not x.total.any() or not y.total.any():
        return None
    d = y.mean[both] - x.mean[both]
    noise = sum(float((t.within[both] / t.n[both]).mean()) for t in (x, y))
    family = np.unique(family_of(a, by_family=True)[both], return_inverse=True)[1]
    plain = float(d.var(ddof=1)) / len(d)
    deff = cluster_variance(d, family) / plain if plain > 1e-12 and family.max() > 0 else 1.0
    return max(0.0, float(d.var(ddof=1)) - noise), deff


def power_table(basis: Basis, delta: float, epochs: Sequence[int] = EPOCHS, alpha: float = 0.05) -> PowerTable:
    """Designs with this suite's tasks, half and twice as many."""
    sizes = sorted({max(2, basis.tasks // 2), basis.tasks, basis.tasks * 2})
    rows = tuple(_row(basis, n, k, delta, alpha) for n in sizes for k in sorted(set(epochs)))
    fine = [r for r in rows if r.same is not None and r.same <= delta]
    here = _same(basis, basis.tasks, 1, alpha)
    return PowerTable(
        basis=basis,
        delta=delta,
        rows=rows,
        recommended=min(fine, key=lambda r: (r.tasks != basis.tasks, r.tasks * r.epochs, r.tasks)) if fine else None,
        tasks_needed=tasks_for(here, delta),
        epochs_needed=epochs_for(here, delta),
    )


def _families(basis: Basis, tasks: int) -> int:
    """As a comparison has it: 0 where each task is its own, and where a loss is judged on these same tasks."""
    count = round(basis.families * tasks / basis.tasks)
    return 0 if basis.families >= basis.tasks or count < FEW_FAMILIES else count


def _same(basis: Basis, tasks: int, epochs: int, alpha: float) -> Design:
    families, within = _families(basis, tasks), basis.within
    return Design(tasks, epochs, epochs, within, within, families=families, alpha=alpha, rate=basis.rate)


def _row(basis: Basis, tasks: int, epochs: int, delta: float, alpha: float) -> Row:
    same = _same(basis, tasks, epochs, alpha)
    other = replace(same, between=basis.between, deff=basis.deff if same.families else 1.0)
    cost = None if basis.cost_usd is None else basis.cost_usd * tasks * epochs
    losses = _possible(detectable(same)), _possible(detectable(other))
    return Row(tasks, epochs, *losses, power_of(same, delta), cost, BEYOND if None in losses else "")


def _possible(loss: float) -> float | None:
    """None for more than everything there is."""
    return loss if loss <= 1 else None


def points_words(loss: float | None) -> str:
    """A detectable loss in points."""
    return "more than 100" if loss is None else f"{100 * loss:.1f}"


def power_tables(t: PowerTable) -> tuple[Table, ...]:
    """The table and the advice in words."""
    rows = tuple(
        (
            f"{r.tasks:,}" + (" (now)" if r.tasks == t.basis.tasks else ""),
            f"{r.epochs}",
            points_words(r.same),
            points_words(r.other),
            f"{100 * r.power:.0f}%",
            "unknown" if r.cost_usd is None else money(r.cost_usd),
            "<- take this" if r == t.recommended else "",
        )
        for r in t.rows
    )
    header = ("tasks", "epochs", "same system", "two systems", f"finds {100 * t.delta:g}", "cost a system", "")
    notes = [
        "points of pass rate: the smallest loss that is shown four times of five (one-sided 5%), run against run",
        f"finds {100 * t.delta:g}: the chance to find a loss of {100 * t.delta:g} points of the same system",
        *([BEYOND] if any(r.why_not for r in t.rows) else []),
        *t.basis.known,
        advice_of(t),
    ]
    return (Table("what this suite can tell", header, rows, tuple(notes)),)


def advice_of(t: PowerTable) -> str:
    """One sentence: what to do."""
    if t.recommended is not None:
        r = t.recommended
        cost = "" if r.cost_usd is None else f", {money(r.cost_usd)} a system and run"
        return f"take {r.tasks:,} tasks x {many(r.epochs, 'epoch')}{cost}; a pooled baseline lowers it further"
    ways = []
    if t.tasks_needed is not None:
        ways.append(f"{t.tasks_needed:,} tasks with one epoch")
    if t.epochs_needed is not None:
        ways.append(f"{t.epochs_needed:,} epochs of these {t.basis.tasks:,} tasks")
    need = " or ".join(ways) or "more tasks than can be planned here"
    return f"none of these finds {100 * t.delta:g} points: it takes {need}, or a pooled baseline"


def one_line(basis: Basis, epochs: int, alpha: float = 0.05) -> str:
    """For a plan: what a run like this can show against another like it."""
    if basis.tasks < 2:
        return "no comparison has an interval"
    row = _row(basis, basis.tasks, epochs, DELTA, alpha)
    return (
        f"detectable with this design: a loss of {points_words(row.same)} points of the same system, "
        f"{points_words(row.other)} between two systems (harness power)"
    )
