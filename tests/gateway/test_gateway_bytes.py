"""Byte for byte: what a provider gets is what the agent sent, and back; and what is edited is edited alone."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from gate_bench import GateBench, a_model
from raw_provider import STREAM, body_of, events_of, model_at, path_for, raw_provider, whole_of

from harness.errors import ModelError
from harness.records.exchange import Dialect
from harness.testing.wire import Step, Tokens

ODD = (
    b'{ "model":"claude-opus-4-7",  "max_tokens" : 5,\n\t"temperature": 1.0e0, "stream": true,'
    b' "messages":[{"role":"user","content":"caf\\u00e9 \xe2\x9c\x93 \\/ "}], "unknown": {"b":1,"a":[ ]},'
    b' "big": 12345678901234567890 }'
)
PIECES = events_of("anthropic", Step(text="words"))
NOVEL = b', "words":"caf\\u00e9 \xe2\x9c\x93 \\/ ",  "unknown" : {"a":[ ]},\n\t"big": 12345678901234567890,"t": 1.0e0 }'
"""What no neutral request holds, at the end of a body."""
WORDS = Step(reasoning="let me see", text="n\u00e9 and \u2713", usage=Tokens(input=3, output=5))
DIALECTS: tuple[Dialect, ...] = ("anthropic", "responses", "chat", "gemini")


def odd_body(dialect: Dialect, *, stream: bool) -> bytes:
    return body_of(dialect, stream=stream)[:-1] + NOVEL


def odd_pieces(dialect: Dialect, *, stream: bool) -> list[bytes]:
    """An answer with comments, other line ends and an unknown field, in pieces that begin and end anywhere."""
    if not stream:
        whole = whole_of(dialect, WORDS)[:-1] + NOVEL
        return [whole[:40], whole[40:41], whole[41:]]
    first, *more = events_of(dialect, WORDS)
    rest = b"".join(more)
    cut = rest.index("\u00e9".encode()) + 1  # in the middle of a character
    pieces = [first.replace(b"\n", b"\r\n"), b": a comment\n\n", rest[:cut], rest[cut : cut + 9], rest[cut + 9 :]]
    return [piece for piece in pieces if piece]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [True, False])
def test_the_same_bytes_arrive_and_come_back_as_they_come(gate: GateBench, dialect: Dialect, stream: bool) -> None:
    """The provider sends its next piece only after the agent has the one before: nothing is held back."""
    pieces, body = odd_pieces(dialect, stream=stream), odd_body(dialect, stream=stream)
    path = path_for(dialect, stream=stream)
    query = "&" if "?" in path else "?"

    async def go() -> None:
        async with raw_provider(pieces, STREAM if stream else "application/json") as provider:
            async with gate.door(model_at(dialect, provider.url)) as visit:
                headers = {"anthropic-beta": "a,b", "x-custom": "kept", "cookie": "c=1", "authorization": "Bearer mine"}
                headers |= {"x-api-key": "mine", "x-goog-api-key": "mine", "content-type": "application/json"}
                url = f"{path}{query}beta=true&key=secret"
                async with visit.http().stream("POST", url, content=body, headers=headers) as answer:
                    provider.go.release()
                    got: list[bytes] = []
                    async for piece in answer.aiter_raw():
                        got.append(piece)
                        if len(b"".join(got)) == len(b"".join(pieces[: len(got)])):
                            provider.go.release()
                assert b"".join(got) == b"".join(pieces) and len(got) == len(pieces)
                assert answer.headers["request-id"] == "req_1"
                assert answer.headers["content-type"].startswith(provider.kind)
                for gone in ("set-cookie", "anthropic-organization-id", "anthropic-ratelimit-requests-remaining"):
                    assert gone not in answer.headers
                response = visit.last.response
                assert response is not None and response.text == WORDS.text and not visit.last.cut
                assert (visit.state.usage.input, visit.state.usage.output) == (3, 5)
            assert provider.bodies == [body]
            head = provider.heads[0]
            kept = path if dialect == "gemini" else f"{path}{query}beta=true"
            assert head.startswith(f"POST {kept} HTTP/1.1")
            assert "x-custom: kept" in head and "anthropic-beta: a,b" in head
            assert "mine" not in head and "secret" not in head and "c=1" not in head
        await gate.server.aclose()

    asyncio.run(go())


@pytest.mark.parametrize("together", [True, False])
def test_a_chat_stream_loses_only_the_chunk_of_usage_that_was_not_asked_for(gate: GateBench, together: bool) -> None:
    events = events_of("chat", WORDS)
    told = next(event for event in events if b'"choices":[]' in event)
    body = odd_body("chat", stream=True).replace(b'"stream_options":{"include_usage":true}', b'"x": 1.50')

    async def go() -> None:
        async with raw_provider([b"".join(events)] if together else events) as provider:
            for _ in range(len(events) + 1):
                provider.go.release()
            async with gate.door(model_at("chat", provider.url)) as visit:
                answer = await visit.http().post("/v1/chat/completions", content=body)
                assert answer.content == b"".join(e for e in events if e is not told)
                assert visit.state.usage.output == 5
            sent = provider.bodies[0]
            assert json.loads(sent) == {**json.loads(body), "stream_options": {"include_usage": True}}
            assert b'"x":1.50' in sent and b"caf\\u00e9" in sent and b"12345678901234567890" in sent
        await gate.server.aclose()

    asyncio.run(go())


def test_only_what_must_be_another_is_written_anew(gate: GateBench) -> None:
    """Another model and a pinned effort: all other values keep their bytes, and the agent's betas stay."""

    async def go() -> None:
        async with raw_provider(PIECES) as provider:
            model = a_model(
                "anthropic", name="claude-sonnet-5", base_url=provider.url, effort="high", betas=("c", "b"),
                api_key_env="HOST_KEY",
            )  # fmt: skip
            for _ in range(len(PIECES) + 1):
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


@pytest.mark.parametrize("inside", [True, False])
def test_no_request_names_other_models_to_fall_to(gate: GateBench, inside: bool) -> None:
    """Routers take a list of models; with one the named model would not be the one that is measured."""
    words = b', "tools": [ {"type":"function","function":{"name":"t","parameters":{"models": 1 }}} ]}'
    lists = b', "models":["other/one"], "fallbacks" : ["other/two"]}'
    body = body_of("chat", stream=False)[:-1] + (words if inside else lists)

    async def go() -> None:
        async with raw_provider([whole_of("chat", WORDS)], "application/json") as provider:
            provider.go.release()
            async with gate.door(model_at("chat", provider.url)) as visit:
                assert (await visit.http().post(path_for("chat", stream=False), content=body)).status_code == 200
            if inside:
                assert provider.bodies[0] == body
            else:
                assert json.loads(provider.bodies[0]) == json.loads(body_of("chat", stream=False))
        await gate.server.aclose()

    asyncio.run(go())


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
        async with raw_provider(PIECES) as provider:
            for _ in range(2 * (len(PIECES) + 1)):
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
