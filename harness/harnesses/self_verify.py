"""Solve, let a model look for what could be wrong, try again with the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec
from pydantic import Field

from harness.harnesses import _prompts as prompts
from harness.harnesses._inner import inner_faults, merged, roles_of
from harness.harnesses.single_turn import SingleTurn
from harness.plugins.contracts import Harness, SolveContext
from harness.records.content import Json, Request, user
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.toolkit.prompt import task_parts, with_text
from harness.toolkit.scoped import in_round
from harness.toolkit.verdict import FORM, CheckVerdict, as_findings, parse_verdict


class SelfVerify(Harness):
    """Wraps any harness: solves, asks a model what could be wrong with the answer, and retries with the findings.

    Every answer is verified, the last one too, so that what stays unresolved is known. An answer that is absent is a
    finding by itself and costs no call. A refusal or an abstention is a decision and is not argued with. A verdict
    that cannot be read is neither ok nor a finding: the answer stands, and it is counted.

    Metrics: `verify_rounds` verifications made; `verify_failed_first` 1 if the first found something;
    `verify_unresolved` 1 if the last did; `verify_unparseable` verdicts that could not be read; `verify_retries`;
    `escalated_to`.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"rounds": 2}

    inner: Harness = SingleTurn(answer_format="tagged")
    """The harness that solves."""
    rounds: int = Field(default=2, ge=1, le=20)
    """At most this many retries."""
    verifier: str = ""
    """The model role that verifies; empty is the first role of the inner harness: the model checks itself."""
    escalate_to: str = ""
    """A system of the suite that gets the task when the last verification still finds something."""

    @property
    def needs_box(self) -> bool:  # type: ignore[override]  # a wrapper needs what it wraps needs
        """Whether the inner harness does."""
        return self.inner.needs_box

    def roles(self) -> Sequence[str]:
        """Those of the inner harness, and the verifier."""
        return roles_of(self.inner.roles(), self._verifier)

    def delegates(self, workspace: Path) -> Sequence[str]:
        """Those of the inner harness, and the one to escalate to."""
        return roles_of(self.inner.delegates(workspace), self.escalate_to)

    def check(self, workspace: Path) -> Sequence[str]:
        """What the inner harness says; and it must not see the reference."""
        return inner_faults(self.inner, workspace)

    def digest_files(self) -> Sequence[str]:
        """Those of the inner harness."""
        return self.inner.digest_files()

    @property
    def _verifier(self) -> str:
        return self.verifier or next(iter(self.inner.roles()), "main")

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """At most `rounds` retries; every answer so far is saved."""
        count = _Count()
        output = await self.inner.solve(task, in_round(ctx, 1))
        while True:
            ctx.save(output := count.on(output))
            if output.refused or output.abstained:
                return count.on(output)
            found = await self._verify(task, output, ctx, count)
            if found.said != "problems" or count.retries == self.rounds:
                break
            count.retries += 1
            again = with_text(task.prompt, _retry(output, found))
            retried = msgspec.structs.replace(task, prompt=again)
            output = await self.inner.solve(retried, in_round(ctx, count.retries + 1))
        output = count.on(output)
        if count.unresolved and self.escalate_to:
            ctx.save(output)
            ctx.note("escalate", self.escalate_to, list(found.problems))
            return merged(
                await ctx.delegate(self.escalate_to, task), {**output.metrics, "escalated_to": self.escalate_to}
            )
        return output

    async def _verify(self, task: TaskView, output: Output, ctx: SolveContext, count: _Count) -> CheckVerdict:
        """What is wrong with the output; counted, and noted in the transcript."""
        if output.answer is None and not output.artifacts:
            found = CheckVerdict("problems", (prompts.NO_ANSWER,))
        else:
            asked = f"\n\n{prompts.VERIFY.format(answer=_shown(output))}\n\n{FORM}"
            label = f"verify.{count.rounds + 1}" if count.rounds else "verify"
            request = Request((user(*task_parts(task, asked)),), prompts.VERIFIER, label=label)
            found = parse_verdict((await ctx.models[self._verifier].generate(request)).text)
        count.saw(found)
        ctx.note("verify", found.said, list(found.problems))
        return found


@dataclass(slots=True)
class _Count:
    """What is reported about the verifications."""

    rounds: int = 0
    retries: int = 0
    failed_first: bool = False
    unresolved: bool = False
    unparseable: int = 0

    def saw(self, verdict: CheckVerdict) -> None:
        self.rounds += 1
        self.unresolved = verdict.said == "problems"
        self.failed_first |= self.unresolved and self.rounds == 1
        self.unparseable += verdict.said == "unparseable"

    def on(self, output: Output) -> Output:
        return merged(
            output,
            {
                "verify_rounds": self.rounds,
                "verify_retries": self.retries,
                "verify_failed_first": int(self.failed_first),
                "verify_unresolved": int(self.unresolved),
                "verify_unparseable": self.unparseable,
            },
        )


def _shown(output: Output) -> str:
    """The answer as the verifier sees it, with the names of what was left behind."""
    lines = [output.answer or "(no answer in words)"]
    lines += [f"[left behind: {a.name}, {len(a.data)} bytes]" for a in output.artifacts]
    return "\n".join(lines)


def _retry(output: Output, found: CheckVerdict) -> str:
    return prompts.RETRY.format(answer=_shown(output), findings=as_findings(found.problems))
