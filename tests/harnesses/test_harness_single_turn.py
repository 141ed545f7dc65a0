"""single_turn: what is asked, what is taken, and what is not guessed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.api import File, LimitReached, Output, Request, Text
from harness.errors import HarnessError
from harness.harnesses.single_turn import SingleTurn
from harness.records.task import TaskView
from harness.testing.fakes import FakeContext, Says, a_file, a_response, a_task

QUESTION = a_task("How long is the refund window?", id="refund")


def solve(workspace: Path, reply: Any, task: TaskView = QUESTION, **params: Any) -> tuple[Output, FakeContext]:
    ctx = FakeContext(workspace, Says(reply))
    return asyncio.run(SingleTurn.model_validate(params).solve(task, ctx)), ctx


def test_the_plain_case_asks_the_prompt_and_takes_the_reply(tmp_path: Path) -> None:
    output, ctx = solve(tmp_path, " 14 days\n", system="Be brief.")
    assert output == Output(answer="14 days")
    (call,) = ctx.calls
    assert call.request.messages[0].parts == (Text("How long is the refund window?"),)
    assert (call.request.system, call.request.label, call.request.cache) == ("Be brief.", "solve", False)


def test_an_empty_reply_is_no_answer(tmp_path: Path) -> None:
    assert solve(tmp_path, " \n")[0].answer is None


@pytest.mark.parametrize(
    ("form", "reply", "answer"),
    [
        ("final_line", "I think\n14 days\n", "14 days"),
        ("tagged", "Page 2 says so.\n**ANSWER:** 14 days", "14 days"),
        ("boxed", r"so \boxed{14}", "14"),
        ("json", '```json\n{"days": 14}\n```', '{"days": 14}'),
    ],
)
def test_each_format_takes_the_answer_from_its_place(form: str, reply: str, answer: str, tmp_path: Path) -> None:
    output, _ = solve(tmp_path, reply, answer_format=form)
    assert output.answer == answer
    assert output.metrics.get("format_failed", 0) == 0


@pytest.mark.parametrize("form", ["tagged", "boxed", "json", "letter"])
def test_without_the_marker_there_is_no_answer_and_it_shows(form: str, tmp_path: Path) -> None:
    output, _ = solve(tmp_path, "It is 14 days.", answer_format=form)
    assert (output.answer, output.metrics) == (None, {"format_failed": 1})
    lenient, _ = solve(tmp_path, "It is 14 days.", answer_format=form, lenient=True)
    assert (lenient.answer, lenient.metrics) == ("It is 14 days.", {"format_failed": 1})


def test_the_instruction_for_the_format_follows_the_prompt(tmp_path: Path) -> None:
    _, ctx = solve(tmp_path, "RESULT: 14", answer_format="tagged", tag="RESULT")
    assert ctx.calls[0].last_text.startswith("How long is the refund window?\n\n")
    assert ctx.calls[0].last_text.endswith("RESULT: <your answer>")


def test_a_letter_is_taken_only_from_the_options_there_are(tmp_path: Path) -> None:
    task = a_task("Which?\n\nA) red\nB) blue", n_choices=2)
    assert solve(tmp_path, "ANSWER: b", task, answer_format="letter")[0].answer == "B"
    assert solve(tmp_path, "ANSWER: C", task, answer_format="letter")[0].answer is None
    assert solve(tmp_path, "ANSWER: A or B", task, answer_format="letter")[0].answer is None


def test_letter_is_tagged_where_there_are_no_choices(tmp_path: Path) -> None:
    output, ctx = solve(tmp_path, "ANSWER: 14 days", answer_format="letter")
    assert output.answer == "14 days" and "<your answer>" in ctx.calls[0].last_text


def test_a_schema_is_asked_of_the_provider(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    for given in (schema, "s.json"):
        _, ctx = solve(tmp_path, "{}", answer_format="json", json_schema=given)
        assert ctx.calls[0].request.json_schema == schema


def test_confidence_is_asked_read_and_taken_off(tmp_path: Path) -> None:
    output, ctx = solve(tmp_path, "14 days\nCONFIDENCE: 85%", confidence=True)
    assert (output.answer, output.confidence, output.metrics) == ("14 days", 0.85, {"confidence_missing": 0})
    assert "CONFIDENCE: <number>" in ctx.calls[0].last_text
    final, _ = solve(tmp_path, "so\n14 days\nCONFIDENCE: 85", confidence=True, answer_format="final_line")
    assert final.answer == "14 days"


@pytest.mark.parametrize("reply", ["14 days", "14 days\nCONFIDENCE: high", "14 days\nCONFIDENCE: 120"])
def test_a_confidence_that_cannot_be_read_is_absent(reply: str, tmp_path: Path) -> None:
    output, _ = solve(tmp_path, reply, confidence=True)
    assert (output.confidence, output.metrics) == (None, {"confidence_missing": 1})


@pytest.mark.parametrize(
    ("form", "reply"),
    [
        ("text", "I don't know."),
        ("tagged", "The page does not say.\nANSWER: I DON'T KNOW"),
        ("tagged", "I DON'T KNOW"),
        ("letter", "ANSWER: I don’t know"),
        ("boxed", r"\boxed{\text{I DON'T KNOW}}"),
        ("json", "I DON'T KNOW"),
        ("final_line", "Hard to say.\nI don't know"),
    ],
)
def test_abstaining_is_not_a_format_failure(form: str, reply: str, tmp_path: Path) -> None:
    task = a_task("Which?", n_choices=4)
    output, ctx = solve(tmp_path, reply, task, answer_format=form, abstain=True)
    assert output.abstained and output.metrics.get("format_failed", 0) == 0
    assert "I DON'T KNOW" in ctx.calls[0].last_text


def test_without_leave_to_abstain_it_is_an_answer_like_any_other(tmp_path: Path) -> None:
    output, _ = solve(tmp_path, "I DON'T KNOW")
    assert (output.abstained, output.answer) == (False, "I DON'T KNOW")


def test_own_words_for_abstaining(tmp_path: Path) -> None:
    output, ctx = solve(tmp_path, "ANSWER: no idea", answer_format="tagged", abstain="NO IDEA")
    assert output.abstained and "NO IDEA" in ctx.calls[0].last_text


def test_a_refusal_and_a_cut_reply_are_told(tmp_path: Path) -> None:
    refused, _ = solve(tmp_path, a_response("I can't help with that.", "refusal"), answer_format="tagged")
    assert (refused.refused, refused.answer, refused.metrics) == (True, None, {})
    cut, _ = solve(tmp_path, a_response("The window is fourt", "max_tokens"), answer_format="tagged")
    assert (cut.truncated, cut.answer, cut.metrics) == (True, None, {"format_failed": 1})


def replies(*texts: str) -> Any:
    def reply(request: Request) -> str:
        return texts[int(request.label.partition(".")[2]) - 1]

    return reply


@pytest.mark.parametrize(
    ("choose", "answer", "agreement"),
    [("first", "14", 0.25), ("last", "15 days", 0.5), ("majority", "15 Days.", 0.5)],
)
def test_several_tries_keep_every_answer_and_choose_one(
    choose: str, answer: str, agreement: float, tmp_path: Path
) -> None:
    texts = ("ANSWER: 14", "ANSWER: 15 Days.", "no marker", "ANSWER: 15 days")
    output, ctx = solve(tmp_path, replies(*texts), answer_format="tagged", attempts=4, choose=choose)
    assert output.answer == answer
    assert output.answers == ("14", "15 Days.", "", "15 days")
    assert output.metrics == {"format_failed": 1, "attempts": 4, "agreement": agreement}
    assert [c.request.label for c in ctx.calls] == ["solve.1", "solve.2", "solve.3", "solve.4"]


def test_of_equally_frequent_answers_the_earliest_is_chosen(tmp_path: Path) -> None:
    output, _ = solve(tmp_path, replies("b", "a", "a", "b"), attempts=4, choose="majority")
    assert output.answer == "b"


def test_answers_of_signs_only_are_told_apart(tmp_path: Path) -> None:
    output, _ = solve(tmp_path, replies("<", ">", ">"), attempts=3, choose="majority")
    assert output.answer == ">"


def test_when_no_try_has_an_answer_there_is_none(tmp_path: Path) -> None:
    output, _ = solve(tmp_path, "nothing", answer_format="tagged", attempts=3, choose="majority")
    assert (output.answer, output.answers, output.metrics["agreement"]) == (None, ("", "", ""), 0)


def test_at_a_limit_the_tries_so_far_are_saved(tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        if request.label == "solve.3":
            raise LimitReached("tokens")
        return "14"

    ctx = FakeContext(tmp_path, Says(reply))
    with pytest.raises(LimitReached):
        asyncio.run(SingleTurn(attempts=5).solve(QUESTION, ctx))
    assert ctx.saved[-1].answers == ("14", "14")


SHOTS = [
    {"prompt": "How long is the trial?", "answer": "30 days"},
    {"prompt": "How long is the refund window?", "answer": "LEAK by prompt"},
    {"prompt": "Other words, same task", "answer": "LEAK by id", "id": "refund"},
    {"prompt": "Who pays?", "answer": "ANSWER: the buyer"},
]


def test_worked_cases_go_before_the_task_and_never_hold_it(tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text("\n".join(json.dumps(s) for s in SHOTS))
    for given in (SHOTS, "shots.jsonl"):
        _, ctx = solve(tmp_path, "ANSWER: 14", few_shot=given, answer_format="tagged")
        messages = ctx.calls[0].request.messages
        said = [p.text for m in messages for p in m.parts if isinstance(p, Text)]
        assert [m.role for m in messages] == ["user", "assistant", "user", "assistant", "user"]
        assert said[0].startswith("How long is the trial?\n\n") and said[1] == "ANSWER: 30 days"
        assert said[3] == "ANSWER: the buyer" and not any("LEAK" in s for s in said)
        assert ctx.calls[0].request.label == "solve.1"


@pytest.mark.parametrize(("shots", "shown"), [(0, 0), (1, 1), (2, 2), (9, 2), (None, 2)])
def test_the_number_of_worked_cases(shots: int | None, shown: int, tmp_path: Path) -> None:
    _, ctx = solve(tmp_path, "x", few_shot=SHOTS, shots=shots)
    assert len(ctx.calls[0].request.messages) == 2 * shown + 1


def test_files_and_parts_are_attached_in_order(tmp_path: Path) -> None:
    page = a_file(tmp_path, "page.txt", b"x")
    picture = a_file(tmp_path, "a.png", b"y", "image/png")
    task = a_task((Text("Look:"), picture), files=(page,))
    _, ctx = solve(tmp_path, "ANSWER: x", task, answer_format="tagged")
    parts = ctx.calls[0].request.messages[0].parts
    assert parts[:3] == (page, Text("Look:"), picture)
    assert isinstance(parts[3], Text) and parts[3].text.startswith("When you have")
    _, plain = solve(tmp_path, "x", a_task("Read it.", files=(page,)))
    assert plain.calls[0].request.messages[0].parts == (page, Text("Read it."))
    assert all(isinstance(p, File | Text) for p in parts)


def test_the_system_prompt_can_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfBe brief.\n")
    _, ctx = solve(tmp_path, "x", system_file="p.txt")
    assert ctx.calls[0].request.system == "Be brief."


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ({"system_file": "no.txt"}, "no such file: no.txt"),
        ({"system_file": "latin.txt"}, "latin.txt is not UTF-8: byte 2 is 0xe9"),
        ({"few_shot": "bad.jsonl"}, "bad.jsonl:2:1: answer: Field required"),
        ({"answer_format": "json", "json_schema": "list.json"}, "list.json: a JSON schema must be an object"),
    ],
)
def test_files_that_cannot_be_used_are_told(params: dict[str, Any], line: str, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9"[1:])
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a", "answer": "b"}\n{"prompt": "a"}\n')
    (tmp_path / "list.json").write_text("[]")
    harness = SingleTurn.model_validate(params)
    assert harness.check(tmp_path) == (line,)
    with pytest.raises(HarnessError):
        asyncio.run(harness.solve(QUESTION, FakeContext(tmp_path, Says("x"))))
    assert len(harness.digest_files()) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"system": "a", "system_file": "b"},
        {"json_schema": {}},
        {"confidence": True, "answer_format": "json"},
        {"choose": "majority"},
        {"attempts": 0},
        {"tag": "a:b"},
        {"answer_format": "xml"},
        {"temperature": 0},
    ],
)
def test_parameters_that_do_not_fit_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SingleTurn.model_validate(params)
