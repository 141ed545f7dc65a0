"""The rules of a policy, each as checks with their numbers. A rule that cannot be judged is not passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from harness.report.compare import resume_words
from harness.report.compare_sections import interval_of, ratio_words, settle_words
from harness.report.comparison import BAD, Comparison
from harness.report.economy import censored, p95_of, per_success, spending, unpriced
from harness.report.gate_model import Check, State, TaskLine
from harness.report.identity import family_of
from harness.report.tallies import PASS_RATE, Measured, Tally
from harness.report.words import many, money, of, percent, percents, seconds
from harness.stats.intervals import Interval, cost_per_success, generalisation
from harness.stats.ratios import Ratio

if TYPE_CHECKING:
    from harness.config.gates import GateFile, MustPass
    from harness.config.quarantine import Entry


@dataclass(frozen=True, slots=True)
class Gated:
    """A system under a policy: what was measured, the floor of coverage, and the tasks under quarantine today."""

    measured: Measured
    policy: GateFile
    floor: float
    held: frozenset[str]

    @property
    def name(self) -> str:
        """The system."""
        return self.measured.system.name

    @property
    def used(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tasks that count."""
        return np.array([t not in self.held for t in self.measured.tasks], dtype=bool)


def coverage_checks(g: Gated) -> list[Check]:
    """How much of the plan was measured."""
    t = g.measured.totals
    missing = ", ".join(f"{name} {n:,}" for name, n in g.measured.missing)
    if not t.planned or not t.attempts:
        return [Check(g.name, "COVERAGE", "coverage", "invalid", "nothing ran")]
    if not t.graded and t.as_opponent and not t.counted:
        says = f"{many(t.as_opponent, 'trial')}: others are compared with it, and nobody judges it"
        return [Check(g.name, "COVERAGE", "coverage", "skipped", says)]
    if not t.graded:
        says = f"nothing was graded (0 of {t.planned:,} trials): {missing}"
        return [Check(g.name, "COVERAGE", "coverage", "invalid", says)]
    says = of(t.graded, t.counted)
    if g.measured.coverage < g.floor:
        says = f"{says} is under the floor of {percent(g.floor)}: {missing}{resume_words(g.measured)}"
        return [Check(g.name, "COVERAGE", "coverage", "invalid", says)]
    return [Check(g.name, "COVERAGE", "coverage", "ok", says + (f", missing: {missing}" if missing else ""))]


def quarantine_checks(g: Gated, entries: Mapping[str, Entry], today: date) -> Iterator[Check]:
    """How many tasks are held out, and which entries no longer count."""
    held = sorted(g.held & set(g.measured.tasks))
    whole = len(g.measured.tasks)
    for entry in entries.values():
        if entry.is_over(today):
            says = f"the quarantine of {entry.task} ended on {entry.expires}: it counts again ({entry.reason})"
            yield Check(g.name, "QUARANTINE", f"quarantine {entry.task}", "skipped", says, (entry.task,))
    if not held:
        return
    says = f"{of(len(held), whole)} of the tasks are held out, at most {percent(g.policy.quarantine_max)} may be"
    state: State = "fail" if len(held) > g.policy.quarantine_max * whole else "ok"
    yield Check(g.name, "QUARANTINE", "quarantine", state, says, tuple(held))


def metric_checks(g: Gated, c: Comparison) -> Iterator[Check]:
    """Metrics against the baseline."""
    for m in c.metrics:
        numbers = f"{percent(m.a)} -> {percent(m.b)}"
        if m.difference is not None:
            numbers += f", {100 * m.difference:+.1f} {interval_of(m)} on {m.tasks:,} tasks, margin {100 * m.margin:g}"
        if m.verdict == "INVALID":
            yield Check(g.name, "COVERAGE", m.name, "invalid", f"no verdict: {'; '.join(c.invalid)}")
        elif m.verdict in BAD:
            moved = tuple(f.task for f in c.flips if (f.difference < 0) == m.up)
            said = f"{m.verdict}: {numbers}{f'; {m.why_not}' if m.why_not else ''}"
            yield Check(g.name, m.verdict, m.name, "fail", said, moved)
        elif m.verdict == "INCONCLUSIVE":
            settled = f"to settle it: {settle_words(m.settle, m.margin, m.tasks)}"
            more = f"{m.why_not}; {settled}" if m.why_not else settled
            yield Check(g.name, "INCONCLUSIVE", m.name, "inconclusive", f"{m.verdict}: {numbers}; {more}")
        else:
            yield Check(g.name, m.verdict, m.name, "ok", numbers)


