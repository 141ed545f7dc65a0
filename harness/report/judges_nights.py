"""Judges over several runs: one data sheet of many nights, and what changed between two versions of a judge.

No night has enough pairs to claim that a judge does not see the order; many nights of the same judge under the same
words have (judge.md 3.3). What two versions say of the same works is the bridge between their scores (judge.md 7.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from harness.config.judge_gate import JudgePolicy
from harness.records.judgement import Judgement
from harness.report.judges import About, judge_report
from harness.report.judges_calls import Calls, read_calls
from harness.report.judges_items import Judged, judged_items
from harness.report.judges_model import Figure, JudgeReport, figure
from harness.report.section import Table
from harness.report.words import many
from harness.stats.agreement import kappa, table_of
from harness.stats.intervals import Estimate
from harness.stats.paired import mcnemar
from harness.stats.shares import share
from harness.store.judgements import iter_judgements

Version = tuple[str, str, str]
"""(grader, judge, calibration id): the id changes with the judge's model, its settings and its words."""
Which = tuple[str, ...]
"""What was judged, in both runs by the same name."""


@dataclass(frozen=True, slots=True)
class Pooled:
    """The data sheets of several runs together. `runs` were used; `others` counts judgements of other versions."""

    report: JudgeReport
    runs: tuple[str, ...]
    others: int


def pooled(paths: Sequence[Path], newest: Path, policy: JudgePolicy, about: About) -> Pooled:
    """One sheet of each judge over runs and audits, as it was in the newest run. Raises StoreError.

    Works of different nights are different works; their clusters are still the families of tasks, so a suite that is
    run every night does not get narrower intervals than its families allow. Labels belong to runs: none is used here.
    """
    now = {_version(j) for j in iter_judgements(newest)}
    used: dict[str, None] = {}
    left = [0]
    report = judge_report(_of_version(paths, now, used, left), policy, about)
    return Pooled(report, tuple(used), left[0])


def _version(j: Judgement) -> Version:
    return (j.grader, j.judge, j.calibration)


def _of_version(
    paths: Sequence[Path], now: set[Version], used: dict[str, None], left: list[int]
) -> Iterator[Judgement]:
    for path in paths:
        for j in iter_judgements(path):
            if _version(j) not in now:
                left[0] += 1
                continue
            used.setdefault(path.name)
            yield msgspec.structs.replace(j, case=f"{path.name} {j.case}".strip())


@dataclass(frozen=True, slots=True)
class Bridge:
    """Two versions of one judge on the same works: `same` if nothing changed in its calibration.

    `figures` are of what both said; `moved` the works on which they differ, at most `MOST`, of `n_moved`.
    """

    grader: str
    judge: str
    same: bool
    models: tuple[str, str]
    figures: tuple[Figure, ...]
    moved: tuple[tuple[str, str, str], ...]
    n_moved: int


MOST = 20


def bridges(old: Path, new: Path, named: tuple[str, str] | None = None) -> tuple[Bridge, ...]:
    """Every judge of a grader that both runs have; or the two that are `named`, one of each. Raises StoreError."""
    a, b = read_calls(iter_judgements(old)), read_calls(iter_judgements(new))
    found = []
    for x in sorted(a.asked, key=lambda x: (x.grader, x.judge)):
        judge = x.judge if named is None else named[1]
        if named is not None and x.judge != named[0]:
            continue
        if any((y.grader, y.judge, y.protocol) == (x.grader, judge, x.protocol) for y in b.asked):
            here, there = (x.grader, x.judge, x.protocol), (x.grader, judge, x.protocol)
            found.append(_bridge(here, _of(a, here), _of(b, there)))
    return tuple(dict.fromkeys(found))


def _of(calls: Calls, key: tuple[str, str, str]) -> Calls:
    rows = [i for i, x in enumerate(calls.asked) if (x.grader, x.judge, x.protocol) == key]
    return calls.where(np.isin(calls.column["sheet"], rows))


def _bridge(key: tuple[str, str, str], old: Calls, new: Calls) -> Bridge:
    grader, judge, protocol = key
    a, b = (set(c.words("calibration")) - {""} for c in (old, new))
    models = tuple(
        ", ".join(sorted({x.model for i, x in enumerate(c.asked) if i in c.column["sheet"]})) for c in (old, new)
    )
    before, after = _said(old, protocol), _said(new, protocol)
    common = sorted(before.keys() & after.keys())
    moved = [k for k in common if before[k].outcome != after[k].outcome]
    shown = tuple((" ".join(w for w in k[:4] if w), before[k].outcome, after[k].outcome) for k in moved[:MOST])
    figures = (*_sentinels(old, new), *_works(common, before, after))
    return Bridge(grader, judge, a == b, (models[0], models[1]), figures, shown, len(moved))


