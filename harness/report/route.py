"""Which system for which tasks: evidence in, advice out. Advice only: nothing is switched by it.

read_evidence -> cells by shape -> per cell: what is shown of each candidate -> supported | tie | insufficient | none
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args

from harness.config.needs import NeedsFile, needs_of
from harness.errors import Exit, RunInvalid, UsageFault
from harness.records.task import Horizon, Level
from harness.report.route_cell import Overall, advise
from harness.report.route_compose import composition_of, planned_of, replayed
from harness.report.route_data import Evidence, shape_key
from harness.report.route_decide import table_of
from harness.report.route_model import Advice, CellKey, Replayed, Route
from harness.stats.routing import prior_weight

BY = ("horizon", "stakes", "surface")
"""Fields of a shape that tasks are told apart by."""
LEAST_COVERAGE_NOTE = "coverage {0}/{1} is under the floor of {2:.0%}: left out"


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What advice is made with. `compositions` are systems in order; `doubts` what hands a task on.

    `planned` are pairs of which the first would plan and the second work.
    """

    now: datetime
    needs: NeedsFile
    by: tuple[str, ...] = BY
    valid_days: int = 30
    seed: int = 0
    compositions: tuple[tuple[str, ...], ...] = ()
    doubts: tuple[str, ...] = ("unresolved", "abstained", "refused", "no_answer")
    systems: tuple[str, ...] = ()
    planned: tuple[tuple[str, str], ...] = ()


def build_route(evidence: Evidence, options: RouteOptions) -> Route:
    """The advice. A pure function of its arguments. Raises UsageFault for unknown systems and for no usable one."""
    notes = list(evidence.notes)
    evidence = _usable(evidence, options, notes)
    cells: dict[CellKey, list[str]] = defaultdict(list)
    for task in sorted(evidence.about):
        cells[shape_key(evidence.about[task].shape, options.by)].append(task)
    whole = table_of(sorted(evidence.about), evidence.candidates, evidence.about)
    overall = Overall(whole, _rates(evidence, list(cells.values())))
    everything = advise((), whole, options.needs.needs, overall, options.seed)
    shapes = []
    for shape in sorted(cells, key=_order):
        needs = needs_of(options.needs, dict(shape))
        table = table_of(cells[shape], evidence.candidates, evidence.about)
        shapes.append(advise(shape, table, needs, overall, options.seed))
    made = evidence.newest[:10]
    expires = (_made(evidence) + timedelta(days=options.valid_days)).date().isoformat()
    return Route(
        suite=evidence.suite,
        runs=evidence.runs,
        made=made,
        expires=expires,
        by=options.by,
        default=everything.choice or next(iter(evidence.candidates)),
        overall=everything,
        shapes=tuple(shapes),
        compositions=tuple(composition_of(evidence, c, options.doubts) for c in options.compositions),
        planned=tuple(planned_of(evidence, *pair) for pair in options.planned),
        replayed=_replayed(evidence, options),
        notes=tuple(notes),
    )


def _made(evidence: Evidence) -> datetime:
    try:
        return datetime.fromisoformat(evidence.newest)
    except ValueError as e:
        raise RunInvalid(
            f"the time '{evidence.newest}' of {evidence.runs[-1]} cannot be read, so advice from it would never expire"
        ) from e


def exit_code_of(route: Route, *, strict: bool) -> Exit:
    """0; with `strict` 4 when any shape has no supported or tied choice."""
    open_ = [a for a in (route.shapes or (route.overall,)) if a.status in ("insufficient", "none")]
    return Exit.INCONCLUSIVE if strict and open_ else Exit.OK


def _usable(evidence: Evidence, options: RouteOptions, notes: list[str]) -> Evidence:
    """Only the systems asked for, with enough coverage."""
    for name in options.systems:
        if name not in evidence.candidates:
            raise UsageFault(f"no system '{name}' in these runs", help=f"systems: {', '.join(evidence.candidates)}")
    kept = {}
    for name, candidate in evidence.candidates.items():
        if options.systems and name not in options.systems:
            continue
        if candidate.coverage < evidence.floor:
            said = LEAST_COVERAGE_NOTE.format(candidate.graded, candidate.planned, evidence.floor)
            notes.append(f"{name}: {said}")
            continue
        kept[name] = candidate
    if not kept:
        raise RunInvalid("no system has enough coverage to be chosen", help="; ".join(notes) or "run it again")
    if words := [n for n, c in kept.items() if c.info.simulated]:
        notes.append(f"SIMULATED: {', '.join(words)}: no model was measured")
    if words := [n for n, c in kept.items() if c.info.stored]:
        notes.append(f"STORED: {', '.join(words)}: answers made earlier, nothing was asked")
    return Evidence(
        evidence.suite, evidence.runs, evidence.newest, evidence.floor, kept, evidence.about, evidence.notes
    )


def _rates(evidence: Evidence, cells: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Each candidate's success on all its tasks, and how much that weighs in a small cell."""
    found = {}
    for name, candidate in evidence.candidates.items():
        rate = {t: sum(x.passed for x in trials.values()) / len(trials) for t, trials in candidate.trials.items()}
        parts = [[rate[t] for t in cell if t in rate] for cell in cells]
        weight = prior_weight([sum(p) for p in parts], [len(p) for p in parts])
        found[name] = (sum(rate.values()) / len(rate), weight)
    return found


def _replayed(evidence: Evidence, options: RouteOptions) -> tuple[Replayed, ...]:
    def loss(name: str, tasks: Sequence[str]) -> float:
        price = options.needs.needs.loss_per_failure
        trials = [x for t in tasks for x in evidence.candidates[name].trials[t].values()]
        failed = sum(not x.passed for x in trials) / len(trials)
        return failed if price is None else price * failed + sum(x.cost_usd or 0.0 for x in trials) / len(trials)

    def choose(tasks: Sequence[str]) -> str:
        return min(evidence.candidates, key=lambda name: (loss(name, tasks), name))

    return replayed(evidence, lambda t: shape_key(evidence.about[t].shape, options.by), choose, options.seed)


_WORDS = (*get_args(Horizon), *get_args(Level))


def _order(shape: CellKey) -> tuple[int, tuple[tuple[str, int, str], ...]]:
    """Shapes that say more first: the first rule that fits decides."""
    known = tuple((n, _WORDS.index(v) if v in _WORDS else len(_WORDS), v) for n, v in shape)
    return (-len(shape), known)


def open_shapes(route: Route) -> tuple[Advice, ...]:
    """Shapes without a supported or tied choice."""
    return tuple(a for a in route.shapes if a.status in ("insufficient", "none"))
