"""A comparison as titled tables: coverage first, then what decides, then what explains."""

from __future__ import annotations

import math

from harness.report.comparison import Comparison, Economy, MetricResult, Settle, Side
from harness.report.section import Table
from harness.report.words import many, money, of, percent, percents
from harness.stats.ratios import Ratio

MOST_ROWS = 20
DISCOVERY = 0.10
"""Flips and slices are marked at this share of false discoveries."""


def head_of(c: Comparison) -> tuple[str, ...]:
    """The verdict and what was compared."""
    one_system = c.a.system == c.b.system
    a, b = (s.label if one_system else f"{s.label} {s.system}" for s in (c.a, c.b))
    if c.a.label == c.b.label and not one_system:
        a, b = c.a.system, c.b.system
    lines = [f"{c.verdict}: {b} against {a}"]
    lines.append(f"system {c.a.system}" if one_system else f"systems: {c.a.system} (a), {c.b.system} (b)")
    pooled = [f"{s.label} pools {many(len(s.runs), 'run')}" for s in (c.a, c.b) if len(s.runs) > 1]
    return (*lines, *pooled)


def loud_of(c: Comparison) -> tuple[str, ...]:
    """What must not be overlooked."""
    return (*(f"INVALID: {reason}" for reason in c.invalid), *c.notes)


def sections_of(c: Comparison, *, all_rows: bool = False) -> tuple[Table, ...]:
    """Every section. `all_rows` lists all flips that were kept."""
    found = [_coverage(c), _metrics(c), *_checks(c), *_settled(c)]
    if c.economy is not None:
        found.append(_economy(c.economy))
    return (*found, *_changes(c), *_flips(c, all_rows=all_rows), *_slices(c))


def _coverage(c: Comparison) -> Table:
    rows = tuple(
        (n, s.label, of(s.graded, s.planned), percents(s.bounds), _missing(s)) for n, s in (("a", c.a), ("b", c.b))
    )
    notes = []
    if c.missingness is not None:
        how = "differ: missing is not by chance" if c.missingness < 0.05 else "do not differ beyond chance"
        notes.append(f"tasks with something missing {how} between the sides (McNemar mid-p {c.missingness:.3f})")
    header = ("side", "from", "graded of planned", "worst to best case", "missing")
    return Table("coverage: pass rates if all that is missing had failed, or had passed", header, rows, tuple(notes))


def _missing(s: Side) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in s.missing) or "none"


def _metrics(c: Comparison) -> Table:
    rows = tuple(
        (
            m.name,
            f"{percent(m.a)} -> {percent(m.b)}",
            _points(m.difference),
            interval_of(m),
            f"{100 * m.margin:g}",
            f"{m.tasks:,} ({m.families:,})",
            "undefined" if m.settle.detectable is None else f"{100 * m.settle.detectable:.1f}",
            verdict_words(m),
        )
        for m in c.metrics
    )
    level = f"{100 * (1 - c.options.alpha):g}%"
    header = ("metric", "a -> b", "b - a", f"bounds {level}", "margin", "tasks (fam.)", "detectable", "verdict")
    notes = [f"{m.name}: {note}" for m in c.metrics for note in m.notes]
    notes += [f"{m.name}: {'no interval: ' if m.low is None else ''}{m.why_not}" for m in c.metrics if m.why_not]
    what = f"points; bounds are one-sided, each at {level}; detectable: the loss shown with 80% power by this pair"
    return Table("difference: paired by task, clustered by family", header, rows, (what, *notes))


def _points(value: float | None) -> str:
    return "undefined" if value is None or math.isnan(value) else f"{100 * value:+.1f}"


def interval_of(m: MetricResult) -> str:
    """The bounds in points: `[-8.9, +0.9]`."""
    return "undefined" if m.low is None or m.high is None else f"[{100 * m.low:+.1f}, {100 * m.high:+.1f}]"


def verdict_words(m: MetricResult) -> str:
    """The verdict, and whether it is shown to be better."""
    better = (m.low is not None and m.low > 0) if m.up else (m.high is not None and m.high < 0)
    return f"{m.verdict} (better)" if m.verdict == "OK" and better else m.verdict


