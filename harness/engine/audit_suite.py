"""An audit of judges on what systems of a suite delivered in any of its runs, also by a judge that no grader asks yet.

No system is called, and no run is changed: what is said goes into a folder of its own under `runs/audits/`, with the
role `audit`. So a judge can be tried before a task relies on it, and a bad one makes no run invalid.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import msgspec
from pydantic import BaseModel

from harness.config.suite import BoundGrader, Suite
from harness.engine.attempt_state import AttemptState
from harness.engine.audit import Wanted, no_attempt
from harness.engine.grade import verdict_of
from harness.engine.judges import judge_graders
from harness.engine.others import Others, opponents_of
from harness.engine.retry import RetryPolicy
from harness.engine.services import Services
from harness.engine.session import open_services
from harness.engine.stored_work import stored_work
from harness.errors import MissingRequirement, NothingToRun, RunInvalid, SandboxError
from harness.prices import PriceBook
from harness.records.judgement import Judgement
from harness.records.outcome import Attempt, NotGraded
from harness.records.task import Limits, Task, digest_of
from harness.store.folder import RunFolder
from harness.store.read import iter_attempts, read_manifest

AUDITS = Path("runs") / "audits"
"""Where audits of suites are kept: one folder each, and none of them is a run."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A piece of work in a run folder, and its task as the suite has it today."""

    run: Path
    attempt: Attempt
    task: Task


@dataclass(slots=True)
class Pool:
    """What the suite's runs hold for an audit: works by grader; how many answered a task that is another one today."""

    works: dict[str, list[Stored]] = field(default_factory=dict)
    runs: int = 0
    outdated: int = 0


def pool_of(suite: Suite, runs: Sequence[Path], graders: Sequence[str]) -> Pool:
    """Delivered work of these runs on tasks that these graders grade. The same answer of a system is there once.

    A system that sees the reference is left out: its work is nobody's.
    """
    pool, tasks = Pool({name: [] for name in graders}), {t.id: t for t in suite.tasks}
    seen: set[tuple[str, str]] = set()
    for path in runs:
        privileged = {s.name for s in read_manifest(path).systems if s.privileged}
        before = len(seen)
        for a in iter_attempts(path):
            task = tasks.get(a.task)
            if task is None or not _delivered(a) or a.system in privileged:
                continue
            if a.digests.task != task.digest:
                pool.outdated += 1
                continue
            for name in graders:
                if name in (*task.graders, *task.informative) and (key := (name, _work(path, a))) not in seen:
                    seen.add(key)
                    pool.works[name].append(Stored(path, a, task))
        pool.runs += len(seen) > before
    return pool


def _delivered(a: Attempt) -> bool:
    there = bool((a.output.answer or "").strip() or a.artifacts)
    return a.final and a.transcript is not None and there and a.status in ("graded", "ungradable")


def _work(run: Path, a: Attempt) -> str:
    """The same work of a system, whichever run or epoch it is of. Of a clipped answer nobody knows."""
    own = [a.output.answer, sorted((x.name, x.sha256) for x in a.artifacts)]
    return digest_of(a.task, a.system, [run.name, a.epoch] if a.output.clipped else own)


def asking(suite: Suite, graders: Sequence[str], judge: BaseModel | None, repeats: int) -> dict[str, list[BoundGrader]]:
    """Each grader's questions as the audit asks them, put to this judge where one is given."""
    return {
        name: [
            replace(suite.graders[name], grader=inner.audited(repeats, judge))
            for inner in judge_graders(suite.graders[name].grader)
        ]
        for name in graders
    }


def audit_suite(
    folder: RunFolder, suite: Suite, pool: Pool, asked: Mapping[str, Sequence[BoundGrader]], how: How
) -> Counter[str]:
    """Ask, and record what is said; how many works of each grader were judged.

    Raises NothingToRun when nothing was, RunInvalid when a judge is gone or was replaced.
    """
    return asyncio.run(_audit(folder, suite, pool, asked, how))


@dataclass(frozen=True, slots=True)
class How:
    """What is drawn, and who is told how many judgements there are."""

    wanted: Wanted
    watch: Callable[[int], None]


async def _audit(
    folder: RunFolder, suite: Suite, pool: Pool, asked: Mapping[str, Sequence[BoundGrader]], how: How
) -> Counter[str]:
    services = open_services(suite, PriceBook.load(suite.prices), RetryPolicy(), no_attempt, folder.manifest.run)
    gate, others, judged, told = asyncio.Semaphore(suite.concurrency), _Rivals(suite), Counter[str](), 0

    async def one(name: str, stored: Stored, number: int) -> None:
        nonlocal told
        async with gate:
            said = [j for g in asked[name] for j in await _asked(services, g, stored, others)]
        if said:
            judged[name] += 1
            folder.add_judgements([_placed(j, stored, number) for j in said])
            told += len(said)
            how.watch(told)

    try:
        for name, works in pool.works.items():
            Random(f"{how.wanted.seed}:audit:{name}").shuffle(works)
            at = 0
            while at < len(works) and judged[name] < how.wanted.pairs and not services.judging.stopped:
                batch = works[at : at + how.wanted.pairs - judged[name]]
                async with asyncio.TaskGroup() as group:
                    for number, stored in enumerate(batch, at + 1):
                        group.create_task(one(name, stored, number))
                at += len(batch)
        if services.judging.stopped:
            raise RunInvalid(services.judging.stopped)
        if not told:
            raise NothingToRun("none of the stored work came to a judge", help="empty, refused and equal work does not")
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        folder.flush()
        await services.aclose()
    return judged


class _Rivals:
    """Other systems' work, by the run that it is of."""

    def __init__(self, suite: Suite) -> None:
        self._wanted = {o for t in suite.tasks for o in opponents_of(t, suite.graders)}
        self._known: dict[Path, Others] = {}

    def of(self, stored: Stored) -> Others:
        """Those of the run of this work."""
        if stored.run not in self._known:
            self._known[stored.run] = Others()
            self._known[stored.run].begin(stored.run, self._wanted, lambda: None)
        return self._known[stored.run]


async def _asked(services: Services, bound: BoundGrader, stored: Stored, others: _Rivals) -> list[Judgement]:
    """What judges say of one work now; nothing where it needs no judge."""
    said: list[Judgement] = []
    attempt, task, rivals = stored.attempt, stored.task, others.of(stored)
    work = stored_work(stored.run, attempt, task, services)
    work.bench = replace(
        work.bench, role="audit", attempt=0, tell=said.append, of=lambda name: rivals.of(task, attempt.epoch, name)
    )
    try:
        found = await verdict_of(bound, work, services, AttemptState(Limits(), 0, 0))
    except (MissingRequirement, SandboxError):
        return []
    if isinstance(found, NotGraded) and found.cause == "grader_fault":
        raise RunInvalid(f"'{bound.name}' could not ask about '{task.id}': {found.detail}")
    return said


def _placed(judgement: Judgement, stored: Stored, number: int) -> Judgement:
    """With a number of its own instead of the epoch, so that works of several runs stay apart; and where it is from."""
    source = {"run": stored.run.name, "epoch": stored.attempt.epoch}
    return msgspec.structs.replace(judgement, epoch=number, data={**judgement.data, "of": source})
