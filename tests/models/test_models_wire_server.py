"""The wire server is true to the wire: the official SDKs read its answers with strict validation."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from harness.testing.wire import Call, Step, Tokens, WireServer

RICH = Step(
    text="Vienna",
    reasoning="think",
    tool_calls=(Call("look_up", {"word": "a"}),),
    usage=Tokens(input=5, cache_read=7, cache_write_short=11, cache_write_long=13, output=17, reasoning=19),
)
PLAIN = Step(text="Vienna")
TURN: Any = [{"role": "user", "content": "hi"}]


def with_openai(url: str, use: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        async with openai.AsyncOpenAI(
            api_key="k", base_url=f"{url}/v1", max_retries=0, _strict_response_validation=True
        ) as client:
            return await use(client)

    return asyncio.run(go())


def with_anthropic(url: str, use: Callable[[anthropic.AsyncAnthropic], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        async with anthropic.AsyncAnthropic(
            api_key="k", base_url=url, max_retries=0, _strict_response_validation=True
        ) as client:
            return await use(client)

    return asyncio.run(go())


def strictly(kind: Any, data: Any) -> Any:
    return TypeAdapter(kind).validate_python(data)


@pytest.mark.parametrize("step", [PLAIN, RICH], ids=["plain", "rich"])
def test_answers_are_valid_sdk_objects(wire: WireServer, step: Step) -> None:
    wire.script(step, step, step)
    message = with_anthropic(wire.url, lambda c: c.messages.create(model="m", max_tokens=9, messages=TURN))
    chat = with_openai(wire.url, lambda c: c.chat.completions.create(model="m", messages=TURN))
    response = with_openai(wire.url, lambda c: c.responses.create(model="m", input="hi"))
    strictly(Message, message.to_dict())
    strictly(ChatCompletion, chat.to_dict())
    strictly(Response, response.to_dict())
    assert message.content[-1 if step is PLAIN else 1].text == "Vienna"
    assert chat.choices[0].message.content == "Vienna"
    assert response.output_text == "Vienna"


@pytest.mark.parametrize("step", [PLAIN, RICH], ids=["plain", "rich"])
def test_stream_events_are_valid_sdk_objects(wire: WireServer, step: Step) -> None:
    wire.script(step, step, step)

    async def collect(stream: Any) -> list[Any]:
        return [event.to_dict() async for event in await stream]

    chat = with_openai(wire.url, lambda c: collect(c.chat.completions.create(model="m", messages=TURN, stream=True)))
    events = with_openai(wire.url, lambda c: collect(c.responses.create(model="m", input="hi", stream=True)))
    raw = with_anthropic(
        wire.url, lambda c: collect(c.messages.create(model="m", max_tokens=9, messages=TURN, stream=True))
    )
    for chunk in chat:
        strictly(ChatCompletionChunk, chunk)
    for event in events:
        strictly(ResponseStreamEvent, event)
    for event in raw:
        strictly(RawMessageStreamEvent, event)
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chat) == "Vienna"
    assert events[-1]["response"]["output"][-1]["type"] == ("message" if step is PLAIN else "function_call")
    assert raw[-1]["type"] == "message_stop"


def test_the_sdks_own_assembly_agrees_with_the_stream(wire: WireServer) -> None:
    wire.script(RICH)

    async def final(client: anthropic.AsyncAnthropic) -> Any:
        async with client.messages.stream(model="m", max_tokens=9, messages=TURN) as stream:
            return await stream.get_final_message()

    message = with_anthropic(wire.url, final)
    assert [b.type for b in message.content] == ["thinking", "text", "tool_use"]
    assert message.content[2].input == {"word": "a"}
    assert message.usage.output_tokens == 36


def test_errors_become_the_sdks_own(wire: WireServer) -> None:
    wire.script(Step(status=529), Step(status=429), Step(status=401))
    with pytest.raises(anthropic.APIStatusError) as overloaded:
        with_anthropic(wire.url, lambda c: c.messages.create(model="m", max_tokens=9, messages=TURN))
    assert (overloaded.value.status_code, overloaded.value.type) == (529, "overloaded_error")
    with pytest.raises(openai.RateLimitError):
        with_openai(wire.url, lambda c: c.responses.create(model="m", input="hi"))
    with pytest.raises(openai.AuthenticationError):
        with_openai(wire.url, lambda c: c.chat.completions.create(model="m", messages=TURN))


def test_tokens_are_counted(wire: WireServer) -> None:
    counted = with_anthropic(wire.url, lambda c: c.messages.count_tokens(model="m", messages=TURN))
    assert counted.input_tokens > 0


@pytest.mark.parametrize(
    ("name", "said"), [("echo", "a: b"), ("fixed:yes", "yes"), ("after:a:", "b"), ("gpt-5.4", "ok")]
)
def test_a_rule_in_the_models_name_gives_the_answer(wire: WireServer, name: str, said: str) -> None:
    turn: Any = [{"role": "user", "content": "a: b"}]
    chat = with_openai(wire.url, lambda c: c.chat.completions.create(model=name, messages=turn))
    assert chat.choices[0].message.content == said


def test_scripts_belong_to_a_model_and_end(wire: WireServer) -> None:
    wire.script(Step(text="scripted", repeat=2), model="a")

    async def say(client: openai.AsyncOpenAI) -> list[str | None]:
        return [
            (await client.chat.completions.create(model=m, messages=TURN)).choices[0].message.content
            for m in ("b", "a", "a", "a")
        ]

    assert with_openai(wire.url, say) == ["ok", "scripted", "scripted", "ok"]


def test_a_bad_script_is_refused(wire: WireServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        wire._call("/_script", {"steps": [{"txt": "typo"}]})


def test_the_log_shows_requests_without_keys(wire: WireServer) -> None:
    with_openai(wire.url, lambda c: c.chat.completions.create(model="m", messages=TURN))
    (entry,) = wire.log()
    assert entry["path"] == "/v1/chat/completions"
    assert entry["headers"]["authorization"] == "***"
    assert entry["body"]["messages"] == TURN


def test_each_answered_request_is_one_line_of_the_log_file(tmp_path: Path) -> None:
    path = tmp_path / "answered.jsonl"
    with WireServer(log=path) as server:
        server.script(Step(text="a"), Step(close="fin"), Step(hang=True))
        for timeout in (5.0, 5.0, 0.2):
            try:
                with_openai(
                    server.url, lambda c, t=timeout: c.chat.completions.create(model="m", messages=TURN, timeout=t)
                )
            except openai.APIConnectionError:
                continue
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["n"], line["text"]) for line in lines] == [(1, "hi")]


def test_latency_is_kept() -> None:
    with WireServer(latency_ms=80, jitter_ms=10) as server:
        start = time.monotonic()
        with_openai(server.url, lambda c: c.chat.completions.create(model="m", messages=TURN))
        assert time.monotonic() - start >= 0.08


def test_the_server_ends_with_its_context() -> None:
    with WireServer() as server:
        process = server._process
    assert process is not None
    assert process.returncode is not None
