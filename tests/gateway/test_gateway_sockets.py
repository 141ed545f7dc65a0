"""Sockets: one for each trial, its identity; nothing of one trial in another's record; nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gate_bench import GateBench, Visit, a_model

from harness.errors import SandboxError
from harness.gateway.entrance import Entrance, TrialGateway
from harness.gateway.server import PREFIX, GatewayServer, reap
from harness.records.content import ToolCall
from harness.records.exchange import Dialect
from harness.records.task import Limits
from harness.testing.wire import WireServer

ROOT = Path(__file__).parents[2]


def test_sixty_four_trials_at_once_keep_their_records_apart(gate: GateBench, wire: WireServer) -> None:
    """Each asks its own questions, streamed and not, over its own socket, through one pool of connections."""

    async def one(i: int, opened: Any) -> None:
        async with gate.door(opened) as visit:
            http = visit.http()
            for turn in range(3):
                asked = f"@@usage {i + 1} {turn + 1}\n@@say trial {i} turn {turn}"
                body = {"model": f"name-{i}", "max_tokens": 50, "messages": [{"role": "user", "content": asked}]}
                answer = await http.post("/v1/messages", json={**body, "stream": turn == 1})
                assert answer.status_code == 200
            said = [e.response.text for e in visit.room.exchanges if e.response]
            assert said == [f"trial {i} turn {turn}" for turn in range(3)]
            assert {e.asked for e in visit.room.exchanges} == {f"name-{i}"}
            assert (visit.state.usage.input, visit.state.usage.output) == (3 * (i + 1), 6)
            assert visit.state.turns == 3 and len(visit.state.events) == 3
            assert all(f"trial {i} " in str(e.parts) for e in visit.room.exchanges)

    async def go() -> None:
        opened = gate.opened(a_model("anthropic", name="claude-opus-4-7", base_url=wire.url))

        class Shared:
            async def aclose(self) -> None:
                """Closed once, at the end."""

        client, opened.client = opened.client, Shared()  # type: ignore[assignment]
        await asyncio.gather(*(one(i, opened) for i in range(64)))
        await client.aclose()
        await gate.server.aclose()

    asyncio.run(go())
    assert list(gate.folder.iterdir()) == []


def test_a_trials_folder_is_all_its_sidecar_needs_and_the_rest_is_private(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        async with gate.door(a_model("scripted")) as visit:
            assert stat.S_IMODE(visit.socket.stat().st_mode) == 0o666
            assert stat.S_IMODE(visit.socket.parent.stat().st_mode) == 0o755
            assert stat.S_IMODE(visit.socket.parent.parent.stat().st_mode) == 0o700
            assert [p.name for p in visit.socket.parent.iterdir()] == ["gw.sock"]
        assert not visit.socket.parent.exists()
        await gate.server.aclose()

    asyncio.run(go())


def test_a_closed_door_lets_nothing_through(gate: GateBench) -> None:
    async def go() -> None:
        entrance = Entrance(gate.server, _NoTrial())
        folder = await entrance.open()
        http = Visit(folder / "gw.sock", None, None).http()  # type: ignore[arg-type]
        body = {"model": "m", "messages": []}
        answer = await http.post("/v1/messages", json=body)
        assert answer.status_code == 402 and "the door is closed" in answer.text
        assert (await http.get("/_door")).text == "open" and entrance.arrived.is_set()
        for _ in range(60):
            await http.get("/flood")
        assert len(entrance.trial.notes) == 50  # type: ignore[attr-defined]
        await http.aclose()
        await entrance.aclose()
        await gate.server.aclose()

    asyncio.run(go())


class _NoTrial:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.allowed: tuple[str, ...] = ()

    def note(self, kind: str, text: str) -> None:
        self.notes.append(text)


def test_a_box_whose_sidecar_never_comes_is_one_message(gate: GateBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.gateway.entrance.ARRIVAL_S", 0.05)

    async def go() -> None:
        entrance = Entrance(gate.server, _NoTrial())  # type: ignore[arg-type]
        await entrance.open()
        gateway = TrialGateway(entrance, {"main": gate.opened(a_model("scripted"))}, boxed=True)
        with pytest.raises(SandboxError, match="did not reach the gateway's socket"):
            async with gateway.open():
                pass
        await entrance.aclose()
        await gate.server.aclose()

    asyncio.run(go())


def test_a_port_on_the_host_answers_only_who_has_its_key(gate: GateBench) -> None:
    async def go() -> None:
        async with gate.door(a_model("scripted", name="s", answer="hi")) as visit:
            entrance = gate.entrances[-1]
            gateway = TrialGateway(
                entrance, {"main": gate.opened(a_model("scripted", name="s", answer="hi"))}, boxed=False
            )
            async with gateway.open(on_host=True) as room, httpx2.AsyncClient(base_url=room.host_url) as http:
                body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
                assert (await http.post("/v1/chat/completions", json=body)).status_code == 401
                wrong = {"authorization": "Bearer sk-other"}
                assert (await http.post("/v1/chat/completions", json=body, headers=wrong)).status_code == 401
                right = {"authorization": f"Bearer {room.key}"}
                assert (await http.post("/v1/chat/completions", json=body, headers=right)).status_code == 200
                assert len(room.exchanges) == 1
            with pytest.raises(httpx2.HTTPError):
                async with httpx2.AsyncClient(base_url=room.host_url) as http:
                    await http.post("/v1/chat/completions", json=body, headers=right)
            assert visit.room.exchanges == []
        await gate.server.aclose()

    asyncio.run(go())


def test_what_a_killed_gateway_leaves_is_removed_by_the_next(short: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from harness.gateway.server import GatewayServer\n"
        "async def go():\n"
        "    server = GatewayServer(pathlib.Path(sys.argv[1]))\n"
        "    await server.listen(None)\n"
        "    print('open', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(go())\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", program, str(short)], stdout=subprocess.PIPE, env=env)
    assert child.stdout is not None
    assert child.stdout.readline() == b"open\n"
    (left,) = short.glob(f"{PREFIX}*")
    assert (left / "1" / "gw.sock").exists()
    assert reap(short) == [], "a living gateway's folder stays"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert left.exists()

    async def go() -> None:
        server = GatewayServer(short)
        listening = await server.listen(None)  # type: ignore[arg-type]
        assert not left.exists()
        await listening.aclose()
        await server.aclose()

    asyncio.run(go())
    assert list(short.iterdir()) == []


def test_a_folder_that_cannot_hold_a_socket_is_one_message(short: Path) -> None:
    deep = short / ("d" * 90)
    deep.mkdir()

    async def go() -> None:
        with pytest.raises(SandboxError, match="too long a path for a socket"):
            await GatewayServer(deep).listen(None)  # type: ignore[arg-type]
        with pytest.raises(SandboxError, match="cannot open a socket"):
            await GatewayServer(short / "absent").listen(None)  # type: ignore[arg-type]

    asyncio.run(go())
    assert list(deep.iterdir()) == []


def test_a_temporary_folder_with_too_long_a_path_does_not_stop_a_run(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `TMPDIR` deep in a CI job's folders: no socket can be there, so a short folder takes its place."""
    deep = short / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    monkeypatch.setattr("harness.gateway.server.SHORT", str(short))

    async def go() -> None:
        server = GatewayServer()
        listening = await server.listen(None)  # type: ignore[arg-type]
        assert listening.folder.parent.parent == short
        await listening.aclose()
        await server.aclose()

    asyncio.run(go())
    assert list(deep.iterdir()) == [] and list(short.iterdir()) == [deep]


