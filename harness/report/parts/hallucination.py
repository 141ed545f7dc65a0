"""5 Hallucination: answers given and wrong, and claims that the sources do not support, where a judge of claims ran."""

from __future__ import annotations

from collections import Counter

import numpy as np

from harness.records.content import Json
from harness.report.evidence import Evidence
from harness.report.failures import attempted, wrong
from harness.report.judged import SUPPORTED
from harness.report.rates import rate, task_means
from harness.report.section import Section, Table
from harness.report.words import many, percent, percents, share

NO_JUDGE = "claim level: unavailable: no judge of claims ran (grader judge_claims); deterministic signals cannot tell"


def hallucination(e: Evidence) -> Section:
    """Answer level from the grades; claim level from `judgements.jsonl`. Unavailable when nothing was graded."""
    if not any(len(ok) for ok in e.graded):
        return Section("hallucination", "hallucination", why_not="no trial was graded")
    answers, data = _answers(e)
    methods = [
        "answer level: wrong over attempted and over all; F is the harmonic mean of correct over both (SimpleQA)"
    ]
    tables, notes = [answers], []
    if e.judged.of("claims"):
        table, by_claim = _claims(e)
        tables.append(table)
        data["claims"] = by_claim
        methods.append("claim level: share of claims not supported per trial, mean over tasks, clustered by family")
    else:
        notes.append(NO_JUDGE)
    return Section("hallucination", "hallucination", tuple(tables), (), tuple(notes), "", tuple(methods), data)


def _answers(e: Evidence) -> tuple[Table, dict[str, Json]]:
    rows, data = [], {}
    for name, ok in zip(e.names, e.graded, strict=True):
        gave, bad = attempted(ok), wrong(ok)
        tried = ok.where(gave)
        right = int(tried.column["passed"].sum())
        n, of_all, n_bad = len(tried), len(ok), int(bad.sum())
        f = 2 * right / (n + of_all) if n + of_all else float("nan")
        rows.append(
            (
                name,
                f"{right:,} / {n_bad:,} / {of_all - n:,}",
                share(e.share(tried, wrong(tried)), n_bad, n) if n else "nothing attempted",
                share(e.share(ok, bad), n_bad, of_all) if of_all else "not graded",
                f"{f:.3f}" if of_all else "not graded",
            )
        )
        data[name] = {"correct": right, "wrong": n_bad, "attempted": n, "graded": of_all, "f": f if of_all else None}
    header = ("system", "correct / wrong / not attempted", "wrong / attempted", "wrong / all", "F")
    note = (
        "not attempted: refused, abstained or silent; a system that answers less looks better in the first share only"
    )
    return Table("answer level: answers that were given and are wrong", header, tuple(rows), (note,)), {"answers": data}


def _claims(e: Evidence) -> tuple[Table, dict[str, Json]]:
    """Judges of one claim are one verdict: what most of them said."""
    code = {t: i for i, t in enumerate(e.rows.tasks)}
    verdicts = {trial: words for trial, words in e.judged.claims().items() if trial[1] in code}
    rows, data = [], {}
    for name in e.names:
        own = {trial: words for trial, words in verdicts.items() if trial[0] == name}
        if not own:
            rows.append((name, "0", "0", "no claim was judged", ""))
            continue
        keys = sorted(own)
        shares = np.array([float(np.mean([w != SUPPORTED for w in own[k]])) for k in keys])
        found = rate(task_means(np.array([code[task] for _, task, _ in keys], dtype=np.int64), shares), e.family)
        words = Counter(w for said in own.values() for w in said)
        n = sum(words.values())
        unsupported = n - words[SUPPORTED]
        told = ", ".join(f"{w} {k:,}" for w, k in sorted(words.items(), key=lambda x: (-x[1], x[0])))
        interval = percents(found.other_tasks) if found.other_tasks else f"undefined: {found.why_not}"
        rows.append((name, f"{n:,}", f"{unsupported:,}", f"{percent(found.value)} {interval}", told))
        data[name] = {"claims": n, "unsupported": unsupported, "rate": found.value, "tasks": found.tasks}
    judges = sorted({f"{p.judge} ({p.model}) in {p.grader}" for p in e.judged.of("claims")})
    notes = [f"said by judges: {'; '.join(judges)}; how far to believe them is in the judges' data sheet"]
    if e.judged.lost:
        notes.append(f"without a readable verdict, and counted for nothing: {many(e.judged.lost, 'judgement')}")
    header = ("system", "claims", "not supported", "rate, mean over tasks", "verdicts")
    return Table("claim level: claims that the sources do not support", header, tuple(rows), tuple(notes)), data
