"""The ceiling: a system that answers with the reference. A task it fails has a fault in its reference or grader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.errors import MissingRequirement
from harness.plugins.contracts import Harness, SolveContext
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.toolkit.reference import as_text
from harness.toolkit.solution import apply_solution, is_solution


class Reference(Harness):
    """Answers with the task's reference and calls no model: the ceiling of every suite.

    It sees what no system under test may see, and every report says so. Of a list of accepted answers it says the
    first; of several right options it says all; objects and tables become JSON. A task without a reference is
    skipped.

    In a box it does what the reference says: `{patch: TEXT}` is applied (with `git apply`, else `patch -p1`) in the
    task's repository, or in the folder that `path` names; `{script: TEXT}` is run with bash as the box's user;
    `{files: {PATH: TEXT}}` are written. A reference of another form is the answer, as without a box.
    """

    version: ClassVar[str] = "2"
    privileged: ClassVar[bool] = True

    def roles(self) -> Sequence[str]:
        """None."""
        return ()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """The reference as text, or done in the box. Raises MissingRequirement where there is none, or it fails."""
        if ctx.reference is None:
            raise MissingRequirement("reference", f"task '{task.id}' has no reference to answer with")
        if ctx.box is not None and is_solution(ctx.reference):
            if wrong := await apply_solution(ctx.reference, task, ctx.box):
                ctx.note("reference", wrong)
            return Output(declared_done=True)
        return Output(answer=as_text(ctx.reference, all_of_list=task.n_choices > 0), declared_done=True)
