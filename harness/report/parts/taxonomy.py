"""4 Failure taxonomy: how trials failed, from what the records say; judges only where they are named."""

from __future__ import annotations

from collections import Counter

import numpy as np

from harness.report.columns import Columns
from harness.report.evidence import Evidence, Mask
from harness.report.failures import KINDS, MISUSE, failed, flagged
from harness.report.judged import SUPPORTED
from harness.report.section import Figure, Section, Series, Table
from harness.report.words import many, of, share

DRAWN = ("refused", "abstained", "limit", "halted", "no_answer", "unreadable", "visible", "wrong")
"""Kinds that the figure shows; a trial is drawn once, as the first of these that it is."""
MOST_LABELS = 20
MOST_STEPS = 8


def taxonomy(e: Evidence) -> Section:
    """Unavailable when nothing was graded or nothing failed."""
    if not any(len(ok) for ok in e.graded):
        return Section("failures", "failure taxonomy", why_not="no trial was graded")
    masks = [{k.key: k.rows(ok) & failed(ok) for k in KINDS} for ok in e.graded]
    total = sum(int(failed(ok).sum()) for ok in e.graded)
    if not total:
        return Section("failures", "failure taxonomy", why_not="no graded trial failed")
    seen = [k for k in KINDS if any(m[k.key].any() for m in masks)]
    rows = tuple(
        (k.name, *(_cell(e, ok, m[k.key]) for ok, m in zip(e.graded, masks, strict=True)), k.signal) for k in seen
    )
    header = ("kind", *e.names, "said by")
    absent = [k.name for k in KINDS if k not in seen]
    notes = ["a trial may be of several kinds; shares are of graded trials, as means over tasks with 95 % intervals"]
    if absent:
        notes.append(f"none of: {', '.join(absent)}")
    table = Table(f"kinds of failure: {many(total, 'failed trial')}", header, rows, tuple(notes))
    tables = [table, *_misuse(e), _unlabelled(e, masks), *_labels(e), *_judged(e)]
    return Section(
        "failures",
        "failure taxonomy",
        tables=tuple(tables),
        figures=_figure(e, masks),
        methods=("deterministic signals of the records; intervals: Wilson with a design effect",),
        data={
            "systems": {
                name: {"graded": len(ok), "failed": int(failed(ok).sum()), **{k: int(v.sum()) for k, v in m.items()}}
                for name, ok, m in zip(e.names, e.graded, masks, strict=True)
            }
        },
    )


def _cell(e: Evidence, ok: Columns, hit: Mask) -> str:
    return share(e.share(ok, hit), int(hit.sum()), len(ok)) if hit.any() else f"0/{len(ok):,}"


def _misuse(e: Evidence) -> list[Table]:
    """Each way to misuse tools, in failed and in passed trials: what both have alike explains no failure."""
    rows = []
    for word, name in MISUSE.items():
        hits = [(flagged(ok, word), failed(ok)) for ok in e.graded]
        if any(hit.any() for hit, _ in hits):
            said = (
                f"{of(int((hit & bad).sum()), int(bad.sum()))}; {of(int((hit & ~bad).sum()), int((~bad).sum()))}"
                for hit, bad in hits
            )
            rows.append((name, *said, f"flag {word}"))
    if not rows:
        return []
    note = "of failed trials; of passed trials. Read from the transcripts of agents when they were made; no judge"
    return [Table("tool misuse, by kind", ("kind", *e.names, "said by"), tuple(rows), (note,))]


def _unlabelled(e: Evidence, masks: list[dict[str, Mask]]) -> Table:
    """Failures of which nothing more is known."""
    rows = []
    for name, ok, m in zip(e.names, e.graded, masks, strict=True):
        bad = failed(ok)
        tagged = np.any(list(m.values()), axis=0)
        cause = np.any([v for k, v in m.items() if k not in ("wrong", "critical")], axis=0)
        n = int(bad.sum())
        rows.append((name, f"{n:,}", of(int((bad & ~cause).sum()), n), of(int((bad & ~tagged).sum()), n)))
    header = ("system", "failed", "known only to be wrong", "of no kind")
    note = "known only to be wrong: read these answers; a grader's label, a judge of steps or a person can say why"
    return Table("share without a known cause", header, tuple(rows), (note,))


def _labels(e: Evidence) -> list[Table]:
    """The graders' own labels of what failed, most frequent first."""
    counts = []
    for ok in e.graded:
        words = ok.words["label"]
        counts.append(Counter(words[code] or "(none)" for code in ok.where(failed(ok)).codes("label").tolist()))
    every = sorted({w for c in counts for w in c}, key=lambda w: (-sum(c[w] for c in counts), w))
    if not every:
        return []
    rows = tuple((w, *(f"{c[w]:,}" for c in counts)) for w in every[:MOST_LABELS])
    notes = (f"{len(every) - MOST_LABELS:,} rarer labels are left out",) if len(every) > MOST_LABELS else ()
    return [Table("labels that graders gave to failed trials", ("label", *e.names), rows, notes)]


def _judged(e: Evidence) -> list[Table]:
    """What judges of claims and of steps said, apart from what the records say."""
    claims, steps = e.judged.claims(), e.judged.first_wrong()
    if not claims and not steps:
        return []
    judges = sorted({f"{p.grader}: {p.judge} ({p.model})" for p in e.judged.parts})
    rows = []
    for name in e.names:
        said = [words for (system, _, _), words in claims.items() if system == name]
        bad = sum(any(w != SUPPORTED for w in words) for words in said)
        own = Counter(step for (system, _, _), step in steps.items() if system == name)
        wrong = sorted(((s, n) for s, n in own.items() if s.isdigit()), key=lambda x: (-x[1], int(x[0])))
        told = ", ".join(f"step {step} in {n:,}" for step, n in wrong[:MOST_STEPS])
        rows.append(
            (
                name,
                of(bad, len(said)) if said else "no judge of claims",
                of(sum(n for _, n in wrong), sum(own.values())) if own else "no judge of steps",
                told or "none",
            )
        )
    header = ("system", "invented: a claim its sources do not support", "a wrong step", "first wrong step, from 0")
    note = f"of judged trials, failed or not; said by judges, not by records: {'; '.join(judges)}"
    return [Table("said by judges", header, tuple(rows), (note,))]


def _figure(e: Evidence, masks: list[dict[str, Mask]]) -> tuple[Figure, ...]:
    shown = [(n, ok, m) for n, ok, m in zip(e.names, e.graded, masks, strict=True) if len(ok)]
    names = {k.key: k.name for k in KINDS}
    series = []
    left = [failed(ok) for _, ok, _ in shown]
    for key in DRAWN:
        hits = [now & m[key] for now, (_, _, m) in zip(left, shown, strict=True)]
        left = [now & ~hit for now, hit in zip(left, hits, strict=True)]
        if any(hit.any() for hit in hits):
            shares = tuple(float(hit.sum()) / len(ok) for hit, (_, ok, _) in zip(hits, shown, strict=True))
            series.append(Series(names[key], shares, ()))
    if any(now.any() for now in left):
        series.append(
            Series("other", tuple(float(n.sum()) / len(ok) for n, (_, ok, _) in zip(left, shown, strict=True)), ())
        )
    title = "How trials failed: each once, as the first kind that it is"
    return (
        Figure(
            "stacks", title, "share of graded trials", "", tuple(series), tuple(n for n, _, _ in shown), share_x=True
        ),
    )
