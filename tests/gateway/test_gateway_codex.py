"""What is Codex's own in the Responses API: freeform tools, and subagents that share their parent's session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from gate_bench import GateBench, a_model

from harness.gateway.served import step_of
from harness.records.content import Response, ToolCall, Usage
from harness.records.exchange import Exchange
from harness.testing.wire import Call, Step, WireServer
from harness.testing.wire_script import Ask
from harness.testing.wire_server import RESPONSES

PATCH = "*** Begin Patch\n*** Add File: x.txt\n+hi\n*** End Patch"
MODEL = "gpt-5.5"


def asked(gate: GateBench, wire: WireServer, headers: dict[str, str], *, stream: bool = False) -> Exchange:
    async def go() -> Exchange:
        async with gate.door(a_model("openai", name=MODEL, base_url=wire.url + "/v1", api="responses")) as visit:
            answer: Any = await visit.gpt().responses.create(
                model=MODEL, input="do it", stream=stream, extra_headers=headers
            )
            if stream:
                assert [e.type async for e in answer][-1] == "response.completed"
            last = visit.last
        await gate.server.aclose()
        return last

    return asyncio.run(go())


@pytest.mark.parametrize("stream", [True, False])
def test_a_freeform_call_is_no_end_of_the_work(gate: GateBench, wire: WireServer, stream: bool) -> None:
    wire.script(Step(text="", tool_calls=(Call("apply_patch", PATCH, "c1", custom=True),)))
    response = asked(gate, wire, {}, stream=stream).response
    assert response is not None
    assert (response.stop, response.tool_calls) == ("tool_use", (ToolCall("c1", "apply_patch", PATCH),))


def test_a_recorded_freeform_call_is_written_as_one_again() -> None:
    calls = ToolCall("c1", "apply_patch", PATCH), ToolCall("c2", "exec_command", {"cmd": "ls"})
    response = Response(calls, "tool_use", Usage())
    answer = RESPONSES.answer(step_of(response, frozenset({"apply_patch"})), Ask(model="m"), 1)
    written = [(i["type"], i["call_id"]) for i in answer["output"] if i["type"].endswith("_call")]
    assert written == [("custom_tool_call", "c1"), ("function_call", "c2")]


@pytest.mark.parametrize(
    ("headers", "agent", "session"),
    [
        ({"session-id": "s", "thread-id": "s"}, "", "s"),
        ({"session-id": "s", "thread-id": "t", "x-openai-subagent": "collab_spawn"}, "t", "s"),
        ({"session-id": "s", "x-openai-subagent": "review"}, "review", "s"),
        ({"x-claude-code-session-id": "s", "x-claude-code-agent-id": "a"}, "a", "s"),
    ],
)
def test_subagents_are_told_apart(
    gate: GateBench, wire: WireServer, headers: dict[str, str], agent: str, session: str
) -> None:
    found = asked(gate, wire, headers)
    assert (found.agent, found.session) == (agent, session)
