"""One metric on two sides: difference, verdict, cross-checks, and what would settle the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageFault
from harness.report.comparison import BAD, Checks, MetricResult, MetricSpec, Options, Settle, Verdict
from harness.report.tallies import GRADER, METRICS, PASS_RATE, Measured, Tally
from harness.stats.intervals import FEW_FAMILIES, Codes, cluster_variance
from harness.stats.multiple import holm
from harness.stats.paired import Difference, mantel_haenszel, mcnemar, paired, sign_flip
from harness.stats.power import Design, detectable, epochs_for, same_tasks, tasks_for

ONE_FAMILY = "one family: the bounds are of these same tasks, and say nothing about others"
FEW_WORDS = (
    "{} family: at least {} families are needed to show that nothing was lost; "
    "a policy's `must_pass` holds single tasks meanwhile"
)
DISAGREE = 0.05
"""p values that differ by more than this are pointed out."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides on the same tasks; `common` are those with a grade on both."""

    a: Measured
    b: Measured
    family: Codes
    common: NDArray[np.bool_]


def more_is_better(metric: str) -> bool:
    """The direction of a metric."""
    return METRICS[metric][0] if metric in METRICS else True


def metric_names(*sides: Measured) -> list[str]:
    """The metrics these measurements have."""
    graders = {n for m in sides for n in m.tallies if n.startswith(GRADER)}
    return [*METRICS, *sorted(graders)]


def known_metrics(a: Measured, b: Measured, specs: Sequence[MetricSpec]) -> None:
    """Raises UsageFault for metrics that these sides do not have, all at once."""
    from harness.plugins.loader import did_you_mean

    names = metric_names(a, b)
    wrong = [s.name for s in specs if s.name not in names]
    if wrong:
        close = "; ".join(c for n in wrong if (c := did_you_mean(n, names)))
        raise UsageFault(
            f"no metric {', '.join(repr(n) for n in wrong)}",
            help=" — ".join(h for h in (close, f"metrics: {', '.join(names)}") if h),
        )


def metric_result(pair: Pair, spec: MetricSpec, options: Options) -> MetricResult:
    """The metric before Holm (see `adjusted`)."""
    up = more_is_better(spec.name) if spec.direction is None else spec.direction == "up"
    a, b = (m.tallies.get(spec.name, _empty(len(m.tasks))) for m in (pair.a, pair.b))
    both = (a.n > 0) & (b.n > 0)
    sign = 1.0 if up else -1.0
    good = sign * (b.mean[both] - a.mean[both])
    d = difference_of(good, pair.family[both], options.alpha)
    worst, best = (_imputed(pair, (a, b), sign, spec, options, worst=w) for w in (True, False))
    plain = verdict_of(d, spec.margin)
    low, high = (d.low, d.high) if up else (_minus(d.high), _minus(d.low))
    checks = _checks(pair, a, b, both, d, options) if both.any() else Checks(None, None)
    return MetricResult(
        name=spec.name,
        up=up,
        margin=spec.margin,
        a=float(a.mean[both].mean()) if both.any() else None,
        b=float(b.mean[both].mean()) if both.any() else None,
        tasks=d.tasks,
        families=d.families,
        difference=sign * d.value if both.any() else None,
        low=low,
        high=high,
        why_not=d.why_not,
        p_worse=d.p_below(0.0),
        p_regression=d.p_below(-spec.margin),
        plain=plain,
        worst=worst,
        best=best,
        verdict=plain,
        checks=checks,
        settle=_settle(a.take(both), b.take(both), good, pair.family[both], spec, options),
        notes=_notes(d, checks),
    )


def _empty(count: int) -> Tally:
    return Tally(np.zeros(count), np.zeros(count), np.zeros(count))


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def difference_of(good: NDArray[np.float64], family: Codes, alpha: float) -> Difference:
    """The difference, clustered by family, its bounds within [-1, 1].

    Under FEW_FAMILIES families nothing is known of others. A loss on these same tasks can still be shown (stats_ci.md
    0.2 and 1.2): the tasks are the units then, whose spread is at least what chance makes between two runs of them.
    OK needs the bound of the families too; of one family there is none, which is told in `why_not`.
    """
    d = paired(good, family, alpha)
    if d.tasks >= 2 and d.families < min(d.tasks, FEW_FAMILIES):
        here = paired(good, np.arange(len(good), dtype=np.int64), alpha)
        if d.families == 1:
            d = replace(here, families=1, why_not=ONE_FAMILY)
        elif d.low is not None and here.low is not None:
            d = replace(here, families=d.families, low=min(d.low, here.low))
    if d.low is None or d.high is None:
        return d
    return replace(d, low=max(d.low, -1.0), high=min(d.high, 1.0))