TOOLS: dict[Dialect, tuple[str, dict[str, Any]]] = {
    "anthropic": ("/v1/messages", {"tools": [{"name": "Bash", "input_schema": {"properties": {"command": {}}}}]}),
    "responses": (
        "/v1/responses",
        {"tools": [{"type": "function", "name": "exec_command", "parameters": {"properties": {"cmd": {}}}}]},
    ),
    "chat": (
        "/v1/chat/completions",
        {"tools": [{"type": "function", "function": {"name": "bash", "parameters": {"properties": {"command": {}}}}}]},
    ),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent",
        {"tools": [{"functionDeclarations": [{"name": "run_shell", "parameters": {"properties": {"command": {}}}}]}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", list(TOOLS))
@pytest.mark.parametrize("kind", ["scripted", "wire"])
def test_a_prompt_drives_any_agent(gate: GateBench, wire: WireServer, dialect: Dialect, kind: str) -> None:
    """The same directives by the scripted model and by the wire server: the agent's own shell tool is called."""
    prompt = "do it\n@@sh echo hi > out.txt\n@@say finished"

    async def go() -> None:
        if kind == "scripted" or dialect == "gemini":
            model = a_model("scripted", name="s", prompted=True)
        elif dialect == "anthropic":
            model = a_model("anthropic", name="claude-opus-4-7", base_url=wire.url)
        else:
            model = a_model("openai", name="gpt-5.4", base_url=wire.url + "/v1", api=dialect)
        path, tools = TOOLS[dialect]
        turns: dict[Dialect, dict[str, Any]] = {
            "anthropic": {"messages": [{"role": "user", "content": prompt}], "max_tokens": 9},
            "chat": {"messages": [{"role": "user", "content": prompt}]},
            "responses": {"input": [{"role": "user", "content": [{"type": "input_text", "text": prompt}]}]},
            "gemini": {"contents": [{"role": "user", "parts": [{"text": prompt}]}]},
        }
        async with gate.door(model) as visit:
            body = {"model": "m", "stream": True, **turns[dialect], **tools}
            assert (await visit.http().post(path, json=body)).status_code == 200
            assert visit.last.response is not None
            (call,) = visit.last.response.tool_calls
            assert "echo hi > out.txt" in str(call.arguments)
            body = {**body, **_with_result(dialect, turns[dialect], call)}
            assert (await visit.http().post(path, json=body)).status_code == 200
            assert visit.last.response.text == "finished"
        await gate.server.aclose()

    asyncio.run(go())


def _with_result(dialect: Dialect, before: dict[str, Any], call: ToolCall) -> dict[str, Any]:
    if dialect == "anthropic":
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "@@sh not this"}
        return {
            "messages": [
                *before["messages"],
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [result]},
            ]
        }
    if dialect == "chat":
        made = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": "{}"}}
        said = {"role": "assistant", "content": None, "tool_calls": [made]}
        return {
            "messages": [*before["messages"], said, {"role": "tool", "tool_call_id": call.id, "content": "@@sh no"}]
        }
    if dialect == "responses":
        made = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": "{}"}
        return {
            "input": [*before["input"], made, {"type": "function_call_output", "call_id": call.id, "output": "@@sh no"}]
        }
    back = {"functionResponse": {"name": call.name, "response": {"output": "@@sh no"}}}
    asked = {"role": "model", "parts": [{"functionCall": {"name": call.name, "args": {}}}]}
    return {"contents": [*before["contents"], asked, {"role": "user", "parts": [back]}]}


def test_an_agent_cannot_fill_the_memory_or_the_record(gate: GateBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that are too large alone or together, and requests without an end that are refused."""
    monkeypatch.setattr("harness.gateway.room.MAX_BODY", 1_000_000)
    monkeypatch.setattr("harness.gateway.room.MAX_TOGETHER", 1_500_000)
    monkeypatch.setattr("harness.gateway.room.MAX_IDLE", 5)

    async def slow(size: int, go: asyncio.Event) -> Any:
        yield b"x" * size
        await go.wait()
        yield b"x"

    async def go() -> None:
        async with gate.door(a_model("scripted", name="s", answer="x"), limits=Limits(turns=0)) as visit:
            http = visit.http()
            assert (await http.post("/v1/messages", content=b"x" * 1_100_000)).status_code == 413
            wait = asyncio.Event()
            held = asyncio.create_task(http.post("/v1/messages", content=slow(900_000, wait)))
            async with asyncio.timeout(10):
                while visit.room._reading < 900_000:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0.01)
            assert (await visit.http().post("/v1/messages", content=b"x" * 900_000)).status_code == 413
            wait.set()
            assert (await held).status_code == 400
            assert visit.room._reading == 0
            body = {"model": "m", "messages": [{"role": "user", "content": "secret words"}]}
            for _ in range(20):
                assert (await http.post("/v1/messages", json=body)).status_code == 402
            assert len(visit.room.exchanges) == 5 and "secret words" not in repr(visit.room.exchanges)
            assert visit.room.limit == "turns" and visit.state.turns == 0
        await gate.server.aclose()

    asyncio.run(go())
