"""An audit of judges: work that they judged in a stored run, asked again in both orders and several times.

No system is called. What is said is recorded with the role `audit`: it measures the judge and never moves a score.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.config.suite import Suite
from harness.engine.asked_again import again
from harness.engine.others import opponents_of
from harness.engine.retry import RetryPolicy
from harness.engine.session import open_services
from harness.errors import NothingToRun, RunInvalid
from harness.prices import PriceBook
from harness.records.outcome import Attempt
from harness.records.task import Task
from harness.store.folder import RunFolder
from harness.store.judgements import iter_judgements
from harness.store.read import iter_attempts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is audited: `pairs` works of each of these graders, drawn by `seed`, asked `repeats` times in each order."""

    graders: tuple[str, ...]
    pairs: int
    repeats: int
    seed: int


def audit(folder: RunFolder, suite: Suite, tasks: Sequence[Task], wanted: Wanted, watch: Callable[[int], None]) -> int:
    """Ask again and add what is said to the run's judgements; how many there are.

    Raises NothingToRun when no work was judged by these graders, RunInvalid when a judge is gone or was replaced.
    """
    return asyncio.run(_audit(folder, suite, tasks, wanted, watch))


async def _audit(
    folder: RunFolder, suite: Suite, tasks: Sequence[Task], wanted: Wanted, watch: Callable[[int], None]
) -> int:
    services = open_services(suite, PriceBook.load(suite.prices), RetryPolicy(), no_attempt, folder.manifest.run)
    services.others.begin(folder.path, (o for t in tasks for o in opponents_of(t, suite.graders)), lambda: None)
    services.judging.restore(iter_judgements(folder.path))
    by_id, gate, told = {t.id: t for t in tasks}, asyncio.Semaphore(suite.concurrency), 0

    async def one(name: str, attempt: Attempt) -> None:
        nonlocal told
        async with gate:
            work = (by_id[attempt.task], attempt)
            said = await again(services, suite.graders[name], folder.path, work, wanted.repeats)
            folder.add_judgements(said)
            told += len(said)
            watch(told)

    try:
        drawn = _drawn(folder.path, by_id, wanted)
        if not drawn:
            raise NothingToRun("no stored work of these graders was judged in this run", help="harness judge list")
        async with asyncio.TaskGroup() as group:
            for name, attempt in drawn:
                group.create_task(one(name, attempt))
        if services.judging.stopped:
            raise RunInvalid(services.judging.stopped)
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        folder.flush()
        await services.aclose()
    return told


def no_attempt(*what: object) -> None:
    """An audit records judgements only."""
    raise AssertionError(f"an audit made an attempt: {what}")


def _drawn(path: Path, tasks: Mapping[str, Task], wanted: Wanted) -> list[tuple[str, Attempt]]:
    """Works that these graders judged, in an order that the seed decides."""
    judged: dict[str, set[tuple[str, str, int]]] = {name: set() for name in wanted.graders}
    for j in iter_judgements(path):
        if j.role == "score" and j.grader in judged and j.task in tasks:
            judged[j.grader].add((j.task, j.system, j.epoch))
    chosen: dict[str, set[tuple[str, str, int]]] = {}
    for name, keys in judged.items():
        order = sorted(keys)
        Random(f"{wanted.seed}:audit:{name}").shuffle(order)
        chosen[name] = set(order[: wanted.pairs])
    found: dict[tuple[str, str, int, str], Attempt] = {}
    for a in iter_attempts(path):
        for name, keys in chosen.items():
            if a.final and a.transcript is not None and (a.task, a.system, a.epoch) in keys:
                found[a.task, a.system, a.epoch, name] = a
    return [(key[3], found[key]) for key in sorted(found)]
