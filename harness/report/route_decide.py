"""Which of the candidates on a table of tasks to use: what is shown decides, and what is not shown is said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.config.needs import Needs
from harness.report.route_data import Candidate, TaskAbout
from harness.report.route_model import Line, Status
from harness.stats.intervals import Codes, Numbers
from harness.stats.multiple import holm
from harness.stats.paired import paired
from harness.stats.routing import tasks_needed

ALPHA = 0.05
SMALL = 20
"""Tasks under which a cell's rates are shown drawn towards the overall ones."""


@dataclass(frozen=True, slots=True)
class Table:
    """Tasks of a cell as rows, candidates as columns; NaN where there is no graded trial or, in `cost`, no price."""

    tasks: tuple[str, ...]
    names: tuple[str, ...]
    passed: Numbers
    cost: Numbers
    seconds: Numbers
    critical: Numbers
    trials: Codes
    family: Codes


def table_of(tasks: Sequence[str], candidates: Mapping[str, Candidate], about: Mapping[str, TaskAbout]) -> Table:
    """Means over trials per task and candidate."""
    names = tuple(candidates)
    passed, cost, seconds, critical = np.full((4, len(tasks), len(names)), np.nan)
    trials = np.zeros((len(tasks), len(names)), dtype=np.int64)
    for column, candidate in enumerate(candidates.values()):
        for row, task in enumerate(tasks):
            found = list(candidate.trials.get(task, {}).values())
            if not found:
                continue
            trials[row, column] = len(found)
            passed[row, column] = sum(t.passed for t in found) / len(found)
            seconds[row, column] = sum(t.seconds for t in found) / len(found)
            critical[row, column] = float(any(t.critical for t in found))
            if all(t.cost_usd is not None for t in found):
                cost[row, column] = sum(t.cost_usd or 0.0 for t in found) / len(found)
    codes: dict[str, int] = {}
    family = [codes.setdefault(about[t].family or f"\0{t}", len(codes)) for t in tasks]
    return Table(tuple(tasks), names, passed, cost, seconds, critical, trials, np.array(family, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Decision:
    """The choice, its status, why, and about how many tasks would settle it."""

    choice: str
    status: Status
    why: str
    need: int | None = None


def decide(table: Table, lines: Mapping[int, Line], needs: Needs, wide: Table) -> Decision:
    """The decision on one table; `lines` by column, `wide` tells how results vary where the table is small."""
    pool = [c for c, line in lines.items() if line.fits == "yes"]
    open_ = [c for c, line in lines.items() if line.fits == "unknown"]
    loss = loss_of(table, needs)
    if not lines:
        return Decision("", "insufficient", "no candidate has a graded trial")
    if not pool and not open_:
        return Decision("", "none", "every candidate is shown to miss a need")
    if not pool:
        guess = _leader(table, loss, open_)
        why = f"none is shown to keep the needs: {'; '.join(lines[guess].why)}"
        return Decision(table.names[guess], "insufficient", why, _need_for(table, guess, needs, len(lines)))
    leader = _leader(table, loss, pool)
    if len(lines) == 1:
        return Decision(table.names[leader], "insufficient", "no other system was measured on these tasks")
    if len(pool) == 1:
        rest = f"; undecided: {', '.join(table.names[c] for c in open_)}" if open_ else ""
        return Decision(table.names[leader], "supported", f"the only one shown to keep the needs{rest}")
    return _among(table, lines, pool, needs, wide)


def _among(table: Table, lines: Mapping[int, Line], pool: Sequence[int], needs: Needs, wide: Table) -> Decision:
    """Of several that keep the needs: the best if it is shown to be, else the cheapest that is shown no worse."""
    loss, scale = loss_of(table, needs), needs.loss_per_failure or 1.0
    leader = _leader(table, loss, pool)
    name, others, margin = table.names[leader], [c for c in pool if c != leader], needs.margin * scale
    if max(_p(table, loss, [(leader, c) for c in others], 0.0, scale)) <= ALPHA:
        return Decision(name, "supported", "shown to be better than every other that keeps the needs")
    as_good = _p(table, loss, [(c, leader) for c in others], margin, scale)
    fine = [c for c, p in zip(others, as_good, strict=True) if p <= ALPHA]
    cheaper = [c for c in fine if needs.loss_per_failure is None and _price(lines[c]) < _price(lines[leader])]
    if cheaper:
        chosen = min(cheaper, key=lambda c: (_price(lines[c]), table.names[c]))
        return Decision(table.names[chosen], "tie", f"no worse than {name} by {needs.margin:.0%}, and cheaper")
    held = _p(table, loss, [(leader, c) for c in others], margin, scale)
    cheapest = needs.loss_per_failure is not None or all(_price(lines[leader]) <= _price(lines[c]) for c in others)
    if cheapest and max(held) <= ALPHA:
        return Decision(name, "tie", f"no worse than any other by {needs.margin:.0%}, and none is cheaper")
    varies = loss_of(wide, needs)
    need = max(_need(wide, varies, (leader, c), margin, len(others)) for c in others)
    return Decision(name, "insufficient", "best so far, and not shown to be", max(need, len(table.tasks) + 1))


def _leader(table: Table, loss: Numbers, pool: Sequence[int]) -> int:
    """The least loss on the tasks that all of the pool have; without such tasks, each on its own."""
    common = ~np.isnan(loss[:, pool]).any(axis=1)
    seen = loss[common] if common.any() else loss

    def mean(column: int) -> float:
        known = seen[~np.isnan(seen[:, column]), column]
        return float(known.mean()) if len(known) else math.inf

    return min(pool, key=lambda c: (mean(c), table.names[c]))


def _price(line: Line) -> float:
    """Cost of a success; a system whose price is not known is never the cheaper one."""
    return math.inf if line.cost_per_success is None else line.cost_per_success


def _p(table: Table, loss: Numbers, pairs: Sequence[tuple[int, int]], margin: float, scale: float) -> list[float]:
    """Holm-adjusted p of each pair: small when a is shown to lose at most `margin` more than b."""
    found = []
    for a, b in pairs:
        both = ~np.isnan(loss[:, [a, b]]).any(axis=1)
        d = paired(loss[both, b] - loss[both, a], table.family[both], ALPHA, scale)
        p = d.p_above(-margin)
        found.append(1.0 if p is None else p)
    return holm(found)


def _need(table: Table, loss: Numbers, pair: tuple[int, int], margin: float, tests: int) -> int:
    a, b = pair
    both = ~np.isnan(loss[:, [a, b]]).any(axis=1)
    scale = margin if margin > 0 else 1.0
    d = loss[both, a] - loss[both, b]
    biggest = max(1.0, float(np.abs(d).max(initial=0.0)))
    return tasks_needed(d / biggest, scale / biggest, tests)


def _need_for(table: Table, column: int, needs: Needs, candidates: int) -> int | None:
    """Tasks with which a bound at this success would keep the floor; None when more tasks would not help."""
    for_p95 = math.ceil(math.log(ALPHA / candidates) / math.log(0.95))
    if needs.p95_s is not None and (~np.isnan(table.passed[:, column])).sum() < for_p95:
        return for_p95
    if needs.min_success is None:
        return None
    p = float(np.nanmean(table.passed[:, column]))
    gap = p - needs.min_success
    if gap <= 0.005:
        return None
    return max(len(table.tasks) + 1, math.ceil((1.645 + 0.84) ** 2 * max(p * (1 - p), 0.02) / gap**2))


def loss_of(table: Table, needs: Needs) -> Numbers:
    """What is lost on a task: failures, or dollars where a failure has a price."""
    if needs.loss_per_failure is None:
        return 1 - table.passed
    return np.where(np.isnan(table.cost), np.nan, table.cost) + needs.loss_per_failure * (1 - table.passed)
