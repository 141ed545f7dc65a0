"""What a judge made of each item: one outcome of all its orders and repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.report.judges_calls import GOOD, PAIR, Calls
from harness.report.judges_pairs import Pairs, complete_pairs, single_pairs
from harness.stats.agreement import majority
from harness.stats.intervals import Numbers
from harness.stats.swap import outcomes

Item = tuple[str, str, int, str, str]
"""(task, system, epoch, opponent, about)."""


def worth(calls: Calls) -> Numbers:
    """What each verdict is worth to the work under test, 0 to 1; NaN for verdicts without a worth."""
    value = np.array([GOOD.get(word, np.nan) for word in calls.names.words()])
    return np.asarray(value[calls.column["outcome"]], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge made of an item: its outcome in one word, its worth, and the family of its task (a code).

    `work` is the short digest of what was judged, 0 where the record has none.
    """

    outcome: str
    worth: float
    cluster: int
    work: int = 0


def judged_items(calls: Calls, protocol: str) -> dict[Item, Judged]:
    """The judge's one outcome of each item: both orders and all repeats together; items without one are left out."""
    if protocol == "pairwise":
        return _of_pairs(complete_pairs(calls)[0]) | _of_singles(single_pairs(calls))
    ok = calls.ok()
    unit, first = ok.units()
    outcome, value = ok.column["outcome"], worth(ok)
    order = np.argsort(unit, kind="stable")
    bounds = np.searchsorted(unit[order], np.arange(len(first) + 1))
    words, work, found = ok.names.words(), ok.column["work"], {}
    for u, row in enumerate(first.tolist()):
        rows = order[bounds[u] : bounds[u + 1]]
        most = majority(outcome[rows])
        if most is None and protocol == "select":  # nobody has the rotations' majority (judge.md 1.5)
            found[item_of(ok, row, words)] = Judged("tie", np.nan, int(ok.column["family"][row]), int(work[row]))
        elif most is not None:
            worth_ = float(value[rows][outcome[rows] == most][0])
            found[item_of(ok, row, words)] = Judged(words[most], worth_, int(ok.column["family"][row]), int(work[row]))
    return found


def _of_pairs(pairs: Pairs) -> dict[Item, Judged]:
    """By the conservative rule: a win or a loss only where both orders say so."""
    one, two = outcomes(pairs.ab), outcomes(pairs.ba)
    words, found = pairs.calls.names.words(), {}
    for row, a, b, cluster in zip(
        pairs.first.tolist(), one.tolist(), two.tolist(), pairs.cluster.tolist(), strict=True
    ):
        word = PAIR[1 - a] if a == b else "tie"
        shown = int(pairs.calls.column["work"][row])
        found[item_of(pairs.calls, row, words)] = Judged(word, GOOD[word], cluster, shown)
    return found


def _of_singles(pairs: Pairs) -> dict[Item, Judged]:
    """Pairs that were asked in one order by design: what that order says."""
    words, found = pairs.calls.names.words(), {}
    said = outcomes(pairs.ab + pairs.ba)
    for row, outcome, cluster in zip(pairs.first.tolist(), said.tolist(), pairs.cluster.tolist(), strict=True):
        word = PAIR[1 - outcome]
        found[item_of(pairs.calls, row, words)] = Judged(
            word, GOOD[word], cluster, int(pairs.calls.column["work"][row])
        )
    return found


def item_of(calls: Calls, row: int, words: Sequence[str]) -> Item:
    """What a row is about, as labels name it."""
    c = calls.column
    task, system, opponent, about = (words[int(c[n][row])] for n in ("task", "system", "opponent", "about"))
    return (task, system, int(c["epoch"][row]), opponent, about)
