"""What an agent did is read off the gateway's exchanges, and off nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from harness.api import Exchange, Response, SandboxError, SolveContext, Text, ToolCall, Usage
from harness.harnesses._cli import Start
from harness.harnesses._cli_box import Around, Ran, end_text, look_around
from harness.harnesses._cli_record import kind_of, measures, read_record, wrapping
from harness.harnesses.command import Command
from harness.testing.fakes import FakeBox, Finished

CONTEXT = cast(SolveContext, SimpleNamespace(box=FakeBox(), note=lambda *_: None))
START = Start("do it", "m", "", "http://door", "key", Around({}), ("chat",))
TOOLS = ("Bash", "Read", "WebSearch")


def said(text: str = "", *calls: str, stop: str = "", **more: Any) -> Exchange:
    parts = (Text(text), *(ToolCall(f"c{i}", name, {}) for i, name in enumerate(calls)))
    response = Response(parts, stop or ("tool_use" if calls else "end"), Usage(input=10, output=2, calls=1))  # type: ignore[arg-type]
    base: dict[str, Any] = {
        "at": 0.0, "seconds": 0.5, "dialect": "anthropic", "path": "/v1/messages", "status": 200, "asked": "m",
        "sent": "m", "tool_names": TOOLS, "response": response,
    }  # fmt: skip
    return Exchange(**(base | more))


def refused(status: int, **more: Any) -> Exchange:
    return msgspec.structs.replace(said(), response=None, status=status, sent="", **more)


def test_a_last_answer_without_a_tool_is_done() -> None:
    record = read_record([said("I look", "Bash"), said("It is 42")])
    assert record.ended_by_itself and record.text == "It is 42"


def test_a_program_that_ended_while_its_model_wanted_a_tool_is_not_done() -> None:
    record = read_record([said("It is 42"), said("I look", "Bash")])
    assert not record.ended_by_itself and record.text == "I look"


def test_a_cut_answer_is_not_done_and_is_no_answer() -> None:
    record = read_record([said("first", "Bash"), said("It is", cut="provider")])
    assert not record.ended_by_itself and record.text == "first"
    assert read_record([said("half", stop="max_tokens")]).cut


def test_an_error_at_the_end_is_not_done() -> None:
    assert not read_record([said("It is 42"), refused(402, limit="cost")]).ended_by_itself


def test_titles_and_searches_of_the_provider_are_beside_the_work() -> None:
    title, search = said("A title", tool_names=()), refused(403, tool_names=("web_search",), refused=("web_search: x",))
    record = read_record([title, said("I look", "Bash"), search, said("done")])
    assert (len(record.main), len(record.side)) == (2, 2)
    counts = measures(record)
    assert counts["refused"] == {"web_search: x": 1} and counts["failed_requests"] == 1
    assert (counts["requests"], counts["turns"], counts["side_requests"]) == (4, 2, 2)


def test_a_request_that_a_limit_ended_is_not_beside_the_work() -> None:
    counts = measures(read_record([said("I look", "Bash"), refused(402, limit="tokens")]))
    assert (counts["requests"], counts["side_requests"]) == (2, 0)


def test_an_agent_without_tools_has_only_requests_of_its_own() -> None:
    record = read_record([said("one", tool_names=()), said("two", tool_names=())])
    assert len(record.main) == 2 and record.text == "two"


def test_subagents_are_apart_and_do_not_end_the_work() -> None:
    record = read_record([said("go", "Agent"), said("sub is done", agent="a1"), said("all done")])
    assert (len(record.main), len(record.sub), record.text) == (2, 1, "all done")


def test_counting_tokens_is_no_request() -> None:
    assert read_record([said(path="/v1/messages/count_tokens")]).everything == []


def test_tools_have_kinds_however_they_are_spelt() -> None:
    names = ("Bash", "exec_command", "functions.exec", "Edit", "apply_patch", "Read", "Glob", "WebFetch", "Agent", "x")
    assert [kind_of(n) for n in names] == [
        "shell", "shell", "shell", "edit", "edit", "read", "read", "web", "agent", "other",
    ]  # fmt: skip


def test_dates_and_ids_are_no_difference_between_two_harnesses() -> None:
    def first(date: str, more: str = "") -> Any:
        text = f"You are Codex. Today is {date}.{more}"
        parts = {
            "d": {"role": "developer", "id": f"msg-{date}", "content": text},
            "u": {"role": "user", "content": date},
        }
        return wrapping(read_record([said("x", messages=("d", "u"), parts=parts, tools_digest="t")]))["system_stable"]

    assert first("2026-11-28") == first("2026-11-29")
    assert first("2026-11-28") != first("2026-11-28", " Be brief.")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "result", "subtype": "success", "is_error": True, "result": "Unknown skill: x"}, "Unknown skill: x"),
        ({"type": "result", "subtype": "error_during_execution", "errors": ["no", "way"], "usage": {}}, "no; way"),
        ({"type": "turn.failed", "error": {"message": "Input exceeds the maximum"}}, "Input exceeds the maximum"),
        ({"type": "error", "message": "stream ended"}, "stream ended"),
        ({"type": "error", "error": {"name": "APIError", "data": {"message": "no model"}}}, "no model"),
        ({"type": "result", "status": "error", "error": {"type": "Fatal", "message": "no key"}}, "no key"),
        ({"type": "result", "result": 7, "error": None}, ""),
        ({"type": "item.completed", "result": "a tool's"}, ""),
    ],
)
def test_an_event_of_the_end_says_it_in_words(event: Any, words: str) -> None:
    """Claude Code and Qwen, Codex, opencode, Gemini; lines around it are no events of an end."""
    lines = ["{", json.dumps(event), json.dumps({"type": "system", "message": "later"}), "[]"]
    ran = Ran()
    ran.take("\n".join(lines).encode())
    assert end_text(ran) == words


@pytest.mark.parametrize(("value", "answer"), [("a word", "a word"), (7, "7"), (True, "true"), (["é"], '["é"]')])
def test_an_answer_that_is_no_text_is_written_as_json(value: Any, answer: str) -> None:
    ran = Ran()
    ran.take(json.dumps({"result": {"is": value}}).encode() + b"\n")
    command = Command(argv=("x",), answer_from="json:result.is")
    assert asyncio.run(command.answer(CONTEXT, ran, START)) == answer


def test_the_end_of_what_a_program_says_is_kept_however_much_came_before() -> None:
    """How it ended, its own numbers and its answer stand there; what is left out between is told."""
    ran = Ran()
    ran.take(b'{"type": "result", "result": "not yet"}\n')
    for _ in range(120):
        ran.take(b"x" * 150_000 + b"\n")
    ran.take(b'{"type": "result", "result": "forty-two"}\n')
    assert end_text(ran) == "forty-two"
    command = Command(argv=("x",), answer_from="json:result")
    assert asyncio.run(command.answer(CONTEXT, ran, START)) == "forty-two"
    kept = len(ran.output)
    assert 8_000_000 < kept < 8_500_000 < ran.written and b" bytes left out]" in ran.output


class EndingBox(FakeBox):
    """It ends while a command runs in it: that one fails somehow, and the next one is told."""

    first: Finished

    async def exec(self, argv: Sequence[str], **_: Any) -> Finished:
        if self.commands:
            raise SandboxError("stopped", "container 3f is not running")
        self.commands.append(tuple(argv))
        return self.first


@pytest.mark.parametrize(
    "first", [Finished(exit_code=137), Finished(exit_code=255, stderr=b"OCI runtime exec failed: setns process")]
)
def test_a_box_that_ends_under_the_first_look_at_it_runs_nothing(first: Finished) -> None:
    box = EndingBox()
    box.first = first
    with pytest.raises(SandboxError, match="another kind of processor"):
        asyncio.run(look_around(box, (), "it"))
