"""Figures of a judge that picks the best of several: the same one over the rotations, and whether slots decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.report.judges_calls import Calls
from harness.report.judges_model import Figure, figure
from harness.report.judges_pairs import NO_DELTA, SEED
from harness.stats.agreement import rotation_consistency
from harness.stats.intervals import Codes, Estimate, Numbers
from harness.stats.shares import share
from harness.stats.swap import Effect, Verdict, effect


@dataclass(frozen=True, slots=True)
class Rotated:
    """What the rotations showed of one judge; `verdict` is on the position effect."""

    figures: tuple[Figure, ...]
    verdict: Verdict


def rotated(calls: Calls, delta: float | None) -> Rotated:
    """Best of K (judge.md 1.5): of items with a verdict in every rotation; the others are counted and left out.

    Where a rotation has no verdict, some candidate was not seen in some slot, and a slot could not be told from it.
    """
    whole, left = _complete(calls)
    unit, first = whole.units()
    cluster = whole.column["family"][first]
    same = rotation_consistency(unit, whole.column["order"], whole.column["chosen"])
    lean = effect(_lean(whole, unit, len(first)), cluster, delta or NO_DELTA, SEED)
    slot = np.bincount(unit, weights=whole.column["slot"] == 0, minlength=len(first))
    first_slot = np.asarray(slot / np.maximum(np.bincount(unit, minlength=len(first)), 1), dtype=np.float64)
    widths = np.unique(whole.column["width"])
    expected = f"without bias {1 / int(widths[0]):.2f}" if len(widths) == 1 else ""
    dropped = f"{left} items without a verdict in some rotation left out" if left else ""
    n = (len(first), "items")
    figures = (
        figure("rotation_consistency", "rotation consistency", share(same, cluster), n, _coin(widths, dropped)),
        figure("first_slot_rate", "first slot is chosen", share(first_slot, cluster), n, expected),
        figure("position_effect", "position effect, first slot", _estimate(lean), n, _words(lean)),
    )
    return Rotated(figures, lean.verdict)


def _complete(calls: Calls) -> tuple[Calls, int]:
    """The verdicts on items that have one in each of their rotations, and how many items have not."""
    every, units = calls.units()
    ok = calls.column["status"] == calls.names.of.get("ok", -1)
    rotations = np.zeros(len(units), dtype=np.int64)
    seen = np.unique(np.stack([every[ok], calls.column["order"][ok]]), axis=1)
    np.add.at(rotations, seen[0], 1)
    width = calls.column["width"][units]
    whole = (rotations > 0) & (rotations == width)
    return calls.where(ok & whole[every]), int((~whole).sum())


def _lean(calls: Calls, unit: Codes, n: int) -> Numbers:
    """Of each item the weight of an always-first component: (share of the first slot - 1/K) / (1 - 1/K); a tie is 0.

    The mean of the rotations' own shares, so that repeats of one rotation weigh no more than one of another.
    """
    width, order = calls.column["width"].astype(np.float64), calls.column["order"]
    value = np.select(
        [calls.column["slot"] == 0, calls.column["slot"] > 0], [1.0, -1.0 / np.maximum(width - 1.0, 1.0)], 0.0
    )
    pairs, turn = np.unique(np.stack([unit, order]), axis=1, return_inverse=True)
    turn = turn.reshape(-1)
    each = np.bincount(turn, weights=value) / np.maximum(np.bincount(turn), 1) if len(calls) else np.zeros(0)
    total = np.bincount(pairs[0], weights=each, minlength=n) if len(calls) else np.zeros(n)
    return np.asarray(total / np.maximum(np.bincount(pairs[0], minlength=n), 1), dtype=np.float64)


def _coin(widths: Codes, dropped: str) -> str:
    coin = f"a coin: {1 / int(widths[0]):.2f}" if len(widths) == 1 else ""
    return "; ".join(w for w in (coin, dropped) if w)


def _estimate(e: Effect) -> Estimate:
    return Estimate(e.value, e.wide, e.why_not.replace("no pair has a verdict in both orders", "no item is complete"))


def _words(e: Effect) -> str:
    return f"{e.verdict.replace('_', ' ')} ({e.method})" if e.wide else e.verdict
