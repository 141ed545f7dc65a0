"""Judgements of scripted judges with planted bias, as records: the table of judge.md 7.7 before any prompt."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from harness.records.content import Usage
from harness.records.judgement import Judgement

Say = Callable[[random.Random, int, int, int], int | None]
"""(rng, pair, slot that holds the better answer or -1, order) -> the slot picked, or None for a tie."""


def pairwise(say: Say, n: int = 200, repeats: int = 1, seed: int = 1, **fields: object) -> Iterator[Judgement]:
    """`n` pairs in both orders; the work under test is better in every second one; one family per task."""
    rng = random.Random(seed)
    for pair in range(n):
        work_is_better = pair % 2 == 0
        for order in (0, 1):
            for repeat in range(repeats):
                better = order if work_is_better else 1 - order
                yield verdict(pair, order, say(rng, pair, better, order), repeat=repeat, **fields)


def verdict(pair: int, order: int, slot: int | None, **fields: object) -> Judgement:
    """One judgement of the pair work against rival, slot and outcome told alike."""
    work = order
    outcome = "tie" if slot is None else "win" if slot == work else "loss"
    said: dict[str, object] = {
        "grader": "helpful", "protocol": "pairwise", "judge": "main", "model": "scripted/judge", "task": f"t{pair:05d}",
        "system": "work", "opponent": "rival", "order": order,
        "slots": ("work", "rival") if order == 0 else ("rival", "work"),
        "labels": ("A", "B"), "status": "ok", "slot": slot, "outcome": outcome, "lengths": (500, 500),
        "usage": Usage(input=900, output=60, calls=1, cost_usd=0.002), "model_returned": "judge-1",
    }  # fmt: skip
    return Judgement(**(said | fields))


def plain(outcome: str, task: int, **fields: object) -> Judgement:
    """One judgement without slots: a reference, a criterion, a claim, a step."""
    said: dict[str, object] = {
        "grader": "facts", "protocol": "reference", "judge": "main", "model": "scripted/judge", "task": f"t{task:05d}",
        "system": "work", "status": "ok" if outcome else "unparseable", "outcome": outcome,
        "usage": Usage(calls=1),
    }  # fmt: skip
    return Judgement(**(said | fields))


def always(slot: int) -> Say:
    return lambda rng, pair, better, order: slot


def coin(p: float) -> Say:
    return lambda rng, pair, better, order: 0 if rng.random() < p else 1


def per_call(beta: float) -> Say:
    return lambda rng, pair, better, order: 0 if rng.random() < beta else better


def noisy(e: float) -> Say:
    return lambda rng, pair, better, order: 1 - better if rng.random() < e else better


def oracle() -> Say:
    return lambda rng, pair, better, order: better
