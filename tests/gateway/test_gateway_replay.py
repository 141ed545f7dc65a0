"""A recorded agent's run played again: the same answers, although dates, ids and tools' outputs are others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gate_bench import GateBench, Visit, a_model

from harness.cli._trajectory import trajectory
from harness.errors import ModelError
from harness.records.outcome import Output
from harness.records.transcript import Transcript
from harness.toolkit.judging.material import steps_of

TOOLS = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]
PROMPT = "<system-reminder>Today is {day}, session {id}.</system-reminder>\nDo it.\n@@sh date\n@@sh ls\n@@say all done"


async def agent(visit: Visit, day: str, id: str, output: str) -> list[str]:
    """An agent's loop: what it was told to run, and what was said in the end."""
    messages: list[Any] = [{"role": "user", "content": PROMPT.format(day=day, id=id)}]
    did = []
    for _ in range(5):
        body = {"model": "m", "max_tokens": 99, "messages": messages, "tools": TOOLS, "stream": True}
        answer = await visit.http().post("/v1/messages", json=body)
        assert answer.status_code == 200, answer.text
        response = visit.last.response
        assert response is not None
        if not response.tool_calls:
            return [*did, response.text]
        (call,) = response.tool_calls
        did.append(str(call.arguments))
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": output}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    return did


def test_an_agents_run_is_played_again(gate: GateBench, short: Path) -> None:
    async def go() -> None:
        async with gate.door(a_model("scripted", name="s", prompted=True)) as visit:
            first = await agent(visit, "Monday 2026-11-23", "0a1b2c3d4e5f", "Mon Nov 23")
        assert len(first) == 3 and first[-1] == "all done"
        record = Transcript("t", "s", 1, 1, Output(), tuple(visit.state.events))
        call = 'calls Bash: {{"command":"{}"}}'
        steps = [call.format("date"), "tool result: Mon Nov 23", call.format("ls"), "tool result: Mon Nov 23"]
        assert steps_of(record) == [*steps, "says: all done"], "what a judge is shown of an agent's work"
        shown = "\n".join(trajectory(record.events))
        assert "step 3, main: /v1/messages -> 200" in shown and shown.count("Mon Nov 23") == 2
        run = short / "runs" / "r1"
        run.mkdir(parents=True)
        (run / "transcripts.jsonl").write_bytes(msgspec.json.encode(record) + b"\n")

        again = a_model("replay", run="runs/r1", by="answers")
        async with gate.door(again) as visit:
            assert await agent(visit, "Saturday 2026-11-28", "ffee99887766", "Sat Nov 28") == first
        with pytest.raises(ModelError, match="not in the recorded run"):
            async with gate.door(again) as visit:
                body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "something else"}]}
                await visit.http().post("/v1/messages", json=body)
        await gate.server.aclose()

    asyncio.run(go())
