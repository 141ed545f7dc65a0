"""Sentinels: work with frozen verdicts, judged first in every run, through the same path as everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from harness.config.suite import BoundGrader
from harness.engine.attempt_state import AttemptState
from harness.engine.grade import GradedWork, verdict_of
from harness.engine.judges import judge_graders
from harness.engine.services import Services
from harness.errors import MissingRequirement, SandboxError
from harness.plugins.contracts import Bench, Rehearsal
from harness.records.content import Json
from harness.records.judgement import Judgement
from harness.records.outcome import Grade, NotGraded, Verdict
from harness.records.task import Limits, Task
from harness.records.transcript import Transcript

CHANGED = "the judge or its prompt changed: look at judgements.jsonl, then calibrate again"
NAMED = 5
"""So many sentinels that came out otherwise are named."""


async def rehearse(services: Services, tasks: Sequence[Task]) -> tuple[list[Judgement], str]:
    """All sentinels of the graders of these tasks: what was said, and why the run must not go on, or nothing.

    Those of a grader that only informs stop nothing: its data sheet says what came of them.
    """
    deciding = {name for task in tasks for name in task.graders}
    told: list[Judgement] = []
    faults: list[str] = []
    for bound in graders_with_judges(services, tasks):
        known = bound.grader.rehearsals(services.suite.workspace)
        if not known:
            continue
        gate = asyncio.Semaphore(services.suite.concurrency)
        results = await asyncio.gather(*(judged(services, bound, r, "sentinel", gate) for r in known))
        wrong = []
        for rehearsal, (verdict, judgements) in zip(known, results, strict=True):
            told += judgements
            if not as_expected(rehearsal.expect, verdict, judgements):
                wrong.append(f"{rehearsal.id}: {said(verdict)}, frozen: {rehearsal.expect}")
        share = 1 - len(wrong) / len(known)
        if share < bound.grader.least_agreement() and bound.name in deciding:
            faults.append(
                f"{len(known) - len(wrong)} of {len(known)} sentinels of '{bound.name}' came out as frozen "
                f"({share:.0%}, at least {bound.grader.least_agreement():.0%}): {'; '.join(wrong[:NAMED])}"
            )
    if services.judging.stopped:
        faults.insert(0, services.judging.stopped)
    return told, "; ".join(faults)


def graders_with_judges(services: Services, tasks: Sequence[Task]) -> list[BoundGrader]:
    """Every grader of these tasks that asks judges, inner ones under the name of the outer, each once."""
    names = sorted({name for task in tasks for name in (*task.graders, *task.informative)})
    bound = [services.suite.graders[name] for name in names]
    inner = [(b, g) for b in bound for g in judge_graders(b.grader)]
    return [replace(b, grader=g) for b, g in inner]


async def judged(
    services: Services, bound: BoundGrader, rehearsal: Rehearsal, role: str, gate: asyncio.Semaphore
) -> tuple[Verdict, list[Judgement]]:
    """One piece of known work under one grader. Never raises for what a judge does."""
    told: list[Judgement] = []
    transcript = rehearsal.transcript or Transcript(rehearsal.task.id, "", 0, 0, rehearsal.output)
    bench = Bench(
        grader=bound.name, system=rehearsal.system, epoch=rehearsal.epoch, role=role, seed=services.suite.seed,
        tell=told.append, opponent=rehearsal.opponent, expect=rehearsal.expect,
        case=rehearsal.id if role.startswith("control:") else "",
    )  # fmt: skip
    artifacts = {a.name: a.data for a in rehearsal.output.artifacts}
    work = GradedWork(
        rehearsal.task, rehearsal.output, (), services.suite.workspace, artifacts.get, lambda: transcript, services,
        rehearsal.id, bench,
    )  # fmt: skip
    async with gate:
        try:
            verdict = await verdict_of(bound, work, services, AttemptState(Limits(), 0, 0))
        except (MissingRequirement, SandboxError) as e:
            verdict = NotGraded("requirement", str(e))
    return verdict, told


def as_expected(expect: Json, verdict: Verdict, judgements: Sequence[Judgement]) -> bool:
    """Whether it came out as frozen: the verdict's word, or every outcome that is named. No verdict never does."""
    if isinstance(expect, dict):
        found = {j.about: j.outcome for j in judgements if j.role == "sentinel"}
        return all(found.get(about) == outcome for about, outcome in expect.items())
    return said(verdict) == str(expect)


def said(verdict: Verdict) -> str:
    """A verdict in its grader's own word for the outcome."""
    if isinstance(verdict, Grade):
        word = verdict.parts.get("outcome") or verdict.parts.get("first_wrong") or verdict.label
        return str(word)
    return f"not graded, {verdict.cause}"
