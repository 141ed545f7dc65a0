"""All pairs of systems of one run: same model under other harnesses, same harness with other models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from harness.errors import Exit, UsageFault
from harness.records.content import Json
from harness.report.compare import compare
from harness.report.compare_json import comparison_json
from harness.report.compare_metrics import adjusted
from harness.report.compare_sections import interval_of, ratio_words, settle_words, verdict_words
from harness.report.comparison import Comparison, Options
from harness.report.measured import Measured, measure
from harness.report.section import Table
from harness.report.trials import Trials
from harness.report.words import many, percent

Kind = Literal["same model, other harness", "same harness, other model", "both differ"]
KINDS: tuple[Kind, ...] = ("same model, other harness", "same harness, other model", "both differ")


@dataclass(frozen=True, slots=True)
class PairOfSystems:
    """Two systems of a run, and what differs between them."""

    kind: Kind
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Matrix:
    """Pairs of a run; verdicts are by Holm over the pairs of a kind."""

    run: str
    systems: tuple[str, ...]
    pairs: tuple[PairOfSystems, ...]
    left_out: tuple[str, ...]
    invalid: tuple[str, ...]
    exit_code: Exit


def matrix_of(trials: Trials, options: Options, *, only: str = "", every: bool = False) -> Matrix:
    """Compare the systems of a run with each other; `only` with the others.

    Ceilings (systems that see the reference) are left out, and pairs that differ in both too, unless `every` or there
    are no others. Raises UsageFault when there are not two systems.
    """
    sides = [measure(trials, s.name) for s in trials.manifest.systems]
    used = [m for m in sides if every or not m.system.privileged]
    if len(used) < 2:
        raise UsageFault(
            f"{trials.manifest.run} has {many(len(used), 'system')} to compare",
            help="name two runs: harness compare A B",
        )
    pairs = [(kind_of(a, b), a, b) for a, b in combinations(used, 2) if only in ("", a.system.name, b.system.name)]
    if only and not pairs:
        measure(trials, only)  # raises with the names there are
    alike = [p for p in pairs if p[0] != "both differ"]
    shown = pairs if every or not alike else alike
    found = _by_holm([PairOfSystems(kind, compare(a, b, options)) for kind, a, b in shown])
    invalid = tuple(dict.fromkeys(reason for p in found for reason in p.comparison.invalid))
    nothing = not any(m.totals.attempts for m in used)
    return Matrix(
        run=trials.manifest.run,
        systems=tuple(m.system.name for m in used),
        pairs=tuple(found),
        left_out=tuple(m.system.name for m in sides if m not in used),
        invalid=tuple(f"INVALID: {reason}" for reason in invalid),
        exit_code=Exit.NOTHING if nothing else Exit.INVALID if invalid else Exit.OK,
    )


def kind_of(a: Measured, b: Measured) -> Kind:
    """What two systems share."""
    same_model = a.system.model_digest == b.system.model_digest or a.system.models == b.system.models
    if same_model and a.system.models:
        return "same model, other harness"
    return "same harness, other model" if a.system.harness_digest == b.system.harness_digest else "both differ"


def _by_holm(pairs: Sequence[PairOfSystems]) -> list[PairOfSystems]:
    """Verdicts of the deciding metrics by Holm over the pairs of a kind."""
    made = list(pairs)
    for kind in KINDS:
        at = [i for i, p in enumerate(made) if p.kind == kind]
        for metric in range(len(made[at[0]].comparison.metrics) if at else 0):
            one = [made[i].comparison.metrics[metric] for i in at]
            alpha = made[at[0]].comparison.options.alpha
            again = adjusted(one, replace(made[at[0]].comparison.options, alpha=alpha), invalid=False)
            for i, m in zip(at, again, strict=True):
                c = made[i].comparison
                kept = replace(m, verdict="INVALID") if c.invalid else m
                metrics = (*c.metrics[:metric], kept, *c.metrics[metric + 1 :])
                made[i] = PairOfSystems(kind, replace(c, metrics=metrics))
    return made


def matrix_head(m: Matrix) -> tuple[str, ...]:
    """What was compared."""
    lines = [f"systems of {m.run}", f"compared: {', '.join(m.systems)}"]
    if m.left_out:
        lines.append(f"left out: {', '.join(m.left_out)} (sees the reference)")
    return tuple(lines)


def matrix_sections(m: Matrix) -> tuple[Table, ...]:
    """A table per kind of pair."""
    found = []
    header = ("a -> b", "metric", "pass rates", "b - a", "bounds", "cost b / a", "verdict")
    for kind in KINDS:
        pairs = [p.comparison for p in m.pairs if p.kind == kind]
        rows = tuple(
            (
                f"{c.a.system} -> {c.b.system}",
                r.name,
                f"{percent(r.a)} -> {percent(r.b)}",
                "undefined" if r.difference is None else f"{100 * r.difference:+.1f}",
                interval_of(r),
                ratio_words(c.economy.cost) if c.economy else "undefined",
                verdict_words(r),
            )
            for c in pairs
            for r in c.metrics
        )
        if rows:
            found.append(Table(kind, header, rows, _notes(pairs)))
    return tuple(found)


def _notes(pairs: Sequence[Comparison]) -> tuple[str, ...]:
    level = 100 * (1 - pairs[0].options.alpha)
    notes = [
        f"paired by task, clustered by family; bounds one-sided {level:g}%; verdicts by Holm over {len(pairs)} pairs"
    ]
    open_ones = [c for c in pairs if c.verdict == "INCONCLUSIVE"]
    for c in open_ones[:3]:
        first = next(r for r in c.metrics if r.verdict == "INCONCLUSIVE")
        words = settle_words(first.settle, first.margin, first.tasks)
        notes.append(f"{c.a.system} -> {c.b.system}, to settle {100 * first.margin:g} points: {words}")
    if len(pairs) > 2:
        notes.append("the best of several looks better than it is: run the chosen one again before quoting it")
    return tuple(notes)


def matrix_json(m: Matrix) -> dict[str, Json]:
    """All pairs as JSON values."""
    return {
        "run": m.run,
        "systems": list(m.systems),
        "left_out": list(m.left_out),
        "pairs": [{"kind": p.kind, **comparison_json(p.comparison)} for p in m.pairs],
        "exit_code": int(m.exit_code),
    }
