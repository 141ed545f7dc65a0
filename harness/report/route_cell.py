"""Candidates on the tasks of one shape: what is shown of each, and which one to use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.config.needs import Needs
from harness.report.route_decide import ALPHA, SMALL, Table, decide, loss_of
from harness.report.route_model import Advice, CellKey, Fit, Line
from harness.stats.exact import upper_bound
from harness.stats.intervals import FEW_FAMILIES, Interval, Numbers, cost_per_success, generalisation, quantile
from harness.stats.routing import odds, shrunk


@dataclass(frozen=True, slots=True)
class Overall:
    """All tasks together: for what a small cell cannot tell itself. `rates` has success and its weight by candidate."""

    table: Table
    rates: Mapping[str, tuple[float, float]]


def advise(shape: CellKey, table: Table, needs: Needs, overall: Overall, seed: int) -> Advice:
    """The advice for one cell."""
    there = np.flatnonzero((~np.isnan(table.passed)).any(axis=0)).tolist()
    lines = _lines(table, there, needs, overall.rates, seed)
    by_column = dict(zip(there, lines, strict=True))
    small = len(table.tasks) < SMALL
    found = decide(table, by_column, needs, overall.table if small else table)
    ordered = sorted(lines, key=lambda line: (line.name != found.choice, -line.success, line.name))
    rest = [line.name for line in ordered if line.name != found.choice and line.fits != "no"]
    return Advice(
        shape=shape,
        status=found.status,
        choice=found.choice,
        runner_up=rest[0] if rest else "",
        why=found.why,
        need=found.need,
        needs=needs,
        tasks=len(table.tasks),
        families=len(np.unique(table.family)),
        lines=tuple(ordered),
    )


def _lines(
    table: Table,
    there: Sequence[int],
    needs: Needs,
    overall: Mapping[str, tuple[float, float]],
    seed: int,
) -> list[Line]:
    loss = loss_of(table, needs)
    common = ~np.isnan(loss[:, there]).any(axis=1)
    many = len(np.unique(table.family[common])) >= FEW_FAMILIES  # resampling three tasks only repeats them
    chances = odds(loss[common][:, there], table.family[common], seed) if many else None
    lines = []
    for at, column in enumerate(there):
        mine = ~np.isnan(table.passed[:, column])
        x, family = table.passed[mine, column], table.family[mine]
        level = 1 - 2 * ALPHA / len(there)
        spread = generalisation(x, family, level)
        fits, why, p95, per_success = _fits(table, column, mine, needs, spread.interval, len(there))
        mean, weight = overall[table.names[column]]
        cost = table.cost[mine, column]
        lines.append(
            Line(
                name=table.names[column],
                tasks=int(mine.sum()),
                trials=int(table.trials[:, column].sum()),
                success=float(x.mean()),
                bounds=spread.interval,
                shrunk=shrunk(float(x.sum()), len(x), mean, weight) if len(x) < SMALL else None,
                cost_per_task=None if np.isnan(cost).any() else float(cost.mean()),
                cost_per_success=per_success,
                p95_s=p95,
                critical=int(table.critical[mine, column].sum()),
                fits=fits,
                why=why,
                best=float(chances.best[at]) if chances else None,
                regret=float(chances.regret[at]) if chances else None,
            )
        )
    return lines


def _fits(
    table: Table, column: int, mine: Numbers, needs: Needs, bounds: Interval | None, candidates: int
) -> tuple[Fit, tuple[str, ...], float | None, float | None]:
    """Whether the needs are shown to be kept, with bounds at alpha over the number of candidates."""
    x = table.passed[mine, column]
    level = 1 - 2 * ALPHA / candidates
    cost, family = table.cost[mine, column], np.unique(table.family[mine], return_inverse=True)[1]
    money = None if np.isnan(cost).any() else cost_per_success(cost, x, family.astype(np.int64), level)
    p95 = quantile(table.seconds[mine, column], 0.95, level)
    checks: list[tuple[str, bool | None]] = []
    if needs.min_success is not None:
        shown = None if bounds is None else _shown(-bounds.high, -bounds.low, -needs.min_success)
        checks.append((f"success of {needs.min_success:.0%}", shown))
    if needs.max_critical is not None:
        k, n = int(table.critical[mine, column].sum()), int(mine.sum())
        upper, lower = upper_bound(k, n, 1 - ALPHA / candidates), 1 - upper_bound(n - k, n, 1 - ALPHA / candidates)
        checks.append((f"critical errors of {needs.max_critical:.1%}", _shown(lower, upper, needs.max_critical)))
    if needs.p95_s is not None:
        shown = _shown(p95.interval.low, p95.interval.high, needs.p95_s) if p95.interval else None
        checks.append((f"p95 of {needs.p95_s:g} s", shown))
    if needs.max_cost_per_success is not None:
        shown = (
            _shown(money.interval.low, money.interval.high, needs.max_cost_per_success)
            if money and money.interval
            else None
        )
        if money is not None and float(cost.sum()) == 0.0 and x.sum() > 0:
            shown = True
        checks.append((f"${needs.max_cost_per_success:g} a success", shown))
    if needs.loss_per_failure is not None and money is None:
        checks.append(("a known price", None))
    missed = tuple(f"misses the {name}" for name, ok in checks if ok is False)
    open_ = tuple(f"{name} not shown" for name, ok in checks if ok is None)
    fits: Fit = "no" if missed else "unknown" if open_ else "yes"
    value = None if money is None or math.isnan(money.value) else money.value
    return fits, missed or open_, None if math.isnan(p95.value) else p95.value, value


def _shown(low: float, high: float, limit: float) -> bool | None:
    """Whether a number whose bounds these are is shown to be at most `limit`, shown not to be, or neither."""
    return True if high <= limit else False if low > limit else None
