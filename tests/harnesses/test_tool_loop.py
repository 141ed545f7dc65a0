"""tool_loop: every tool, the order of calls, calls that cannot be made, and how it ends. Real commands in a folder."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from agent_boxes import FolderBox, bash, call, told, work

from harness.api import LimitReached, Response, ToolCall, ToolResult, Usage
from harness.harnesses import _agent_prompts as prompts
from harness.harnesses._toolbox import ALL, tool_of
from harness.harnesses.tool_loop import ToolLoop
from harness.testing.check_harness import check_harness
from harness.testing.checks import failed
from harness.testing.fakes import FakeContext, Says, a_task

LOOP = ToolLoop()
SUBMIT = call("submit")


def test_it_keeps_the_contract(tmp_path: Path) -> None:
    assert failed(check_harness(ToolLoop, tmp_path)) == []


def test_every_tool_does_its_work(tmp_path: Path) -> None:
    answers = [
        call("create", path="src/a.py", text="x = 1\ny = 2\n"),
        call("str_replace", path="src/a.py", old="x = 1", new="x = 3"),
        call("insert", path="src/a.py", line=2, text="z = 4"),
        call("view", path="src/a.py"),
        call("view", path="."),
        call("search", pattern="= [34]", path="src", files="*.py"),
        call("python", code="import sys\nsys.path.insert(0, 'src')\nimport a\nprint(a.x + a.z)"),
        bash("cat src/a.py"),
        call("submit", answer=" 7\n"),
    ]
    output, ctx = work(LOOP, answers, tmp_path)
    said = [told(ctx, i)[0] for i in range(1, 9)]
    assert said[0] == "wrote src/a.py: 2 lines"
    assert said[1] == "changed src/a.py\n     1\tx = 3\n     2\ty = 2"
    assert said[2].endswith("     3\tz = 4")
    assert said[3] == "lines 1 to 3 of 3\n     1\tx = 3\n     2\ty = 2\n     3\tz = 4"
    assert said[4] == "src/"
    assert said[5] == "src/a.py:1:x = 3\nsrc/a.py:3:z = 4"
    assert said[6] == "exit code: 0\n<output>\n7\n</output>"
    assert said[7] == "exit code: 0\n<output>\nx = 3\ny = 2\nz = 4\n</output>"
    assert (output.answer, output.declared_done, output.metrics["ended"]) == ("7", True, "done")
    assert (output.metrics["commands"], output.metrics["turns"], output.metrics["format_errors"]) == (2, 9, 0)


def test_parallel_calls_are_made_and_answered_in_their_order(tmp_path: Path) -> None:
    step = {
        "tools": [
            {"name": "create", "arguments": {"path": "n", "text": "1"}},
            {"name": "nothing", "arguments": {}},
            {"name": "bash", "arguments": {"command": "cat n; echo 2 > n"}},
            {"name": "view", "arguments": {"path": "n"}},
        ]
    }
    output, ctx = work(LOOP, [step, SUBMIT], tmp_path)
    results = [p for p in ctx.calls[1].request.messages[-1].parts if isinstance(p, ToolResult)]
    assert [r.id for r in results] == [f"call_0_{i}" for i in range(4)]
    assert [r.is_error for r in results] == [False, True, False, False]
    assert "\n1\n" in results[2].content and "1\t2" in results[3].content
    assert output.metrics["format_errors"] == 1 and output.metrics["ended"] == "done"


def test_calls_after_submit_are_not_made(tmp_path: Path) -> None:
    step = {"tools": [*bash("touch before")["tools"], *SUBMIT["tools"], *bash("touch after")["tools"]]}
    output, _ = work(LOOP, [step], tmp_path)
    assert output.declared_done and [p.name for p in (tmp_path / "box").iterdir()] == ["before"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (
            "rm",
            {"path": "x"},
            "no tool 'rm'; there are: bash, python, view, create, str_replace, insert, search, submit",
        ),
        ("bash", '{"command": "touch', 'not a JSON object (were they cut off?): {"command": "touch'),
        ("bash", {}, "missing required field `command`"),
        ("bash", {"command": "touch a", "cwd": "x"}, "unknown field `cwd`"),
        ("bash", {"command": ["touch", "a"]}, "Expected `str`, got `array` - at `$.command`"),
        ("insert", {"path": "a", "line": "two", "text": ""}, "Expected `int`, got `str` - at `$.line`"),
        ("view", {"path": "a", "first": None}, "Expected `int`"),
    ],
)
def test_a_call_that_cannot_be_made_is_an_error_result(tool: str, arguments: Any, said: str, tmp_path: Path) -> None:
    output, ctx = work(LOOP, [{"tools": [{"name": tool, "arguments": arguments}]}, SUBMIT], tmp_path)
    (result,) = ctx.calls[1].request.messages[-1].parts
    assert isinstance(result, ToolResult) and result.is_error and said in result.content
    assert output.metrics["format_errors"] == 1 and list((tmp_path / "box").iterdir()) == []


def test_a_number_as_text_is_a_number(tmp_path: Path) -> None:
    answers = [call("create", path="a", text="1\n2\n3\n"), call("view", path="a", first="2", last="2"), SUBMIT]
    _, ctx = work(LOOP, answers, tmp_path)
    assert told(ctx, 2) == ["lines 2 to 2 of 3\n     2\t2"]


def test_a_file_fault_is_an_error_result_and_no_format_error(tmp_path: Path) -> None:
    output, ctx = work(LOOP, [call("view", path="absent"), SUBMIT], tmp_path)
    (result,) = ctx.calls[1].request.messages[-1].parts
    assert isinstance(result, ToolResult) and result.is_error and "No such file" in result.content
    assert output.metrics["format_errors"] == 0


def test_a_reply_without_a_call_is_told_so_and_the_work_goes_on(tmp_path: Path) -> None:
    output, ctx = work(LOOP, ["I think it is 7.", "Really.", call("submit", answer="7")], tmp_path)
    assert told(ctx, 1) == [prompts.NO_CALL]
    assert (output.answer, output.declared_done, output.metrics["format_errors"]) == ("7", True, 2)


def test_words_alone_end_the_work_undeclared(tmp_path: Path) -> None:
    output, _ = work(LOOP, ["hm", bash("true"), "It is 7.", "It is 7.", "It is 7."], tmp_path)
    assert (output.answer, output.declared_done, output.metrics["ended"]) == ("It is 7.", False, "format_errors")


def test_a_reply_cut_at_its_limit_is_said_to_be(tmp_path: Path) -> None:
    _, ctx = work(LOOP, [{"text": "so I", "stop": "max_tokens"}, SUBMIT], tmp_path)
    assert told(ctx, 1) == [prompts.FORMAT_CUT]


def test_a_blank_answer_is_none(tmp_path: Path) -> None:
    assert work(LOOP, [call("submit", answer=" \n")], tmp_path)[0].answer is None
    assert work(LOOP, [SUBMIT], tmp_path)[0].answer is None


def test_only_the_named_tools_are_there_and_submit_always(tmp_path: Path) -> None:
    _, ctx = work(ToolLoop(tools=("view", "bash")), [call("python", code="1"), SUBMIT], tmp_path)
    assert [t.name for t in ctx.calls[0].request.tools] == ["bash", "view", "submit"]
    assert "there is no tool 'python'" in told(ctx, 1)[0]
    with pytest.raises(ValueError, match="tools"):
        ToolLoop(tools=("shell",))  # type: ignore[arg-type]


def test_timeouts_are_counted_for_python_too(tmp_path: Path) -> None:
    slow = call("python", code="import time; time.sleep(5)")
    output, _ = work(ToolLoop(command_timeout_s=0.3), [slow, bash("sleep 5"), SUBMIT], tmp_path)
    assert (output.metrics["timeouts"], output.metrics["commands"]) == (2, 2)


def test_schemas_are_schemas_and_closed() -> None:
    for asked in ALL:
        tool = tool_of(asked)
        jsonschema.Draft202012Validator.check_schema(tool.schema)
        assert tool.schema["type"] == "object" and tool.schema["additionalProperties"] is False
        assert "$ref" not in msgspec.json.encode(tool.schema).decode()
        assert tool.description and all(p.get("description") for p in tool.schema["properties"].values())


def test_changed_tools_raise_the_version() -> None:
    """Names, descriptions and schemas are what a model is told: see `_agent_prompts.VERSION`."""
    digest = hashlib.sha256(msgspec.json.encode([tool_of(a) for a in ALL], order="deterministic")).hexdigest()[:12]
    assert (prompts.VERSION, digest) == ("1", "76f28c538005")


def test_calls_with_the_same_id_are_each_answered(tmp_path: Path) -> None:
    twice = (ToolCall("", "bash", {"command": "echo a"}), ToolCall("", "bash", {"command": "echo b"}))

    def answer(request: Any) -> Response:
        turn = sum(m.role == "assistant" for m in request.messages)
        calls = twice if turn == 0 else (ToolCall("", "submit", {}),)
        return Response(calls, "tool_use", Usage(calls=1))

    (tmp_path / "box").mkdir()
    ctx = FakeContext(tmp_path, Says(answer), box=FolderBox(tmp_path / "box"))
    asyncio.run(LOOP.solve(a_task("x"), ctx))
    assert len(ctx.calls[1].request.messages[-1].parts) == 2


def test_a_limit_passes_and_leaves_what_was_done(tmp_path: Path) -> None:
    def answer(request: Any) -> Response:
        if len(request.messages) > 3:
            raise LimitReached("cost")
        return Response((ToolCall("c", "bash", {"command": "echo > done"}),), "tool_use", Usage(calls=1))

    (tmp_path / "box").mkdir()
    ctx = FakeContext(tmp_path, Says(answer), box=FolderBox(tmp_path / "box"))
    with pytest.raises(LimitReached):
        asyncio.run(LOOP.solve(a_task("x"), ctx))
    assert ctx.saved[-1].metrics["commands"] == 2 and (tmp_path / "box/done").exists()
