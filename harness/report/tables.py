"""The short report as titled tables of words: what a run ends with."""

from __future__ import annotations

from collections.abc import Callable

from harness.report.judges_sections import short_tables
from harness.report.model import Rate, Report, Slice, SystemReport, Tasks
from harness.report.section import Table
from harness.report.words import (
    counts,
    duration,
    failed_cost,
    judge_cost,
    many,
    money,
    of,
    percent,
    percents,
    seconds,
    short_rate,
    some,
    success_cost,
    total_cost,
)


def tables(report: Report, *, slices: bool) -> tuple[Table, ...]:
    """Validity first, then results, money, time, and where the systems differ."""
    systems = report.systems
    found = [
        coverage_table(systems),
        *short_tables(report.judges),
        results_table(report),
        *value_tables(report),
        cost_table(systems),
        token_table(systems),
        work_table(systems),
        *self_verification_tables(systems),
        *failed_tables(systems),
        *apart_tables(report.by_task),
    ]
    if slices and report.slices:
        found.append(slices_table(report.slices, systems))
    return tuple(found)


def headline(report: Report) -> tuple[str, ...]:
    """Identity, in two lines."""
    i = report.identity
    plan = f"{many(report.tasks, 'task')} x {many(len(report.systems), 'system')} x {many(report.epochs, 'epoch')}"
    whole = i["tasks_in_suite"]
    chosen = f" (chosen from {whole:,} tasks)" if whole != report.tasks else ""
    return (
        f"run {i['run']}",
        f"suite {i['suite']} ({i['suite_digest']}), {i['created']}, seed {i['seed']}",
        f"{plan}{chosen}, {many(report.attempts, 'attempt')}",
    )


def loud(report: Report) -> tuple[str, ...]:
    """What must not be overlooked."""
    return (*(f"INVALID: {reason}" for reason in report.invalid), *report.warnings)


def _table(title: str, systems: tuple[SystemReport, ...], columns: dict[str, Callable[[SystemReport], str]]) -> Table:
    rows = tuple((s.name, *(cell(s) for cell in columns.values())) for s in systems)
    return Table(title, ("system", *columns), rows)


def coverage_table(systems: tuple[SystemReport, ...]) -> Table:
    """How much of the plan was measured."""
    return _table(
        "coverage: how much of the plan was measured",
        systems,
        {
            "graded of planned": lambda s: of(s.coverage.graded, s.coverage.planned),
            "attempted": lambda s: f"{s.coverage.attempted:,}",
            "worst to best case": lambda s: percents(s.coverage.bounds),
            "missing": lambda s: counts(s.coverage.missing),
        },
    )


def results_table(report: Report) -> Table:
    """Pass rates with both intervals."""
    table = _table(
        "results: tasks weigh equally",
        report.systems,
        {
            "pass rate": lambda s: _rate(s.passed),
            "other tasks 95%": lambda s: percents(s.passed.other_tasks),
            "run again 95%": lambda s: percents(s.passed.again),
            "tasks (fam.)": lambda s: f"{s.passed.tasks:,} ({s.passed.families:,})",
            "trials": lambda s: f"{s.passed.trials:,}",
            "$/success": lambda s: success_cost(s.cost),
            "p50": lambda s: _seconds_or_reason(s),
        },
    )
    notes = _rate_notes([(s.name, s.passed) for s in report.systems])
    what = "intervals: for other tasks of this kind, and for this same suite run again"
    return Table(table.title, table.header, table.rows, (what, *notes))


def _seconds_or_reason(s: SystemReport) -> str:
    value = s.times.p50.value
    return seconds(value) if value == value else "undefined"


def _rate(r: Rate) -> str:
    return "not graded" if r.value is None else percent(r.value)


def _rate_notes(rates: list[tuple[str, Rate]]) -> tuple[str, ...]:
    """One line for each thing to know, naming the systems it is true of."""
    found: dict[str, list[str]] = {}
    for name, r in rates:
        if r.other_tasks is None:
            found.setdefault(f"interval for other tasks undefined: {r.why_not}", []).append(name)
        for note in r.notes:
            found.setdefault(note, []).append(name)
    every = len(rates)
    return tuple(note if len(names) == every else f"{', '.join(names)}: {note}" for note, names in found.items())


def value_tables(report: Report) -> list[Table]:
    """Mean values, where a grader gives fractions."""
    graded = [(s.name, s.mean_value) for s in report.systems if s.mean_value]
    if not graded:
        return []
    rows = tuple(
        (name, "undefined" if r.value is None else f"{r.value:.3f}", _span(r), f"{r.tasks:,}", f"{r.trials:,}")
        for name, r in graded
    )
    header = ("system", "mean value", "95% other tasks", "tasks", "trials")
    return [Table("values: mean of the graders' values, 0 to 1", header, rows)]


def _span(r: Rate) -> str:
    i = r.other_tasks
    return f"[{i.low:.3f}, {i.high:.3f}]" if i else f"undefined: {r.why_not}"


