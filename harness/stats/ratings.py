"""Ratings from judged pairs: Bradley-Terry with ties after Davidson, a term for the first slot, and covariates.

With d = th_first - th_second + eta + gamma . x, the chances are proportional to e^(d/2), e^(-d/2) and nu for a tie:
Bradley & Terry 1952; Davidson, JASA 65 (1970); the slot term after Davidson & Beaver, Biometrics 33 (1977). The slot
term takes position bias out of the ratings and un-shrinks them (judge.md 4.1). Elo is a display of the same fit: this
is no running update, so the order of games does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.stats.intervals import Codes, Estimate, Interval, Numbers
from harness.stats.shares import DRAWS, codes_of, percentiles

Matrix: TypeAlias = NDArray[np.float64]
ELO = 400 / math.log(10)
ANCHOR = 1000.0
RIDGE = 1e-3
MANY_KINDS = 2000
"""Different games from which a draw's fit is one Newton step away from the fit of all."""
DRAWN = 1e-5
"""Step in logits at which the fit of a bootstrap draw is done: far under the width it measures."""


@dataclass(frozen=True, slots=True)
class Games:
    """Verdicts in slot space: who was shown first and second, and whether the first won (1), tied (0) or lost (-1).

    Candidates are 0..`candidates`-1. `covariates` is (games, k), first minus second and never centred: length, style.
    """

    first: Codes
    second: Codes
    result: Codes
    cluster: Codes
    candidates: int
    covariates: Matrix


@dataclass(frozen=True, slots=True)
class Ratings:
    """Strengths in logits against candidate 0, with intervals over clusters of tasks; `elo` shows the same numbers.

    `slot` is the first slot's advantage in logits, `tie` is nu (None without ties). `note` says what was assumed.
    """

    strengths: tuple[Estimate, ...]
    slot: Estimate
    covariates: tuple[Estimate, ...]
    tie: float | None
    games: int
    note: str = ""
    why_not: str = ""


def elo(strength: float, base: float = ANCHOR) -> float:
    """A strength on the Elo-like scale: 400 points are odds of 10 to 1; candidate 0 stands at `base`."""
    return base + ELO * strength


