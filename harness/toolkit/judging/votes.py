"""Several opinions into one: two orders of a pair, repeats, members of a panel. Pure; no opinion is ever made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PairRule = Literal["conservative", "average", "sign", "discard"]
WORTH = {"win": 1.0, "tie": 0.5, "loss": 0.0}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out, or `value` None and `cause` why not. `contested` says that the parts did not agree."""

    value: str | None
    cause: str = ""
    score: float | None = None
    contested: bool = False


def pair_outcome(orders: Sequence[Sequence[str]], rule: PairRule) -> Outcome:
    """The outcome of a pair from its valid verdicts (win, tie, loss) by order: judge.md 2.3.

    An order without a valid verdict leaves the pair without one: half a comparison is none.
    """
    if not orders or any(not order for order in orders):
        return Outcome(None, "incomplete")
    means = [sum(WORTH[v] for v in order) / len(order) for order in orders]
    each = [_named(m) for m in means]
    contested = len(set(each)) > 1
    mean = sum(means) / len(means)
    if not contested:
        return Outcome(each[0], "", mean if rule == "average" else WORTH[each[0]])
    match rule:
        case "conservative":
            return Outcome("tie", "", 0.5, True)
        case "average":
            return Outcome(_named(mean), "", mean, True)
        case "sign":
            total = sum(WORTH[e] - 0.5 for e in each)
            name = _named(0.5 + total)
            return Outcome(name, "", WORTH[name], True)
        case "discard":
            return Outcome(None, "orders_disagree", None, True)


def _named(mean: float) -> str:
    return "tie" if abs(mean - 0.5) < 1e-9 else "win" if mean > 0.5 else "loss"


def vote(opinions: Sequence[Outcome], quorum: int, tie: str) -> Outcome:
    """The majority's value; `tie` is what a draw of votes means, and "" leaves it without one.

    Fewer than `quorum` opinions leave it without one. The order of the members never decides.
    """
    if len(opinions) == 1:
        return opinions[0]
    given = [o.value for o in opinions if o.value is not None]
    if len(given) < quorum:
        cause = next((o.cause for o in opinions if o.value is None), "")
        return Outcome(None, cause if not given else "below_quorum", None, len(set(given)) > 1)
    counts = Counter(given).most_common()
    most = [value for value, n in counts if n == counts[0][1]]
    contested = len(counts) > 1
    if len(most) > 1:
        return Outcome(tie, "", WORTH.get(tie), True) if tie else Outcome(None, "panel_tied", None, True)
    return Outcome(most[0], "", WORTH.get(most[0]), contested)


def majority(verdicts: Sequence[str]) -> str | None:
    """What more than half say; None otherwise."""
    for value, n in Counter(verdicts).most_common(1):
        if 2 * n > len(verdicts):
            return value
    return None
