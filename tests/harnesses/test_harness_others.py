"""router, reference, empty and replay."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Artifact, Grade, Harness, Json, MissingRequirement, Output, Shape, Task, UsageFault
from harness.errors import ConfigError
from harness.graders.choice import Choice
from harness.harnesses.empty import Empty
from harness.harnesses.reference import Reference
from harness.harnesses.replay import Replay
from harness.harnesses.router import Router
from harness.records.task import TaskView
from harness.testing.fake_work import FakeWork
from harness.testing.fakes import FakeBox, FakeContext, Says, a_task
from harness.toolkit.reference import shown_reference

TASK = a_task("How long?", id="t1")


def run(harness: Harness, ctx: FakeContext, task: TaskView = TASK) -> Output:
    return asyncio.run(harness.solve(task, ctx))


def test_the_router_hands_a_task_to_the_system_of_its_rule(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("rules: [{name: risky, when: {stakes: high}, use: big}]\ndefault: small\n")
    router = Router(policy="p.yaml")
    ctx = FakeContext(tmp_path, Says(""), roles=())
    risky = a_task("?", shape=Shape(stakes="high"))
    output = run(router, ctx, risky)
    assert output.answer == "answered by big"
    assert output.metrics == {"routed_to": "big", "routed_by": "risky"}
    assert run(router, ctx).metrics == {"routed_to": "small", "routed_by": "default"}
    assert ctx.delegated == [("big", risky), ("small", TASK)]
    assert ctx.notes[0] == ("route", "big", {"rule": "risky"})
    assert (router.delegates(tmp_path), router.roles(), router.digest_files()) == (("big", "small"), (), ("p.yaml",))
    assert router.check(tmp_path) == ()


def test_the_router_keeps_what_the_system_measured(tmp_path: Path) -> None:
    async def big(task: TaskView) -> Output:
        return Output(answer="x", confidence=0.5, metrics={"verify_rounds": 2})

    (tmp_path / "p.yaml").write_text("default: big\n")
    output = run(Router(policy="p.yaml"), FakeContext(tmp_path, {}, systems={"big": big}))
    assert output.confidence == 0.5
    assert output.metrics == {"verify_rounds": 2, "routed_to": "big", "routed_by": "default"}


def test_a_bad_policy_is_told_with_every_place(tmp_path: Path) -> None:
    assert Router(policy="no.yaml").check(tmp_path) == ("no such file: no.yaml",)
    (tmp_path / "p.yaml").write_text("rules: [{when: {stakes: hihg}, use: 7}]\ndefault: a\n")
    assert Router(policy="p.yaml").check(tmp_path) == (
        "p.yaml:1:25: no stakes 'hihg' (did you mean 'high'?)",
        "p.yaml:1:37: 'use' must be text (quote it if it looks like a number, a date or yes/no)",
    )
    with pytest.raises(ConfigError):
        Router(policy="p.yaml").delegates(tmp_path)


@pytest.mark.parametrize(
    ("reference", "n_choices", "answer"),
    [
        ("14 days", 0, "14 days"),
        (["14 days", "two weeks"], 0, "14 days"),
        (["A", "C"], 4, "A, C"),
        ({"days": 14}, 0, '{"days":14}'),
        (14, 0, "14"),
        (0, 0, "0"),
        ("", 0, ""),
    ],
)
def test_the_ceiling_says_the_reference(reference: Json, n_choices: int, answer: str, tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, {}, reference=reference)
    output = run(Reference(), ctx, a_task("?", n_choices=n_choices))
    assert output == Output(answer=answer, declared_done=True)
    assert Reference().privileged and Reference().roles() == ()


def test_the_ceiling_is_skipped_where_there_is_no_reference(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement) as e:
        run(Reference(), FakeContext(tmp_path, {}))
    assert e.value.requirement == "reference"


def test_the_floor_says_nothing_and_calls_nobody(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path, {})
    assert run(Empty(), ctx) == Output()
    ctx.box = FakeBox()
    assert run(Empty(), ctx) == Output(metrics={"ended": "untouched"})
    assert (Empty().roles(), Empty().privileged, ctx.reference_reads) == ((), False, 0)


def stored(workspace: Path, *rows: Any, name: str = "a.jsonl") -> None:
    (workspace / name).write_text("".join(json.dumps(r) + "\n" for r in rows))


def play(workspace: Path, task: str = "t1", epoch: int = 1, **params: Any) -> Output:
    ctx = FakeContext(workspace, {})
    ctx.epoch = epoch
    return run(Replay.model_validate({"path": "a.jsonl", **params}), ctx, a_task("?", id=task))


def test_stored_answers_are_played_with_all_that_is_stored(tmp_path: Path) -> None:
    stored(
        tmp_path,
        {"task": "t1", "answer": "14 days", "confidence": 0.9, "declared_done": True, "note": "kept elsewhere"},
        {"task": "t2", "answer": None, "refused": True},
        {"task": 3, "answer": {"days": 14}, "abstained": True},
    )
    assert play(tmp_path) == Output(answer="14 days", confidence=0.9, declared_done=True)
    assert play(tmp_path, "t2") == Output(refused=True)
    assert play(tmp_path, "3") == Output(answer='{"days":14}', abstained=True)


@pytest.mark.parametrize(
    ("row", "params"),
    [
        ({"id": "t1", "output": "x"}, {}),
        ({"instance_id": "t1", "model_patch": "x"}, {}),
        ({"question_id": "t1", "reply": "x"}, {"task_field": "question_id", "answer_field": "reply"}),
    ],
)
def test_the_usual_names_of_fields_are_known_and_others_can_be_given(
    row: Any, params: dict[str, Any], tmp_path: Path
) -> None:
    stored(tmp_path, row)
    assert play(tmp_path, **params).answer == "x"


def test_an_answer_that_is_not_stored_is_missing_and_not_wrong(tmp_path: Path) -> None:
    stored(tmp_path, {"task": "t1", "answer": "x"})
    with pytest.raises(MissingRequirement, match="no answer for task 't2'") as e:
        play(tmp_path, "t2")
    assert e.value.requirement == "stored_answer"
    with pytest.raises(MissingRequirement, match="none for epoch 2"):
        play(tmp_path, epoch=2)
    assert play(tmp_path, epoch=2, repeat=True).answer == "x"


def test_epochs_are_named_or_counted(tmp_path: Path) -> None:
    stored(tmp_path, *({"task": "t1", "answer": a} for a in "abc"), {"task": "t2", "answer": "z", "epoch": 2})
    assert [play(tmp_path, epoch=i).answer for i in (1, 2, 3)] == ["a", "b", "c"]
    assert play(tmp_path, "t2", epoch=2).answer == "z"
    with pytest.raises(MissingRequirement):
        play(tmp_path, "t2", epoch=1)
    with pytest.raises(MissingRequirement):
        play(tmp_path, epoch=4, repeat=True)


def test_one_system_of_several_is_played(tmp_path: Path) -> None:
    stored(tmp_path, {"task": "t1", "answer": "a", "system": "x"}, {"task": "t1", "answer": "b", "system": "y"})
    assert play(tmp_path, system="y").answer == "b"


def test_an_answer_can_be_delivered_as_a_file(tmp_path: Path) -> None:
    stored(tmp_path, {"instance_id": "t1", "model_patch": "--- a\n"})
    assert play(tmp_path, artifact="patch.diff").artifacts == (Artifact("patch.diff", b"--- a\n"),)


def test_json_files_hold_rows_or_answers_by_task(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text('[{"task": "t1", "answer": "a"}]')
    (tmp_path / "o.json").write_text('{"t1": "b", "t2": {"answer": "c", "confidence": 1}}')
    assert play(tmp_path, path="l.json").answer == "a"
    assert play(tmp_path, path="o.json").answer == "b"
    assert play(tmp_path, "t2", path="o.json") == Output(answer="c", confidence=1.0)


def test_the_attempts_of_a_run_are_played_but_for_failed_and_cut_ones(tmp_path: Path) -> None:
    base = {"system": "s", "epoch": 1}
    stored(
        tmp_path,
        {"task": "t1", "attempt": 1, "status": "infra_error", "final": False, **base},
        {"task": "t1", "attempt": 2, "status": "graded", "output": {"answer": "x", "metrics": {"a": 1}}, **base},
        {"task": "t2", "attempt": 1, "status": "graded", **base},
        {"task": "t3", "attempt": 1, "status": "skipped", **base},
        {"task": "t4", "attempt": 1, "status": "graded", "output": {"answer": "lon", "clipped": True}, **base},
    )
    assert play(tmp_path).answer == "x"
    assert play(tmp_path, "t2") == Output()
    with pytest.raises(MissingRequirement, match="no answer for task 't3'"):
        play(tmp_path, "t3")
    with pytest.raises(MissingRequirement, match="only the start"):
        play(tmp_path, "t4")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"answer": "x"}, "no field with a task's id"),
        ({"task": "t"}, "no field with an answer"),
        ({"task": "ok", "answer": "x", "epoch": 1}, "a second answer for task 'ok', epoch 1; the first is in line 1"),
        ({"task": "t", "answer": "x", "epoch": 0}, "'epoch' must be a number from 1, not 0"),
        ({"task": "t", "answer": "x", "epoch": True}, "'epoch' must be a number from 1"),
        ({"task": "t", "answer": "x", "confidence": 90}, r"confidence must be in \[0, 1\], not 90"),
        ({"task": "t", "answer": "x", "confidence": "high"}, "confidence"),
        ({"task": "t", "answer": "x", "refused": "no"}, "refused"),
        (["t", "x"], "a row must be an object"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_place(row: Any, what: str, tmp_path: Path) -> None:
    stored(tmp_path, {"task": "ok", "answer": "x"}, row)
    with pytest.raises(UsageFault, match=what) as e:
        play(tmp_path, "ok")
    assert str(e.value.fault.place) == "a.jsonl:2:1"
    (line,) = Replay(path="a.jsonl").check(tmp_path)
    assert line.startswith("a.jsonl:2:1: ")


def test_a_file_that_is_absent_or_no_list_is_told(tmp_path: Path) -> None:
    assert Replay(path="no.jsonl").check(tmp_path) == ("no such file: no.jsonl",)
    (tmp_path / "x.json").write_text("3")
    assert Replay(path="x.json").check(tmp_path)[0].startswith("x.json: a JSON file of stored answers")
    assert Replay(path="x.json").digest_files() == ("x.json",)


OPTIONS = ("a taxi at 23:15", "a minibar", "a parking fine", "a breakfast", "a luggage fee")


@pytest.mark.parametrize(
    ("reference", "multiple"),
    [("B", False), ("a parking fine", False), (3, False), (["a taxi at 23:15", "E"], True), ([1], True)],
)
@given(order=st.permutations(range(5)))
def test_the_ceiling_passes_whatever_the_order_of_the_options(
    reference: Json, multiple: bool, order: list[int]
) -> None:
    task = Task(id="t", prompt="?", choices=OPTIONS, reference=reference, shuffle_choices=True)
    ctx = FakeContext(Path(), {}, reference=shown_reference(task, order))
    output = run(Reference(), ctx, a_task("?", n_choices=5))
    work = FakeWork(task, output, choice_order=tuple(order))
    verdict = asyncio.run(Choice(multiple=multiple).grade(work))
    assert isinstance(verdict, Grade) and verdict.passed, (output, verdict)
