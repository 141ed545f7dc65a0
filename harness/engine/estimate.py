"""What a run may cost, before it is spent: from earlier runs of the same system, else from prices and prompt length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import time
from typing import Literal

from harness.config.suite import Suite, System
from harness.engine.again import verdict_digest
from harness.engine.controls import AUDIT, REPEATS, controls_of
from harness.engine.judges import judge_graders
from harness.engine.prepare import with_delegates
from harness.errors import StoreError
from harness.plugins.contracts import Grader, Model
from harness.prices import PriceBook
from harness.records.content import Response, Text, Usage
from harness.records.task import Task
from harness.store.read import iter_attempts

CHARS_PER_TOKEN = 4
"""A rule of thumb for English text with current tokenisers; only used where no earlier run says better."""
ASSUMED_OUTPUT = 1_000
JUDGE_WORDS = 500
"""Tokens of what a judge is told besides the task and the works: the measure, the form, the rules."""
RUNS_READ = 5

Basis = Literal["past runs", "prompt length", "dearest delegate", "free", "unpriced"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Dollars for a system in this run. `basis` says how far to trust it; `usd` is None when it cannot be known."""

    system: str
    trials: int
    usd: float | None
    basis: Basis
    n: int = 0


def estimate(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task], prices: PriceBook) -> list[Estimate]:
    """One estimate per system, its judges included. A system that hands tasks on costs at most its dearest delegate."""
    past = _past_costs(suite, systems, tasks)
    return [_one(suite, system, tasks, past.get(name, []), prices) for name, system in systems.items()]


@dataclass(frozen=True, slots=True)
class Check:
    """What a grader's judges are asked besides scoring: sentinels before the run, controls at its end."""

    grader: str
    what: Literal["sentinels", "controls"]
    works: int
    calls: int
    usd: float | None


def judge_checks(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task], prices: PriceBook) -> list[Check]:
    """Sentinels and controls of the graders of these tasks whose judges cost money."""
    found: list[Check] = []
    for name in sorted({n for t in tasks for n in (*t.graders, *t.informative)}):
        using = [t for t in tasks if name in (*t.graders, *t.informative)]
        trials = len(using) * len(systems) * suite.epochs
        for grader in judge_graders(suite.graders[name].grader):
            known = [r.task for r in grader.rehearsals(suite.workspace)]
            if known:
                found += _check(name, "sentinels", known, grader, prices)
            works = [(kind, using[i % len(using)]) for kind, n in controls_of(grader, trials).items() for i in range(n)]
            cleaned = getattr(grader, "injection", "record") != "record"  # an order in the work: judged again without
            plain = [
                t for kind, t in works if kind != AUDIT for _ in range(2 if kind == "injection" and cleaned else 1)
            ]
            again = [t for kind, t in works if kind == AUDIT]
            parts = [
                *_check(name, "controls", plain, grader, prices),
                *_check(name, "controls", again, grader.audited(REPEATS), prices),
            ]
            if parts:
                known_usd = [p.usd for p in parts if p.usd is not None]
                usd = sum(known_usd) if len(known_usd) == len(parts) else None
                found.append(Check(name, "controls", len(works), sum(p.calls for p in parts), usd))
    return found


def _check(
    name: str, what: Literal["sentinels", "controls"], tasks: Sequence[Task], grader: Grader, prices: PriceBook
) -> list[Check]:
    """One line for these works, or none where nothing costs money."""
    asked = _judges(grader)
    if not tasks or not asked:
        return []
    each = [_calls_cost(task, asked, prices) for task in tasks]
    known = [usd for usd in each if usd is not None]
    calls = ceil(len(tasks) * sum(a.calls for a in asked))
    return [Check(name, what, len(tasks), calls, sum(known) if len(known) == len(each) else None)]


@dataclass(frozen=True, slots=True)
class _Asked:
    """So many calls of a model about one task, each with so many works in the prompt besides the task's own."""

    model: Model
    calls: float = 1
    works: int = 0


