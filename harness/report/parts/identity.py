"""1 Identity and ledger: what was measured, with what, and every other run on this suite up to this one."""

from __future__ import annotations

from harness.records.content import Json
from harness.report.evidence import Evidence
from harness.report.history import LedgerLine
from harness.report.section import Section, Table
from harness.report.words import many, money

MOST_RUNS = 30
"""Runs that the ledger lists, newest ones; it says how many there are."""


def identity(e: Evidence) -> Section:
    """Digests, versions, systems, and the ledger. Never unavailable."""
    history = e.history
    looks = sum(line.hidden for line in history.ledger)
    notes = [_chosen(e)] if _chosen(e) else []
    if looks:
        notes.append(
            f"hidden tasks: this is look {looks} at their results; every look fits the systems to them a little"
        )
    if history.unreadable:
        notes.append(f"not readable, and so not in the ledger: {', '.join(history.unreadable)}")
    return Section(
        "identity",
        "identity and ledger",
        tables=(_run(e), _systems(e), _ledger(history.ledger)),
        notes=tuple(notes),
        methods=("runs of this suite in the same folder, created before this one; regraded runs are marked",),
        data={"ledger": [_line(line) for line in history.ledger], "hidden_looks": looks},
    )


def _chosen(e: Evidence) -> str:
    said = e.report.identity.get("filters")
    return f"chosen by {said}: a part of the suite, not all of it" if said else ""


def _run(e: Evidence) -> Table:
    m = e.manifest
    spent = sum(s.cost.total + s.cost.judge_total for s in e.systems)
    spent += sum(s.money.apart for s in e.report.judges.sheets) if e.report.judges else 0.0
    rows = [
        ("run", m.run),
        ("created", m.created),
        ("suite", f"{m.suite}, digest {m.suite_digest}"),
        ("tasks", f"{m.n_tasks:,} x {many(m.epochs, 'epoch')}, digest {m.tasks_digest}"),
        ("seed", str(m.seed)),
        ("spent", money(spent) + (", and calls without a price" if any(s.cost.unpriced for s in e.systems) else "")),
        ("coverage floor", f"{m.coverage_floor:.1%}"),
        ("versions", ", ".join(f"{k} {v}" for k, v in sorted(m.versions.items())) or "not recorded"),
    ]
    rows += [(name, said) for name, said in (("git", m.git), ("regrade of", m.regrade_of)) if said]
    return Table("what was run", ("what", "value"), tuple(rows))


def _systems(e: Evidence) -> Table:
    rows = tuple(
        (
            s.name,
            s.harness,
            ", ".join(f"{role}={model}" for role, model in sorted(s.models.items())) or "none",
            ", ".join(w for w in ("simulated", "stored", "privileged") if getattr(s, w)) or "measured",
            s.harness_digest,
            s.model_digest or "none",
        )
        for s in e.manifest.systems
    )
    return Table("systems", ("system", "harness", "models", "kind", "harness digest", "model digest"), rows)


def _ledger(lines: tuple[LedgerLine, ...]) -> Table:
    shown = lines[-MOST_RUNS:]
    rows = tuple(
        (
            line.run + (" (this run)" if line is lines[-1] else ""),
            "yes" if line.same else "no",
            "not counted" if line.decided is None else f"{line.decided:,}/{line.planned:,}{_state(line)}",
            "not counted" if line.graded is None else f"{line.passed:,}/{line.graded:,}",
            _cost(line),
            "yes" if line.hidden else "no",
        )
        for line in shown
    )
    header = ("run", "same things", "settled", "passed", "cost", "saw hidden tasks")
    notes = ["same things: equal digests of tasks, graders and systems"]
    if len(lines) > len(shown):
        notes.append(f"{len(lines) - len(shown):,} older runs are not listed")
    return Table(f"ledger: {many(len(lines), 'run')} on this suite", header, rows, tuple(notes))


def _state(line: LedgerLine) -> str:
    broken = " (broken off)" if line.decided is not None and line.decided < line.planned else ""
    absent = f" ({line.skipped:,} skipped)" if line.skipped else ""
    return broken + absent + (" (regraded)" if line.regrade_of else "")


def _cost(line: LedgerLine) -> str:
    if line.cost_usd is None:
        return "not counted"
    return f">= {money(line.cost_usd)}" if line.unpriced else money(line.cost_usd)


def _line(line: LedgerLine) -> dict[str, Json]:
    return {
        "run": line.run, "created": line.created, "planned": line.planned, "decided": line.decided,
        "graded": line.graded, "passed": line.passed, "cost_usd": line.cost_usd, "unpriced": line.unpriced,
        "hidden": line.hidden, "same": line.same, "regrade_of": line.regrade_of,
    }  # fmt: skip