def _said(calls: Calls, protocol: str) -> dict[Which, Judged]:
    """What a judge made of each text that it scored, or else audited. The same text again, of another epoch or in
    another run, is the same work; where the record does not say what was judged, the epoch tells works apart.
    """
    scored = calls.role("score")
    found: dict[Which, Judged] = {}
    for (task, system, epoch, opponent, about), j in judged_items(
        scored if len(scored) else calls.role("audit"), protocol
    ).items():
        text = f"text {j.work:x}" if j.work else f"epoch {epoch}"
        found.setdefault((task, system, opponent, about, text), j)
    return found


def _sentinels(old: Calls, new: Calls) -> tuple[Figure, ...]:
    """Frozen verdicts repeated by each version, and McNemar's test of those that only one of them repeats."""
    a, b = _repeated(old), _repeated(new)
    common = sorted(a.keys() & b.keys())
    n = (len(common), "sentinels in both")
    if not common:
        return (figure("sentinels_kept", "sentinels", Estimate(float("nan"), None, "none is in both runs"), n),)
    lost = sum(a[k] and not b[k] for k in common)
    won = sum(b[k] and not a[k] for k in common)
    test = mcnemar(lost, won)
    note = (
        f"{lost} only by the old one, {won} only by the new one; McNemar's p = {test.exact:.3g} (mid-p {test.mid:.3g})"
    )
    at = np.arange(len(common))
    return (
        figure(
            "sentinels_old", "sentinels repeated by the old one", share(np.array([float(a[k]) for k in common]), at), n
        ),
        figure("sentinels_new", "  by the new one", share(np.array([float(b[k]) for k in common]), at), n, note),
    )


def _repeated(calls: Calls) -> dict[Which, bool]:
    rows = calls.role("sentinel")
    rows = rows.where(rows.column["expected"] > 0)
    good = (rows.column["outcome"] == rows.column["expected"]) & (rows.column["status"] == rows.names.of.get("ok", -1))
    found: dict[Which, bool] = {}
    for task, about, right in zip(rows.words("task"), rows.words("about"), good.tolist(), strict=True):
        found[task, about] = found.get((task, about), True) and right
    return found


def _works(
    common: Sequence[Which],
    before: Mapping[Which, Judged],
    after: Mapping[Which, Judged],
) -> tuple[Figure, ...]:
    """How often both say the same of the same work, kappa, and by how much the score moves."""
    n = (len(common), "works judged by both")
    if not common:
        why = "no work was judged by both: regrade the old run with the new judge"
        return (figure("bridge_same", "same outcome", Estimate(float("nan"), None, why), n),)
    cluster = np.array([before[k].cluster for k in common], dtype=np.int64)
    words = sorted({said[k].outcome for said in (before, after) for k in common})
    a, b = (np.array([words.index(said[k].outcome) for k in common], dtype=np.int64) for said in (before, after))
    same = figure("bridge_same", "same outcome", share((a == b).astype(np.float64), cluster), n)
    value = kappa(table_of(a, b, len(words)))
    why = "" if value == value else "both always say the same word"
    agreed = figure("bridge_kappa", "  kappa", Estimate(value, None, why), n)
    worth = np.array([(before[k].worth, after[k].worth) for k in common])
    if np.isnan(worth).any():
        return (same, agreed)
    up, down = int((worth[:, 1] > worth[:, 0]).sum()), int((worth[:, 1] < worth[:, 0]).sum())
    test = mcnemar(down, up)
    note = f"{up} up, {down} down; McNemar's p = {test.exact:.3g} (mid-p {test.mid:.3g})"
    shift = Estimate(float((worth[:, 1] - worth[:, 0]).mean()), None, "")
    return (same, agreed, figure("bridge_shift", "shift of the score", shift, n, note))


def bridge_tables(found: Iterable[Bridge]) -> tuple[Table, ...]:
    """The bridges for a person."""
    tables = []
    for b in found:
        rows = tuple(_row(f) for f in b.figures)
        said = "the same calibration" if b.same else "another judge, or other words: a calibration of its own"
        note = (said, "scores of two versions stand on one line only by what both say of the same works")
        title = f"judge {b.judge} in {b.grader}: {b.models[0]} -> {b.models[1]}"
        tables.append(Table(title, ("figure", "value", "n", "how to read it"), rows, note))
        if b.moved:
            more = (f"the first {len(b.moved)} of {b.n_moved:,}",) if b.n_moved > len(b.moved) else ()
            tables.append(Table("  said otherwise", ("work", "old", "new"), b.moved, more))
    return tuple(tables)


def _row(f: Figure) -> tuple[str, ...]:
    sign = "+" if f.name == "bridge_shift" else ""
    span = f" [{f.interval.low:.3f}, {f.interval.high:.3f}]" if f.interval else ""
    value = "not measured" if f.value is None else f"{f.value:{sign}.3f}{span}"
    return (
        f.title,
        value,
        many(f.n, f.unit.split()[0].removesuffix("s")),
        "; ".join(w for w in (f.why_not, f.note) if w),
    )
