"""Judgements as columns: a stream of any length in, 250 bytes a judgement kept; their texts never are.

What a later attempt, or a later line, says of the same call replaces what an earlier one said.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreError
from harness.records.judgement import Judgement
from harness.report.judges_model import Money

Ints = NDArray[np.int64]
_INTS = (
    "sheet", "role", "task", "family", "system", "epoch", "attempt", "opponent", "about", "order", "repeat", "status",
    "outcome", "expected", "slot", "chosen", "rival", "label", "other_label", "width", "cached", "flagged",
    "other_flagged", "length", "other_length", "style", "other_style", "calls", "unpriced", "provider_cached",
    "returned", "calibration", "work", "case",
)  # fmt: skip
_CODES = {
    "role", "task", "family", "system", "opponent", "about", "status", "outcome", "expected", "chosen", "rival",
    "label", "other_label", "returned", "calibration", "case",
}  # fmt: skip
_UNIT = ("sheet", "role", "task", "system", "epoch", "opponent", "about", "case")
PAIR = ("win", "tie", "loss")
"""Outcomes of a pair in the order of the counts of `stats.swap`."""
GOOD: Mapping[str, float] = {
    "win": 1.0, "tie": 0.5, "loss": 0.0, "correct": 1.0, "incorrect": 0.0, "abstained": 0.0, "met": 1.0,
    "partly": 0.5, "not_met": 0.0, "supported": 1.0, "contradicted": 0.0, "not_found": 0.0,
}  # fmt: skip
"""What an outcome is worth to the work under test. Others (the index of a step) have no worth, only agreement."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose data sheet a judgement belongs to."""

    grader: str
    judge: str
    protocol: str
    model: str
    family: str


class Names:
    """Strings as small numbers."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {"": 0}

    def code(self, name: str) -> int:
        """The number of a name, new or known."""
        return self.of.setdefault(name, len(self.of))

    def words(self) -> list[str]:
        """Names by number."""
        return list(self.of)


@dataclass(frozen=True, slots=True)
class Calls:
    """One row per judgement that counts. `column` maps a name to whole numbers: codes into `names`, or values.

    `sheet` is a code into `asked`. `slot` is -1 where the verdict names none; `chosen` and `rival` are the candidates
    that the verdict names and the other; `label` and `other_label` what slots 0 and 1 were called; `length` and
    `style` are of the work under test in a pair; `work` says what was judged. `cost` is in US dollars.
    """

    column: Mapping[str, Ints]
    cost: NDArray[np.float64]
    names: Names
    asked: tuple[Asked, ...]
    spent: Mapping[Asked, Money] = field(default_factory=dict)

    def __len__(self) -> int:
        """Rows."""
        return len(self.cost)

    def where(self, mask: NDArray[np.bool_] | Ints) -> Calls:
        """The rows that the mask keeps, or these rows in this order."""
        column = {n: c[mask] for n, c in self.column.items()}
        return Calls(column, self.cost[mask], self.names, self.asked, self.spent)

    def role(self, *names: str) -> Calls:
        """The rows of these roles."""
        return self.where(np.isin(self.column["role"], [self.names.of.get(n, -1) for n in names]))

    def ok(self) -> Calls:
        """The rows with a verdict."""
        return self.where(self.column["status"] == self.names.of.get("ok", -1))

    def units(self) -> tuple[Ints, Ints]:
        """What was judged: a number per row, 0.., and the first row of each. A unit has orders and repeats."""
        if not len(self):
            none = np.zeros(0, dtype=np.int64)
            return none, none
        key = np.stack([self.column[n] for n in _UNIT[2:]], axis=1)
        _, first, unit = np.unique(key, axis=0, return_index=True, return_inverse=True)
        return unit.reshape(-1).astype(np.int64), first.astype(np.int64)

    def words(self, name: str) -> list[str]:
        """A column of codes as strings."""
        known = self.names.words()
        return [known[c] for c in self.column[name].tolist()]


def read_calls(judgements: Iterable[Judgement]) -> Calls:
    """Columns of a stream. Raises StoreError where a record contradicts itself about who won."""
    columns = {n: array("i") for n in _INTS}
    cost, names = array("d"), Names()
    sheets: dict[Asked, int] = {}
    spent: dict[Asked, dict[str, float]] = {}
    for j in judgements:
        asked = Asked(j.grader, j.judge, j.protocol, j.model, j.family)
        row = _row(j, names)
        row["sheet"] = sheets.setdefault(asked, len(sheets))
        for name in _INTS:
            columns[name].append(row[name])
        cost.append(j.usage.cost_usd)
        _add(spent.setdefault(asked, defaultdict(float)), j)
    column = {n: np.asarray(columns.pop(n), dtype=np.int64) for n in _INTS}
    bills = {a: _bill(parts) for a, parts in spent.items()}
    return _latest(_canonical(Calls(column, np.asarray(cost, dtype=np.float64), names, tuple(sheets), bills)))


def _add(parts: dict[str, float], j: Judgement) -> None:
    """Every line's cost, before later ones replace it: what was paid is paid."""
    usage, usd = j.usage, j.usage.cost_usd
    kind = {"score": "scores", "sentinel": "sentinels", "audit": "audits"}.get(j.role, "controls")
    parts["judgements"] += 1
    parts["cached"] += j.cached
    if usage.calls:
        parts["calls"] += usage.calls
        parts["unpriced"] += usage.unpriced
        parts["provider_cached"] += usage.cache_read
    if usd:
        parts["usd"] += usd
        parts[kind] += usd
        if not j.attempt:
            parts["apart"] += usd


