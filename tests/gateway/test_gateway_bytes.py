"""Byte for byte: what a provider gets is what the agent sent, and back; and what is edited is edited alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from gate_bench import GateBench, a_model

from harness.errors import ModelError

ODD = (
    b'{ "model":"claude-opus-4-7",  "max_tokens" : 5,\n\t"temperature": 1.0e0, "stream": true,'
    b' "messages":[{"role":"user","content":"caf\\u00e9 \xe2\x9c\x93 \\/ "}], "unknown": {"b":1,"a":[ ]},'
    b' "big": 12345678901234567890 }'
)
_START = b'{"type": "message_start", "message": {"id": "m", "model": "claude-x", "content": [], '
_DELTA = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"né"}}'.encode()
_END = b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}'
PIECES = [
    b"event: message_start\r\ndata: " + _START + b'"usage": {"input_tokens": 3, "output_tokens": 1}}}\r\n\r\n',
    b': a comment\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,',
    b'"content_block":{"type":"text","text":""}}\n\n',
    b"event: content_block_delta\ndata: " + _DELTA + b"\n\n",
    b"event: message_delta\ndata: " + _END + b"\n\n",
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


class RawProvider:
    """Keeps the bytes of each request, and answers in pieces, one whenever `go` is released."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.go = asyncio.Semaphore(0)
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        found = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert found is not None
        self.heads.append(head)
        self.bodies.append(await reader.readexactly(int(found[1])))
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nrequest-id: req_1\r\nset-cookie: a=b\r\n"
            b"anthropic-organization-id: org_1\r\nanthropic-ratelimit-requests-remaining: 9\r\n"
            b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        for piece in PIECES:
            await self.go.acquire()
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def raw_provider() -> AsyncIterator[RawProvider]:
    provider = RawProvider()
    server = await asyncio.start_server(provider, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield provider


def test_the_same_bytes_arrive_and_come_back_as_they_come(gate: GateBench) -> None:
    """The provider sends its next piece only after the agent has the one before: nothing is held back."""

    async def go() -> None:
        async with raw_provider() as provider:
            model = a_model("anthropic", name="claude-opus-4-7", base_url=provider.url)
            async with gate.door(model) as visit:
                headers = {"anthropic-beta": "a,b", "x-custom": "kept", "cookie": "c=1", "authorization": "Bearer mine"}
                async with visit.http().stream(
                    "POST", "/v1/messages?beta=true&key=secret", content=ODD, headers=headers
                ) as answer:
                    provider.go.release()
                    got = []
                    async for piece in answer.aiter_raw():
                        got.append(piece)
                        if len(b"".join(got)) == len(b"".join(PIECES[: len(got)])):
                            provider.go.release()
                assert b"".join(got) == b"".join(PIECES) and len(got) == len(PIECES)
                assert answer.headers["request-id"] == "req_1"
                for gone in ("set-cookie", "anthropic-organization-id", "anthropic-ratelimit-requests-remaining"):
                    assert gone not in answer.headers
            assert provider.bodies == [ODD]
            head = provider.heads[0]
            assert head.startswith("POST /v1/messages?beta=true HTTP/1.1")
            assert "x-custom: kept" in head and "anthropic-beta: a,b" in head
            assert "mine" not in head and "secret" not in head and "c=1" not in head
            assert visit.last.response is not None and visit.last.response.text == "né"
            assert visit.state.usage.output == 2
        await gate.server.aclose()

    asyncio.run(go())


def test_only_what_must_be_another_is_written_anew(gate: GateBench) -> None:
    """Another model and a pinned effort: all other values keep their bytes, and the agent's betas stay."""

    async def go() -> None:
        async with raw_provider() as provider:
            model = a_model(
                "anthropic", name="claude-sonnet-5", base_url=provider.url, effort="high", betas=("c", "b"),
                api_key_env="HOST_KEY",
            )  # fmt: skip
            for _ in PIECES:
                provider.go.release()
            async with gate.door(model) as visit:
                body = ODD.replace(b'"unknown"', b'"output_config": {"effort": "low", "format": {"x": 1}}, "unknown"')
                await visit.http().post("/v1/messages", content=body, headers={"anthropic-beta": "a,b"})
            sent = provider.bodies[0]
            assert json.loads(sent) == {
                **json.loads(body), "model": "claude-sonnet-5", "output_config": {"effort": "high", "format": {"x": 1}}
            }  # fmt: skip
            assert b"1.0e0" in sent and b"caf\\u00e9" in sent and b"12345678901234567890" in sent
            assert "anthropic-beta: a,b,c" in provider.heads[0] and "x-api-key: sk-host-key" in provider.heads[0]
            assert (visit.last.asked, visit.last.sent) == ("claude-opus-4-7", "claude-sonnet-5")
        await gate.server.aclose()

    with_key(go)


def with_key(go: Any) -> None:
    import os

    os.environ["HOST_KEY"] = "sk-host-key"
    try:
        asyncio.run(go())
    finally:
        del os.environ["HOST_KEY"]


def test_large_and_compressed_bodies_pass(gate: GateBench) -> None:
    import gzip

    async def go() -> None:
        async with raw_provider() as provider:
            for _ in range(2 * len(PIECES)):
                provider.go.release()
            model = a_model("anthropic", name="claude-opus-4-7", base_url=provider.url)
            async with gate.door(model) as visit:
                big = ODD.replace(b"caf", b"x" * 5_000_000)
                assert (await visit.http().post("/v1/messages", content=big)).status_code == 200
                packed = {"content-encoding": "gzip"}
                answer = await visit.http().post("/v1/messages", content=gzip.compress(ODD), headers=packed)
                assert answer.status_code == 200
            assert provider.bodies == [big, ODD]
            assert "content-encoding" not in provider.heads[1].lower()
            assert "5000006 characters" in str(visit.room.exchanges[0].parts)
        await gate.server.aclose()

    asyncio.run(go())


def test_no_cookie_and_no_redirect_is_followed(gate: GateBench) -> None:
    async def go() -> None:
        async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 307 X\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(redirecting, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(ModelError, match="redirects"):
                async with gate.door(a_model("anthropic", name="claude-opus-4-7", base_url=url)) as visit:
                    answer: httpx2.Response = await visit.http().post("/v1/messages", content=ODD)
                    assert answer.status_code == 400 and "redirects to http://elsewhere" in answer.text
        await gate.server.aclose()

    asyncio.run(go())
