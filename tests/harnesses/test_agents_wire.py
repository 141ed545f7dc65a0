"""Agents over both real SDKs: what is sent in the second turn is what the first one said, block by block."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from agent_boxes import FolderBox

from harness.api import Harness, Model, Output
from harness.harnesses.bash_agent import BashAgent
from harness.harnesses.tool_loop import ToolLoop
from harness.models.anthropic_api import Anthropic
from harness.models.openai_api import OpenAI
from harness.testing.fakes import FakeContext, a_file, a_task
from harness.testing.wire import Call, Step, WireServer
from harness.toolkit.conversation import STUB

Body = dict[str, Any]
TWO = (Call("bash", {"command": "echo one"}, "id_a"), Call("bash", {"command": "echo two; false"}, "id_b"))
ONE_SAID = "exit code: 0\n<output>\none\n</output>"
TWO_SAID = "exit code: 1\n<output>\ntwo\n</output>"


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer() as running:
        yield running


@pytest.fixture
def wire(server: WireServer) -> WireServer:
    server.reset()
    return server


def model(wire: WireServer, dialect: str, *, stream: bool = False) -> Model:
    if dialect == "anthropic":
        return Anthropic(name="m", base_url=wire.url, stream=stream)
    return OpenAI(name="m", base_url=f"{wire.url}/v1", api=dialect, stream=stream)  # type: ignore[arg-type]


def solve(harness: Harness, opened: Model, root: Path, files: tuple[Any, ...] = ()) -> Output:
    (root / "box").mkdir(exist_ok=True)

    async def go() -> Output:
        client = opened.open(root)
        try:
            ctx = FakeContext(root, client, box=FolderBox(root / "box"))
            return await harness.solve(a_task("Do it.", files=files), ctx)
        finally:
            await client.aclose()

    return asyncio.run(go())


def bare(block: Body) -> Body:
    return {k: v for k, v in block.items() if k != "cache_control"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("harness", [BashAgent(), ToolLoop()], ids=["bash", "loop"])
def test_anthropic_gets_its_signed_thinking_back_before_the_calls(
    wire: WireServer, harness: Harness, stream: bool, tmp_path: Path
) -> None:
    finish = Step(reasoning="fine", signature="c2ln", tool_calls=(Call("submit", {"answer": "7"}),))
    if isinstance(harness, BashAgent):
        finish = Step(reasoning="fine", signature="c2ln", text="TASK_DONE\n7")
    wire.script(Step(reasoning="look first", signature="c2lnMQ==", text="I look.", tool_calls=TWO), finish)
    output = solve(harness, model(wire, "anthropic", stream=stream), tmp_path)
    assert (output.answer, output.declared_done) == ("7", True)
    first, second = (entry["body"] for entry in wire.log())
    _, assistant, results = second["messages"]
    assert [bare(b) for b in assistant["content"]] == [
        {"type": "thinking", "thinking": "look first", "signature": "c2lnMQ=="},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "id_a", "name": "bash", "input": {"command": "echo one"}},
        {"type": "tool_use", "id": "id_b", "name": "bash", "input": {"command": "echo two; false"}},
    ]
    assert [bare(b) for b in results["content"]] == [
        {"type": "tool_result", "tool_use_id": "id_a", "content": ONE_SAID},
        {"type": "tool_result", "tool_use_id": "id_b", "content": TWO_SAID},
    ]
    assert first["system"] == second["system"] and first["tools"] == second["tools"]
    assert "cache_control" in second["system"][-1] and "cache_control" in results["content"][-1]


@pytest.mark.parametrize("stream", [False, True])
def test_openai_responses_get_their_reasoning_items_back(wire: WireServer, stream: bool, tmp_path: Path) -> None:
    wire.script(
        Step(reasoning="look first", signature="ZW5j", tool_calls=TWO),
        Step(tool_calls=(Call("bash", '{"command": "ec', "id_c"),)),
        Step(tool_calls=(Call("submit", {"answer": "7"}),)),
    )
    output = solve(ToolLoop(), model(wire, "responses", stream=stream), tmp_path)
    assert output.answer == "7" and output.metrics["format_errors"] == 1
    items = wire.log()[-1]["body"]["input"]
    assert [i.get("type", i.get("role")) for i in items] == [
        "user", "reasoning", "function_call", "function_call", "function_call_output", "function_call_output",
        "function_call", "function_call_output",
    ]  # fmt: skip
    assert items[1]["encrypted_content"] == "ZW5j"
    assert [i["call_id"] for i in items[2:]] == ["id_a", "id_b", "id_a", "id_b", "id_c", "id_c"]
    assert (items[4]["output"], items[5]["output"]) == (ONE_SAID, TWO_SAID)
    assert items[6]["arguments"] == '{"command": "ec' and "not a JSON object" in items[7]["output"]


def test_chat_completions_get_a_tool_message_for_each_call(wire: WireServer, tmp_path: Path) -> None:
    wire.script(Step(tool_calls=TWO), Step(text="TASK_DONE"))
    assert solve(BashAgent(), model(wire, "chat"), tmp_path).declared_done
    messages = wire.log()[-1]["body"]["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool", "tool"]
    assert [m["tool_call_id"] for m in messages[3:]] == ["id_a", "id_b"]


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
def test_an_empty_reply_is_survived(wire: WireServer, dialect: str, tmp_path: Path) -> None:
    wire.script(Step(text=""), Step(text="TASK_DONE"))
    output = solve(BashAgent(), model(wire, dialect), tmp_path)
    assert output.declared_done and output.metrics["format_errors"] == 1


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
def test_image_files_are_shown(wire: WireServer, dialect: str, tmp_path: Path) -> None:
    picture = a_file(tmp_path, "dot.png", b"\x89PNG", "image/png")
    wire.script(Step(text="TASK_DONE"))
    solve(BashAgent(), model(wire, dialect), tmp_path, (picture,))
    body = wire.log()[-1]["body"]
    first = next(m for m in body.get("messages", body.get("input")) if m["role"] == "user")["content"]
    assert first[0]["type"] in ("image", "input_image", "image_url") and "iVBORw" not in str(first[1:])


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
def test_between_cuts_each_body_begins_with_the_one_before(wire: WireServer, dialect: str, tmp_path: Path) -> None:
    look = [Call("bash", {"command": "seq 1 400"}, f"id_{i}") for i in range(20)]
    grow = [Step(reasoning=f"r{i}", tool_calls=(asked,)) for i, asked in enumerate(look)]
    wire.script(*grow, Step(text="TASK_DONE"))
    output = solve(BashAgent(elide_above=6000, elide_to=2000), model(wire, dialect), tmp_path)
    sent = [plain(entry["body"]) for entry in wire.log()]
    kept = [b[: len(a)] == a for a, b in pairwise(sent)]
    assert kept.count(False) == output.metrics["elisions"]
    assert 1 <= kept.count(False) <= 3
    assert STUB in str(sent[-1]) and all(len(b) > len(a) for a, b in pairwise(sent))


def plain(body: Body) -> list[str]:
    """The conversation as sent, without cache marks, which move on."""
    return [
        str(m).replace(", 'cache_control': {'type': 'ephemeral'}", "") for m in body.get("messages") or body["input"]
    ]
