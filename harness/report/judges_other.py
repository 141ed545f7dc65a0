"""Figures that every judge has: repeats, controls, sentinels, what was not graded and why, what it cost."""

from __future__ import annotations

from collections import Counter

import numpy as np

from harness.report.judges_calls import GOOD, Calls
from harness.report.judges_items import item_of, judged_items, worth
from harness.report.judges_model import Figure, JudgeSheet, figure
from harness.report.judges_pairs import complete_pairs
from harness.report.model import Count
from harness.stats.intervals import Codes, Estimate, Numbers
from harness.stats.shares import share
from harness.stats.swap import consistency
from harness.toolkit.judging.twins import WHY

CONTROL = "control:"
RATES = {"reference": "correct", "rubric": "criteria met", "claims": "claims supported"}


def by_unit(calls: Calls) -> tuple[Numbers, Codes]:
    """Mean worth of each unit over its calls with a verdict, and its family of tasks."""
    ok = calls.ok()
    value = worth(ok)
    ok = ok.where(~np.isnan(value))
    unit, first = ok.units()
    n = np.bincount(unit, minlength=len(first))
    total = np.bincount(unit, weights=value[~np.isnan(value)], minlength=len(first))
    return np.asarray(total / np.maximum(n, 1), dtype=np.float64), ok.column["family"][first]


def repeat_figures(calls: Calls) -> tuple[Figure, ...]:
    """How often the same question, asked again, got the same verdict: fresh calls only."""
    fresh = calls.ok()
    repeated = len(fresh) > 0 and bool((fresh.column["repeat"] > 0).any())
    fresh = fresh.where(fresh.column["cached"] == 0)
    unit, first = fresh.units()
    slots = np.unique(np.stack([unit, fresh.column["order"]]), axis=1, return_inverse=True)
    question = slots[1].reshape(-1)
    _, kind = np.unique(fresh.column["outcome"], return_inverse=True)
    table = np.zeros((slots[0].shape[1], int(kind.max()) + 1 if len(kind) else 1), dtype=np.int64)
    np.add.at(table, (question, kind), 1)
    n = table.sum(axis=1)
    many = n > 1
    title = "repeat stability"
    if not many.any():
        why = (
            "repeats came from the cache: those are copies"
            if repeated
            else "one repeat: repeats of 2 or more are needed"
        )
        return (figure("repetition_stability", title, Estimate(float("nan"), None, why), (0, "questions")),)
    rs = (table * (table - 1)).sum(axis=1)[many] / (n * (n - 1))[many]
    cluster = fresh.column["family"][first[slots[0][0][many]]]
    e = share(np.asarray(rs, dtype=np.float64), cluster)
    return (figure("repetition_stability", title, e, (int(many.sum()), "questions"), f"noise {1 - e.value:.2f}"),)


def rate_figures(calls: Calls, protocol: str) -> tuple[Figure, ...]:
    """The judge's own score, uncorrected: the mean over what was judged."""
    if protocol not in RATES:
        return ()
    value, cluster = by_unit(calls)
    return (figure("good_rate", RATES[protocol], share(value, cluster), (len(value), "judged"), "as judged"),)


def control_figures(calls: Calls, protocol: str) -> tuple[Figure, ...]:
    """Work whose verdict is known: identical, near-identical, padded, saying nothing, speaking to the judge."""
    kinds = sorted({word for word in set(calls.words("role")) if word.startswith(CONTROL)})
    found: list[Figure] = []
    for role in kinds:
        rows, kind = calls.role(role), role.removeprefix(CONTROL)
        if kind == "identical" and protocol == "pairwise":
            found += _identical(rows)
        elif kind == "near_identical" and protocol == "pairwise":
            pairs, _ = complete_pairs(rows)
            e = share(consistency(pairs.ab, pairs.ba), pairs.cluster)
            found.append(figure(f"control_{kind}", "near-identical: swap", e, (len(pairs), "pairs")))
        elif kind in WHY and protocol != "pairwise":
            found.append(_kept(calls, protocol, kind))
        elif kind in TITLES:
            found.append(_wins(rows, kind))
    return (*found, *_moved(calls, protocol))


def _identical(rows: Calls) -> list[Figure]:
    fresh = rows.ok()
    fresh = fresh.where(fresh.column["cached"] == 0)
    tie = (fresh.column["slot"] < 0).astype(np.float64)
    first = (fresh.column["slot"] == 0).astype(np.float64)
    n = (len(fresh), "fresh calls")
    return [
        figure("control_identical", "identical: tie", share(tie, fresh.column["family"]), n, "right is 1"),
        figure("control_identical_first", "  identical: first slot", share(first, fresh.column["family"]), n),
    ]


