"""Data sheets of judges as titled tables: is the judge valid, then its figures, then what a person should look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.report.judges_model import Figure, JudgeReport, JudgeSheet, Panel, Rated
from harness.report.judges_rubric import PREFIX
from harness.report.model import Count
from harness.report.section import Table
from harness.report.words import counts, many, money, of
from harness.stats.intervals import Estimate

_HEADER = ("figure", "value [95%]", "n", "how to read it")
_SCORES = (
    "win_rate", "wins", "wins_plus_ties", "judged_ties", "disagreement_ties", "average_rate", "first_order_rate",
    "second_order_rate", "good_rate", "equal_length_rate", "alike_rate",
    "corrected", "corrected_external",
)  # fmt: skip
"""Figures that speak of the work; all the others speak of the judge."""
_SIGNED = (
    "position_effect",
    "label_effect",
    "own_family_lift",
    "length_slope",
    "slot_logit",
    "length_logit",
    "style_slope",
    "style_logit",
)


def short_tables(report: JudgeReport | None) -> tuple[Table, ...]:
    """A line for each judge and grader: enough for the end of a run. Its data sheet is in the full report."""
    if report is None or not report.sheets:
        return ()
    rows = tuple(
        (
            s.judge,
            s.grader,
            s.validity,
            counts([Count(word, n) for word, n in Counter(c.state.replace("_", " ") for c in s.checks or ()).items()]),
        )
        for s in report.sheets
    )
    note = "a judge that is not valid decides no gate: exit code 3; data sheets: harness report --section judges"
    title = f"judges: is the measurement valid? {report.validity}"
    return (Table(title, ("judge", "grader", "verdict", "checks"), rows, (note,)),)


def validity_tables(report: JudgeReport | None) -> tuple[Table, ...]:
    """Is each judge valid, and its data sheet: what stands before any score."""
    if report is None or not report.sheets:
        return ()
    return (_validity(report), *(_measured(s) for s in report.sheets), *(_panel(p) for p in report.panels))


def score_tables(report: JudgeReport | None) -> tuple[Table, ...]:
    """What the judges said of the work, and ratings."""
    if report is None:
        return ()
    return (*(t for s in report.sheets for t in _scores(s)), *(_rated(r) for r in report.ratings))


def look_tables(report: JudgeReport | None) -> tuple[Table, ...]:
    """What judges cost, and the items on which their orders disagree: for a person to read."""
    if report is None or not report.sheets:
        return ()
    return (money_table(report.sheets), *(t for s in report.sheets for t in _splits(s)))


def _validity(report: JudgeReport) -> Table:
    rows = tuple(
        (s.judge, s.grader, c.name, c.state.replace("_", " "), c.reason)
        for s in report.sheets
        for c in (s.checks or ())
    )
    notes = (
        "a judge that is not valid decides no gate: exit code 3, whatever the systems did",
        *(f"{s.judge} in {s.grader}: {note}" for s in report.sheets for note in s.notes),
    )
    title = f"judges: is the measurement valid? {report.validity}"
    return Table(title, ("judge", "grader", "check", "state", "measured"), rows, notes)


def _measured(s: JudgeSheet) -> Table:
    title = f"judge {s.judge} in {s.grader}: {s.validity}; {s.protocol}, {s.model}"
    kept = tuple(_row(f) for f in s.figures if not _is_score(f))
    notes = [f"really answered: {counts(s.returned)}" if s.returned else "the provider names no model"]
    if s.classes:
        notes.append(
            f"pairs under the swap: {', '.join(f'{c.name.replace(chr(95), chr(32))} {c.n}' for c in s.classes)}"
        )
    if s.ungraded:
        notes.append(f"without a verdict: {counts(s.ungraded)}; of {counts(s.ungraded_by_system)}")
    return Table(title, _HEADER, kept, tuple(notes))


def _scores(s: JudgeSheet) -> list[Table]:
    rows = tuple(_row(f) for f in s.figures if _is_score(f))
    note = () if s.validity == "valid" else (f"the judge is {_word(s)}: these scores decide nothing",)
    return [Table(f"score by {s.judge} in {s.grader}", _HEADER, rows, note)] if rows else []


def _is_score(f: Figure) -> bool:
    return f.name.partition(":")[0] in _SCORES or f.name.startswith(PREFIX)


def _word(s: JudgeSheet) -> str:
    return "not valid" if s.validity == "invalid" else "not proven valid"


def _row(f: Figure) -> tuple[str, ...]:
    note = "; ".join(w for w in (f.why_not, f.note) if w)
    unit = f.unit.removesuffix("s") if f.n == 1 and f.unit.isalpha() else f.unit
    return (f.title, _value(f), f"{f.n:,} {unit}", note)


def _value(f: Figure) -> str:
    """`0.671 [0.607, 0.729]`; a number without an interval says so."""
    sign = "+" if f.name in _SIGNED else ""
    if f.value is None:
        return "not measured"
    span = f"[{f.interval.low:{sign}.3f}, {f.interval.high:{sign}.3f}]" if f.interval else "[undefined]"
    return f"{f.value:{sign}.3f} {span}"


def _panel(p: Panel) -> Table:
    return Table(f"panel of {p.grader}: {', '.join(p.judges)}", _HEADER, tuple(_row(f) for f in p.figures))


def _rated(r: Rated) -> Table:
    title = f"ratings by {r.judge} in {r.grader}: Bradley-Terry with ties and a slot term"
    alike = (f"at equal {r.alike_in}",) if r.alike else ()
    header = ("candidate", "logits", "95%", "Elo scale", *alike)
    if r.why_not:
        return Table(title, header, (), (f"no ratings of {many(r.games, 'game')}: {r.why_not}",))
    ranked = sorted(range(len(r.candidates)), key=lambda i: -r.strengths[i].value)
    rows = tuple(
        (
            r.candidates[i], f"{r.strengths[i].value:+.2f}", _span(r.strengths[i]), f"{r.elo[i]:.0f}",
            *([f"{r.alike[i].value:+.2f} {_span(r.alike[i])}"] if r.alike else []),
        )
        for i in ranked
    )  # fmt: skip
    figures = [f"{f.title}: {_value(f)} of {f.n:,} {f.unit}" for f in r.figures]
    base = f"{r.candidates[0]} is the anchor; the Elo scale shows the same fit; {many(r.games, 'game')}"
    return Table(title, header, rows, tuple(w for w in (base, r.note, *figures) if w))


def _span(e: Estimate) -> str:
    if e.why_not == "the anchor":
        return "anchor"
    return f"[{e.interval.low:+.2f}, {e.interval.high:+.2f}]" if e.interval else f"none: {e.why_not}"


def money_table(sheets: Sequence[JudgeSheet]) -> Table:
    """What each judge cost, in all and by what it was asked for."""
    rows = tuple(
        (
            s.judge,
            s.grader,
            f"{s.money.judgements:,}",
            f"{s.money.calls:,}",
            of(s.money.cached, s.money.judgements),
            *(_part(s, x) for x in (s.money.scores, s.money.sentinels, s.money.controls, s.money.audits)),
            _usd(s),
        )
        for s in sheets
    )
    header = (
        "judge",
        "grader",
        "judgements",
        "calls",
        "from cache",
        "scores",
        "sentinels",
        "controls",
        "audits",
        "all",
    )
    note = "every call that was made; the budget of the run counts all of it"
    return Table("judges: what they cost", header, rows, (note,))


def _part(s: JudgeSheet, usd: float) -> str:
    return "-" if not s.money.usd else money(usd)


def _usd(s: JudgeSheet) -> str:
    m = s.money
    if m.unpriced:
        return f">= {money(m.usd)}, {m.unpriced:,} calls unpriced" if m.usd else "unpriced"
    return money(m.usd) if m.calls else "no calls"


def _splits(s: JudgeSheet) -> list[Table]:
    rows = tuple((x.task, x.system, x.opponent, x.kind.replace("_", " ")) for x in s.splits)
    note = (f"the first {len(rows)} of {s.n_splits:,}",) if s.n_splits > len(rows) else ()
    title = f"to look at: {s.judge} in {s.grader} disagrees with itself when the order is swapped"
    return [Table(title, ("task", "work", "against", "what happened"), rows, note)] if rows else []