def _bill(parts: Mapping[str, float]) -> Money:
    whole = ("calls", "unpriced", "cached", "judgements", "provider_cached")
    return Money(
        parts.get("usd", 0.0), *(int(parts.get(n, 0)) for n in whole),
        *(parts.get(n, 0.0) for n in ("scores", "sentinels", "controls", "audits", "apart")),
    )  # fmt: skip


def _canonical(calls: Calls) -> Calls:
    """Codes in the order of their words: what is made of the columns does not depend on the order of the lines."""
    known = calls.names.words()
    ordered = sorted(known)
    rank = np.empty(len(known), dtype=np.int64)
    rank[[calls.names.of[w] for w in ordered]] = np.arange(len(known))
    column = {n: rank[c] if n in _CODES else c for n, c in calls.column.items()}
    sheets = sorted(calls.asked, key=lambda a: (a.grader, a.judge, a.protocol, a.model, a.family))
    place = np.array([sheets.index(a) for a in calls.asked], dtype=np.int64)
    names = Names()
    names.of = {w: i for i, w in enumerate(ordered)}
    column["sheet"] = place[column["sheet"]] if len(calls) else column["sheet"]
    return Calls(column, calls.cost, names, tuple(sheets), calls.spent)


def _row(j: Judgement, names: Names) -> dict[str, int]:
    code = names.code
    at = _place_of_work(j)
    _refuse_contradiction(j, at)
    second = 1 - at if len(j.slots) == 2 else at
    chosen = j.slots[j.slot] if j.slot is not None and j.slot < len(j.slots) else ""
    rival = j.slots[1 - j.slot] if chosen and len(j.slots) == 2 and j.slot is not None else ""
    shown = [*j.labels, "", ""]
    return {
        "role": code(j.role), "task": code(j.task), "family": code(j.task_family or f"task {j.task}"),
        "system": code(j.system), "epoch": j.epoch, "attempt": j.attempt, "opponent": code(j.opponent),
        "about": code(j.about), "order": j.order, "repeat": j.repeat, "status": code(j.status),
        "outcome": code(j.outcome), "expected": code(j.expected), "slot": -1 if j.slot is None else j.slot,
        "chosen": code(chosen), "rival": code(rival), "label": code(shown[0]), "other_label": code(shown[1]),
        "width": len(j.slots), "cached": int(j.cached), "flagged": int(bool(j.flags)),
        "other_flagged": int(bool(j.others_flags)),
        "length": _at(j.lengths, at), "other_length": _at(j.lengths, second),
        "style": sum(j.styles[at]) if at < len(j.styles) else 0,
        "other_style": sum(j.styles[second]) if second < len(j.styles) else 0,
        "calls": j.usage.calls, "unpriced": j.usage.unpriced, "provider_cached": j.usage.cache_read,
        "returned": code(j.model_returned), "calibration": code(j.calibration), "work": short_digest(j.work),
        "case": code(j.case),
    }  # fmt: skip


def short_digest(digest: str) -> int:
    """31 bits of a hexadecimal digest, 0 for none: enough to see that a label was for another text."""
    return int(digest[:8], 16) & 0x7FFFFFFF if digest else 0


def _at(values: tuple[int, ...], at: int) -> int:
    return min(values[at], 2**31 - 1) if at < len(values) else 0


def _place_of_work(j: Judgement) -> int:
    """The slot of the work under test: order 0 shows it first, 1 second."""
    return j.order if j.protocol == "pairwise" and j.order in (0, 1) else 0


def _refuse_contradiction(j: Judgement, at: int) -> None:
    """Slot space and candidate space must say the same: most bugs of judges are a mix of the two (judge.md)."""
    if j.protocol != "pairwise" or j.status != "ok":
        return
    said = "tie" if j.slot is None else "win" if j.slot == at else "loss"
    if said != j.outcome:
        raise StoreError(
            f"the judgement of '{j.task}' by '{j.judge}' contradicts itself: slot {j.slot} in order {j.order} is a "
            f"{said} of the work, and it says '{j.outcome}'",
            help="judgements.jsonl was edited, or a grader mixes slots and candidates; regrade the run",
        )


def _latest(calls: Calls) -> Calls:
    """Of equal calls the last fresh one of the highest attempt; rows are sorted by what they are about."""
    if not len(calls):
        return calls
    key = np.stack([calls.column[n] for n in (*_UNIT, "order", "repeat")])
    rank = np.lexsort((np.arange(len(calls)), 1 - calls.column["cached"], calls.column["attempt"], *key))
    ordered = key[:, rank]
    last = np.append((ordered[:, 1:] != ordered[:, :-1]).any(axis=0), True)
    return calls.where(rank[last])
