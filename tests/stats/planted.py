"""Scripted judges as tables: verdicts of planted bias in candidate space (judge.md 2.2), for tests without prompts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Judge = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Given which outcome is right in slot space (1 first, 0 tie, -1 second) by pair, the verdict in slot space."""


def counts(rng: np.random.Generator, truth: np.ndarray, judge: Judge, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """(ab, ba): wins, ties, losses of the work under test by order; `truth` is 1, 0, -1 for the work."""
    found = []
    for sign in (1, -1):
        table = np.zeros((len(truth), 3), dtype=np.int64)
        for _ in range(repeats):
            outcome = sign * judge(rng, sign * truth)
            table[np.arange(len(truth)), 1 - outcome] += 1
        found.append(table)
    return found[0], found[1]


def always(slot: int) -> Judge:
    return lambda rng, truth: np.full(len(truth), 1 if slot == 0 else -1)


def coin(p: float) -> Judge:
    return lambda rng, truth: np.where(rng.random(len(truth)) < p, 1, -1)


def per_call(beta: float) -> Judge:
    return lambda rng, truth: np.where(rng.random(len(truth)) < beta, 1, truth)


def per_item(beta: float, n: int) -> Judge:
    first = np.arange(n) < beta * n
    return lambda rng, truth: np.where(first, 1, truth)


def noisy(e: float) -> Judge:
    return lambda rng, truth: np.where(rng.random(len(truth)) < e, -truth, truth)


def oracle() -> Judge:
    return lambda rng, truth: truth


def tie() -> Judge:
    return lambda rng, truth: np.zeros(len(truth), dtype=np.int64)
