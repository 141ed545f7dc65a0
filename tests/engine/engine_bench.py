"""A suite in memory: plugins of a few lines, one run folder, no YAML."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from harness.api import (
    Grade,
    Grader,
    Harness,
    Model,
    NotGraded,
    Output,
    Request,
    Response,
    Task,
    Text,
    Usage,
    user,
)
from harness.config.suite import BoundGrader, Suite, System
from harness.engine.lanes import Lanes
from harness.engine.plan import Plan
from harness.engine.prepare import make_manifest
from harness.engine.retry import RetryPolicy
from harness.engine.run import Recorder, Runner
from harness.engine.select import Filters, select_tasks
from harness.engine.services import Services
from harness.prices import PriceBook
from harness.records.task import Limits, task_digest
from harness.store.folder import RunFolder
from harness.store.read import Settled, settled

Answer = Callable[[Request], Awaitable[Response]]
NOTHING = Settled(frozenset(), {}, 0.0, 0.0, 0)
FAST = RetryPolicy(tries=3, base_s=0.001, cap_s=0.002, max_wait_s=5)


def said(text: str, **usage: int) -> Response:
    return Response((Text(text),), "end", Usage(**{"input": 10, "output": 5, "calls": 1, **usage}), model="fake-1")


@dataclass
class FakeClient:
    answer: Answer
    requests: list[Request] = field(default_factory=list)
    closed: int = 0

    async def generate(self, request: Request) -> Response:
        self.requests.append(request)
        return await self.answer(request)

    async def aclose(self) -> None:
        self.closed += 1


class FakeModel(Model):
    """A model that answers by a Python function."""

    simulated: ClassVar[bool] = True
    name: str = "fake"
    client: Any = Field(default=None, exclude=True)

    @property
    def provider(self) -> str:
        return "fake"

    def open(self, workspace: Path) -> Any:
        return self.client


class Ask(Harness):
    """Asks once, or does what `how` says."""

    how: Any = None

    async def solve(self, task: Any, ctx: Any) -> Output:
        if self.how is not None:
            return await self.how(task, ctx)
        response = await ctx.models["main"].generate(Request((user(str(task.prompt)),)))
        return Output(answer=response.text, declared_done=True)


class Equals(Grader):
    """The answer is the reference."""

    async def grade(self, work: Any) -> Grade | NotGraded:
        if work.task.reference is None:
            return NotGraded("no_reference")
        ok = work.output.answer == work.task.reference
        return Grade(float(ok), ok)


def task(i: int, **more: Any) -> Task:
    made = Task(id=f"t{i}", prompt=f"say {i}", reference=str(i), graders=("equals",), family=f"f{i % 3}", **more)
    return Task(**{**{f: getattr(made, f) for f in made.__struct_fields__}, "digest": task_digest(made)})


async def echo_number(request: Request) -> Response:
    first = request.messages[0].parts[0]
    assert isinstance(first, Text)
    return said(first.text.split()[-1])


@dataclass
class Bench:
    """Builds and runs suites in one temporary workspace."""

    root: Path
    policy: RetryPolicy = FAST
    folder: RunFolder | None = None
    runner: Runner | None = None

    def suite(
        self,
        tasks: Sequence[Task],
        harnesses: Mapping[str, Harness] | None = None,
        answer: Answer = echo_number,
        **more: Any,
    ) -> Suite:
        self.client = FakeClient(answer)
        model = FakeModel(client=self.client)
        systems = {
            name: System(name, harness, {"main": model}, Limits(), True, f"h-{name}", "m", {})
            for name, harness in (harnesses or {"ask": Ask()}).items()
        }
        graders = {"equals": BoundGrader("equals", Equals(), "g1", {}), **more.pop("graders", {})}
        path = self.root / "tasks" / "x" / "suite.yaml"
        more = {"concurrency": 4, **more}
        return Suite("x", self.root, path, list(tasks), systems, graders, **more)

    def run(self, suite: Suite, during: Callable[[Runner], Awaitable[None]] | None = None, new: bool = True) -> str:
        if new:
            tasks, selection = select_tasks(suite, Filters())
            manifest = make_manifest(suite, tasks, suite.systems, selection)
            self.folder = RunFolder.create(self.root / "runs", manifest)
            before = NOTHING
        else:
            assert self.folder is not None
            self.folder = RunFolder.open(self.folder.path)
            before = settled(self.folder.path)
        with self.folder:
            return asyncio.run(self._run(suite, before, during))

    async def _run(self, suite: Suite, before: Settled, during: Callable[[Runner], Awaitable[None]] | None) -> str:
        assert self.folder is not None
        recorder = Recorder(self.folder)
        services = Services(suite, self.policy, PriceBook.load(None), recorder, Lanes(suite.concurrency))
        plan = Plan(suite.tasks, list(suite.systems), suite.epochs, suite.seed, before)
        self.runner = Runner(services, recorder, plan, before)
        meanwhile = asyncio.create_task(during(self.runner)) if during else None
        ending = await self.runner.run(suite.concurrency)
        if meanwhile:
            await meanwhile
        self.folder.flush()
        await services.aclose()
        return ending
