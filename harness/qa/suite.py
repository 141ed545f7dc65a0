"""QA of a suite: every task once, several at a time, results cached, stopped by a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from harness.config.suite import Suite
from harness.errors import MissingRequirement, SandboxError
from harness.qa.cache import CheckCache, check_digest
from harness.qa.findings import Finding, TaskCheck
from harness.qa.lab import Lab, graders_of, open_lab
from harness.qa.task import Options, check_task
from harness.records.task import Task
from harness.toolkit.said import ends_of

SHOWN = 240
"""Characters of a build's message in a finding."""


@dataclass(slots=True)
class Checking:
    """The state of one `harness check`: read by the progress line, written here.

    `stop()` begins no further task; `halt()` cancels what is under way. What finished stays in `done`.
    """

    suite: Suite
    tasks: Sequence[Task]
    options: Options
    cache: CheckCache
    at_once: int = 0
    done: list[TaskCheck] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    interrupted: bool = False
    _task: asyncio.Task[None] | None = None

    async def run(self, watch: Callable[[Checking], Callable[[], None]]) -> list[TaskCheck]:
        """Check everything, in the suite's order. `watch` is called first and returns what to call at the end."""
        ended = watch(self)
        self._task = asyncio.ensure_future(self._run())
        try:
            await self._task
        except asyncio.CancelledError:
            self.interrupted = True
        finally:
            ended()
        order = {task.id: i for i, task in enumerate(self.tasks)}
        return sorted(self.done, key=lambda check: order[check.task])

    def stop(self) -> None:
        """Begin no further task."""
        self.interrupted = True

    def halt(self) -> None:
        """Cancel what is under way."""
        self.stop()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        async with open_lab(self.suite, self.tasks, self.at_once) as lab:
            self.notices = lab.services.boxes.notices
            left = iter(self.tasks)
            workers = self.at_once or lab.services.boxes.most
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._worker(lab, left))

    async def _worker(self, lab: Lab, left: Iterator[Task]) -> None:
        for task in left:
            if self.interrupted:
                return
            self.running.add(task.id)
            try:
                self.done.append(await self._one(lab, task))
            finally:
                self.running.discard(task.id)

    async def _one(self, lab: Lab, task: Task) -> TaskCheck:
        image = ""
        if task.sandbox is not None and not task.skip and not lab.services.boxes.unavailable:
            try:
                image = await lab.image(task)
            except (SandboxError, MissingRequirement) as e:
                return _no_image(task, e)
        digest = check_digest(self.suite, task, graders_of(self.suite, task), image, self.options)
        known = self.cache.get(digest)
        if known is not None:
            return known
        check = msgspec.structs.replace(await check_task(lab, task, self.options), digest=digest)
        self.cache.put(digest, check)
        return check


def _no_image(task: Task, error: SandboxError | MissingRequirement) -> TaskCheck:
    """A box that cannot be made is the task's fault when its image is, else the engine's."""
    own = isinstance(error, SandboxError) and error.fault in ("image", "spec", "files", "user")
    finding = Finding("image", "fail" if own else "unchecked", f"no box can be opened: {ends_of(str(error), SHOWN)}")
    return TaskCheck(task=task.id, verdict="fail" if own else "unchecked", findings=(finding,))