def verdict_of(d: Difference, margin: float) -> Verdict:
    """The verdict of a difference of which more is better (stats_ci.md 1.5). OK is asked before WORSE.

    One family can show a loss and never that there is none: what others would do is not known.
    """
    if d.low is None or d.high is None:
        return "INCONCLUSIVE"
    if d.high < -margin:
        return "REGRESSION"
    if d.low > -margin:
        return "INCONCLUSIVE" if d.why_not else "OK"
    return "WORSE" if d.high < 0 else "INCONCLUSIVE"


def _imputed(
    pair: Pair, sides: tuple[Tally, Tally], sign: float, spec: MetricSpec, options: Options, *, worst: bool
) -> Verdict:
    """The verdict if all that is missing had gone against b (or for it): Manski's bounds, task by task."""
    a, b = sides
    asked = (a.n > 0) | (b.n > 0) if spec.name.startswith(GRADER) else np.ones(len(a.n), dtype=bool)
    asked &= (pair.a.planned > 0) & (pair.b.planned > 0)
    bad, fine = (0.0, 1.0) if sign > 0 else (1.0, 0.0)
    mean_a = _filled(a, pair.a.planned, fine if worst else bad)[asked]
    mean_b = _filled(b, pair.b.planned, bad if worst else fine)[asked]
    return verdict_of(difference_of(sign * (mean_b - mean_a), pair.family[asked], options.alpha), spec.margin)


