"""Numbers as words. A number that is not there prints its reason, never nothing and never 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.model import Cost, Count, Rate
from harness.stats.intervals import Estimate, Interval


def many(n: int, word: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def percent(share: float | None) -> str:
    """0.8333 is `83.3%`."""
    return "undefined" if share is None or math.isnan(share) else f"{100 * share:.1f}%"


def percents(interval: Interval | None) -> str:
    """An interval of shares as `[76.0, 94.0]`, in percent."""
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]" if interval else "undefined"


def of(part: int, whole: int) -> str:
    """A share that carries its n: `3/10 = 30.0%`."""
    return f"{part}/{whole} = {100 * part / whole:.1f}%" if whole else "0/0"


def money(usd: float) -> str:
    """US dollars with three significant digits, cents or finer where they matter."""
    if usd == 0:
        return "$0"
    digits = max(2, 2 - math.floor(math.log10(abs(usd))))
    return f"${usd:,.{min(digits, 10)}f}"


def seconds(value: float) -> str:
    """`0.35s`, `12.4s`, `312s`."""
    return f"{value:.2f}s" if value < 10 else f"{value:.1f}s" if value < 100 else f"{value:.0f}s"


def hours(value_s: float) -> str:
    """Seconds as `36 h`, `20.6 h`, `10 min`."""
    return f"{value_s / 3600:.3g} h" if value_s >= 3600 else f"{value_s / 60:.3g} min"


def duration(e: Estimate, *, at_least: bool) -> str:
    """A quantile of time with its interval; `>=` where a time limit cut the tail it lies in."""
    if math.isnan(e.value):
        return e.why_not
    span = f" [{e.interval.low:.3g}, {e.interval.high:.3g}]" if e.interval else ""
    return f"{'>= ' if at_least else ''}{seconds(e.value)}{span}"


def counts(found: Sequence[Count]) -> str:
    """`infra_error: rate_limit 2, not run 3`, or `none`."""
    return ", ".join(f"{c.name} {c.n:,}" for c in found) or "none"


def total_cost(c: Cost) -> str:
    """What the system cost."""
    if c.kind in _NO_COST:
        return _NO_COST[c.kind]
    return f">= {money(c.total)}" if c.kind == "lower_bound" else money(c.total)


_NO_COST = {"simulated": "simulated", "none": "no calls", "unpriced": "unpriced"}


def success_cost(c: Cost) -> str:
    """What a success cost; without one, the total is a lower bound."""
    if c.kind in _NO_COST:
        return _NO_COST[c.kind]
    if not c.successes:
        return f">= {money(c.total)}, no success"
    return f"{'>= ' if c.kind == 'lower_bound' or c.cached else ''}{money(c.per_success.value)}"


def failed_cost(c: Cost) -> str:
    """What attempts that were not scored cost."""
    if c.kind in ("simulated", "unpriced"):
        return c.kind
    return f"{'>= ' if c.kind == 'lower_bound' else ''}{money(c.failed_attempts)}"


def judge_cost(c: Cost) -> str:
    """What grading cost, apart."""
    if not c.judge_calls:
        return "no calls"
    if c.judge_unpriced:
        return f">= {money(c.judge_total)}" if c.judge_total else "unpriced"
    return money(c.judge_total)


def short_rate(r: Rate) -> str:
    """A rate in one cell, with its n: `85.0% of 30 tasks [76.0, 94.0]`."""
    if r.value is None:
        return "not graded"
    return f"{percent(r.value)} of {many(r.tasks, 'task')} {percents(r.other_tasks)}"


def share(rate: Rate, hits: int, n: int) -> str:
    """A share of trials with the interval of its mean over tasks: `12/132 9.1% [4.0, 19.2]`."""
    if not n:
        return "0/0"
    span = f" {percents(rate.other_tasks)}" if rate.other_tasks else ""
    return f"{hits:,}/{n:,} {percent(rate.value)}{span}"


def span(e: Estimate, digits: int = 3) -> str:
    """`0.123 [0.050, 0.210]`; without an interval its reason."""
    if math.isnan(e.value):
        return e.why_not or "undefined"
    if e.interval is None:
        return f"{e.value:.{digits}f} (no interval: {e.why_not})" if e.why_not else f"{e.value:.{digits}f}"
    return f"{e.value:.{digits}f} [{e.interval.low:.{digits}f}, {e.interval.high:.{digits}f}]"


def some(names: Sequence[str], most: int = 10) -> str:
    """Names in a line, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
