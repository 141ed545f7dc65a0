"""Parts of the tasks, by shape and tag; and the tasks that tell systems apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.report.columns import About, Columns
from harness.report.model import Separating, Share, Slice, SystemReport, Tasks
from harness.report.rates import TaskMeans, rate
from harness.report.system import graded
from harness.stats.intervals import Codes

VARIANT = "variant:"
"""A tag `variant:AXIS:TASK` marks a task that asks the same as TASK in another way, along AXIS (paraphrase, language,
order, ...): for pairs, not for slices."""
MOST_SEPARATING = 15
"""How many separating tasks a report lists; it says how many there are."""


def slices(means: Sequence[TaskMeans], about: Sequence[About], family: Codes) -> tuple[Slice, ...]:
    """Rates by each shape field and each tag, in the order of systems that `means` has."""
    members: dict[tuple[str, str], list[int]] = {}
    for code, a in enumerate(about):
        for part in parts_of(a):
            members.setdefault(part, []).append(code)
    found = []
    for (name, value), codes in sorted(members.items(), key=lambda m: (_ORDER[m[0][0]], _rank(m[0][1]), m[0][1])):
        inside = np.zeros(len(about), dtype=bool)
        inside[codes] = True
        rates = tuple(rate(m.where(inside[m.task]), family) for m in means)
        found.append(Slice(name, value, len(codes), rates))
    return tuple(found)


_ORDER = {"horizon": 0, "stakes": 1, "surface": 2, "tools": 3, "context": 4, "tag": 5}
_RANKS = {v: i for i, v in enumerate(("short", "medium", "long", "low", "high", "0", "1-3", "4-10", "over 10",
                                      "under 4k", "4k-32k", "32k-128k", "over 128k"))}  # fmt: skip


def _rank(value: str) -> int:
    return _RANKS.get(value, len(_RANKS))


def parts_of(a: About) -> list[tuple[str, str]]:
    """The slices that a task belongs to, as field and value."""
    shape = a.shape
    parts = [(n, str(v)) for n in ("horizon", "stakes", "surface") if (v := getattr(shape, n)) is not None]
    if shape.tools is not None:
        parts.append(("tools", _bin(shape.tools, (0, 3, 10), ("0", "1-3", "4-10", "over 10"))))
    if shape.context is not None:
        words = ("under 4k", "4k-32k", "32k-128k", "over 128k")
        parts.append(("context", _bin(shape.context, (3_999, 31_999, 128_000), words)))
    return parts + [("tag", t) for t in sorted(set(a.tags)) if not t.startswith(VARIANT)]


def _bin(value: int, ends: tuple[int, ...], words: tuple[str, ...]) -> str:
    return words[sum(value > end for end in ends)]


def tasks_apart(systems: Sequence[SystemReport], decided: Sequence[Columns]) -> Tasks | None:
    """Which tasks the systems solve differently; None with fewer than two systems to compare.

    `decided` holds each system's deciding rows. Ceilings and floors are left out as long as two others remain.
    """
    pairs = [(s, d) for s, d in zip(systems, decided, strict=True) if not s.privileged and d.column["answered"].any()]
    if len(pairs) < 2:
        pairs = list(zip(systems, decided, strict=True))
    if len(pairs) < 2:
        return None
    names = pairs[0][1].tasks
    n_graded, n_passed = np.zeros((2, len(pairs), len(names)), dtype=np.int64)
    for i, (_, rows) in enumerate(pairs):
        ok = rows.where(graded(rows))
        task = ok.codes("task")
        n_graded[i] = np.bincount(task, minlength=len(names))
        n_passed[i] = np.bincount(task, weights=ok.column["passed"], minlength=len(names))
    common = np.flatnonzero((n_graded > 0).all(axis=0))
    share = n_passed[:, common] / n_graded[:, common]
    gap = share.max(axis=0) - share.min(axis=0) if len(common) else np.zeros(0)
    order = sorted(np.flatnonzero(gap > 0).tolist(), key=lambda i: (-gap[i], common[i]))
    return Tasks(
        systems=tuple(s.name for s, _ in pairs),
        compared=len(common),
        differ=len(order),
        all_solved=tuple(names[t] for t in common[(share == 1).all(axis=0)].tolist()),
        none_solved=tuple(names[t] for t in common[(share == 0).all(axis=0)].tolist()),
        separating=tuple(
            Separating(names[t], float(gap[i]), _shares(n_passed[:, t].tolist(), n_graded[:, t].tolist()))
            for i in order[:MOST_SEPARATING]
            for t in (int(common[i]),)
        ),
    )


def _shares(passed: list[int], of: list[int]) -> tuple[Share, ...]:
    return tuple(Share(p, g) for p, g in zip(passed, of, strict=True))
