"""All trials of a run: concurrency, budget, stopping, and what the progress line shows."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Literal

from harness.engine.controls import control
from harness.engine.others import opponents_before
from harness.engine.plan import Plan
from harness.engine.rehearse import CHANGED, rehearse
from harness.engine.services import Services
from harness.engine.trial import Trial, run_attempt
from harness.errors import RunInvalid, StoreError
from harness.records.judgement import Judgement
from harness.records.outcome import Artifact, Attempt
from harness.records.transcript import Transcript
from harness.store.folder import RunFolder
from harness.store.lines import TrialKey
from harness.store.read import Settled

Ending = Literal["complete", "interrupted", "budget", "judge"]


@dataclass(slots=True)
class Stats:
    """What has happened so far; read by the progress line, written only by the runner.

    `total` counts trials.
    """

    total: int = 0
    done: int = 0
    inflight: int = 0
    passed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    failed_attempts: int = 0
    retries: int = 0
    spent_usd: float = 0.0
    unpriced: int = 0
    troubles: Counter[str] = field(default_factory=Counter)


BATCH_S = 0.001


class Recorder:
    """Appends attempts to the run folder.

    An attempt is on disk when its trial ends, unless attempts come faster than one a millisecond: then those of one
    turn of the event loop are written together. kill -9 loses at most that turn (benchmarks/kill9.py).
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder.path
        self._folder = folder
        self._scheduled = False
        self._flushed_at = 0.0
        self.failure: StoreError | None = None
        self.saw: Callable[[Attempt], None] | None = None

    def __call__(
        self,
        attempt: Attempt,
        transcript: Transcript,
        artifacts: Sequence[Artifact],
        judgements: Sequence[Judgement] = (),
    ) -> None:
        """Record one attempt. Raises the StoreError of an earlier flush, so that a full disk stops the run."""
        if self.failure is not None:
            raise self.failure
        stored = self._folder.add(attempt, transcript, artifacts, judgements)
        if self.saw is not None:
            self.saw(stored)
        self._soon()

    def judged(self, judgements: Sequence[Judgement]) -> None:
        """Record judgements that belong to no attempt. Raises as a call does."""
        if self.failure is not None:
            raise self.failure
        self._folder.add_judgements(judgements)
        self._soon()

    def _soon(self) -> None:
        if self._scheduled:
            return
        if perf_counter() - self._flushed_at >= BATCH_S:
            self._flush()
        else:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def flush(self) -> None:
        """Put what is buffered on disk now. Raises the StoreError that stops the run."""
        self._flush()
        if self.failure is not None:
            raise self.failure

    def _flush(self) -> None:
        self._scheduled = False
        self._flushed_at = perf_counter()
        try:
            self._folder.flush()
        except StoreError as e:
            self.failure = e


