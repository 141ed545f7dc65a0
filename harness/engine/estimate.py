"""What a run may cost, before it is spent: from earlier runs of the same system, else from prices and prompt length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Literal

from harness.config.suite import Suite, System
from harness.engine.prepare import with_delegates
from harness.errors import StoreError
from harness.plugins.contracts import Model
from harness.prices import PriceBook
from harness.records.content import Response, Text, Usage
from harness.records.task import Task
from harness.store.read import iter_attempts

CHARS_PER_TOKEN = 4
"""A rule of thumb for English text with current tokenisers; only used where no earlier run says better."""
ASSUMED_OUTPUT = 1_000
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
    past = _past_costs(suite, systems)
    return [_one(suite, system, tasks, past.get(name, []), prices) for name, system in systems.items()]


def _one(suite: Suite, system: System, tasks: Sequence[Task], past: list[float], prices: PriceBook) -> Estimate:
    trials = len(tasks) * suite.epochs
    choices = [_billed(s.models.values()) for s in with_delegates(suite, {system.name: system}).values()]
    judged = [(task, _judges(suite, task)) for task in tasks]
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


def _billed(models: Iterable[Model]) -> list[Model]:
    return [m for m in models if not m.simulated]


def _judges(suite: Suite, task: Task) -> list[Model]:
    return _billed(
        judge for name in (*task.graders, *task.informative) for judge in suite.graders[name].grader.judges().values()
    )


def _calls_cost(task: Task, models: Sequence[Model], prices: PriceBook) -> float | None:
    """Dollars of one call to each model; None when one has no price."""
    total = 0.0
    for model in models:
        usage = Usage(input=prompt_tokens(task), output=ASSUMED_OUTPUT, calls=1)
        said = Response(parts=(), stop="end", usage=usage, model=model.name)
        priced = prices.price(model.provider, model.name, said, time())
        if priced.unpriced:
            return None
        total += priced.cost_usd
    return total


def prompt_tokens(task: Task) -> int:
    """A rough count of a prompt's tokens; files and images count as 1,000 each."""
    if isinstance(task.prompt, str):
        chars, files = len(task.prompt), len(task.files)
    else:
        chars = sum(len(p.text) for p in task.prompt if isinstance(p, Text))
        files = len(task.files) + sum(not isinstance(p, Text) for p in task.prompt)
    return chars // CHARS_PER_TOKEN + 1_000 * files


def _past_costs(suite: Suite, systems: Mapping[str, System]) -> dict[str, list[float]]:
    """Cost of every wholly priced attempt of these systems, as configured now, in the suite's newest few runs."""
    costs: dict[str, list[float]] = {}
    runs = sorted((suite.workspace / "runs").glob(f"*-{suite.name}-*/manifest.json"), reverse=True)
    for manifest in runs[:RUNS_READ]:
        try:
            _add_run(manifest.parent, systems, costs)
        except StoreError:
            continue
    return costs


def _add_run(run: Path, systems: Mapping[str, System], costs: dict[str, list[float]]) -> None:
    for attempt in iter_attempts(run):
        system = systems.get(attempt.system)
        same = system is not None and (attempt.digests.harness, attempt.digests.model) == (
            system.harness_digest,
            system.model_digest,
        )
        usage = attempt.usage + attempt.judge_usage
        if same and usage.calls and not usage.unpriced:
            costs.setdefault(attempt.system, []).append(usage.cost_usd)
