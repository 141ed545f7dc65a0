"""Money, time and tokens of two sides on the same tasks."""

from __future__ import annotations

import numpy as np

from harness.report.compare_metrics import Pair
from harness.report.comparison import Economy
from harness.report.tallies import PASS_RATE, Measured, Tally
from harness.report.words import duration
from harness.stats.intervals import Estimate, quantile
from harness.stats.ratios import Ratio, Spending, cost_ratio, time_ratio

_NOT_A_NUMBER = float("nan")


def economy(pair: Pair, alpha: float) -> Economy:
    """All that was spent on the common tasks. What has no price or no time says why."""
    a, b = spending(pair.a, pair.common), spending(pair.b, pair.common)
    why = unpriced(pair.a) or unpriced(pair.b)
    return Economy(
        cost_a=None if unpriced(pair.a) else per_success(a),
        cost_b=None if unpriced(pair.b) else per_success(b),
        cost=_no_ratio(why) if why else cost_ratio(a, b, pair.family[pair.common], alpha),
        seconds=_seconds(pair, alpha),
        p95_a=p95(pair.a),
        p95_b=p95(pair.b),
        tokens_a=_tokens(pair.a, pair),
        tokens_b=_tokens(pair.b, pair),
        out_per_in_a=_out_per_in(pair.a, pair),
        out_per_in_b=_out_per_in(pair.b, pair),
    )


def spending(m: Measured, common: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Spending:
    """Costs of all attempts, and successes, per common task."""
    return Spending(m.tallies["cost"].total[common], m.tallies[PASS_RATE].total[common])


def unpriced(m: Measured) -> str:
    """Why a side's cost is not known; empty when it is."""
    t = m.totals
    if m.system.simulated:
        return f"{m.system.name} is simulated"
    if not t.calls and not t.cost_usd:
        return f"{m.system.name} made no calls"
    if t.unpriced:
        return f"{t.unpriced:,} of {t.calls:,} calls of {m.system.name} have no price"
    if t.cached:
        return f"{t.cached:,} of {t.calls:,} calls of {m.system.name} came from the call cache"
    return ""


def per_success(side: Spending) -> float | None:
    """US dollars; None without a success."""
    solved = float(side.success.sum())
    return float(side.cost.sum()) / solved if solved else None


def _no_ratio(why: str) -> Ratio:
    return Ratio(_NOT_A_NUMBER, None, None, _NOT_A_NUMBER, 0, why)


def _seconds(pair: Pair, alpha: float) -> Ratio:
    """The paired ratio of working times, over tasks that no time limit cut on either side."""
    a, b = pair.a.tallies["log_seconds"], pair.b.tallies["log_seconds"]
    timed = (a.n > 0) & (b.n > 0)
    for m in (pair.a, pair.b):
        if m.time_limited is not None:
            timed &= ~m.time_limited
    if not timed.any():
        return _no_ratio("no task has a time of its own on both sides")
    ratio, _ = time_ratio(a.mean[timed], b.mean[timed], pair.family[timed], alpha)
    return ratio


def p95_of(m: Measured, level: float = 0.95) -> Estimate:
    """p95 of the tasks' mean working times in seconds."""
    seconds = m.tallies["seconds"]
    return quantile(seconds.mean[seconds.n > 0], 0.95, level)


def censored(m: Measured) -> float:
    """The share of timed tasks that a time limit cut: above 0.05 the p95 is only a lower bound."""
    timed = m.tallies["seconds"].n > 0
    if m.time_limited is None or not timed.any():
        return 0.0
    return float(m.time_limited[timed].mean())


def p95(m: Measured) -> str:
    """The same in words; `>=` where a time limit cut the tail."""
    return duration(p95_of(m), at_least=censored(m) > 0.05)


def _sum(tally: Tally, pair: Pair) -> float:
    return float(tally.total[pair.common].sum())


def _tokens(m: Measured, pair: Pair) -> float | None:
    """Tokens, in and out, per success."""
    solved = _sum(m.tallies[PASS_RATE], pair)
    used = _sum(m.tallies["tokens_in"], pair) + _sum(m.tallies["tokens_out"], pair)
    return used / solved if solved and used else None


def _out_per_in(m: Measured, pair: Pair) -> float | None:
    given = _sum(m.tallies["tokens_in"], pair)
    return _sum(m.tallies["tokens_out"], pair) / given if given else None
