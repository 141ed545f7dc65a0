"""self_verify and plan_execute: who is asked what, when it ends, and what is counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from harness.api import Harness, LimitReached, Output, Request, SolveContext
from harness.harnesses.plan_execute import PlanExecute, steps_of
from harness.harnesses.reference import Reference
from harness.harnesses.self_verify import SelfVerify
from harness.harnesses.single_turn import SingleTurn
from harness.models.scripted import Scripted
from harness.records.task import TaskView
from harness.testing.fakes import FakeContext, Says, a_file, a_response, a_task

TASK = a_task("How long is the refund window?", id="refund")
BAD = "PROBLEM: page 2 says 14\nVERDICT: PROBLEMS"
OK = "VERDICT: OK"


def context(workspace: Path, harness: Harness, **answers: list[str]) -> FakeContext:
    """A context in which every role is answered from one script by label."""
    client = Scripted.model_validate({"answers": {k.replace("_", "."): v for k, v in answers.items()}}).open(workspace)
    return FakeContext(workspace, client, roles=tuple(harness.roles()))


def run(harness: Harness, ctx: FakeContext, task: TaskView = TASK) -> Output:
    return asyncio.run(harness.solve(task, ctx))


def labels(ctx: FakeContext) -> list[str]:
    return [c.request.label for c in ctx.calls]


def test_an_answer_that_holds_is_verified_once(tmp_path: Path) -> None:
    harness = SelfVerify()
    ctx = context(tmp_path, harness, solve=["ANSWER: 14 days"], verify=[OK])
    output = run(harness, ctx)
    assert output.answer == "14 days"
    assert output.metrics == {
        "format_failed": 0, "verify_rounds": 1, "verify_retries": 0, "verify_failed_first": 0,
        "verify_unresolved": 0, "verify_unparseable": 0,
    }  # fmt: skip
    assert labels(ctx) == ["solve", "verify"]
    assert "14 days" in ctx.calls[1].last_text and "How long is the refund window?" in ctx.calls[1].last_text


def test_findings_go_into_the_retry(tmp_path: Path) -> None:
    harness = SelfVerify()
    ctx = context(tmp_path, harness, solve=["ANSWER: 30 days", "ANSWER: 14 days"], verify=[BAD, OK])
    output = run(harness, ctx)
    assert output.answer == "14 days"
    assert labels(ctx) == ["solve", "verify", "solve.2", "verify.2"]
    assert "1. page 2 says 14" in ctx.calls[2].last_text and "30 days" in ctx.calls[2].last_text
    m = output.metrics
    assert (m["verify_rounds"], m["verify_retries"], m["verify_failed_first"], m["verify_unresolved"]) == (2, 1, 1, 0)
    assert [o.answer for o in ctx.saved] == ["30 days", "14 days"]
    assert ("verify", "problems", ["page 2 says 14"]) in ctx.notes


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_it_retries_so_many_times_and_verifies_the_last_answer_too(rounds: int, tmp_path: Path) -> None:
    harness = SelfVerify(rounds=rounds)
    ctx = context(tmp_path, harness, solve=[f"ANSWER: {i}" for i in range(9)], verify=[BAD] * 9)
    output = run(harness, ctx)
    assert output.answer == str(rounds)
    assert (output.metrics["verify_rounds"], output.metrics["verify_retries"]) == (rounds + 1, rounds)
    assert output.metrics["verify_unresolved"] == 1


def test_a_verdict_that_cannot_be_read_is_neither_ok_nor_a_finding(tmp_path: Path) -> None:
    harness = SelfVerify(escalate_to="big")
    ctx = context(tmp_path, harness, solve=["ANSWER: 14"], verify=["Looks right to me!"])
    output = run(harness, ctx)
    assert output.answer == "14" and ctx.delegated == []
    m = output.metrics
    assert (m["verify_unparseable"], m["verify_failed_first"], m["verify_unresolved"]) == (1, 0, 0)


def test_no_answer_is_a_finding_that_costs_no_call(tmp_path: Path) -> None:
    harness = SelfVerify()
    ctx = context(tmp_path, harness, solve=["14 days", "ANSWER: 14 days"], verify_2=[OK])
    output = run(harness, ctx)
    assert output.answer == "14 days" and labels(ctx) == ["solve", "solve.2", "verify.2"]
    assert output.metrics["verify_failed_first"] == 1


def test_a_refusal_and_an_abstention_are_not_argued_with(tmp_path: Path) -> None:
    refuses = FakeContext(tmp_path, Says(a_response("no", "refusal")))
    assert run(SelfVerify(), refuses).refused and len(refuses.calls) == 1
    abstains = FakeContext(tmp_path, Says("ANSWER: I DON'T KNOW"))
    inner = SingleTurn(answer_format="tagged", abstain=True)
    assert run(SelfVerify(inner=inner), abstains).abstained and len(abstains.calls) == 1


def test_another_model_may_verify(tmp_path: Path) -> None:
    harness = SelfVerify(verifier="critic")
    assert harness.roles() == ("main", "critic")
    ctx = FakeContext(tmp_path, {"main": Says("ANSWER: 14"), "critic": Says(OK)})
    run(harness, ctx)
    assert [c.role for c in ctx.calls] == ["main", "critic"]


def test_what_still_fails_is_escalated(tmp_path: Path) -> None:
    harness = SelfVerify(rounds=1, escalate_to="big")
    assert harness.delegates(tmp_path) == ("big",)
    ctx = context(tmp_path, harness, solve=["ANSWER: 1", "ANSWER: 2"], verify=[BAD, BAD])
    output = run(harness, ctx)
    assert output.answer == "answered by big"
    assert (output.metrics["escalated_to"], output.metrics["verify_unresolved"]) == ("big", 1)
    assert ctx.delegated == [("big", TASK)] and ctx.saved[-1].answer == "2"


def test_at_a_limit_the_last_answer_is_what_was_saved(tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        if request.label == "verify":
            raise LimitReached("turns")
        return "ANSWER: 14"

    ctx = FakeContext(tmp_path, Says(reply))
    with pytest.raises(LimitReached):
        run(SelfVerify(), ctx)
    assert ctx.saved[-1].answer == "14"


def test_the_verifier_sees_the_files(tmp_path: Path) -> None:
    page = a_file(tmp_path, "page.txt", b"x")
    ctx = FakeContext(tmp_path, Says(lambda r: OK if r.label == "verify" else "ANSWER: 14"))
    run(SelfVerify(), ctx, a_task("Read.", files=(page,)))
    assert ctx.calls[1].request.messages[0].parts[0] == page


class Boxed(Harness):
    """Works in a box and says what it was told."""

    needs_box = True
    lines: tuple[str, ...] = Field(default=())
    """Nothing."""

    def delegates(self, workspace: Path) -> tuple[str, ...]:
        return ("helper",)

    def digest_files(self) -> tuple[str, ...]:
        return ("prompt.txt",)

    def check(self, workspace: Path) -> tuple[str, ...]:
        return ("prompt.txt is absent",)

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        return Output(answer=f"{ctx.reference}")


@pytest.mark.parametrize("wrapper", [SelfVerify, PlanExecute])
def test_a_wrapper_stands_for_what_it_wraps(wrapper: Any, tmp_path: Path) -> None:
    harness = wrapper(inner=Boxed())
    assert harness.needs_box is True and wrapper().needs_box is False
    assert harness.delegates(tmp_path) == ("helper",) and harness.digest_files() == ("prompt.txt",)
    assert harness.check(tmp_path) == ["inner: prompt.txt is absent"]
    assert wrapper().check(tmp_path) == []


@pytest.mark.parametrize("wrapper", [SelfVerify, PlanExecute])
def test_the_reference_cannot_be_smuggled_in(wrapper: Any, tmp_path: Path) -> None:
    assert wrapper(inner=Reference()).check(tmp_path) == ["inner: a harness that sees the reference cannot be wrapped"]
    ctx = FakeContext(tmp_path, Says(OK), roles=("main", "planner", "worker"), reference="secret")
    assert run(wrapper(inner=Boxed()), ctx).answer == "None"


PLAN = "1. Read the page.\n2. Say the days."


def test_the_worker_gets_the_plan(tmp_path: Path) -> None:
    harness = PlanExecute()
    assert harness.roles() == ("planner", "worker")
    ctx = FakeContext(tmp_path, {"planner": Says(PLAN), "worker": Says("ANSWER: 14")})
    output = run(harness, ctx)
    assert output.answer == "14"
    assert output.metrics == {"format_failed": 0, "plan_steps": 2, "plan_unparseable": 0}
    assert [(c.role, c.request.label) for c in ctx.calls] == [("planner", "plan"), ("worker", "solve")]
    assert PLAN in ctx.calls[1].last_text and "At most 8 steps" in ctx.calls[0].last_text
    assert ctx.saved == [output]


def test_a_plan_without_steps_is_followed_as_it_is_and_counted(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, {"planner": Says("Just look it up."), "worker": Says("ANSWER: 14")})
    output = run(PlanExecute(steps="each"), ctx)
    assert output.metrics["plan_unparseable"] == 1 and "Just look it up." in ctx.calls[1].last_text
    empty = FakeContext(tmp_path, {"planner": Says(""), "worker": Says("ANSWER: 14")})
    run(PlanExecute(), empty)
    assert "plan" not in empty.calls[1].last_text


def test_steps_can_be_done_one_by_one(tmp_path: Path) -> None:
    def work(request: Request) -> str:
        return f"done {len(request.messages)}" if request.label == "step" else "ANSWER: 14"

    ctx = FakeContext(tmp_path, {"planner": Says(PLAN + "\n3. Stop."), "worker": Says(work)})
    output = run(PlanExecute(steps="each", max_steps=2), ctx)
    assert labels(ctx) == ["plan", "step", "step", "solve"] and output.metrics["plan_steps"] == 3
    first, second = ctx.calls[1].request, ctx.calls[2].request
    assert len(first.messages) == 1 and second.messages[0] == first.messages[0] and len(second.messages) == 3
    assert "step 2 of 2" in ctx.calls[2].last_text
    assert "1. Read the page.\ndone 1" in ctx.calls[3].last_text and "done 3" in ctx.calls[3].last_text


def reviewed(workspace: Path, *verdicts: str, revisions: int = 1) -> tuple[Output, FakeContext]:
    harness = PlanExecute(review=True, revisions=revisions)
    assert harness.roles() == ("planner", "worker", "reviewer")
    ctx = context(workspace, harness, plan=[PLAN], solve=[f"ANSWER: {i}" for i in range(9)], review=list(verdicts))
    return run(harness, ctx), ctx


def test_a_reviewer_may_send_the_work_back(tmp_path: Path) -> None:
    output, ctx = reviewed(tmp_path, BAD, OK)
    assert output.answer == "1"
    assert labels(ctx) == ["plan", "solve", "review", "solve.2", "review.2"]
    assert "page 2 says 14" in ctx.calls[3].last_text and PLAN in ctx.calls[3].last_text
    m = output.metrics
    assert (m["reviews"], m["revisions"], m["review_failed_first"], m["review_unresolved"]) == (2, 1, 1, 0)


def test_revisions_end(tmp_path: Path) -> None:
    output, _ = reviewed(tmp_path, *[BAD] * 9, revisions=3)
    assert (output.answer, output.metrics["revisions"], output.metrics["review_unresolved"]) == ("3", 3, 1)


def test_a_review_that_cannot_be_read_sends_nothing_back(tmp_path: Path) -> None:
    output, _ = reviewed(tmp_path, "hm")
    m = output.metrics
    assert (output.answer, m["review_unparseable"], m["review_unresolved"], m["revisions"]) == ("0", 1, 0, 0)


def test_the_last_version_is_saved_before_a_limit(tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        if request.label == "solve.2":
            raise LimitReached("cost")
        return {"plan": PLAN, "solve": "ANSWER: 0"}.get(request.label, BAD)

    ctx = FakeContext(tmp_path, Says(reply), roles=("planner", "worker", "reviewer"))
    with pytest.raises(LimitReached):
        run(PlanExecute(review=True), ctx)
    assert ctx.saved[-1].answer == "0" and ctx.saved[-1].metrics["review_unresolved"] == 1


@pytest.mark.parametrize(
    ("plan", "steps"),
    [
        (PLAN, ["Read the page.", "Say the days."]),
        ("Plan:\n**1.** a\n 2) b", ["a", "b"]),
        ("1. a\n   - detail\n2. b\nDone.", ["a", "b"]),
        ("2. a\n3. b", []),
        ("1. a\n1. b", []),
        ("14 days", []),
        ("", []),
    ],
)
def test_steps_are_numbered_lines_in_order(plan: str, steps: list[str]) -> None:
    assert steps_of(plan) == steps