def absolute_checks(g: Gated) -> Iterator[Check]:
    """Metrics against `min` and `max`, by the interval of the run itself."""
    level = 1 - 2 * g.policy.alpha
    for name, metric in g.policy.metrics.items():
        if metric.min is None and metric.max is None:
            continue
        tally = g.measured.tallies.get(name)
        if tally is None or not (tally.n > 0).any():
            yield Check(g.name, "INCONCLUSIVE", name, "inconclusive", "nothing of it was graded")
            continue
        value, span, why = _rate(g, tally, level)
        for limit, is_min in ((metric.min, True), (metric.max, False)):
            if limit is None:
                continue
            word = f"{'at least' if is_min else 'at most'} {percent(limit)}"
            label = f"{name} {'min' if is_min else 'max'}"
            if span is None:
                yield Check(g.name, "INCONCLUSIVE", label, "inconclusive", f"{percent(value)}, {word} asked: {why}")
                continue
            state = _state(span, limit, is_min=is_min)
            if why and state == "ok":
                state = "inconclusive"
            kind = "LIMIT" if state == "fail" else "INCONCLUSIVE"
            more = f" ({why})" if why else ""
            yield Check(g.name, kind, label, state, f"{percent(value)} {percents(span)}, {word} asked{more}")


def _rate(g: Gated, tally: Tally, level: float) -> tuple[float, Interval | None, str]:
    """The value and its interval; where families are too few for one, that of these same tasks, and why.

    Too few families say nothing about others, so no limit is kept by them; these tasks can still break one.
    """
    used = (tally.n > 0) & g.used
    family = family_of(g.measured, by_family=g.policy.cluster == "family")[used]
    found = generalisation(tally.mean[used], np.unique(family, return_inverse=True)[1], level)
    if found.interval is not None:
        return found.value, found.interval, ""
    here = generalisation(tally.mean[used], np.arange(int(used.sum()), dtype=np.int64), level)
    return found.value, here.interval, found.why_not


def _state(span: Interval, limit: float, *, is_min: bool) -> State:
    if is_min:
        return "ok" if span.low >= limit else "fail" if span.high < limit else "inconclusive"
    return "ok" if span.high <= limit else "fail" if span.low > limit else "inconclusive"


def cost_checks(g: Gated, c: Comparison | None) -> Iterator[Check]:
    """Cost per success. An unknown price is no price: the rule cannot be judged, and the run is not valid for it."""
    rule = g.policy.cost_per_success
    if rule is None or not g.measured.totals.attempts:
        return
    if why := unpriced(g.measured):
        yield Check(g.name, "COST", "cost_per_success", "invalid", f"cannot be told: {why}")
        return
    if rule.max_usd is not None:
        yield _absolute_cost(g, rule.max_usd)
    if rule.max_ratio is not None and c is not None and c.economy is not None:
        yield _ratio(g, "COST", "cost_per_success", c.economy.cost, rule.max_ratio)


def _absolute_cost(g: Gated, most: float) -> Check:
    used = (g.measured.tallies[PASS_RATE].n > 0) & g.used
    side = spending(g.measured, used)
    total = float(side.cost.sum())
    value = per_success(side)
    name, asked = "cost_per_success max_usd", f"at most {money(most)} asked"
    if value is None:
        says = f">= {money(total)} without a success, {asked}"
        return Check(g.name, "COST", name, "fail" if total > most else "inconclusive", says)
    family = family_of(g.measured, by_family=g.policy.cluster == "family")[used]
    codes = np.unique(family, return_inverse=True)[1]
    found = cost_per_success(side.cost, side.success, codes, 1 - 2 * g.policy.alpha)
    if found.interval is None:
        return Check(g.name, "INCONCLUSIVE", name, "inconclusive", f"{money(value)}, {asked}: {found.why_not}")
    span = f"[{money(found.interval.low)}, {money(found.interval.high)}]"
    state = _state(found.interval, most, is_min=False)
    return Check(g.name, "COST" if state == "fail" else "INCONCLUSIVE", name, state, f"{money(value)} {span}, {asked}")


def _ratio(g: Gated, kind: str, name: str, ratio: Ratio, most: float) -> Check:
    says = f"{ratio_words(ratio)} times the baseline's, at most x{most:g} asked"
    if ratio.low is None or ratio.high is None:
        return Check(g.name, "INCONCLUSIVE", f"{name} max_ratio", "inconclusive", says)
    state = _state(Interval(ratio.low, ratio.high), most, is_min=False)
    return Check(g.name, kind if state == "fail" else "INCONCLUSIVE", f"{name} max_ratio", state, says)


def latency_checks(g: Gated, c: Comparison | None) -> Iterator[Check]:
    """Time against the baseline, and the slow tail against its limit."""
    if g.policy.latency is not None and c is not None and c.economy is not None:
        yield _ratio(g, "LATENCY", "latency", c.economy.seconds, g.policy.latency.max_ratio)
    rule = g.policy.latency_p95
    if rule is None or not g.measured.totals.attempts:
        return
    found = p95_of(g.measured, 1 - 2 * g.policy.alpha)
    asked = f"at most {seconds(rule.max)} asked"
    if found.interval is None:
        yield Check(g.name, "INCONCLUSIVE", "latency_p95", "inconclusive", f"{found.why_not}, {asked}")
        return
    cut = censored(g.measured) > 0.05
    state = _state(found.interval, rule.max, is_min=False)
    if cut and state == "ok":
        state = "inconclusive"
    span = f"{'>= ' if cut else ''}{seconds(found.value)} [{found.interval.low:.3g}, {found.interval.high:.3g}]"
    yield Check(g.name, "LATENCY" if state == "fail" else "INCONCLUSIVE", "latency_p95", state, f"{span}, {asked}")