def cost_table(systems: tuple[SystemReport, ...]) -> Table:
    """Money."""
    table = _table(
        "cost: every billed call, failed attempts too",
        systems,
        {
            "total": lambda s: total_cost(s.cost),
            "successes": lambda s: f"{s.cost.successes:,}",
            "per success": lambda s: success_cost(s.cost),
            "95%": _cost_span,
            "calls": lambda s: f"{s.cost.calls:,}",
            "judge, apart": lambda s: judge_cost(s.cost),
        },
    )
    notes = [
        f"{s.name}: {s.cost.unpriced:,} of {s.cost.calls:,} calls have no known price: costs are lower bounds"
        for s in systems
        if s.cost.kind in ("lower_bound", "unpriced")
    ]
    notes += [
        f"{s.name}: {s.cost.cached:,} of {s.cost.calls:,} calls were answered from the call cache and cost nothing here"
        for s in systems
        if s.cost.cached and s.cost.kind not in ("simulated", "none")
    ]
    notes += [f"{s.name}: {s.cost.estimated:,} calls priced approximately" for s in systems if s.cost.estimated]
    return Table(table.title, table.header, table.rows, tuple(notes))


def _cost_span(s: SystemReport) -> str:
    e = s.cost.per_success
    if e.interval:
        return f"[{money(e.interval.low)}, {money(e.interval.high)}]"
    return "undefined" if s.cost.kind in ("simulated", "none", "unpriced") else f"undefined: {e.why_not}"


def token_table(systems: tuple[SystemReport, ...]) -> Table:
    """Tokens by bucket, and their ratios."""

    def number(s: SystemReport, *names: str) -> str:
        return f"{sum(c.n for c in s.tokens if c.name in names):,}"

    return _table(
        "tokens",
        systems,
        {
            "input": lambda s: number(s, "input"),
            "cache read": lambda s: number(s, "cache_read"),
            "cache write": lambda s: number(s, "cache_write_short", "cache_write_long"),
            "output": lambda s: number(s, "output"),
            "reasoning": lambda s: number(s, "reasoning"),
            "cache share": lambda s: "no input" if s.cache_share is None else percent(s.cache_share),
            "out/in": lambda s: "no input" if s.out_per_in is None else f"{s.out_per_in:.2f}",
        },
    )


def work_table(systems: tuple[SystemReport, ...]) -> Table:
    """Time, turns, retries, limits."""
    table = _table(
        "work: seconds of working time per task (mean of its epochs), without waiting",
        systems,
        {
            "tasks": lambda s: f"{s.times.tasks:,}",
            "p50 [95%]": lambda s: duration(s.times.p50, at_least=s.times.censored > 0.5),
            "p95 [95%]": lambda s: duration(s.times.p95, at_least=s.times.censored > 0.05),
            "turns": lambda s: f"{s.turns:,}",
            "retries": lambda s: f"{s.retries:,}",
            "waiting": lambda s: seconds(s.times.waiting_s),
            "limits hit": lambda s: counts(s.limits),
        },
    )
    notes = tuple(
        f"{s.name}: {s.times.cached_trials:,} trials answered from the call cache are left out of the times"
        for s in systems
        if s.times.cached_trials
    )
    return Table(table.title, table.header, table.rows, notes)


def self_verification_tables(systems: tuple[SystemReport, ...]) -> list[Table]:
    """What self-verifying systems said of their own work, where there are any."""
    rows = tuple(
        (s.name, of(v.failed_first, v.trials), of(v.unresolved, v.trials), f"{v.false_alarm:,}", f"{v.missed:,}")
        for s in systems
        if (v := s.verification)
    )
    header = ("system", "first check failed", "still failing at the end", "failing yet passed", "fine yet failed")
    return [Table("self-verification: what the system said of its own work", header, rows)] if rows else []


def failed_tables(systems: tuple[SystemReport, ...]) -> list[Table]:
    """Attempts that failed for infrastructure, where there are any."""
    rows = tuple(
        (s.name, f"{s.failed_attempts:,}", failed_cost(s.cost), counts(s.failed_causes))
        for s in systems
        if s.failed_attempts
    )
    header = ("system", "attempts", "cost", "causes")
    return [Table("failed attempts: not scores, but in the cost", header, rows)] if rows else []


def apart_tables(tasks: Tasks | None) -> list[Table]:
    """Where the systems differ, when two can be compared."""
    if tasks is None:
        return []
    rows = tuple(
        (t.task, percent(t.difference), *(f"{s.passed}/{s.graded}" for s in t.shares)) for t in tasks.separating
    )
    notes = [
        f"{tasks.compared:,} tasks graded under all of {', '.join(tasks.systems)}: "
        f"{len(tasks.all_solved):,} solved always by all, {len(tasks.none_solved):,} never by any, "
        f"{tasks.differ:,} solved differently"
    ]
    if tasks.none_solved:
        notes.append(f"never solved: {some(tasks.none_solved)}")
    if tasks.differ > len(rows):
        notes.append(f"the {len(rows)} largest differences of {tasks.differ:,} are listed")
    title = "tasks that separate the systems: passed of graded epochs"
    return [Table(title, ("task", "difference", *tasks.systems), rows, tuple(notes))]


def slices_table(found: tuple[Slice, ...], systems: tuple[SystemReport, ...]) -> Table:
    """Rates by shape and tag."""
    rows = tuple((f"{s.field} = {s.value}", f"{s.tasks:,}", *(short_rate(r) for r in s.rates)) for s in found)
    header = ("slice", "tasks", *(s.name for s in systems))
    note = "slices are for looking, not for deciding: among many, some differ by chance"
    return Table("slices: pass rate with its 95% interval for other tasks", header, rows, (note,))