class Runner:
    """Runs a plan. One runner, one run folder, one event loop.

    `stop()` starts nothing new and lets what is in flight finish; `halt()` cancels it. Either way everything that
    finished is recorded. The budget stops the run before the trials in flight, at the mean cost of their systems, would
    pass it.
    """

    def __init__(self, services: Services, recorder: Recorder, plan: Plan, settled: Settled) -> None:
        self.services = services
        spent = settled.cost_usd + settled.judge_cost_usd
        self.stats = Stats(total=plan.total, done=len(settled.done), spent_usd=spent)
        self.ending: Ending = "complete"
        self._recorder = recorder
        self._plan = plan
        self._again: deque[Trial] = deque()
        self._trials: Iterator[Trial] = iter(plan)
        self._passed_over: dict[bool, deque[Trial]] = {True: deque(), False: deque()}
        self._held: dict[TrialKey, list[Trial]] = {}
        self._changed: list[asyncio.Future[None]] = []
        self._preparing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._retried: dict[tuple[str, str, int], int] = {}
        self._spending = _Spending()
        services.spent = lambda: self.stats.spent_usd
        services.over_budget = lambda: self.stop("budget")

    async def run(self, workers: int) -> Ending:
        """Work until nothing is left, the budget is used up, or someone stops it. Raises StoreError on a full disk."""
        self._task = asyncio.ensure_future(self._work(workers))
        try:
            await self._task
        except asyncio.CancelledError:
            self.ending = "interrupted"
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        if self._recorder.failure is not None:
            raise self._recorder.failure
        return self.ending

    def stop(self, why: Ending = "interrupted") -> None:
        """Start no further trial."""
        if not self._stopping:
            self._stopping, self.ending = True, why
            self._let_go(None)
            if self._preparing is not None:
                self._preparing.cancel()

    def halt(self) -> None:
        """Cancel what is in flight; it is run again on resume."""
        self.stop()
        if self._task is not None:
            self._task.cancel()

    async def _work(self, workers: int) -> None:
        await self._prepare()
        await self._rehearse()
        boxed = any(task.sandbox for task in self._plan.tasks)
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, workers)):
                group.create_task(self._worker(boxed=False))
            for _ in range(self._boxes_at_once() if boxed else 0):
                group.create_task(self._worker(boxed=True))
        if not self._stopping:
            self.services.judging.doing = "checking the judges"
            judgements = await control(self.services, self._recorder.folder, self._plan.tasks)
            self._judged(judgements)
            self.services.judging.doing = ""

    async def _rehearse(self) -> None:
        """Ask the judges about work with frozen verdicts, before money is spent on systems. Raises RunInvalid."""
        if self._stopping:
            return
        self.services.judging.doing = "asking the judges about the sentinels"
        judgements, wrong = await rehearse(self.services, self._plan.tasks)
        self._judged(judgements)
        self.services.judging.doing = ""
        if wrong:
            self._recorder.flush()
            raise RunInvalid(wrong, help=CHANGED)

    def _judged(self, judgements: Sequence[Judgement]) -> None:
        """Record judgements of no attempt, and count what they cost."""
        if judgements:
            self._recorder.judged(judgements)
        self.stats.spent_usd += sum(j.usage.cost_usd for j in judgements)
        self.stats.unpriced += sum(j.usage.unpriced for j in judgements)

    @property
    def attended(self) -> bool:
        """Whether a person takes part at the terminal."""
        systems = self.services.suite.systems
        return any(systems[name].harness.attended for name in self._plan.systems if name in systems)

    def _boxes_at_once(self) -> int:
        """There is one terminal."""
        return 1 if self.attended else self.services.boxes.most

    async def _prepare(self) -> None:
        """Make the images of the tasks, so that no trial's clock runs for it. Stopping does not wait for them."""
        self._preparing = asyncio.ensure_future(self.services.boxes.prepare(self._plan.tasks))
        try:
            await self._preparing
        except asyncio.CancelledError:
            if not self._stopping or self._task is None or self._task.cancelling():
                raise
        finally:
            self._preparing = None

    async def _worker(self, boxed: bool) -> None:
        while (trial := await self._take(boxed)) is not None:
            self.stats.inflight += 1
            try:
                if self.services.suite.budget_usd is None or await self._affordable(trial):
                    await self._one(trial)
            finally:
                self.stats.inflight -= 1
            await asyncio.sleep(0)  # models that answer at once would starve the writer, progress and Ctrl-C

    async def _take(self, boxed: bool) -> Trial | None:
        """The next trial; waits while all that is left is held back for another system's."""
        while not self._stopping:
            trial = self._next(boxed)
            if trial is not None or not self._held:
                return trial
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(future)
            await future
        return None

    def _hold(self, trial: Trial) -> bool:
        """Whether the trial must wait for the one it is compared with (engine/others.py)."""
        for name in opponents_before(trial.task, self.services.suite.graders, trial.system):
            key = (trial.task.id, name, trial.epoch)
            planned = name in self._plan.systems and name != trial.system
            if planned and key not in self.services.others.found and key not in self._plan.settled.done:
                self._held.setdefault(key, []).append(trial)
                return True
        return False

    def _let_go(self, attempt: Attempt | None) -> None:
        """What waited for this trial is next; without one, whoever waits looks again."""
        if attempt is not None and attempt.final:
            for trial in self._held.pop((attempt.task, attempt.system, attempt.epoch), ()):
                self._passed_over[trial.task.sandbox is not None].append(trial)
        waiting, self._changed = self._changed, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _next(self, boxed: bool) -> Trial | None:
        """The next trial in the plan's order whose task has a box, or has none; then those to be tried again."""
        while self._passed_over[boxed]:
            trial = self._passed_over[boxed].popleft()
            if not self._hold(trial):  # one that waits for several is held for the next of them
                return trial
        for trial in self._trials:
            if self._hold(trial):
                continue
            if (trial.task.sandbox is not None) is boxed:
                return trial
            self._passed_over[not boxed].append(trial)
        for i, trial in enumerate(self._again):
            if (trial.task.sandbox is not None) is boxed:
                del self._again[i]
                return trial
        return None

    async def _one(self, trial: Trial) -> None:
        key = (trial.task.id, trial.system, trial.epoch)
        left = self.services.suite.infra_retries - self._retried.get(key, 0)
        self._spending.flying[trial.system] += 1
        try:
            attempt = await run_attempt(trial, self.services, left)
        finally:
            self._spending.flying[trial.system] -= 1
            self._spending.changed()
        self._count(attempt)
        self._let_go(attempt)
        if self.services.judging.stopped:
            self.stop("judge")
        if not attempt.final:
            self._retried[key] = self._retried.get(key, 0) + 1
            self._again.append(replace(trial, attempt=trial.attempt + 1))

    def _count(self, attempt: Attempt) -> None:
        stats = self.stats
        stats.attempts += 1
        stats.retries += attempt.retries
        cost = attempt.usage.cost_usd + attempt.judge_usage.cost_usd
        stats.spent_usd += cost
        self._spending.ended(attempt.system, cost)
        stats.unpriced += attempt.usage.unpriced + attempt.judge_usage.unpriced
        if attempt.trouble is not None:
            stats.troubles[f"{attempt.trouble.source}: {attempt.trouble.cause}"] += 1
        if not attempt.final:
            stats.failed_attempts += 1
            return
        stats.done += 1
        stats.statuses[attempt.status] += 1
        stats.passed += bool(attempt.passed)

    async def _affordable(self, trial: Trial) -> bool:
        """Whether the budget has room for this trial; if not, the run stops.

        The first trial of a system runs alone: until it ends nobody knows what the others would cost.
        """
        spending, budget = self._spending, self.services.suite.budget_usd
        while spending.unknown(trial.system) and not self._stopping:
            await spending.wait()
        if self._stopping:
            return False
        if budget is not None and self.stats.spent_usd + spending.expected(trial.system) > budget:
            self.stop("budget")
            return False
        return True


@dataclass(slots=True)
class _Spending:
    """What the trials of each system cost in this session, to know what those in flight will come to."""

    cost: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    ends: Counter[str] = field(default_factory=Counter)
    flying: Counter[str] = field(default_factory=Counter)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def unknown(self, system: str) -> bool:
        """Whether the system's first trial is under way."""
        return not self.ends[system] and self.flying[system] > 0

    def expected(self, system: str) -> float:
        """Dollars that everything in flight and one more trial of `system` will cost, each at its system's mean."""
        means = {name: self.cost[name] / self.ends[name] for name in self.ends if self.ends[name]}
        return sum(n * means.get(name, 0.0) for name, n in self.flying.items()) + means.get(system, 0.0)

    def ended(self, system: str, cost: float) -> None:
        """An attempt is over."""
        self.cost[system] += cost
        self.ends[system] += 1

    async def wait(self) -> None:
        """Until an attempt is over."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def changed(self) -> None:
        """Wake those that wait."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
