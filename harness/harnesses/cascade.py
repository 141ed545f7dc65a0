"""Cheap first: hands a task to the next system while the one before gives away that it is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.harnesses._inner import merged
from harness.plugins.contracts import Harness, SolveContext
from harness.records.content import Json
from harness.records.outcome import Output
from harness.records.task import TaskView

Doubt = Literal["unresolved", "abstained", "refused", "no_answer"]


class Cascade(Harness):
    """Asks its systems in order until one is sure; the last one's answer stands.

    A system is unsure when its own verification still found something (`unresolved`, of `self_verify`), when it
    abstained or refused, when it has no answer, or when its confidence is under `confidence`. It calls no model itself;
    all systems work inside this trial's limits, record and box. `harness route --simulate 'a>b'` counts the same on
    stored outcomes, before money is spent.

    Metrics: `cascade_steps`, how often the task was handed on; `cascade_ended` the system whose answer stands;
    `cascade_why` why the last one was asked.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"systems": ["cheap", "strong"]}

    systems: Annotated[tuple[str, ...], Field(min_length=2, max_length=6)]
    """Systems of the suite, the cheapest first."""
    unsure: tuple[Doubt, ...] = ("unresolved", "abstained", "refused", "no_answer")
    """The signs that hand a task on."""
    confidence: Annotated[float, Field(gt=0, le=1)] | None = None
    """A stated confidence under this hands it on too; one that is not stated does not."""

    def roles(self) -> Sequence[str]:
        """None: the systems bring their own models."""
        return ()

    def delegates(self, workspace: Path) -> Sequence[str]:
        """All of its systems."""
        return self.systems

    def check(self, workspace: Path) -> Sequence[str]:
        """A system that is named twice."""
        return () if len(set(self.systems)) == len(self.systems) else ("a cascade asks each system once",)

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """What the first sure system delivers, else the last."""
        why = ""
        output = Output()
        for step, system in enumerate(self.systems):
            told: dict[str, Json] = {"cascade_steps": step, "cascade_ended": system, "cascade_why": why}
            output = merged(await ctx.delegate(system, task), told)
            ctx.save(output)
            why = self._doubt(output)
            if not why:
                break
            if step < len(self.systems) - 1:
                ctx.note("hand_on", f"{system} -> {self.systems[step + 1]}", {"why": why})
        return output

    def _doubt(self, output: Output) -> str:
        """The first sign of doubt; empty when there is none."""
        signs = {
            "unresolved": bool(output.metrics.get("verify_unresolved")),
            "abstained": output.abstained,
            "refused": output.refused,
            "no_answer": output.answer is None and not output.artifacts and not (output.abstained or output.refused),
        }
        found = next((name for name in self.unsure if signs[name]), "")
        low = self.confidence is not None and output.confidence is not None and output.confidence < self.confidence
        return found or ("confidence" if low else "")
