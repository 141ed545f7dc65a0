"""Compositions counted on stored outcomes, before money is spent: cheap first and hand on when unsure; and routing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from harness.errors import UsageFault
from harness.plugins.loader import did_you_mean
from harness.report.route_data import Candidate, Evidence, Trial
from harness.report.route_model import CellKey, Composition, Planned, Replayed
from harness.stats.intervals import Interval
from harness.stats.paired import paired

DOUBTS = ("unresolved", "abstained", "refused", "no_answer")
"""What a system itself gives away of being unsure; `confidence<0.7` is another such sign."""


def composition_of(evidence: Evidence, systems: Sequence[str], doubts: Sequence[str]) -> Composition:
    """`systems` in order, each handing a task on when one of `doubts` is there.

    Trials are joined by task and epoch of the same run: both were asked the same, at the same time. Costs and seconds
    add up. Raises UsageFault for an unknown system or sign, and when nothing can be joined.
    """
    _known(evidence, systems)
    unsure = _sign(doubts)
    parts = [evidence.candidates[name] for name in systems]
    by_task: dict[str, list[tuple[Trial, int, bool]]] = defaultdict(list)
    for task, trials in parts[0].trials.items():
        for key in trials:
            found = [p.trials.get(task, {}).get(key) for p in parts]
            if all(t is not None for t in found):
                by_task[task].append(_handed_on([t for t in found if t is not None], unsure))
    if not by_task:
        raise UsageFault(f"no trial of {' and '.join(systems)} on the same task and epoch of one run")
    return _counted(evidence, systems, by_task)


def planned_of(evidence: Evidence, planner: str, worker: str) -> Planned:
    """What a `plan_execute` of both would have to reach to be worth its cost. Raises UsageFault.

    From their costs on the tasks that both have: the pair is cheaper per success than a system alone from
    (cost of planner + cost of worker) / (cost per success of that system) on.
    """
    names = (planner, worker)
    _known(evidence, names)
    parts = [evidence.candidates[name] for name in names]
    common = sorted(set(parts[0].trials) & set(parts[1].trials))
    if not common:
        raise UsageFault(f"no task that both {planner} and {worker} were asked")
    alone = [_alone(name, dict.fromkeys(common, part)) for name, part in zip(names, parts, strict=True)]
    costs = [None if a.cost_per_success is None else a.cost_per_success * a.success for a in alone]
    total = None if None in costs else sum(c for c in costs if c is not None)
    beats = {a.name: (a.cost_per_success, _from_on(total, a.cost_per_success)) for a in alone}
    return Planned(f"{planner} + {worker}", (planner, worker), len(common), total, beats)


def _from_on(cost: float | None, per_success: float | None) -> float | None:
    return None if cost is None or not per_success else cost / per_success


def _known(evidence: Evidence, systems: Sequence[str]) -> None:
    for name in systems:
        if name not in evidence.candidates:
            close = did_you_mean(name, list(evidence.candidates))
            there = f"systems: {', '.join(evidence.candidates)}"
            raise UsageFault(f"no system '{name}' in these runs", help=f"{close} — {there}" if close else there)


def _handed_on(found: Sequence[Trial], unsure: Callable[[Trial], bool]) -> tuple[Trial, int, bool]:
    """What comes of one task: the trial as if composed, how often it was handed on, and what the last alone does."""
    cost: float | None = 0.0
    seconds = 0.0
    for step, trial in enumerate(found):
        cost = None if cost is None or trial.cost_usd is None else cost + trial.cost_usd
        seconds += trial.seconds
        if step == len(found) - 1 or not unsure(trial):
            made = Trial(trial.passed, cost, seconds, trial.critical, trial.doubts, trial.confidence)
            return made, step, found[-1].passed
    raise AssertionError("a composition has a last system")


def _counted(
    evidence: Evidence, systems: Sequence[str], by_task: Mapping[str, list[tuple[Trial, int, bool]]]
) -> Composition:
    tasks = sorted(by_task)
    passed = np.array([np.mean([t.passed for t, _, _ in by_task[name]]) for name in tasks])
    alone = np.array([np.mean([last for _, _, last in by_task[name]]) for name in tasks])
    codes: dict[str, int] = {}
    family = np.array([codes.setdefault(evidence.about[n].family or f"\0{n}", len(codes)) for n in tasks])
    d = paired(passed - alone, family.astype(np.int64), 0.025)
    flat = [x for name in tasks for x in by_task[name]]
    costs = [np.mean([t.cost_usd for t, _, _ in by_task[n] if t.cost_usd is not None] or [np.nan]) for n in tasks]
    whole = all(t.cost_usd is not None for t, _, _ in flat)
    return Composition(
        name=" > ".join(systems),
        systems=tuple(systems),
        trials=len(flat),
        handed_on=sum(steps > 0 for _, steps, _ in flat),
        tasks=len(tasks),
        success=float(passed.mean()),
        difference=None if d.low is None or d.high is None else Interval(d.low, d.high),
        cost_per_success=float(np.sum(costs) / passed.sum()) if whole and passed.sum() > 0 else None,
        seconds=float(np.mean([t.seconds for t, _, _ in flat])),
    )


def _sign(doubts: Sequence[str]) -> Callable[[Trial], bool]:
    """The test of a trial. Raises UsageFault for a word that is no sign."""
    words, floor = set(), None
    for word in doubts:
        name, less, number = word.partition("<")
        if less and name == "confidence":
            try:
                floor = float(number)
            except ValueError:
                floor = -1.0
            if not 0 < floor <= 1:
                raise UsageFault(f"'{word}' is no sign of doubt", help="confidence<0.7")
        elif word in DOUBTS:
            words.add(word)
        else:
            known = [*DOUBTS, "confidence<0.7"]
            raise UsageFault(
                f"'{word}' is no sign of doubt", help=did_you_mean(word, known) or f"one of: {', '.join(known)}"
            )

    def unsure(trial: Trial) -> bool:
        low = floor is not None and trial.confidence is not None and trial.confidence < floor
        return low or bool(words & trial.doubts)

    return unsure


def replayed(
    evidence: Evidence,
    cell_of: Callable[[str], CellKey],
    choose: Callable[[Sequence[str]], str],
    seed: int,
) -> tuple[Replayed, ...]:
    """Each system alone on the tasks that all have, and routing by shape on the same tasks.

    The routing is chosen on one half of the families and counted on the other, both ways round: counted where it was
    chosen it would look better than it is.
    """
    names = list(evidence.candidates)
    common = sorted(set.intersection(*(set(c.trials) for c in evidence.candidates.values())))
    if len(common) < 4 or len(names) < 2:
        return ()
    singles = tuple(_alone(name, {t: evidence.candidates[name] for t in common}) for name in names)
    families = sorted({evidence.about[t].family or f"\0{t}" for t in common})
    order = np.random.default_rng(seed).permutation(len(families))
    half = {families[i]: at % 2 for at, i in enumerate(order.tolist())}
    used: dict[str, Candidate] = {}
    for side in (0, 1):
        learn = [t for t in common if half[evidence.about[t].family or f"\0{t}"] != side]
        cells: dict[CellKey, list[str]] = defaultdict(list)
        for task in learn:
            cells[cell_of(task)].append(task)
        best = choose(learn) if learn else names[0]
        chosen = {cell: choose(tasks) for cell, tasks in cells.items()}
        for task in common:
            if half[evidence.about[task].family or f"\0{task}"] == side:
                used[task] = evidence.candidates[chosen.get(cell_of(task), best)]
    return (*singles, _alone("routed by shape", used))


def _alone(name: str, by_task: Mapping[str, Candidate]) -> Replayed:
    passed: list[float] = []
    costs: list[float] = []
    priced = True
    for task, candidate in by_task.items():
        trials = list(candidate.trials[task].values())
        passed.append(sum(t.passed for t in trials) / len(trials))
        priced &= all(t.cost_usd is not None for t in trials)
        costs.append(sum(t.cost_usd or 0.0 for t in trials) / len(trials))
    total = sum(passed)
    return Replayed(name, len(by_task), total / len(by_task), sum(costs) / total if priced and total else None)
