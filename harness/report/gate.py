"""A run and a policy in, a decision out: a pure function of the run folder, the baselines and the day.

for each system: measure -> valid? -> baseline usable? -> compare -> every rule a Check -> exit code
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from harness.errors import Exit, NotComparable
from harness.report.baseline import Baseline, measured_of
from harness.report.compare import compare
from harness.report.comparison import Comparison, MetricSpec, Options
from harness.report.economy import p95_of, per_success, spending, unpriced
from harness.report.gate_checks import (
    Gated,
    absolute_checks,
    cost_checks,
    coverage_checks,
    critical_checks,
    latency_checks,
    metric_checks,
    must_pass_checks,
    quarantine_checks,
    task_lines,
)
from harness.report.gate_model import Check, GatedSystem, GateResult, Overall
from harness.report.measured import PASS_RATE, Measured, measure
from harness.report.trials import Trials
from harness.report.words import hours

if TYPE_CHECKING:
    from harness.config.gates import GateFile
    from harness.config.quarantine import Entry

ABSENT = "ABSENT"
"""Kind of the check of a system that has a baseline and did not run."""
NO_BASELINE = "NO_BASELINE"
"""Kind of the check of a system whose policy compares with a baseline, where there is none."""
CLOCK_SLACK = timedelta(hours=24)
"""How far ahead of now a run's own time may be: more than this is a wrong clock, and its age cannot be told."""


@dataclass(frozen=True, slots=True)
class GateInput:
    """Everything a gate rests on. `baselines` are by system; `policy_name` is the policy's file as shown.

    `absent` are systems that have a baseline (its name) and are not in the run, though nobody left them out;
    `not_gated` says of every other system why it is not judged.
    """

    trials: Trials
    policy: GateFile
    policy_name: str
    baselines: Mapping[str, Baseline]
    quarantine: Mapping[str, Entry]
    systems: Sequence[str]
    now: datetime
    allow_mismatch: bool = False
    extra: Sequence[Check] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    not_gated: Sequence[str] = ()


def gate(given: GateInput) -> GateResult:
    """Decide. Raises UsageFault for a metric that does not exist (see `gate_faults` for all faults with places)."""
    systems, warnings = [], []
    for name in given.systems:
        measured = measure(given.trials, name)
        system, told = _gated(measured, given)
        systems.append(system)
        warnings += told
    systems += [_absent(name, baseline) for name, baseline in given.absent.items()]
    manifest = given.trials.manifest
    return _decided(
        GateResult(
            run=manifest.run,
            suite=manifest.suite,
            created=manifest.created,
            policy=given.policy_name or "defaults",
            overall="OK",
            exit_code=Exit.OK,
            reasons=(),
            warnings=tuple(dict.fromkeys(warnings)),
            systems=tuple(systems),
            not_gated=tuple(given.not_gated),
        ),
        given,
    )


def _absent(name: str, baseline: str) -> GatedSystem:
    """A system that should have been there: what nobody ran is not passed."""
    says = f"has the baseline '{baseline}' and is not in this run; the policy's `systems:` can leave it out"
    return GatedSystem(
        name, baseline, (Check(name, ABSENT, "system", "invalid", says),), None, (), 0.0, None, None, None
    )


def _without(measured: Measured) -> Check:
    """What is compared with a baseline, where there is none: every other rule is judged all the same."""
    name = measured.system.name
    says = (
        f"no baseline for {name}, so nothing was compared; make one from this run: "
        f"harness baseline promote --system {name} --reason TEXT, or gate by `min:` and `max:` alone"
    )
    return Check(name, NO_BASELINE, "baseline", "not measured", says)


def _gated(measured: Measured, given: GateInput) -> tuple[GatedSystem, list[str]]:
    policy = given.policy
    floor = policy.coverage if policy.coverage is not None else measured.origin.coverage_floor
    held = frozenset(t for t, e in given.quarantine.items() if not e.is_over(given.now.date()))
    g = Gated(measured, policy, floor, held)
    checks = [*coverage_checks(g), *_clock(measured, given), *quarantine_checks(g, given.quarantine, given.now.date())]
    comparison, warnings = None, []
    baseline = given.baselines.get(measured.system.name)
    unjudged = checks[0].state == "skipped"  # others are compared with it: there is nothing to hold to any limit
    if baseline is not None and measured.totals.attempts and not unjudged:
        found, comparison = _against(measured, baseline, given, floor, held)
        checks += found
        if comparison is not None:
            warnings += [f"{measured.system.name}: {note}" for note in comparison.notes]
            checks += metric_checks(g, comparison)
    elif baseline is None and policy.needs_baseline and not unjudged:
        checks.append(_without(measured))
    if not unjudged:
        checks += [*absolute_checks(g), *cost_checks(g, comparison), *latency_checks(g, comparison)]
        checks += [*critical_checks(g), *must_pass_checks(g)]
    checks += [c for c in given.extra if c.system == measured.system.name]
    counted = tuple(_counted(c, policy) for c in checks)
    cost = per_success(spending(measured, measured.tallies[PASS_RATE].n > 0))
    tally = measured.tallies[PASS_RATE]
    p95 = p95_of(measured).value
    return (
        GatedSystem(
            system=measured.system.name,
            baseline=baseline.name if baseline else "",
            checks=counted,
            comparison=comparison,
            tasks=task_lines(g, counted, given.quarantine),
            coverage=measured.coverage,
            pass_rate=float(tally.mean[tally.n > 0].mean()) if (tally.n > 0).any() else None,
            cost_per_success=None if unpriced(measured) else cost,
            p95_s=p95 if p95 == p95 else None,
        ),
        warnings,
    )


