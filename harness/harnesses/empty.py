"""The floor: a system that answers nothing. A task it passes is a task that measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.plugins.contracts import Harness, SolveContext
from harness.records.outcome import Output
from harness.records.task import TaskView


class Empty(Harness):
    """Answers nothing, calls no model, and leaves its box as it was: the floor of every suite."""

    version: ClassVar[str] = "1"

    def roles(self) -> Sequence[str]:
        """None."""
        return ()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """No answer; of a box it is said that it was left alone, for what is collected of it looks like work."""
        return Output() if ctx.box is None else Output(metrics={"ended": "untouched"})