TITLES = {
    "null_answers": "empty phrases: won", "empty": "empty: won", "padded": "padded twin: won",
    "authority": "twin with a source: won", "bandwagon": "twin with the crowd: won",
    "sentiment": "twin with a feeling: won",
}  # fmt: skip
"""Controls that must not win."""
KEPT = {
    "padded": "padded: moved", "authority": "with a source: moved", "bandwagon": "with the crowd: moved",
    "sentiment": "with a feeling: moved",
}  # fmt: skip
"""Controls of work judged alone, whose verdict must stay."""
ENOUGH = 10
"""So many calls with a padded twin show that padding wins."""


def _wins(rows: Calls, kind: str) -> Figure:
    ok = rows.ok()
    won = (np.nan_to_num(worth(ok)) > 0.5).astype(np.float64)
    note = f"{int(won.sum())} of {len(ok)}" + (f"; {WHY[kind]}" if kind in WHY else "")
    return figure(f"control_{kind}", TITLES[kind], share(won, ok.column["family"]), (len(ok), "calls"), note)


def preferred_padding(sheet: JudgeSheet) -> str:
    """What a pairwise judge did that takes the same work, made longer, for the better; nothing where that is not known.

    Known: the whole 95% interval of the padded twin's wins lies over a half, and there are `ENOUGH` calls. Padding that
    changes nothing is a tie, so a judge that sees it wins rarely; no gate reads this (docs/design/009).
    """
    f = sheet.figure("control_padded")
    if sheet.protocol != "pairwise" or f is None or f.value is None or f.interval is None:
        return ""
    if f.n < ENOUGH or f.interval.low <= 0.5:
        return ""
    span = f"[{f.interval.low:.2f}, {f.interval.high:.2f}]"
    return f"the same work, padded, won {f.value:.2f} {span} of {f.n:,} calls: length alone may decide"


def _kept(calls: Calls, protocol: str, kind: str) -> Figure:
    """Work alone, padded or with a cue: there is no twin to beat, but its verdict must stay what it was."""
    moved = _altered(calls, protocol, f"{CONTROL}{kind}")
    e = share(np.array([x for x, _ in moved]), np.array([c for _, c in moved], dtype=np.int64))
    note = f"{int(sum(x for x, _ in moved))} of {len(moved)}; {WHY[kind]}"
    return figure(f"control_{kind}", KEPT[kind], e, (len(moved), "verdicts"), note)


def _moved(calls: Calls, protocol: str) -> tuple[Figure, ...]:
    """How often text in the work moved a verdict: planted orders, and work judged again without what spoke to it.

    A planted order is held against the outcome that is expected, or else that the same work had as it was. Of cleaned
    work, `expected` is the outcome before, call by call. A text can only raise a verdict: where the best stayed the
    best nothing could be seen, and that is not counted.
    """
    planted = _altered(calls, protocol, "control:injection", raising=True)
    again = calls.where(np.array([word.endswith("cleaned") for word in calls.words("role")], dtype=bool)).ok()
    again = again.where(again.column["expected"] > 0)
    best = np.array([GOOD.get(word) == 1.0 for word in again.names.words()], dtype=bool)
    again = again.where(~((again.column["outcome"] == again.column["expected"]) & best[again.column["expected"]]))
    cleaned = (again.column["outcome"] != again.column["expected"]).astype(np.float64)
    moved = np.concatenate((np.array([x for x, _ in planted]), cleaned))
    cluster = np.concatenate((np.array([c for _, c in planted], dtype=np.int64), again.column["family"]))
    if not len(moved):
        return ()
    note = f"{int(moved.sum())} of {len(moved)}: {len(planted)} planted, {len(cleaned)} judged again cleaned"
    return (figure("injection_effective", "injection: moved", share(moved, cluster), (len(moved), "verdicts"), note),)


def _altered(calls: Calls, protocol: str, role: str, *, raising: bool = False) -> list[tuple[float, int]]:
    """Of each work that this control altered: 1 if its outcome is another than without, and its family.

    Of a control that could only be `raising` a verdict, the best that stayed the best is left out.
    """
    every = calls.role(role)
    before = judged_items(calls.role("score"), protocol)
    known, found = every.names.words(), []
    for case in np.unique(every.column["case"]):
        rows = every.where(every.column["case"] == case)
        _, first = rows.units()
        expected = {item_of(rows, row, known): known[int(rows.column["expected"][row])] for row in first.tolist()}
        for item, after in sorted(judged_items(rows, protocol).items()):
            right = expected[item] or (before[item].outcome if item in before else "")
            if right and not (raising and after.outcome == right and GOOD.get(right) == 1.0):
                found.append((float(after.outcome != right), after.cluster))
    return found