def _counted(check: Check, policy: GateFile) -> Check:
    """Failures that `fail_on` leaves out are told and do not decide."""
    if check.state == "fail" and check.kind not in policy.fail_on:
        return replace(check, counts=False)
    return check


def _clock(measured: Measured, given: GateInput) -> list[Check]:
    name = measured.system.name
    try:
        created = datetime.fromisoformat(measured.origin.created)
        ahead = created - given.now
    except (ValueError, TypeError):
        says = f"the run's time '{measured.origin.created}' cannot be read"
        return [Check(name, "CLOCK", "clock", "invalid", says)]
    if ahead > CLOCK_SLACK:
        says = f"the run says it was made at {measured.origin.created}, which is still to come: one clock is wrong"
        return [Check(name, "CLOCK", "clock", "invalid", says)]
    most = given.policy.max_age
    if most is not None and -ahead.total_seconds() > most:
        old = f"the run was started {hours(-ahead.total_seconds())} ago, at most {hours(most)} are allowed"
        return [Check(name, "AGE", "age of the run", "invalid", f"{old}: is anything still made at night?")]
    return []


def _against(
    measured: Measured, baseline: Baseline, given: GateInput, floor: float, held: frozenset[str]
) -> tuple[list[Check], Comparison | None]:
    """The comparison with the baseline, or the check that says why there is none."""
    name = measured.system.name
    if why := _unusable(measured, baseline, given):
        return [Check(name, "BASELINE", f"baseline {baseline.name}", "invalid", why)], None
    policy = given.policy
    specs = tuple(MetricSpec(n, m.margin, m.direction) for n, m in policy.metrics.items() if m.margin is not None)
    options = Options(
        metrics=specs,
        alpha=policy.alpha,
        coverage=floor,
        by_family=policy.cluster == "family",
        allow_mismatch=given.allow_mismatch,
        allow_subset=policy.subset or given.allow_mismatch,
        quarantined=held,
    )
    try:
        found = compare(measured_of(baseline), measured, options)
    except NotComparable as e:
        return [Check(name, "IDENTITY", f"baseline {baseline.name}", "invalid", str(e))], None
    if policy.same_system and not found.identity.same_system:
        says = f"the system itself changed: {'; '.join(found.identity.system)}"
        return [Check(name, "IDENTITY", f"baseline {baseline.name}", "invalid", says)], None
    return [], found


def _unusable(measured: Measured, baseline: Baseline, given: GateInput) -> str:
    if baseline.is_over(given.now):
        return f"the baseline '{baseline.name}' ended on {baseline.expires}: promote a new one"
    age = baseline.age_days(given.now)
    if given.policy.max_age_days is not None and age > given.policy.max_age_days:
        return f"the baseline's newest night is {age:.0f} days old, at most {given.policy.max_age_days} are allowed"
    if age < -CLOCK_SLACK.total_seconds() / 86_400:
        return f"the baseline's newest night is {-age:.0f} days ahead of now: one clock is wrong"
    if measured.runs[0] in {n.run for n in baseline.nights}:
        return "the run is a part of the baseline: it would be compared with itself"
    return ""


def _decided(result: GateResult, given: GateInput) -> GateResult:
    """The exit code: nothing ran, not comparable, invalid, failed, not measured, inconclusive, ok, in this order."""
    checks = [c for c in result.checks if c.counts]

    def those(state: str, *kinds: str) -> list[str]:
        return [
            f"{c.system}: {c.name}: {c.says}" for c in checks if c.state == state and (not kinds or c.kind in kinds)
        ]

    inconclusive = those("inconclusive")
    soft = "INCONCLUSIVE" in given.policy.fail_on
    first = [c for s in result.systems for c in s.checks[:1] if c.kind != ABSENT]
    empty = all(c.says == "nothing ran" for c in first)
    critical = those("fail", "CRITICAL")
    order: tuple[tuple[bool, Overall, Exit, list[str]], ...] = (
        (empty, "NOTHING RAN", Exit.NOTHING, ["nothing ran"]),
        # What a grader called critical has happened, whatever else is missing: no other state may hide it.
        (bool(critical), "FAILED", Exit.GATE_FAILED, those("fail") + those("invalid")),
        (
            bool(those("invalid", "IDENTITY", "BASELINE")),
            "NOT COMPARABLE",
            Exit.NOT_COMPARABLE,
            those("invalid") + those("fail"),
        ),
        (bool(those("invalid")), "INVALID", Exit.INVALID, those("invalid") + those("fail")),
        (bool(those("fail")), "FAILED", Exit.GATE_FAILED, those("fail")),
        (bool(those("not measured")), "NOT MEASURED", Exit.INVALID, those("not measured") + inconclusive),
        (bool(inconclusive), "INCONCLUSIVE", Exit.INCONCLUSIVE if soft else Exit.OK, inconclusive),
    )
    for applies, overall, code, reasons in order:
        if applies:
            return replace(result, overall=overall, exit_code=code, reasons=tuple(reasons))
    return result
