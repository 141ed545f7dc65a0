"""The ceiling: a system that answers with the reference. A task it fails has a fault in its reference or grader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.errors import MissingRequirement
from harness.plugins.contracts import Harness, SolveContext
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.toolkit.reference import as_text


class Reference(Harness):
    """Answers with the task's reference and calls no model: the ceiling of every suite.

    It sees what no system under test may see, and every report says so. Of a list of accepted answers it says the
    first; of several right options it says all; objects and tables become JSON. A task without a reference is
    skipped.
    """

    version: ClassVar[str] = "1"
    privileged: ClassVar[bool] = True

    def roles(self) -> Sequence[str]:
        """None."""
        return ()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """The reference as text. Raises MissingRequirement where there is none."""
        if ctx.reference is None:
            raise MissingRequirement("reference", f"task '{task.id}' has no reference to answer with")
        return Output(answer=as_text(ctx.reference, all_of_list=task.n_choices > 0), declared_done=True)