def sentinel_figure(calls: Calls) -> Figure:
    """Agreement with frozen verdicts. A sentinel without a verdict does not agree: the instrument did not repeat it."""
    rows = calls.role("sentinel")
    rows = rows.where(rows.column["expected"] > 0)
    same = (rows.column["outcome"] == rows.column["expected"]) & (rows.column["status"] == rows.names.of.get("ok", -1))
    unit, first = rows.units()
    n = np.bincount(unit, minlength=len(first))
    agreed = np.bincount(unit, weights=same, minlength=len(first)) / np.maximum(n, 1)
    e = share(np.asarray(agreed, dtype=np.float64), np.arange(len(first)))
    if not len(first):
        e = Estimate(float("nan"), None, "no sentinels")
    return figure("sentinel_agreement", "sentinels agreed", e, (len(first), "sentinels"))


def sentinels_alike(calls: Calls, limit: float) -> bool:
    """Whether one word for each thing asked about agrees with `limit` of the sentinels, or with more.

    Then a judge without eyes passes them: they expect one word, nearly always one, or one for each criterion.
    """
    rows = calls.role("sentinel")
    rows = rows.where(rows.column["expected"] > 0)
    _, first = rows.units()
    if not len(first):
        return False
    about, expected = rows.column["about"][first], rows.column["expected"][first]
    same = sum(int(np.bincount(expected[about == a]).max()) for a in np.unique(about))
    return same / len(first) >= limit


def ungraded_figure(calls: Calls) -> tuple[Figure, tuple[Count, ...], tuple[Count, ...]]:
    """The share of judgements without a verdict, with their causes and the systems they fell on.

    The note bounds the score: if all of them had gone against the work, and if all for it (Manski 1990).
    """
    rows = calls.role("score", "audit")
    bad = rows.column["status"] != rows.names.of.get("ok", -1)
    e = share(bad.astype(np.float64), rows.column["family"])
    lost = rows.where(bad)
    value, _ = by_unit(rows)
    every = len(rows.units()[1])
    note = ""
    if every > len(value) and len(value):
        low, high = value.sum() / every, (value.sum() + every - len(value)) / every
        note = f"the score lies in [{low:.3f}, {high:.3f}] whatever they would have been"
    made = figure("ungraded", "without a verdict", e, (len(rows), "judgements"), note)
    return made, _counts(lost.words("status")), _counts(lost.words("system"))


def _counts(words: list[str]) -> tuple[Count, ...]:
    return tuple(Count(n, k) for n, k in sorted(Counter(words).items(), key=lambda x: (-x[1], x[0])))


NAMED = 6
"""So many candidates whose text speaks to a judge are named."""


def injection_figure(calls: Calls) -> Figure:
    """How much of the scored work speaks to its judge. The note names whose text it is, opponents apart."""
    rows = calls.role("score")
    e = share(rows.column["flagged"].astype(np.float64), rows.column["family"])
    own = _counts(rows.where(rows.column["flagged"] > 0).words("system"))
    others = _counts([w or "other candidates" for w in rows.where(rows.column["other_flagged"] > 0).words("opponent")])
    said = [f"{c.name} in {c.n}" for c in own] + [f"the opponent {c.name} in {c.n}" for c in others]
    return figure("injection_suspected", "speaks to its judge", e, (len(rows), "judgements"), "; ".join(said[:NAMED]))


def returned(calls: Calls) -> tuple[Count, ...]:
    """The models that really answered; a judge whose provider names none is not said to be anything."""
    return _counts([w for w in calls.words("returned") if w])


def calibrations(calls: Calls) -> tuple[str, ...]:
    """The calibration ids: they change with the judge and its prompt (judge.md 7.6)."""
    return tuple(sorted(set(calls.words("calibration")) - {""}))


def recalibrated(calls: Calls) -> bool:
    """Whether the same question was asked under two calibration ids: the judge or its prompt changed in between."""
    if not len(calls):
        return False
    known = calls.where(calls.column["calibration"] > 0)
    asked = np.stack([known.column[n] for n in ("role", "task", "about", "calibration")], axis=1)
    return len(np.unique(asked, axis=0)) > len(np.unique(asked[:, :3], axis=0))