def _one(suite: Suite, system: System, tasks: Sequence[Task], past: list[float], prices: PriceBook) -> Estimate:
    trials = len(tasks) * suite.epochs
    choices = [_billed(s.models.values()) for s in with_delegates(suite, {system.name: system}).values()]
    judged = [(task, _judges_of(suite, task)) for task in tasks]
    if not any(choices) and not any(judges for _, judges in judged):
        return Estimate(system.name, trials, 0.0, "free")
    if past:
        return Estimate(system.name, trials, trials * sum(past) / len(past), "past runs", len(past))
    total = 0.0
    for task, judges in judged:
        asked = [_calls_cost(task, models, prices) for models in (*choices, judges)]
        known = [usd for usd in asked if usd is not None]
        if len(known) < len(asked):
            return Estimate(system.name, trials, None, "unpriced")
        total += max(known[:-1]) + known[-1]
    basis: Basis = "dearest delegate" if len(choices) > 1 else "prompt length"
    return Estimate(system.name, trials, total * suite.epochs, basis)


def _billed(models: Iterable[Model]) -> list[_Asked]:
    return [_Asked(m) for m in models if not m.simulated]


def _judges_of(suite: Suite, task: Task) -> list[_Asked]:
    names = (*task.graders, *task.informative)
    return [a for name in names for g in judge_graders(suite.graders[name].grader) for a in _judges(g)]


def _judges(grader: Grader) -> list[_Asked]:
    """What the judges of one grader are asked about one work: every order, repeat and criterion."""
    models, nested = grader.judges(), {r for g in judge_graders(grader) if g is not grader for r in g.judges()}
    return [
        _Asked(models[a.role], a.calls, a.works)
        for a in grader.judge_asks()
        if a.role in models and a.role not in nested and not models[a.role].simulated
    ]


def _calls_cost(task: Task, asked: Sequence[_Asked], prices: PriceBook) -> float | None:
    """Dollars of these calls about one task; None when one has no price."""
    total = 0.0
    for a in asked:
        shown = prompt_tokens(task) + (a.works * ASSUMED_OUTPUT + JUDGE_WORDS if a.works else 0)
        usage = Usage(input=shown, output=ASSUMED_OUTPUT, calls=1)
        said = Response(parts=(), stop="end", usage=usage, model=a.model.name)
        priced = prices.price(a.model.provider, a.model.name, said, time())
        if priced.unpriced:
            return None
        total += a.calls * priced.cost_usd
    return total


def prompt_tokens(task: Task) -> int:
    """A rough count of a prompt's tokens; files and images count as 1,000 each."""
    if isinstance(task.prompt, str):
        chars, files = len(task.prompt), len(task.files)
    else:
        chars = sum(len(p.text) for p in task.prompt if isinstance(p, Text))
        files = len(task.files) + sum(not isinstance(p, Text) for p in task.prompt)
    return chars // CHARS_PER_TOKEN + 1_000 * files


def _past_costs(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> dict[str, list[float]]:
    """Cost of every wholly priced attempt of these systems, as configured and graded now, in the newest few runs."""
    costs: dict[str, list[float]] = {}
    graded = {t.id: verdict_digest(suite, t) for t in tasks}
    runs = sorted((suite.workspace / "runs").glob(f"*-{suite.name}-*/manifest.json"), reverse=True)
    for manifest in runs[:RUNS_READ]:
        try:
            _add_run(manifest.parent, systems, graded, costs)
        except StoreError:
            continue
    return costs


def _add_run(
    run: Path, systems: Mapping[str, System], graded: Mapping[str, str], costs: dict[str, list[float]]
) -> None:
    for attempt in iter_attempts(run):
        system = systems.get(attempt.system)
        same = system is not None and (attempt.digests.harness, attempt.digests.model) == (
            system.harness_digest,
            system.model_digest,
        )
        # Other graders may ask other judges, or the same ones more often: what they cost then says nothing of now.
        judged = attempt.judge_usage.calls > 0 and attempt.digests.grader != graded.get(attempt.task)
        usage = attempt.usage + attempt.judge_usage
        if same and not judged and usage.calls and not usage.unpriced:
            costs.setdefault(attempt.system, []).append(usage.cost_usd)