def critical_checks(g: Gated) -> Iterator[Check]:
    """Critical errors, each one named."""
    rule = g.policy.critical_errors
    if rule is None or not g.measured.totals.graded:
        return
    # A quarantined task is a broken task: what its grader calls critical is told in the report and does not decide.
    found = [c for c in g.measured.criticals if c[0] not in g.held]
    trials = g.measured.totals.graded
    tasks = tuple(dict.fromkeys(task for task, _, _ in found))
    named = ", ".join(f"{task} epoch {epoch}" for task, epoch, _ in found[:10])
    says = f"{of(len(found), trials)} trials, at most {rule.max} allowed" + (f": {named}" if named else "")
    yield Check(g.name, "CRITICAL", "critical_errors", "fail" if len(found) > rule.max else "ok", says, tasks)


def must_pass_checks(g: Gated) -> Iterator[Check]:
    """Tasks that must pass, by K of n epochs."""
    for rule in g.policy.must_pass:
        for i, task in enumerate(g.measured.tasks):
            if not fnmatchcase(task, rule.task):
                continue
            if task in g.held:
                says = "under quarantine: not counted"
                yield Check(g.name, "MUST_PASS", f"must_pass {task}", "skipped", says, (task,))
                continue
            yield _must_pass(g, rule, i)


def _must_pass(g: Gated, rule: MustPass, at: int) -> Check:
    """Epochs that were planned and have no grade are no passes; where they could turn it, it cannot be told."""
    tally, task = g.measured.tallies[PASS_RATE], g.measured.tasks[at]
    passed, graded = int(tally.total[at]), int(tally.n[at])
    epochs = max(int(g.measured.planned[at]), graded, rule.of or 0, rule.passes or 0)
    needed = rule.passes if rule.passes is not None else epochs // 2 + 1
    if rule.passes is not None and rule.of is not None:
        needed = -(-rule.passes * epochs // rule.of)  # of more epochs the same share, rounded up
    name, kind = f"must_pass {task}", "MUST_PASS"
    says = f"passed {passed} of {graded} graded epochs, {needed} of {epochs} asked"
    if passed >= needed:
        return Check(g.name, kind, name, "ok", says, (task,))
    if graded == 0 or passed + epochs - graded >= needed:
        return Check(g.name, kind, name, "invalid", f"cannot be told: {says}", (task,))
    return Check(g.name, kind, name, "fail", says, (task,))


def task_lines(g: Gated, checks: tuple[Check, ...], entries: Mapping[str, Entry]) -> tuple[TaskLine, ...]:
    """Every task of the plan that is known by name. A task fails only by a rule about it, never by one epoch."""
    broken: dict[str, str] = {}
    for check in checks:
        if check.state == "fail" and check.counts and check.kind in ("MUST_PASS", "CRITICAL"):
            says = "critical error" if check.kind == "CRITICAL" else check.says
            broken |= {task: says for task in check.tasks if task not in broken}
    untold = {task: c.says for c in checks if c.kind == "MUST_PASS" and c.state == "invalid" for task in c.tasks}
    lost = any(c.kind == "COVERAGE" and c.state == "invalid" for c in checks)
    tally, times = g.measured.tallies[PASS_RATE], g.measured.tallies["seconds"]
    lines = []
    for i, task in enumerate(g.measured.tasks):
        graded, planned = int(tally.n[i]), int(g.measured.planned[i])
        state, says = "ok", ""
        if task in g.held:
            entry = entries[task]
            state, says = (
                "quarantined",
                f"{entry.reason} (until {entry.expires}{f', {entry.owner}' if entry.owner else ''})",
            )
        elif task in broken:
            state, says = "fail", broken[task]
        elif graded == 0 and task not in untold and (not lost or planned == 0) and task in g.measured.skipped:
            more = f" (0 of {planned} epochs graded)" if planned else ""
            state, says = "skipped", f"not run: {g.measured.skipped[task]}{more}"
        elif graded == 0:
            state, says = "missing", f"0 of {planned} epochs graded"
        elif task in untold:
            state, says = "missing", untold[task]
        lines.append(
            TaskLine(
                task=task,
                passed=int(tally.total[i]),
                graded=graded,
                planned=planned,
                seconds=round(float(times.total[i]), 3) if times.n[i] else None,
                state=state,  # type: ignore[arg-type]  # one of the five words, by the branches above
                says=says,
            )
        )
    return tuple(lines)
