"""What is Codex's own in the Responses API: freeform tools, and subagents that share their parent's session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from gate_bench import GateBench, a_model, run

from harness.gateway.served import step_of
from harness.harnesses._cli_record import measures, read_record, wrapping
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


EXEC = {"type": "custom", "name": "exec", "description": "Run JavaScript: `await tools.exec_command(...)`"}
FUNCTIONS = [EXEC, {"type": "function", "name": "wait", "parameters": {"type": "object"}}]
WORK = '@@sh echo "hi" > out.txt\n@@tool apply_patch "*** Begin Patch"\n@@tool wait {"cell": 1}\n@@say done'
CODE_MODE: Any = [
    {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "namespace", "name": "f", "tools": FUNCTIONS}],
    },
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "You are Codex."}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": WORK}]},
]


@pytest.mark.parametrize("kind", ["scripted", "wire"])
def test_an_agent_that_writes_programs_is_asked_for_them(gate: GateBench, wire: WireServer, kind: str) -> None:
    """Codex's code mode: its tools are an item of the conversation, and called by JavaScript."""
    at_wire = a_model("openai", name=MODEL, base_url=wire.url + "/v1", api="responses")
    model = at_wire if kind == "wire" else a_model("scripted", name="s", prompted=True)

    async def go() -> None:
        items = list(CODE_MODE)
        async with gate.door(model) as visit:
            for n in range(4):
                answer: Any = await visit.gpt().responses.create(model=MODEL, input=items)
                items += [item.model_dump(exclude_none=True) for item in answer.output]
                if n < 3:
                    items.append(
                        {"type": f"{items[-1]['type']}_output", "call_id": items[-1]["call_id"], "output": "ok"}
                    )
            found = read_record(visit.room.exchanges)
        said = [i for i in items[3:] if not i["type"].endswith("_output")]
        assert [i.get("input") or i.get("arguments") for i in said[:2]] == [
            'text(await tools.exec_command({"cmd": "echo \\"hi\\" > out.txt"}));',
            'text(await tools.apply_patch("*** Begin Patch"));',
        ]
        assert [i["type"] for i in said] == ["custom_tool_call", "custom_tool_call", "function_call", "message"]
        assert said[2]["name"] == "wait", "what is offered itself is called itself"
        assert measures(found)["tools_called"] == {"exec.apply_patch": 1, "exec.exec_command": 1, "wait": 1}
        assert measures(found)["tool_calls"] == {"edit": 1, "other": 1, "shell": 1}
        assert wrapping(found)["tool_names"] == ["exec", "wait"] and wrapping(found)["tools"]

    run(gate, go)


def test_a_freeform_tool_that_a_prompt_asks_for_is_called_as_one(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        tools: Any = [{"type": "custom", "name": "apply_patch"}]
        async with gate.door(a_model("openai", name=MODEL, base_url=wire.url + "/v1", api="responses")) as visit:
            answer = await visit.gpt().responses.create(
                model=MODEL, input='@@tool apply_patch "*** Begin Patch"', tools=tools
            )
            assert [(i.type, i.input) for i in answer.output] == [("custom_tool_call", "*** Begin Patch")]

    run(gate, go)
