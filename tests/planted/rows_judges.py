"""Judges of planted bias: how often the intervals of a data sheet cover what was planted (reference judge.md 7.7)."""

from __future__ import annotations

import numpy as np
from cells import Cell, Row, at_least, at_most, between

from harness.stats.corrected import Labelled, Passes, confusion, ppi, rogan_gladen
from harness.stats.ratings import Games, rate
from harness.stats.shares import share
from harness.stats.swap import consistency, direction, effect, position

PAIRS = 100
THETA, SE, SP = 0.7, 0.92, 0.75


def _judged(rng: np.random.Generator, n: int, beta: float, noise: float, family: float = 0.0):
    """(ab, ba, cluster): a judge that takes the first slot with probability beta, else errs with `noise`.

    With `family` above 0, pairs come in families of four that share whether the first slot is taken.
    """
    cluster = np.arange(n) // (4 if family else 1)
    shared = rng.random(cluster.max() + 1)
    truth = rng.choice([1, -1], n)
    tables = []
    for sign in (1, -1):
        own = rng.random(n)
        first = np.where(rng.random(n) < family, shared[cluster], own) < beta
        right = np.where(rng.random(n) < noise, -truth, truth)
        outcome = np.where(first, sign, right)
        table = np.zeros((n, 3), dtype=np.int64)
        table[np.arange(n), 1 - outcome] = 1
        tables.append(table)
    return tables[0], tables[1], cluster


def swap_cells(replicates: int) -> list[Cell]:
    """Coverage of swap consistency and position effect at nominal 95 %, and what is claimed of a fair judge."""
    rng = np.random.default_rng(41)
    hits = {"consistency": 0, "effect": 0, "effect in families": 0}
    blind = biased = wrong = 0
    for i in range(replicates):
        for families in (False, True):
            ab, ba, cluster = _judged(rng, PAIRS, 0.2, 0.1, 0.5 if families else 0.0)
            tail = " in families" if families else ""
            found = share(consistency(ab, ba), cluster).interval
            e = effect(position(ab, ba), cluster, 0.1, i)
            pc = 0.8**2 * (0.9**2 + 0.1**2) + 2 * 0.8 * 0.2 * 0.5
            if not families:
                hits["consistency"] += bool(found and found.low <= pc <= found.high)
            hits["effect" + tail] += bool(e.wide and e.wide.low <= 0.2 <= e.wide.high)
        ab, ba, cluster = _judged(rng, PAIRS, 0.0, 0.15)
        b = position(ab, ba)
        said = effect(b, cluster, 0.1, i).verdict
        wrong += said == "biased"
        blind += said == "order_blind"
        p = direction(b, cluster, repeated=False, seed=i).p
        biased += p is not None and p < 0.05
    return [
        at_least("coverage of swap consistency", hits["consistency"] / replicates, 0.93, replicates),
        at_least("coverage of position effect", hits["effect"] / replicates, 0.93, replicates),
        at_least("coverage of position effect, families", hits["effect in families"] / replicates, 0.92, replicates),
        at_most("a fair judge is called biased", wrong / replicates, 0.05, replicates),
        at_most("direction test of a fair judge under .05", biased / replicates, 0.05, replicates),
    ]  # fmt: skip


def corrected_cells(replicates: int) -> list[Cell]:
    """Coverage of both corrections with the labels that each is for, and of PPI++ with the wrong ones."""
    rng = np.random.default_rng(42)
    by_ppi = by_rg = misused = 0
    for _ in range(replicates):
        y, f = _labelled(rng, 1000, THETA)
        sample = ppi(Labelled(f[:200], y[:200], np.ones(200), np.arange(200)), f[200:], None).estimate.interval
        by_ppi += bool(sample and sample.low <= THETA <= sample.high)
        yo, fo = _labelled(rng, 200, 0.5)
        one = yo == 1
        known = Passes(int(fo[one].sum()), int(one.sum()), int((1 - fo[~one]).sum()), int((~one).sum()))
        external = rogan_gladen(float(f.mean()), 1000, known).estimate.interval
        by_rg += bool(external and external.low <= THETA <= external.high)
        ys, fs = _labelled(rng, 200, 0.9)
        shifted = ppi(Labelled(fs, ys, np.ones(200), np.arange(200)), f, None).estimate.interval
        misused += bool(shifted and shifted.low <= THETA <= shifted.high)
    return [
        between("coverage of PPI++, labels of this run", by_ppi / replicates, 0.93, 0.97, replicates),
        between("coverage of Rogan-Gladen, labels from elsewhere", by_rg / replicates, 0.93, 0.98, replicates),
        at_most("PPI++ with labels from elsewhere covers: refused", misused / replicates, 0.1, replicates),
    ]  # fmt: skip


