"""An agent that hangs up: whether its answer was cut is decided by what was passed on, never by what there was."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from gate_bench import GateBench, Visit, a_model, run
from raw_provider import STREAM, body_of, events_of, model_at, path_for, raw_provider, whole_of

from harness.errors import ModelError
from harness.gateway.dialects import stream_error
from harness.records.exchange import Dialect
from harness.testing.wire import Step, Tokens

DIALECTS: tuple[Dialect, ...] = ("anthropic", "responses", "chat", "gemini")
WORDS = Step(reasoning="let me see", text="all of it", usage=Tokens(input=7, output=3))
LAST: dict[Dialect, bytes] = {
    "anthropic": b"message_stop", "responses": b"response.completed", "chat": b"[DONE]", "gemini": b"finishReason",
}  # fmt: skip
LONG = "words and more words " * 100_000
BUFFERED = 96 * 1024
"""More than a server may write to a connection of asyncio without waiting, in bytes, beside the kernel's own buffer."""


class Agent:
    """A client of a door that reads as far as it likes and goes."""

    def __init__(self, path: Path, dialect: Dialect, *, stream: bool = True) -> None:
        self.path, self.dialect, self.stream = path, dialect, stream
        self.got = b""

    async def __aenter__(self) -> Agent:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, str(self.path))
        body = body_of(self.dialect, stream=self.stream)
        head = f"POST {path_for(self.dialect, stream=self.stream)} HTTP/1.1\r\nHost: door\r\n"
        await loop.sock_sendall(self.socket, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close()

    async def read(self, most: int) -> bytes:
        """No byte more than this leaves the kernel's buffer."""
        piece = await asyncio.get_running_loop().sock_recv(self.socket, most)
        assert piece, self.got[-300:]
        self.got += piece
        return piece

    async def until(self, words: bytes, *, end: bool = True) -> None:
        """Read until these words, and the end of their event, were read."""
        while words not in self.got or (end and b"\n\n" not in self.got[self.got.rindex(words) :]):
            await self.read(65536)


async def recorded(visit: Visit) -> None:
    """Wait for the exchange."""
    while not visit.room.exchanges:  # noqa: ASYNC110 - nothing tells of it: the handler ends by itself
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_of_ours_is_cut_when_the_agent_leaves_in_its_middle(
    gate: GateBench, dialect: Dialect, stream: bool
) -> None:
    """The model's answer is there, whole: the agent has had the beginning of it."""

    async def go() -> None:
        async with gate.door(a_model("scripted", name="s", answer=LONG)) as visit:
            async with Agent(visit.socket, dialect, stream=stream) as agent:
                assert await agent.read(1000)
            await recorded(visit)
            assert visit.last.cut == "agent" and not visit.last.answered
            assert visit.last.response is not None and not visit.last.usage.estimated, "what it cost is known"

    run(gate, go)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_of_ours_is_whole_when_the_agent_leaves_at_its_last_event(gate: GateBench, dialect: Dialect) -> None:
    async def go() -> None:
        for text in ("short", LONG):
            async with gate.door(a_model("scripted", name="s", answer=text)) as visit:
                async with Agent(visit.socket, dialect) as agent:
                    await agent.until(LAST[dialect])
                await recorded(visit)
                assert visit.last.cut == "" and visit.last.answered
                assert visit.last.response is not None and visit.last.response.text == text

    run(gate, go)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_relayed_answer_is_whole_when_the_agent_leaves_at_its_last_event(gate: GateBench, dialect: Dialect) -> None:
    """The provider never ends its stream: only the agent's leaving does."""
    events = events_of(dialect, WORDS)

    async def go() -> None:
        async with raw_provider(events) as provider:
            for _ in events:
                provider.go.release()
            async with gate.door(model_at(dialect, provider.url)) as visit:
                async with Agent(visit.socket, dialect) as agent:
                    await agent.until(LAST[dialect])
                await recorded(visit)
                assert visit.last.cut == "" and visit.last.answered
                assert (visit.state.usage.input, visit.state.usage.output) == (7, 3)
                assert not visit.state.usage.estimated

    run(gate, go)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_what_comes_with_the_head_goes_on_with_it(gate: GateBench, dialect: Dialect, stream: bool) -> None:
    """Both are written at once; nothing of them is lost or held back."""
    pieces = events_of(dialect, WORDS) if stream else [whole_of(dialect, WORDS)]

    async def go() -> None:
        async with (
            raw_provider(pieces, STREAM if stream else "application/json", together=True) as provider,
            gate.door(model_at(dialect, provider.url)) as visit,
        ):
            async with Agent(visit.socket, dialect, stream=stream) as agent:
                provider.go.release()
                first = await agent.read(65536)
                assert first.startswith(b"HTTP/1.1 200 ") and pieces[0] in first
                for _ in pieces:
                    provider.go.release()
                await agent.until(LAST[dialect] if stream else b"all of it", end=stream)
            await recorded(visit)
            assert visit.last.cut == "" and visit.last.answered

    run(gate, go)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_relayed_stream_is_cut_when_the_agent_leaves_in_its_middle(gate: GateBench, dialect: Dialect) -> None:
    events = events_of(dialect, WORDS)

    async def go() -> None:
        async with raw_provider(events) as provider:
            provider.go.release()
            async with gate.door(model_at(dialect, provider.url)) as visit:
                async with Agent(visit.socket, dialect) as agent:
                    await agent.until(b"data:")
                await recorded(visit)
                assert visit.last.cut == "agent" and not visit.last.answered and not visit.last.trouble
                assert visit.state.usage.estimated + visit.state.usage.unpriced > 0

    run(gate, go)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_that_the_agent_heard_is_the_providers_though_the_agent_leaves_at_it(
    gate: GateBench, dialect: Dialect
) -> None:
    """The provider has said it in its stream, and does not end the stream: only the agent's leaving does."""
    pieces = [events_of(dialect, WORDS)[0], stream_error(dialect, 529, "too many at once")]

    async def go() -> None:
        async with raw_provider(pieces) as provider:
            for _ in pieces:
                provider.go.release()
            with pytest.raises(ModelError, match="too many at once"):
                async with gate.door(model_at(dialect, provider.url)) as visit:
                    async with Agent(visit.socket, dialect) as agent:
                        await agent.until(b"too many at once")
                    await recorded(visit)
                    assert visit.last.cut == "provider" and "too many at once" in visit.last.trouble
                    assert visit.state.usage.estimated + visit.state.usage.unpriced > 0

    run(gate, go)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_of_which_nothing_came_but_the_head_costs(gate: GateBench, dialect: Dialect, stream: bool) -> None:
    """The provider has taken the request, so that it is billed, whoever hears the answer."""
    pieces = events_of(dialect, WORDS) if stream else [whole_of(dialect, WORDS)]

    async def go() -> None:
        kind = STREAM if stream else "application/json"
        async with raw_provider(pieces, kind) as provider, gate.door(model_at(dialect, provider.url)) as visit:
            async with Agent(visit.socket, dialect, stream=stream):
                while not provider.heads:  # noqa: ASYNC110 - the provider has no event for it
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.05)  # the head comes to the gateway; before it, the call is unpriced
            await recorded(visit)
            assert visit.last.cut == "agent" and not visit.last.trouble
            assert visit.state.usage.estimated + visit.state.usage.unpriced > 0

    run(gate, go)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_the_provider_has_said_and_the_agent_has_not_heard_is_cut(
    gate: GateBench, dialect: Dialect, stream: bool
) -> None:
    """Answers of growing size, so that some of them have arrived here whole while their last piece waits to be sent."""

    async def go() -> None:
        for size in range(320, 640, 16):
            step = Step(text="x" * size * 1024, usage=Tokens(input=7, output=3))
            pieces = [b"".join(events_of(dialect, step))] if stream else [whole_of(dialect, step)]
            async with raw_provider(pieces, STREAM if stream else "application/json") as provider:
                provider.go.release()
                provider.go.release()
                async with gate.door(model_at(dialect, provider.url)) as visit:
                    async with Agent(visit.socket, dialect, stream=stream) as agent:
                        held = agent.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
                        assert len(pieces[0]) > held + BUFFERED, "else all of it can be on its way"
                        await agent.read(100)
                        await asyncio.sleep(0.02)  # some pieces come; however many, the agent does not take them
                    await recorded(visit)
                    assert visit.last.cut == "agent" and not visit.last.answered, size

    run(gate, go)
