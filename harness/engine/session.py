"""A run from start to summary: open everything, run the plan, close everything, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.suite import Suite
from harness.engine.cache import CallCache
from harness.engine.lanes import Lanes
from harness.engine.others import opponents_of
from harness.engine.person import TO_LABEL, queue_lines
from harness.engine.plan import Plan
from harness.engine.retry import RetryPolicy
from harness.engine.run import Ending, Recorder, Runner
from harness.engine.services import Record, Services
from harness.prices import PriceBook
from harness.records.task import Task
from harness.store.folder import RunFolder
from harness.store.judgements import iter_judgements
from harness.store.read import Settled

CACHE_FILE = Path(".harness") / "cache" / "calls.sqlite"


@dataclass(frozen=True, slots=True)
class Job:
    """What one session does: a suite, an open run folder, what is left of its plan. `told` is why it was stopped."""

    suite: Suite
    folder: RunFolder
    tasks: Sequence[Task]
    settled: Settled
    prices: PriceBook
    policy: RetryPolicy
    told: list[str] = field(default_factory=list)


def run_job(job: Job, watch: Callable[[Runner], Callable[[], None]]) -> Ending:
    """Run to the end. `watch` is called with the runner before it starts and returns what to call when it ended.

    Raises StoreError on a full disk, and UsageFault when a model cannot be opened; all that was measured is stored.
    """
    return asyncio.run(_run(job, watch))


async def _run(job: Job, watch: Callable[[Runner], Callable[[], None]]) -> Ending:
    manifest = job.folder.manifest
    recorder = Recorder(job.folder)
    services = open_services(job.suite, job.prices, job.policy, recorder, manifest.run)
    plan = Plan(job.tasks, [s.name for s in manifest.systems], manifest.epochs, manifest.seed, job.settled)
    recorder.saw = services.others.saw
    graders = job.suite.graders
    services.others.begin(job.folder.path, (o for t in job.tasks for o in opponents_of(t, graders)), recorder.flush)
    apart = services.judging.restore(iter_judgements(job.folder.path))
    runner = Runner(services, recorder, plan, job.settled)
    runner.stats.spent_usd += apart.cost_usd
    ended = watch(runner)
    try:
        return await runner.run(job.suite.concurrency)
    finally:
        ended()
        job.folder.flush()
        if lines := queue_lines(job.folder.path):
            job.folder.write_file(TO_LABEL, lines)
        if services.judging.stopped:
            job.told.append(services.judging.stopped)
        job.folder.flush()
        await services.aclose()


def open_services(suite: Suite, prices: PriceBook, policy: RetryPolicy, recorder: Record, run: str = "") -> Services:
    """Everything trials share. Models, and the connection to a container engine, are opened when first asked for."""
    return Services(
        suite=suite,
        policy=policy,
        prices=prices,
        record=recorder,
        lanes=Lanes(suite.concurrency),
        sandbox=suite.sandbox,
        cache=CallCache(suite.workspace / CACHE_FILE) if suite.cache else None,
        run=run,
    )