def _filled(tally: Tally, planned: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    whole = np.maximum(planned, tally.n)
    return np.asarray((tally.total + (whole - tally.n) * value) / np.maximum(whole, 1))


def adjusted(found: Sequence[MetricResult], options: Options, *, invalid: bool) -> list[MetricResult]:
    """The verdicts that count: Holm over the metrics for what is bad, and none that hangs on what is missing.

    OK needs no correction: every metric must be OK for the whole to be (an intersection-union test).
    """
    worse = holm([1.0 if m.p_worse is None else m.p_worse for m in found])
    regression = holm([1.0 if m.p_regression is None else m.p_regression for m in found])
    made = []
    for m, p_worse, p_regression in zip(found, worse, regression, strict=True):
        plain = m.plain
        if plain == "REGRESSION" and p_regression > options.alpha:
            plain = "WORSE"
        if plain == "WORSE" and p_worse > options.alpha:
            plain = "INCONCLUSIVE"
        verdict, notes = _robust(plain, m.worst, m.best), m.notes
        if verdict != plain and m.low is not None:
            notes = (*notes, f"{plain} on what was graded, but what is missing could change it")
        if plain != m.plain:
            notes = (*notes, f"{m.plain} alone, {plain} among {len(found)} metrics (Holm)")
        made.append(
            replace(
                m,
                p_worse=None if m.p_worse is None else p_worse,
                p_regression=None if m.p_regression is None else p_regression,
                verdict="INVALID" if invalid else verdict,
                notes=notes,
            )
        )
    return made


def _robust(plain: Verdict, worst: Verdict, best: Verdict) -> Verdict:
    """What still holds whatever the missing trials had been."""
    if plain == "OK":
        return "OK" if worst == "OK" else "INCONCLUSIVE"
    if plain in BAD:
        if best not in BAD:
            return "INCONCLUSIVE"
        return "WORSE" if "WORSE" in (plain, best) else "REGRESSION"
    return plain


def _checks(pair: Pair, a: Tally, b: Tally, both: NDArray[np.bool_], d: Difference, options: Options) -> Checks:
    good = b.mean[both] - a.mean[both]
    flipped = sign_flip(good, pair.family[both], options.seed)
    one_a, one_b = a.take(both), b.take(both)
    whole = all(bool(np.all(t.total == np.round(t.total)) and np.all(t.squares == t.total)) for t in (one_a, one_b))
    if not whole:
        return Checks(d.p_two_sided, flipped)
    if (one_a.n == 1).all() and (one_b.n == 1).all():
        found = mcnemar(int((good < 0).sum()), int((good > 0).sum()))
        return Checks(d.p_two_sided, flipped, None, found.exact, found.mid, found.lost, found.won)
    return Checks(d.p_two_sided, flipped, mantel_haenszel(one_a.total, one_a.n, one_b.total, one_b.n))


def design_of(a: Tally, b: Tally, d: NDArray[np.float64], family: Codes, alpha: float) -> Design | None:
    """The design behind these differences; with one epoch a side, all their variance counts as within tasks."""
    n, g = len(d), len(np.unique(family))
    if n < 2 or g < 2:
        return None
    epochs_a, epochs_b = (float(n / np.sum(1 / t.n)) for t in (a, b))
    total = float(d.var(ddof=1))
    within_a, within_b = (_within(t) for t in (a, b))
    if within_a is None and within_b is None:
        # Runs that are all equal do not show that nothing varies: two more tasks might differ.
        half = max(total, 2 / (n + 2)) / (1 / epochs_a + 1 / epochs_b)
        within_a = within_b = half
    elif within_a is None or within_b is None:
        within_a = within_b = within_a if within_a is not None else within_b
    assert within_a is not None and within_b is not None
    between = max(0.0, total - within_a / epochs_a - within_b / epochs_b)
    plain = float(d.var(ddof=1)) / n
    deff = cluster_variance(d, np.unique(family, return_inverse=True)[1]) / plain if g < n and plain > 1e-15 else 1.0
    families = g if g < n else 0
    return Design(n, epochs_a, epochs_b, within_a, within_b, between, max(1.0, deff), families, alpha)


def _within(t: Tally) -> float | None:
    """Mean variance within tasks of which more than one value is known; never nothing (two tasks of a fair coin)."""
    repeated = t.n > 1
    return max(float(t.within[repeated].mean()), 0.5 / (len(t.n) + 2)) if repeated.any() else None


def _settle(a: Tally, b: Tally, d: NDArray[np.float64], family: Codes, spec: MetricSpec, options: Options) -> Settle:
    g = len(np.unique(family))
    design = design_of(a, b, d, family, options.alpha)
    if design is None:
        return Settle(None, None, None, FEW_WORDS.format(g, FEW_FAMILIES) if len(d) > 1 else "more tasks are needed")
    pooled = design.epochs_a > design.epochs_b * 1.5
    if g < min(len(d), FEW_FAMILIES):
        tasks = tasks_for(design, spec.margin)
        here = same_tasks(design)
        return Settle(
            detectable=detectable(here),
            tasks=tasks,
            epochs=None,
            families=None if tasks is None else max(FEW_FAMILIES, -(-tasks * g // len(d))),
            families_now=g,
        )
    return Settle(
        detectable=detectable(design),
        tasks=tasks_for(design, spec.margin),
        epochs=epochs_for(design, spec.margin, both=not pooled),
    )


def _notes(d: Difference, checks: Checks) -> tuple[str, ...]:
    found = []
    if d.low is not None and 1 < d.families < FEW_FAMILIES:
        if d.families == d.tasks:
            found.append(f"only {d.families} tasks: the interval is rough")
        else:
            found.append(
                f"only {d.families} families: a loss is judged on these same tasks, and OK by the families too; "
                f"{FEW_FAMILIES} or more speak of others"
            )
    others = {
        "sign-flip": checks.sign_flip,
        "Mantel-Haenszel (these same tasks)": checks.mantel_haenszel,
        "McNemar mid-p": checks.mcnemar_mid,
    }
    for name, p in others.items():
        if p is not None and checks.interval is not None and abs(p - checks.interval) > DISAGREE:
            found.append(f"{name} says p = {p:.3f}, the interval {checks.interval:.3f}")
    return tuple(found)


__all__ = ["PASS_RATE", "Pair", "adjusted", "design_of", "known_metrics", "metric_names", "metric_result", "verdict_of"]