def class_cells(replicates: int) -> list[Cell]:
    """Coverage of the three-class correction with labels from elsewhere; half of all ties are taken for wins."""
    rng = np.random.default_rng(44)
    worth, truth = np.array([1.0, 0.5, 0.0]), np.array([0.5, 0.2, 0.3])
    said = np.array([[0.9, 0.5, 0.1], [0.05, 0.4, 0.05], [0.05, 0.1, 0.85]])
    hits = naive = 0
    for _ in range(replicates):
        counts = rng.multinomial(600, said @ truth)
        table = np.stack([rng.multinomial(70, said[:, t]) for t in range(3)], axis=1).astype(np.float64)
        found = confusion(counts, table, worth).estimate.interval
        hits += bool(found and found.low <= 0.6 <= found.high)
        plain = float(worth @ counts) / 600
        half = 1.96 * float(np.sqrt((worth**2 @ counts / 600 - plain**2) / 600))
        naive += abs(plain - 0.6) <= half
    return [
        between("coverage of three classes, labels from elsewhere", hits / replicates, 0.93, 0.98, replicates),
        at_most("uncorrected, for contrast", naive / replicates, 0.85, replicates),
    ]


def _labelled(rng: np.random.Generator, n: int, theta: float):
    y = (rng.random(n) < theta).astype(float)
    return y, np.where(y == 1, rng.random(n) < SE, rng.random(n) > SP).astype(float)


def rating_cells(replicates: int) -> list[Cell]:
    """Coverage of a strength of 1.5 with a slot advantage of 0.5 and ties, both orders, tasks as clusters."""
    rng = np.random.default_rng(43)
    many, few = (_rated(rng, tasks, replicates) for tasks in (200, 12))
    return [
        at_least("coverage of a strength", many[0], 0.94, replicates),
        at_least("coverage of the slot's advantage", many[1], 0.94, replicates),
        at_least("12 tasks: coverage of a strength", few[0], 0.90, replicates),
        at_least("12 tasks: coverage of the slot's advantage", few[1], 0.90, replicates),
    ]


def _rated(rng: np.random.Generator, tasks: int, replicates: int) -> tuple[float, float]:
    """How often the intervals of a strength and of the slot cover, of ratings by so many tasks with one pair each."""
    true, hits, slots, fitted = np.array([0.0, 0.6, 1.5]), 0, 0, 0
    for i in range(replicates):
        pair = np.array([(0, 1), (0, 2), (1, 2)])[rng.integers(0, 3, tasks)]
        first, second = np.concatenate((pair[:, 0], pair[:, 1])), np.concatenate((pair[:, 1], pair[:, 0]))
        d = true[first] - true[second] + 0.5
        weights = np.stack((np.exp(d / 2), np.full(len(d), 0.6), np.exp(-d / 2)))
        u = rng.random(len(d)) * weights.sum(axis=0)
        result = np.where(u < weights[0], 1, np.where(u < weights[0] + weights[1], 0, -1))
        games = Games(first, second, result, np.tile(np.arange(tasks), 2), 3, np.zeros((2 * tasks, 0)))
        found = rate(games, i, draws=100)
        if found.why_not:
            continue
        fitted += 1
        strength, slot = found.strengths[2].interval, found.slot.interval
        hits += bool(strength and strength.low <= 1.5 <= strength.high)
        slots += bool(slot and slot.low <= 0.5 <= slot.high)
    return hits / fitted, slots / fitted


COVER = "intervals cover 95 %, fair judges are not blamed"
ROWS = [
    Row(41, "judges with beta .2 and noise .1; fair judges", COVER, swap_cells, 200, 4000),
    Row(42, "a judge with Se .92, Sp .75", "corrections cover with their own labels", corrected_cells, 300, 4000),
    Row(43, "three candidates in both orders", "ratings cover, tasks as clusters", rating_cells, 50, 1000),
    Row(44, "win, tie and loss misjudged at known rates", "the correction covers", class_cells, 300, 4000),
]
