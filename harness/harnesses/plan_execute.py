"""Plan with one model, work with another, and let a third look it over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import Field

from harness.harnesses import _prompts as prompts
from harness.harnesses._inner import inner_faults, merged, roles_of
from harness.harnesses.single_turn import SingleTurn
from harness.plugins.contracts import Harness, ModelClient, SolveContext
from harness.records.content import Json, Message, Request, assistant, user
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.toolkit.prompt import task_parts, with_text
from harness.toolkit.scoped import Scoped, in_round
from harness.toolkit.verdict import FORM, CheckVerdict, as_findings, parse_verdict

_STEP = re.compile(r"^[ \t]*(?:\*\*)?(\d{1,3})[.)](?:\*\*)?[ \t]+(\S.*)$", re.MULTILINE)


class PlanExecute(Harness):
    """A planner writes steps, a worker carries them out, and a reviewer may send the work back.

    The roles are `planner`, `worker` and, with `review`, `reviewer`; each may be another model. A plan that has no
    numbered steps is given to the worker as it is and counted. A review that cannot be read sends nothing back.

    Metrics: `plan_steps`, `plan_unparseable`; with `review` also `reviews`, `review_failed_first`, `revisions`,
    `review_unresolved`, `review_unparseable`.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"steps": "each", "review": True}

    inner: Harness = SingleTurn(answer_format="tagged")
    """The harness the worker uses; its role `main` is the worker."""
    steps: Literal["together", "each"] = "together"
    """`together`: the worker gets the whole plan. `each`: it first does the steps one by one in one conversation, and
    then the task with their results."""
    max_steps: int = Field(default=8, ge=1, le=100)
    """The planner is asked for no more; with `each`, steps past it are not carried out one by one."""
    review: bool = False
    """Let the role `reviewer` look the work over."""
    revisions: int = Field(default=1, ge=1, le=20)
    """How often the reviewer may send the work back."""

    @property
    def needs_box(self) -> bool:  # type: ignore[override]  # a wrapper needs what it wraps needs
        """Whether the inner harness does."""
        return self.inner.needs_box

    def roles(self) -> Sequence[str]:
        """Planner, worker, reviewer if there is one, and the inner harness's own roles besides `main`."""
        own = [r for r in self.inner.roles() if r != "main"]
        return roles_of(("planner", "worker", *(("reviewer",) if self.review else ())), *own)

    def delegates(self, workspace: Path) -> Sequence[str]:
        """Those of the inner harness."""
        return self.inner.delegates(workspace)

    def check(self, workspace: Path) -> Sequence[str]:
        """What the inner harness says; and it must not see the reference."""
        return inner_faults(self.inner, workspace)

    def digest_files(self) -> Sequence[str]:
        """Those of the inner harness."""
        return self.inner.digest_files()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Plan, work, review; every answer so far is saved."""
        plan = await self._plan(task, ctx)
        found = steps_of(plan)
        ctx.note("plan", plan, found)
        metrics: dict[str, Json] = {"plan_steps": len(found), "plan_unparseable": int(not found)}
        ready = task
        if plan:
            ready = msgspec.structs.replace(task, prompt=with_text(task.prompt, prompts.FOLLOW.format(plan=plan)))
        worker = ctx.models["worker"]
        if self.steps == "each" and found:
            notes = await _step_by_step(ready, worker, found[: self.max_steps])
            ready = msgspec.structs.replace(ready, prompt=with_text(ready.prompt, prompts.NOTES.format(notes=notes)))
        inside = Scoped(ctx, {**ctx.models, "main": worker})
        output = merged(await self.inner.solve(ready, in_round(inside, 1)), metrics)
        ctx.save(output)
        return await self._reviewed(task, ready, output, inside) if self.review else output

    async def _plan(self, task: TaskView, ctx: SolveContext) -> str:
        asked = "\n\n" + prompts.PLAN.format(steps=self.max_steps)
        request = Request((user(*task_parts(task, asked)),), prompts.PLANNER, label="plan")
        return (await ctx.models["planner"].generate(request)).text.strip()

    async def _reviewed(self, task: TaskView, ready: TaskView, output: Output, ctx: SolveContext) -> Output:
        """The work after at most `revisions` revisions. The last version is reviewed too."""
        unparseable, failed_first, revisions = 0, 0, 0
        while not (output.refused or output.abstained):
            found = await self._review(task, output, ctx, revisions + 1)
            failed = found.said == "problems"
            unparseable += found.said == "unparseable"
            failed_first += failed and not revisions
            metrics: dict[str, Json] = {
                "reviews": revisions + 1,
                "review_failed_first": failed_first,
                "revisions": revisions,
                "review_unresolved": int(failed),
                "review_unparseable": unparseable,
            }
            ctx.save(output := merged(output, metrics))
            if not failed or revisions == self.revisions:
                break
            revisions += 1
            retry = prompts.RETRY.format(answer=output.answer or "(none)", findings=as_findings(found.problems))
            again = msgspec.structs.replace(ready, prompt=with_text(ready.prompt, retry))
            redone = await self.inner.solve(again, in_round(ctx, revisions + 1))
            output = merged(redone, {**output.metrics, "revisions": revisions})
        return output

    async def _review(self, task: TaskView, output: Output, ctx: SolveContext, number: int) -> CheckVerdict:
        if output.answer is None and not output.artifacts:
            return CheckVerdict("problems", (prompts.NO_ANSWER,))
        asked = f"\n\n{prompts.VERIFY.format(answer=output.answer or '(no answer in words)')}\n\n{FORM}"
        label = "review" if number == 1 else f"review.{number}"
        request = Request((user(*task_parts(task, asked)),), prompts.REVIEWER, label=label)
        found = parse_verdict((await ctx.models["reviewer"].generate(request)).text)
        ctx.note("review", found.said, list(found.problems))
        return found


async def _step_by_step(task: TaskView, worker: ModelClient, steps: Sequence[str]) -> str:
    """The steps done in one conversation; their results as a list."""
    messages: tuple[Message, ...] = ()
    notes: list[str] = []
    for number, step in enumerate(steps, 1):
        asked = prompts.STEP.format(number=number, total=len(steps), step=step)
        turn = user(*task_parts(task, f"\n\n{asked}")) if number == 1 else user(asked)
        messages = (*messages, turn)
        response = await worker.generate(Request(messages, cache=True, label="step"))
        messages = (*messages, Message("assistant", response.parts or assistant("(nothing)").parts))
        notes.append(f"{number}. {step}\n{response.text.strip()}")
    return "\n\n".join(notes)


def steps_of(plan: str) -> list[str]:
    """The numbered steps of a plan, which must count 1, 2, 3 ...; otherwise none."""
    found = _STEP.findall(plan)
    return [text.strip() for _, text in found] if [int(n) for n, _ in found] == list(range(1, len(found) + 1)) else []
