"""What a run may cost, before it is spent: from earlier runs of the same system, else from prices and prompt length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Literal

from harness.config.suite import Suite, System
from harness.errors import StoreError
from harness.prices import PriceBook
from harness.records.content import Response, Text, Usage
from harness.records.task import Task
from harness.store.read import iter_attempts

CHARS_PER_TOKEN = 4
"""A rule of thumb for English text with current tokenisers; only used where no earlier run says better."""
ASSUMED_OUTPUT = 1_000
RUNS_READ = 5

Basis = Literal["past runs", "prompt length", "free", "unpriced"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Dollars for a system in this run. `basis` says how far to trust it; `usd` is None when it cannot be known."""

    system: str
    trials: int
    usd: float | None
    basis: Basis
    n: int = 0


def estimate(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task], prices: PriceBook) -> list[Estimate]:
    """One estimate per system."""
    past = _past_costs(suite, systems)
    return [_one(system, tasks, suite.epochs, past.get(name, []), prices) for name, system in systems.items()]


def _one(system: System, tasks: Sequence[Task], epochs: int, past: list[float], prices: PriceBook) -> Estimate:
    trials = len(tasks) * epochs
    models = [m for m in system.models.values() if not m.simulated]
    if not models and not past:
        return Estimate(system.name, trials, 0.0, "free")
    if past:
        return Estimate(system.name, trials, trials * sum(past) / len(past), "past runs", len(past))
    total = 0.0
    for task in tasks:
        for model in models:
            usage = Usage(input=prompt_tokens(task), output=ASSUMED_OUTPUT, calls=1)
            said = Response(parts=(), stop="end", usage=usage, model=model.name)
            priced = prices.price(model.provider, model.name, said, time())
            if priced.unpriced:
                return Estimate(system.name, trials, None, "unpriced")
            total += priced.cost_usd * epochs
    return Estimate(system.name, trials, total, "prompt length")


def prompt_tokens(task: Task) -> int:
    """A rough count of a prompt's tokens; files and images count as 1,000 each."""
    if isinstance(task.prompt, str):
        chars, files = len(task.prompt), len(task.files)
    else:
        chars = sum(len(p.text) for p in task.prompt if isinstance(p, Text))
        files = len(task.files) + sum(not isinstance(p, Text) for p in task.prompt)
    return chars // CHARS_PER_TOKEN + 1_000 * files


def _past_costs(suite: Suite, systems: Mapping[str, System]) -> dict[str, list[float]]:
    """Cost of every attempt of these systems, as configured now, in the newest few runs of the suite."""
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
        if system is not None and attempt.digests.model == system.model_digest and attempt.usage.calls:
            costs.setdefault(attempt.system, []).append(attempt.usage.cost_usd)
