"""A provider of bytes: it keeps what it was sent, and answers with given pieces, one whenever it is told to go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from gate_bench import a_model

from harness.plugins.contracts import Model
from harness.records.exchange import Dialect
from harness.testing.wire_script import Ask, Step
from harness.testing.wire_server import ANTHROPIC, CHAT, GEMINI, RESPONSES, frame
from harness.testing.wire_server import Dialect as Written

WRITTEN: Mapping[Dialect, Written] = {"anthropic": ANTHROPIC, "responses": RESPONSES, "chat": CHAT, "gemini": GEMINI}
PATHS: Mapping[Dialect, str] = {
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/gemini-2.5-pro:generateContent",
}
NAMES: Mapping[Dialect, str] = {
    "anthropic": "claude-opus-4-7", "responses": "gpt-5.5", "chat": "gpt-5.4", "gemini": "gemini-2.5-pro",
}  # fmt: skip
STREAM = "text/event-stream"


class RawProvider:
    """Keeps the head and bytes of each request. A piece of the answer goes out for each release of `go`.

    With `kind` of a stream the answer is chunked, and its end waits for a release too; else it has a length. With
    `together` its head goes out with the first piece, in one write.
    """

    def __init__(self, pieces: Sequence[bytes], kind: str, *, together: bool = False) -> None:
        self.pieces = pieces
        self.together = together
        self.kind = kind
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.go = asyncio.Semaphore(0)
        self.url = ""
        self.tasks: list[asyncio.Task[None]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert found is not None
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(found[1])))
        size = sum(map(len, self.pieces))
        length = b"transfer-encoding: chunked" if self.kind == STREAM else b"content-length: %d" % size
        begins = (
            b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nrequest-id: req_1\r\nset-cookie: a=b\r\n"
            b"anthropic-organization-id: org_1\r\nanthropic-ratelimit-requests-remaining: 9\r\n"
            b"%s\r\nconnection: close\r\n\r\n" % (self.kind.encode(), length)
        )
        if not self.together:
            writer.write(begins)
            begins = b""
        try:
            for piece in self.pieces:
                await self.go.acquire()
                writer.write(begins + (b"%x\r\n%s\r\n" % (len(piece), piece) if self.kind == STREAM else piece))
                begins = b""
                await writer.drain()
            await self.go.acquire()
            if self.kind == STREAM:
                writer.write(b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()


@asynccontextmanager
async def raw_provider(
    pieces: Sequence[bytes], kind: str = STREAM, *, together: bool = False
) -> AsyncIterator[RawProvider]:
    """Listens for as long as the context lasts."""
    provider = RawProvider(pieces, kind, together=together)
    server = await asyncio.start_server(provider, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        try:
            yield provider
        finally:
            for _ in range(100 * (1 + len(provider.tasks))):
                provider.go.release()
            await asyncio.gather(*provider.tasks)


def model_at(dialect: Dialect, url: str, **more: Any) -> Model:
    """The shipped model plugin that is reached by this API."""
    name = more.pop("name", NAMES[dialect])
    if dialect == "anthropic":
        return a_model("anthropic", name=name, base_url=url, **more)
    if dialect == "gemini":
        return a_model("gemini", name=name, base_url=url, **more)
    return a_model("openai", name=name, base_url=url + "/v1", api=dialect, **more)


def path_for(dialect: Dialect, *, stream: bool) -> str:
    """Where an agent asks; Gemini says in the path that it wants a stream."""
    if dialect == "gemini" and stream:
        return PATHS[dialect].replace("generateContent", "streamGenerateContent?alt=sse")
    return PATHS[dialect]


def body_of(dialect: Dialect, *, stream: bool) -> bytes:
    """A small request."""
    said: dict[Dialect, dict[str, Any]] = {
        "anthropic": {"max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
        "responses": {"input": "hello"},
        "chat": {"messages": [{"role": "user", "content": "hello"}], "stream_options": {"include_usage": True}},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
    }
    if dialect == "gemini":
        return msgspec.json.encode(said[dialect])
    return msgspec.json.encode({"model": NAMES[dialect], "stream": stream, **said[dialect]})


def events_of(dialect: Dialect, step: Step) -> list[bytes]:
    """A streamed answer as its provider writes it, event by event."""
    written = WRITTEN[dialect]
    ask = Ask(model=NAMES[dialect], stream=True, stream_options={"include_usage": True})
    framed = [frame(event, named=written.named) for event in written.events(step, ask, 1)]
    return [*framed, *([written.done] if written.done else [])]


def whole_of(dialect: Dialect, step: Step) -> bytes:
    """The same answer in one piece."""
    return msgspec.json.encode(WRITTEN[dialect].answer(step, Ask(model=NAMES[dialect]), 1))
