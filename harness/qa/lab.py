"""Where QA tries things: attempts of the reference, of nothing and of cheats, by the same engine that runs suites."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Protocol, runtime_checkable

import msgspec

from harness.config.suite import BoundGrader, Suite, System
from harness.engine.boxes import bare
from harness.engine.grade import GradedWork, Grading, grade
from harness.engine.present import present, trial_seed
from harness.engine.retry import RetryPolicy
from harness.engine.services import Services
from harness.engine.session import open_services
from harness.engine.trial import Trial, run_attempt
from harness.errors import MissingRequirement, SandboxError
from harness.plugins.contracts import Harness, Work
from harness.plugins.loader import load
from harness.prices import PriceBook
from harness.qa.image import Image, Needles, read_image
from harness.records.judgement import Judgement
from harness.records.outcome import Artifact, Attempt, NotGraded, Output, Verdict
from harness.records.task import Limits, SandboxSpec, Task
from harness.records.transcript import Transcript

CEILING, FLOOR = "reference", "empty"


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, and what grading it again needs."""

    attempt: Attempt
    transcript: Transcript
    artifacts: tuple[Artifact, ...]


@runtime_checkable
class Examiner(Protocol):
    """A grader that can be asked about any patch, also an empty one: `test_report`."""

    async def examine(self, work: Work, patch: bytes | None, *, hash_seed: int = 0, backwards: bool = False) -> Verdict:
        """The verdict on a patch, None for the right one, under another hash seed or with the last test first."""
        ...


@dataclass(frozen=True, slots=True)
class Shake:
    """What a run of tests is given that a verdict's run is not, to see whether a test depends on it."""

    hash_seed: int = 0
    backwards: bool = False

    def __str__(self) -> str:
        """In words."""
        return "with the last test first" if self.backwards else f"under hash seed {self.hash_seed}"


STILL = Shake()


@dataclass(slots=True)
class Lab:
    """Open services and the systems QA adds. At most `places` boxes of work are open at a time."""

    suite: Suite
    services: Services
    places: asyncio.Semaphore
    tried: dict[tuple[str, str, int], Tried] = field(default_factory=dict)

    async def attempt(self, task: Task, system: str, epoch: int) -> Tried:
        """One attempt, infrastructure failures tried again as a run would. Raises what a run would raise."""
        key = (task.id, system, epoch)
        async with self.places:
            for number in range(1, self.suite.infra_retries + 2):
                left = self.suite.infra_retries + 1 - number
                await run_attempt(Trial(task, system, epoch, number), self.services, left)
                if self.tried[key].attempt.final:
                    break
        return self.tried.pop(key)

    def add(self, name: str, harness: Harness) -> None:
        """Another system for this suite."""
        systems = {**self.suite.systems, name: _system(name, harness)}
        self.suite = self.services.suite = replace(self.suite, systems=systems)

    async def grade_again(self, task: Task, tried: Tried) -> Grading:
        """The same output, graded once more."""
        found = {a.name: a.data for a in tried.artifacts}
        work = self._work(task, tried.transcript.output, tried.attempt.choice_order, found, tried.transcript)
        async with self.places:
            return await grade(work, self.services)

    async def examine(self, task: Task, examiner: Examiner, patch: bytes | None, shake: Shake = STILL) -> Verdict:
        """What a grader's tests say of a patch, None for the right one. Raises SandboxError, MissingRequirement."""
        order = present(task, trial_seed(self.suite.seed, task.id, 1)).order
        transcript = Transcript(task.id, FLOOR, 0, 1, Output(), ())
        work = self._work(task, Output(), order, {}, transcript)
        async with self.places:
            try:
                return await examiner.examine(work, patch, hash_seed=shake.hash_seed, backwards=shake.backwards)
            except (SandboxError, MissingRequirement):
                raise
            except Exception as e:  # noqa: BLE001 - the edge of a plugin: its fault is a finding
                return NotGraded("grader_fault", f"{type(e).__name__}: {e}")

    async def image(self, task: Task) -> str:
        """The digest of the task's image. Raises SandboxError, MissingRequirement."""
        async with self.places, self.services.boxes.open(bare(task.sandbox or SandboxSpec()), task.id) as box:
            return box.image_digest

    @asynccontextmanager
    async def searched(self, task: Task, needles: Needles) -> AsyncIterator[Image]:
        """What the image of a task holds. Git objects lie on the host until the context ends. Raises SandboxError."""
        spec = bare(task.sandbox or SandboxSpec())
        with tempfile.TemporaryDirectory(prefix="harness-check-") as spool:

            def read(stream: IO[bytes]) -> Image:
                return read_image(stream, needles, Path(spool))

            async with self.places, self.services.boxes.open(spec, task.id) as box:
                await box.stop()
                image = await box.export(read)
            yield image

    def _work(
        self,
        task: Task,
        output: Output,
        order: Sequence[int],
        artifacts: Mapping[str, bytes],
        transcript: Transcript,
    ) -> GradedWork:
        workspace = self.suite.workspace
        return GradedWork(task, output, order, workspace, artifacts.get, lambda: transcript, self.services, task.id)


@asynccontextmanager
async def open_lab(suite: Suite, tasks: Sequence[Task], places: int = 0) -> AsyncIterator[Lab]:
    """A lab for these tasks, their images made. What cannot be had is in `services.boxes.unavailable`."""
    found: dict[tuple[str, str, int], Tried] = {}

    def record(
        attempt: Attempt, transcript: Transcript, artifacts: Sequence[Artifact], judgements: Sequence[Judgement]
    ) -> None:
        found[attempt.task, attempt.system, attempt.epoch] = Tried(attempt, transcript, tuple(artifacts))

    systems = {name: _system(name, _shipped(name, suite.workspace)) for name in (CEILING, FLOOR)}
    own = replace(suite, systems=systems, budget_usd=None, cache=False)
    services = open_services(own, PriceBook.load(suite.prices), RetryPolicy(), record, f"check-{suite.name}")
    try:
        await services.boxes.prepare(tasks)
        yield Lab(own, services, asyncio.Semaphore(places or services.boxes.most), found)
    finally:
        await services.aclose()


def graders_of(suite: Suite, task: Task) -> list[BoundGrader]:
    """The graders that decide a task."""
    return [suite.graders[name] for name in task.graders]


def with_network(task: Task, network: str) -> Task:
    """The task with another network in its box."""
    assert task.sandbox is not None
    return msgspec.structs.replace(task, sandbox=msgspec.structs.replace(task.sandbox, network=network))


def _shipped(name: str, workspace: Path) -> Harness:
    made = load("harness", name, workspace)()
    assert isinstance(made, Harness)
    return made


def _system(name: str, harness: Harness) -> System:
    return System(name, harness, {}, Limits(), False, "", "", {"harness": name})
