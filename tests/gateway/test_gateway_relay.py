"""What passes through the gateway with the real SDKs: the same bytes, the answer as it comes, and what is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from gate_bench import GateBench, a_model

from harness.records.exchange import Dialect
from harness.testing.wire import Step, Tokens, WireServer

KEY = "sk-real-key-of-the-host-0123456789"
CLAUDE, GPT = "claude-opus-4-7", "gpt-5.4"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_KEY", KEY)


def claude(wire: WireServer, **more: Any) -> Any:
    return a_model("anthropic", name=CLAUDE, base_url=wire.url, api_key_env="HOST_KEY", **more)


def gpt(wire: WireServer, **more: Any) -> Any:
    return a_model("openai", name=GPT, base_url=wire.url + "/v1", api_key_env="HOST_KEY", **more)


def test_messages_are_relayed_and_counted(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        wire.script(Step(text="hi there", usage=Tokens(input=100, cache_read=40, cache_write_short=7, output=9)))
        async with gate.door(claude(wire), dialects=("anthropic",)) as visit:
            answer = await visit.claude().messages.create(
                model=CLAUDE, max_tokens=50, system="Be brief.", messages=[{"role": "user", "content": "hello"}]
            )
            assert answer.content[0].text == "hi there"  # type: ignore[union-attr]
            usage = visit.state.usage
            assert (usage.input, usage.cache_read, usage.cache_write_short, usage.output) == (100, 40, 7, 9)
            assert usage.calls == 1 and visit.state.turns == 1 and visit.state.models == [CLAUDE]
            exchange = visit.last
            assert (exchange.status, exchange.asked, exchange.sent, exchange.role) == (200, CLAUDE, CLAUDE, "main")
            assert exchange.system_digest and "Anthropic" in exchange.client
            assert exchange.parts[exchange.messages[0]] == {"role": "user", "content": "hello"}
            assert exchange.response is not None and exchange.response.text == "hi there"
        await gate.server.aclose()

    asyncio.run(go())


def test_the_key_is_added_on_the_host_and_the_boxes_own_goes_no_further(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        async with gate.door(claude(wire)) as visit:
            await visit.claude().messages.create(
                model=CLAUDE, max_tokens=5, messages=[{"role": "user", "content": "x"}]
            )
            assert KEY not in repr(visit.last) and "placeholder" not in repr(visit.last)
        async with gate.door(gpt(wire)) as visit:
            await visit.gpt().chat.completions.create(model=GPT, messages=[{"role": "user", "content": "x"}])
        await gate.server.aclose()

    asyncio.run(go())
    first, second = wire.log()
    assert first["headers"]["x-api-key"] == f"***{KEY[-4:]}" and "authorization" not in first["headers"]
    assert second["headers"]["authorization"] == f"***{KEY[-4:]}"
    assert "placeholder" not in str(first) + str(second)


@pytest.mark.parametrize("dialect", ["anthropic", "responses", "chat"])
def test_a_stream_through_the_sdk_is_whole_and_counted(gate: GateBench, wire: WireServer, dialect: Dialect) -> None:
    async def go() -> None:
        wire.script(Step(text="streamed words", usage=Tokens(input=10, cache_read=4, output=3, reasoning=2)))
        model = claude(wire) if dialect == "anthropic" else gpt(wire, api=dialect)
        async with gate.door(model, dialects=(dialect,)) as visit:
            said = await streamed(visit, dialect)
            assert said == "streamed words"
            usage = visit.state.usage
            assert (usage.input, usage.cache_read, usage.output, usage.reasoning) == (10, 4, 3, 2)
            exchange = visit.last
            assert exchange.streamed and exchange.first_byte is not None and not exchange.cut and not exchange.trouble
        await gate.server.aclose()

    asyncio.run(go())


async def streamed(visit: Any, dialect: Dialect) -> str:
    if dialect == "anthropic":
        async with visit.claude().messages.stream(
            model=CLAUDE, max_tokens=50, messages=[{"role": "user", "content": "hello"}]
        ) as stream:
            return str(await stream.get_final_text())
    if dialect == "responses":
        async with visit.gpt().responses.stream(model=GPT, input="hello") as stream:
            async for _ in stream:
                pass
            return str((await stream.get_final_response()).output_text)
    chunks = await visit.gpt().chat.completions.create(
        model=GPT, stream=True, messages=[{"role": "user", "content": "hello"}]
    )
    words = []
    async for chunk in chunks:
        assert chunk.choices and chunk.usage is None, "the chunk of usage was not asked for"
        words.append(chunk.choices[0].delta.content or "")
    return "".join(words)


def test_the_chunk_of_usage_reaches_who_asked_for_it(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        async with gate.door(gpt(wire)) as visit:
            chunks = await visit.gpt().chat.completions.create(
                model=GPT, stream=True, stream_options={"include_usage": True},
                messages=[{"role": "user", "content": "hello"}],
            )  # fmt: skip
            told = [chunk.usage async for chunk in chunks]
            assert told[-1] is not None and visit.state.usage.output == told[-1].completion_tokens
        await gate.server.aclose()

    asyncio.run(go())


@pytest.mark.parametrize("kind", ["scripted", "gemini"])
def test_gemini_over_plain_http(gate: GateBench, wire: WireServer, kind: str) -> None:
    """Relayed to a provider, and answered by a model of ours, in the API's own words."""

    async def go() -> None:
        wire.script(Step(text="14 days", usage=Tokens(input=6, cache_read=4, output=3, reasoning=2), repeat=2))
        model = a_model("scripted", name="demo", answer="14 days")
        if kind == "gemini":
            model = a_model("gemini", name="gemini-2.5-pro", base_url=wire.url, api_key_env="HOST_KEY", temperature=0.5)
        async with gate.door(model, dialects=("gemini",)) as visit:
            body = {"contents": [{"role": "user", "parts": [{"text": "how long?"}]}]}
            async with visit.http() as http:
                whole = await http.post("/v1beta/models/any-name:generateContent?key=placeholder", json=body)
                assert whole.json()["candidates"][0]["content"]["parts"][0]["text"] == "14 days"
                parts = await http.post("/v1beta/models/any-name:streamGenerateContent?alt=sse", json=body)
                assert parts.text.startswith("data: ") and "STOP" in parts.text
                counted = await http.post("/v1beta/models/any-name:countTokens", json=body)
                assert counted.json()["totalTokens"] > 0
            assert visit.state.turns == 2
            assert [e.response.text for e in visit.room.exchanges if e.response] == ["14 days", "14 days"]
            usage = visit.state.usage
            if kind == "gemini":
                assert (usage.input, usage.cache_read, usage.output, usage.reasoning) == (12, 8, 6, 4)
        await gate.server.aclose()

    asyncio.run(go())
    if kind == "gemini":
        first, second = wire.log()
        assert first["path"] == "/v1beta/models/gemini-2.5-pro:generateContent"
        assert second["path"] == "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
        assert first["headers"]["x-goog-api-key"] == f"***{KEY[-4:]}"
        assert first["body"]["generationConfig"] == {"temperature": 0.5}