def _checks(c: Comparison) -> list[Table]:
    def p(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    rows = tuple(
        (m.name, p(m.checks.interval), p(m.checks.sign_flip), p(m.checks.mantel_haenszel), p(m.checks.mcnemar_exact),
         p(m.checks.mcnemar_mid), p(m.p_worse), p(m.p_regression))
        for m in c.metrics
    )  # fmt: skip
    header = ("metric", "interval", "sign-flip", "Mantel-H.", "McNemar", "mid-p", "worse", "regression")
    note = "two-sided p of no difference by five methods; worse and regression one-sided, by Holm over the metrics"
    return [Table("cross-checks", header, rows, (note,))]


def settle_words(s: Settle, margin: float, tasks: int) -> str:
    """What would settle it, in words."""
    if s.why_not:
        return s.why_not
    if s.families_now:
        many_more = "more families" if s.families is None else f"{s.families:,} families like these in all"
        return f"{many_more} (now {s.families_now}); a policy's `must_pass` holds single tasks meanwhile"
    ways = []
    if s.tasks is not None and s.tasks > tasks:
        ways.append(f"{s.tasks - tasks:,} more tasks like these")
    if s.epochs is not None:
        ways.append(f"{many(s.epochs, 'epoch')}")
    if s.tasks is not None and s.tasks <= tasks:
        return f"this design finds a loss of {100 * margin:g} points four times of five"
    return " or ".join(ways) or "not by more tasks or epochs of this size"


def _settled(c: Comparison) -> list[Table]:
    rows = tuple(
        (m.name, f"{100 * m.margin:g}", settle_words(m.settle, m.margin, m.tasks))
        for m in c.metrics
        if m.verdict in ("INCONCLUSIVE", "WORSE", "INVALID")
    )
    note = "so that a loss of the margin is found four times of five"
    return [Table("to settle it", ("metric", "margin", "what it takes"), rows, (note,))] if rows else []


def ratio_words(r: Ratio) -> str:
    """`x1.20 [1.05, 1.37]`, or why there is none."""
    if math.isnan(r.value):
        return f"undefined: {r.why_not}"
    if r.low is None or r.high is None:
        return f"x{r.value:.2f}, no interval: {r.why_not}"
    return f"x{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"


def _economy(e: Economy) -> Table:
    def usd(value: float | None) -> str:
        return "undefined" if value is None else money(value)

    def number(value: float | None, form: str) -> str:
        return "undefined" if value is None else format(value, form)

    change = e.tokens_b / e.tokens_a if e.tokens_a and e.tokens_b else None
    rows = (
        ("cost per success", usd(e.cost_a), usd(e.cost_b), ratio_words(e.cost)),
        ("working time", "", "", ratio_words(e.seconds)),
        ("p95 of working time", e.p95_a, e.p95_b, ""),
        (
            "tokens per success",
            number(e.tokens_a, ",.0f"),
            number(e.tokens_b, ",.0f"),
            f"x{change:.2f}" if change else "",
        ),
        ("output per input", number(e.out_per_in_a, ".2f"), number(e.out_per_in_b, ".2f"), ""),
    )
    note = "on the common tasks, failures included; the ratio of times is the geometric mean over tasks"
    return Table("money, time, tokens", ("what", "a", "b", "b / a"), rows, (note,))


def _changes(c: Comparison) -> list[Table]:
    said = c.identity.system
    if not said:
        return []
    rows = tuple(tuple(line.partition(": ")[::2]) for line in said)
    return [Table("what differs between the systems", ("what", "a -> b"), rows)]


def _flips(c: Comparison, *, all_rows: bool) -> list[Table]:
    if not c.flips:
        return []
    shown = c.flips if all_rows else c.flips[:MOST_ROWS]
    rows = tuple(
        (f.task, f"{f.passed_a:.0f}/{f.graded_a}", f"{f.passed_b:.0f}/{f.graded_b}", f"{100 * f.difference:+.0f}",
         f"{f.q:.3f}" + (" *" if f.q < DISCOVERY else ""))
        for f in shown
    )  # fmt: skip
    down = sum(f.difference < 0 for f in c.flips)
    sure = sum(f.q < DISCOVERY for f in c.flips)
    notes = [f"{c.moved:,} of {c.tasks:,} tasks moved, {sure:,} beyond chance (q < {DISCOVERY:g}); some always move"]
    if len(c.flips) == c.moved:
        notes[0] += f"; {down:,} down, {c.moved - down:,} up"
    if len(shown) < c.moved:
        notes.append(f"the {len(shown)} surest are listed")
    header = ("task", "a passed", "b passed", "points", "q")
    return [Table("tasks that moved: for looking, never for deciding", header, rows, tuple(notes))]


def _slices(c: Comparison) -> list[Table]:
    rows = tuple(
        (f"{s.field} = {s.value}", f"{s.tasks:,}", f"{percent(s.a)} -> {percent(s.b)}", _points(s.difference),
         "undefined" if s.low is None or s.high is None else f"[{100 * s.low:+.1f}, {100 * s.high:+.1f}]",
         "-" if s.q is None else f"{s.q:.3f}" + (" *" if s.q < DISCOVERY else ""))
        for s in c.slices
    )  # fmt: skip
    header = ("slice", "tasks", "a -> b", "b - a", "bounds", "q")
    note = "q by Benjamini-Hochberg; among many slices some differ by chance"
    return [Table("slices: for looking, never for deciding", header, rows, (note,))] if rows else []
