"""cascade: cheap first, handed on when unsure."""

from __future__ import annotations

import asyncio

import pytest

from harness.api import Artifact, Output
from harness.harnesses.cascade import Cascade
from harness.testing.fakes import FakeContext, a_task

TASK = a_task("How long?", id="t1")


def solve(tmp_path, first, *, cascade=None):
    async def cheap(task):
        return first

    async def strong(task):
        return Output(answer="right", metrics={"verify_rounds": 1})

    ctx = FakeContext(tmp_path, {}, systems={"cheap": cheap, "strong": strong})
    return asyncio.run((cascade or Cascade(systems=("cheap", "strong"))).solve(TASK, ctx)), ctx


def test_a_sure_answer_stands_and_costs_one_system(tmp_path):
    output, ctx = solve(tmp_path, Output(answer="14 days", confidence=0.1))
    assert output.answer == "14 days"
    assert output.metrics == {"cascade_steps": 0, "cascade_ended": "cheap", "cascade_why": ""}
    assert [name for name, _ in ctx.delegated] == ["cheap"]


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (Output(answer="x", metrics={"verify_unresolved": 1}), "unresolved"),
        (Output(abstained=True), "abstained"),
        (Output(answer="I cannot", refused=True), "refused"),
        (Output(), "no_answer"),
    ],
)
def test_each_sign_of_doubt_hands_the_task_on(tmp_path, first, why):
    output, ctx = solve(tmp_path, first)
    assert output.answer == "right"
    assert output.metrics == {
        "verify_rounds": 1, "cascade_steps": 1, "cascade_ended": "strong", "cascade_why": why,
    }  # fmt: skip
    assert ctx.notes == [("hand_on", "cheap -> strong", {"why": why})]


def test_work_without_words_is_no_absent_answer(tmp_path):
    assert solve(tmp_path, Output(artifacts=(Artifact("a.txt", b"x"),)))[0].metrics["cascade_steps"] == 0


def test_only_the_signs_that_are_named_count(tmp_path):
    picky = Cascade(systems=("cheap", "strong"), unsure=("no_answer",))
    assert solve(tmp_path, Output(abstained=True), cascade=picky)[0].abstained


def test_low_confidence_hands_on_where_a_floor_is_named(tmp_path):
    cascade = Cascade(systems=("cheap", "strong"), confidence=0.7)
    assert (
        solve(tmp_path, Output(answer="x", confidence=0.6), cascade=cascade)[0].metrics["cascade_why"] == "confidence"
    )
    assert solve(tmp_path, Output(answer="x", confidence=0.7), cascade=cascade)[0].answer == "x"
    assert solve(tmp_path, Output(answer="x"), cascade=cascade)[0].answer == "x"


def test_the_last_answer_stands_even_when_it_is_unsure(tmp_path):
    async def unsure(task):
        return Output(abstained=True)

    ctx = FakeContext(tmp_path, {}, systems={"a": unsure, "b": unsure})
    output = asyncio.run(Cascade(systems=("a", "b")).solve(TASK, ctx))
    assert output.abstained
    assert output.metrics["cascade_ended"] == "b"


def test_a_system_twice_is_refused(tmp_path):
    assert Cascade(systems=("a", "a")).check(tmp_path) == ("a cascade asks each system once",)
    with pytest.raises(ValueError, match="at least 2"):
        Cascade(systems=("a",))
