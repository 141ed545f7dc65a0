"""Grading stored outputs again: a new run folder with the same work and new verdicts, and no call to a system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path

import msgspec

from harness.config.suite import Suite
from harness.engine.grade import flags_of, grade
from harness.engine.others import opponents_of
from harness.engine.rehearse import CHANGED, rehearse
from harness.engine.retry import RetryPolicy
from harness.engine.run import Recorder
from harness.engine.services import Services
from harness.engine.session import open_services
from harness.engine.stored_work import stored_artifact, work_of
from harness.engine.trial import verdict_fields
from harness.errors import NotComparable, RunInvalid
from harness.prices import PriceBook
from harness.records.judgement import Judgement
from harness.records.outcome import Artifact, Attempt
from harness.records.task import Task
from harness.records.transcript import Transcript
from harness.store.folder import RunFolder
from harness.store.read import iter_attempts, read_transcript

GRADED_AGAIN = ("graded", "ungradable")


def regrade(source: Path, folder: RunFolder, suite: Suite, tasks: list[Task], watch: Callable[[int], None]) -> int:
    """Copy every attempt of `source` into `folder`, graded by the suite's graders of today. Returns how many.

    Failed attempts keep their cost and stay ungraded. `watch` is told the count as it grows.
    """
    return asyncio.run(_regrade(source, folder, suite, tasks, watch))


async def _regrade(
    source: Path, folder: RunFolder, suite: Suite, tasks: list[Task], watch: Callable[[int], None]
) -> int:
    recorder = Recorder(folder)
    services = open_services(suite, PriceBook.load(suite.prices), RetryPolicy(), recorder, folder.manifest.run)
    services.others.begin(source, (o for t in tasks for o in opponents_of(t, suite.graders)), lambda: None)
    by_id = {t.id: t for t in tasks}
    queue = asyncio.Semaphore(suite.concurrency)
    places = asyncio.Semaphore(services.boxes.most)
    count = 0

    async def one(attempt: Attempt) -> None:
        nonlocal count
        try:
            task = by_id[attempt.task]
            async with places if task.sandbox else nullcontext():
                await _attempt(source, attempt, task, services)
        finally:
            queue.release()
        count += 1
        watch(count)

    try:
        await services.boxes.prepare(tasks)
        judgements, wrong = await rehearse(services, tasks)
        if judgements:
            recorder.judged(judgements)
        if wrong:
            raise RunInvalid(wrong, help=CHANGED)
        async with asyncio.TaskGroup() as group:
            async for attempt in _bounded(source, queue):
                group.create_task(one(attempt))
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        folder.flush()
        await services.aclose()
    return count


async def _bounded(source: Path, queue: asyncio.Semaphore) -> AsyncIterator[Attempt]:
    """Attempts as fast as they are graded, so that memory stays flat."""
    for attempt in iter_attempts(source):
        await queue.acquire()
        yield attempt


async def _attempt(source: Path, attempt: Attempt, task: Task, services: Services) -> None:
    transcript = read_transcript(source, attempt)
    artifacts = {a.name: Artifact(a.name, stored_artifact(source, a)) for a in attempt.artifacts}
    judgements: tuple[Judgement, ...] = ()
    if attempt.status in GRADED_AGAIN:
        attempt, judgements = await _graded(attempt, task, transcript, artifacts, services)
    services.record(attempt, transcript, tuple(artifacts.values()), judgements)


async def _graded(
    attempt: Attempt, task: Task, transcript: Transcript, artifacts: dict[str, Artifact], services: Services
) -> tuple[Attempt, tuple[Judgement, ...]]:
    work = work_of(attempt, task, transcript, artifacts, services)
    grading = await grade(work, services)
    again = msgspec.structs.replace(
        attempt,
        **verdict_fields(grading),
        family=task.family,
        shape=task.shape,
        tags=task.tags,
        timing=msgspec.structs.replace(attempt.timing, grading=round(grading.seconds, 4)),
        flags=(*(f for f in attempt.flags if f not in flags_of(attempt.grades)), *flags_of(grading.verdicts)),
        digests=msgspec.structs.replace(attempt.digests, grader=grading.digest),
        images={k: d for k, d in attempt.images.items() if not k.startswith("grading")} | work.images,
    )
    return again, grading.judgements


def refuse_other_work(changed: list[str]) -> None:
    """Raise NotComparable when the work was done on other tasks than there are now."""
    if changed:
        more = f" and {len(changed) - 8} more" if len(changed) > 8 else ""
        raise NotComparable(
            f"what systems were given changed since the run: {', '.join(changed[:8])}{more}",
            help="stored outputs answer the old tasks; run these tasks again",
        )