def rate(games: Games, seed: int, draws: int = DRAWS // 5) -> Ratings:
    """Fit by maximum likelihood; intervals by a bootstrap over whole clusters, warm-started, seeded.

    Refused where the candidates fall into groups that never met: they have no common scale. A candidate that won or
    lost everything has no finite rating: then a ridge of 1e-3 per game holds it, and the note says so.
    """
    empty = Ratings((), Estimate(float("nan"), None, "none"), (), None, len(games.result))
    if not len(games.result):
        return _refused(empty, "no pair was decided or tied")
    if not _connected(games):
        return _refused(empty, "the candidates fall into groups that were never compared: no common scale")
    if (games.result == 0).all():
        return _refused(empty, "every pair was a tie: no information")
    finite = _mutual(games)
    # Equal games are one weighted row: without covariates a fit costs the same for a hundred games and a million.
    kinds, kind = np.unique(np.column_stack((_design(games), games.result)), axis=0, return_inverse=True)
    rows, result = np.asarray(kinds[:, :-1], dtype=np.float64), kinds[:, -1].astype(np.int64)
    ties = bool((games.result == 0).any())
    start = np.zeros(rows.shape[1] + ties)
    found = _fit(rows, result, np.bincount(kind).astype(np.float64), start, 0.0 if finite else RIDGE)
    spread = _bootstrap(Kinds(rows, result, kind.astype(np.int64)), games.cluster, found, finite, (seed, draws))
    k = games.candidates - 1
    groups = len(np.unique(games.cluster))
    estimates = [_estimate(v, spread[:, i], groups) for i, v in enumerate(found[: rows.shape[1]].tolist())]
    note = "" if finite else "someone won or lost everything: held by a ridge of 1e-3 per game"
    return Ratings(
        strengths=(Estimate(0.0, Interval(0.0, 0.0), "the anchor"), *estimates[:k]),
        slot=estimates[k],
        covariates=tuple(estimates[k + 1 :]),
        tie=math.exp(float(found[-1])) if ties else None,
        games=len(games.result),
        note=note,
    )


def _refused(empty: Ratings, why: str) -> Ratings:
    return Ratings((), Estimate(float("nan"), None, why), (), None, empty.games, "", why)


def _design(games: Games) -> Matrix:
    """Columns: strengths of candidates 1.., the slot, the covariates."""
    n, k = len(games.result), games.candidates
    rows = np.zeros((n, k + 1 + games.covariates.shape[1]))
    at = np.arange(n)
    rows[at, games.first] += 1
    rows[at, games.second] -= 1
    rows[:, k] = 1
    rows[:, k + 1 :] = games.covariates
    return rows[:, 1:]


def _fit(rows: Matrix, result: Codes, weight: Numbers, start: Numbers, ridge: float, close: float = 1e-11) -> Numbers:
    """Newton with halving on the log-likelihood; parameters of `rows`, then log nu where `start` has room for it."""
    k, ties = rows.shape[1], len(start) > rows.shape[1]
    beta = start.copy()
    penalty = np.full(len(beta), ridge * float(weight.sum()))
    best, (first, second, tie) = _at(rows, result, weight, beta, penalty)
    for _ in range(60):
        d = (result == 1) * 0.5 - (result == -1) * 0.5 - 0.5 * (first - second)
        gradient = np.append((weight * d) @ rows, [float(weight @ ((result == 0) - tie))] if ties else [])
        gradient = gradient - penalty * beta
        curve = weight * 0.25 * (first + second - (first - second) ** 2)
        hessian = np.zeros((len(beta), len(beta)))
        hessian[:k, :k] = (rows * curve[:, None]).T @ rows
        if ties:
            hessian[:k, k] = hessian[k, :k] = (weight * -0.5 * (first - second) * tie) @ rows
            hessian[k, k] = float(weight @ (tie * (1 - tie)))
        hessian[np.diag_indices(len(beta))] += penalty
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
        for _ in range(30):
            tried, shares = _at(rows, result, weight, beta + step, penalty)
            if tried >= best - 1e-12 * abs(best):
                break
            step = step / 2
        beta, best, (first, second, tie) = beta + step, tried, shares
        if float(np.abs(step).max()) < close:
            break
    return np.asarray(beta, dtype=np.float64)


def _at(
    rows: Matrix, result: Codes, weight: Numbers, beta: Numbers, penalty: Numbers
) -> tuple[float, tuple[Numbers, Numbers, Numbers]]:
    """The penalised log-likelihood at `beta`, and each row's chances of first, second and tie."""
    k = rows.shape[1]
    half = rows @ beta[:k] / 2
    nu = float(beta[k]) if len(beta) > k else -np.inf
    top = np.maximum(np.abs(half), nu)
    first, second, tie = np.exp(half - top), np.exp(-half - top), np.exp(nu - top)
    total = first + second + tie
    said = np.where(result == 1, half, np.where(result == -1, -half, nu if len(beta) > k else 0.0))
    value = float(weight @ (said - top - np.log(total))) - 0.5 * float(penalty @ beta**2)
    return value, (first / total, second / total, tie / total)


@dataclass(frozen=True, slots=True)
class Kinds:
    """Games that are equal in all that is fitted: their design rows and results, and the kind of each game."""

    rows: Matrix
    result: Codes
    kind: Codes


def _bootstrap(kinds: Kinds, cluster: Codes, found: Numbers, finite: bool, how: tuple[int, int]) -> Matrix:
    """Fits with whole clusters drawn again; a tiny ridge keeps a draw without one candidate's wins finite."""
    seed, draws = how
    codes = codes_of(cluster)
    groups = int(codes.max()) + 1
    k = kinds.rows.shape[1]
    if groups < 2:
        return np.full((1, k), np.nan)
    rng = np.random.default_rng(seed)
    if len(kinds.rows) > MANY_KINDS:
        return _one_step(kinds, codes, found, 1e-5 if finite else RIDGE, rng, draws)
    fits = np.empty((draws, k))
    for i in range(draws):
        times = np.bincount(rng.integers(0, groups, groups), minlength=groups)
        weight = np.bincount(kinds.kind, weights=times[codes], minlength=len(kinds.rows)).astype(np.float64)
        fits[i] = _fit(kinds.rows, kinds.result, weight, found, 1e-5 if finite else RIDGE, DRAWN)[:k]
    return fits


def _one_step(kinds: Kinds, codes: Codes, found: Numbers, ridge: float, rng: np.random.Generator, draws: int) -> Matrix:
    """One Newton step from the fit to each draw's, by sums over clusters: with covariates all rows differ, and a full
    fit of each draw costs as much as the first. The step's error is of second order in the draw's distance.
    """
    groups, n = int(codes.max()) + 1, len(kinds.kind)
    slope, bend = _pulls(kinds.rows, kinds.result, found)
    p = slope.shape[1]
    summed = [np.bincount(codes, weights=column[kinds.kind], minlength=groups) for column in slope.T]
    gradient = np.stack(summed, axis=1)
    bends = [np.bincount(codes, weights=column[kinds.kind], minlength=groups) for column in bend.T]
    hessian = np.stack(bends, axis=1)
    times = np.stack([np.bincount(rng.integers(0, groups, groups), minlength=groups) for _ in range(draws)])
    pulls = times @ gradient - ridge * n * found
    curves = np.asarray(times @ hessian, dtype=np.float64).reshape(draws, p, p) + ridge * n * np.eye(p)
    steps = np.stack([np.linalg.lstsq(c, g, rcond=1e-12)[0] for c, g in zip(curves, pulls, strict=True)])
    return np.asarray((found + steps)[:, : kinds.rows.shape[1]], dtype=np.float64)


def _pulls(rows: Matrix, result: Codes, beta: Numbers) -> tuple[Matrix, Matrix]:
    """Of each row the gradient of its log-likelihood, and the negative of its second derivatives, flattened."""
    k, ties = rows.shape[1], len(beta) > rows.shape[1]
    _, (first, second, tie) = _at(rows, result, np.ones(len(rows)), beta, np.zeros(len(beta)))
    d = (result == 1) * 0.5 - (result == -1) * 0.5 - 0.5 * (first - second)
    curve = 0.25 * (first + second - (first - second) ** 2)
    slope = d[:, None] * rows
    bend = np.zeros((len(rows), len(beta), len(beta)))
    bend[:, :k, :k] = curve[:, None, None] * rows[:, :, None] * rows[:, None, :]
    if ties:
        slope = np.column_stack((slope, (result == 0) - tie))
        bend[:, :k, k] = bend[:, k, :k] = (-0.5 * (first - second) * tie)[:, None] * rows
        bend[:, k, k] = tie * (1 - tie)
    return slope, bend.reshape(len(rows), -1)


def _estimate(value: float, fits: Numbers, groups: int) -> Estimate:
    if groups < 2:
        return Estimate(value, None, "one family of tasks only")
    drawn = percentiles(fits, groups)
    return Estimate(value, Interval(min(drawn.low, value), max(drawn.high, value)))


def _reaches(edges: set[tuple[int, int]], n: int) -> bool:
    """Whether candidate 0 reaches all the others along the edges."""
    seen, queue = {0}, [0]
    while queue:
        at = queue.pop()
        for a, b in edges:
            if a == at and b not in seen:
                seen.add(b)
                queue.append(b)
    return len(seen) == n


def _connected(games: Games) -> bool:
    pairs = set(zip(games.first.tolist(), games.second.tolist(), strict=True))
    return _reaches(pairs | {(b, a) for a, b in pairs}, games.candidates)


def _mutual(games: Games) -> bool:
    """Ford's condition (American Mathematical Monthly 64, 1957): each reaches each by wins; a tie counts both ways."""
    beats: set[tuple[int, int]] = set()
    for first, second, result in set(
        zip(games.first.tolist(), games.second.tolist(), games.result.tolist(), strict=True)
    ):
        beats |= {(first, second)} if result >= 0 else set()
        beats |= {(second, first)} if result <= 0 else set()
    return _reaches(beats, games.candidates) and _reaches({(b, a) for a, b in beats}, games.candidates)


def cyclic_share(games: Games) -> tuple[int, int]:
    """Triples of candidates in which each beats the next by games won, and how many triples were fully compared."""
    n = games.candidates
    won = np.zeros((n, n))
    np.add.at(won, (games.first, games.second), (games.result == 1) + 0.5 * (games.result == 0))
    np.add.at(won, (games.second, games.first), (games.result == -1) + 0.5 * (games.result == 0))
    met, better = won + won.T > 0, won > won.T
    cyclic = compared = 0
    for a in range(n):
        for b in range(a + 1, n):
            for c in range(b + 1, n):
                if met[a, b] and met[b, c] and met[a, c]:
                    compared += 1
                    cyclic += (better[a, b] and better[b, c] and better[c, a]) or (
                        better[b, a] and better[c, b] and better[a, c]
                    )
    return int(cyclic), compared
