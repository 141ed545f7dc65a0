"""What a hostile program can say at its door: it takes no trial out of the measure by it, and no count is lost."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import anthropic
import msgspec
import pytest
from gate_bench import GateBench, Visit, a_model, run
from raw_provider import NAMES, body_of, model_at, path_for, raw_provider, whole_of

from harness.errors import ModelError
from harness.gateway.asks import ask_of
from harness.gateway.dialects import path_of
from harness.gateway.headers import query_of, to_provider
from harness.gateway.policy import wanted
from harness.records.exchange import Dialect
from harness.records.task import Limits
from harness.testing.wire import Step, WireServer

CLAUDE = "claude-opus-4-7"
HELLO: Any = [{"role": "user", "content": "hello"}]


async def say(visit: Visit, text: str = "hello") -> Any:
    return await visit.claude().messages.create(
        model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": text}]
    )


def test_one_bad_request_does_not_end_a_trial_ungraded(gate: GateBench, wire: WireServer) -> None:
    """Else any command of a model could: the provider refuses what it sends, and the trial would be nobody's fault."""
    model = a_model("anthropic", name=CLAUDE, base_url=wire.url)

    async def go() -> None:
        for status in (400, 403, 404):
            wire.script(Step(text="done"), Step(status=status, error_message="this request is none"))
            async with gate.door(model, must_call=True) as visit:
                await say(visit)
                with pytest.raises(anthropic.APIStatusError, match="this request is none"):
                    await say(visit)
                assert visit.last.status == status and "this request is none" in visit.last.trouble
        wire.script(Step(status=400, error_message="no such setting"))
        with pytest.raises(ModelError, match="no such setting"):
            async with gate.door(model) as visit:
                with pytest.raises(anthropic.BadRequestError):
                    await say(visit)

    run(gate, go)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Your credit balance is too low to access the Anthropic API."),
        (400, "Billing hard limit has been reached"),
        (400, "API key expired. Please renew the API key."),
        (403, "Key limit exceeded (total limit)."),
    ],
)
def test_an_account_that_runs_dry_in_the_middle_is_no_failure_of_the_agents(
    gate: GateBench, wire: WireServer, status: int, said: str
) -> None:
    """Anthropic, OpenAI, Gemini and OpenRouter say it with the status of a request that is wrong."""
    model = a_model("anthropic", name=CLAUDE, base_url=wire.url)

    async def go() -> None:
        wire.script(Step(text="done"), Step(status=status, error_message=said))
        with pytest.raises(ModelError, match=re.escape(said)) as failed:
            async with gate.door(model) as visit:
                await say(visit)
                with pytest.raises(anthropic.APIStatusError):
                    await say(visit)
        assert failed.value.fault == "auth"

    run(gate, go)


ODD: tuple[bytes, ...] = (
    b"x-odd: \xff\xfe", b"user-agent: \xff", b"x-claude-code-session-id: \xff", b"anthropic-beta: \xff",
    b"x-stainless-retry-count: \xff", b"x-claude-code-agent-id: \xed\xa0\x80", b"accept: \xe9",
)  # fmt: skip
PLACES = (b"/v1/messages", b"/v1/messages?a=%ff&b=%zz", b"/v1/%ff", b"/v1beta/models/%ff:generateContent")


@pytest.mark.parametrize("header", ODD)
@pytest.mark.parametrize("where", PLACES)
def test_odd_bytes_are_a_request_or_none_and_break_nothing(
    gate: GateBench, wire: WireServer, header: bytes, where: bytes
) -> None:
    body = msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": HELLO, "contents": HELLO})
    head = b"POST %s HTTP/1.1\r\nhost: door\r\nconnection: close\r\n%s\r\ncontent-length: %d\r\n\r\n"

    async def go() -> None:
        async with gate.door(a_model("anthropic", name=CLAUDE, base_url=wire.url)) as visit:
            reader, writer = await asyncio.open_unix_connection(str(visit.socket))
            writer.write(head % (where, header, len(body)) + body)
            answer = await reader.read()
            writer.close()
            assert answer.split()[1] in (b"200", b"400", b"404"), answer
            await say(visit)
            assert msgspec.json.decode(msgspec.json.encode(visit.state.events))

    run(gate, go)


def test_an_answer_or_a_request_that_is_no_text_is_in_the_record(gate: GateBench) -> None:
    """Bytes that cannot be decoded: the request goes no further, and the answer has been made and costs."""

    async def go() -> None:
        answer = whole_of("chat", Step(text="words")).replace(b"words", b"wor\xffds" * 100)
        async with (
            raw_provider([answer], "application/json") as provider,
            gate.door(model_at("chat", provider.url)) as visit,
        ):
            bad = body_of("chat", stream=False).replace(b"hello", b"\xff")
            assert (await visit.http().post("/v1/chat/completions", content=bad)).status_code == 400
            assert provider.bodies == [] and visit.last.trouble.startswith("bad_request")
            provider.go.release()
            provider.go.release()
            await visit.http().post("/v1/chat/completions", content=body_of("chat", stream=False))
            assert visit.room.crash is None and visit.last.trouble.startswith("bad_response")
            assert visit.state.usage.output > 50 and visit.state.turns == 1
            visit.room.last_error = None

    run(gate, go)


def test_a_key_that_a_server_repeats_in_its_error_does_not_enter_the_box(
    gate: GateBench, wire: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies such as LiteLLM's tell which key they were sent."""
    key = "sk-of-the-host-3141592653"
    monkeypatch.setenv("LAB_KEY", key)
    model = a_model("anthropic", name=CLAUDE, base_url=wire.url, api_key_env="LAB_KEY")

    async def go() -> None:
        for status in (400, 401):
            wire.script(Step(status=status, error_message=f"Received={key}, expected another"))
            with pytest.raises(ModelError) as failed:
                async with gate.door(model) as visit:
                    with pytest.raises(anthropic.APIStatusError) as refused:
                        await say(visit)
                    assert "expected another" in refused.value.response.text
                    assert key not in refused.value.response.text
                    assert key not in repr(visit.room.exchanges) + repr(visit.state.events)
            assert key not in str(failed.value)

    run(gate, go)


def untold(dialect: Dialect, step: Step) -> bytes:
    """A whole answer without its usage."""
    answer = json.loads(whole_of(dialect, step))
    answer.pop("usage", None)
    answer.pop("usageMetadata", None)
    return json.dumps(answer).encode()


@pytest.mark.parametrize("dialect", ["responses", "chat", "gemini"])
def test_an_answer_that_tells_no_tokens_is_counted_by_its_length(gate: GateBench, dialect: Dialect) -> None:
    """Else no limit of tokens or money would ever end a trial of such a server's."""

    async def go() -> None:
        answer = untold(dialect, Step(text="words and more " * 100))
        async with (
            raw_provider([answer], "application/json") as provider,
            gate.door(model_at(dialect, provider.url), limits=Limits(tokens=300)) as visit,
        ):
            provider.go.release()
            provider.go.release()
            said = await visit.http().post(path_for(dialect, stream=False), content=body_of(dialect, stream=False))
            assert said.status_code == 200 and said.content == answer
            usage = visit.state.usage
            assert usage.output == 1500 // 4 and usage.input > 0 and usage.calls == 1
            assert usage.unpriced + usage.estimated == 1, "a price of a guess is no price"
            assert visit.last.answered and visit.last.response is not None and visit.last.response.stop == "end"
            await visit.http().post(path_for(dialect, stream=False), content=body_of(dialect, stream=False))
            assert visit.room.limit == "tokens"

    run(gate, go)


def test_a_refusal_by_policy_is_the_systems_own_outcome(gate: GateBench, wire: WireServer) -> None:
    """As for a model that is asked without an agent: no failure of the provider."""
    wire.script(Step(status=400, error_code="content_filter", error_message="the prompt was filtered"))

    async def go() -> None:
        async with gate.door(a_model("openai", name=NAMES["chat"], base_url=wire.url + "/v1", api="chat")) as visit:
            asked = await visit.http().post("/v1/chat/completions", content=body_of("chat", stream=False))
            assert asked.status_code == 400 and "content_filter" in asked.text
            assert visit.last.response is not None and visit.last.response.stop == "refusal"
            assert (visit.state.usage.unpriced, visit.last.trouble) == (1, "")

    run(gate, go)


def test_what_a_provider_sums_up_a_conversation_with_is_counted(gate: GateBench, wire: WireServer) -> None:
    compaction = {"type": "compaction", "input_tokens": 700, "output_tokens": 50, "cache_read_input_tokens": 0,
                  "cache_creation_input_tokens": 0}  # fmt: skip
    own = {"type": "message", "input_tokens": 20, "output_tokens": 5, "cache_read_input_tokens": 0,
           "cache_creation_input_tokens": 0}  # fmt: skip
    body = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "ok"}],
        "usage": {"input_tokens": 20, "output_tokens": 5, "iterations": [compaction, own]},
    }  # fmt: skip
    wire.script(Step(body=body))

    async def go() -> None:
        async with gate.door(a_model("anthropic", name=CLAUDE, base_url=wire.url)) as visit:
            await say(visit)
            usage = visit.state.usage
            assert (usage.input, usage.output, usage.calls) == (720, 55, 1)

    run(gate, go)


def test_an_answer_that_comes_later_and_elsewhere_is_not_asked_for() -> None:
    """`background` is answered without an answer and without usage, and is billed: the record would hold neither."""
    path = path_of("POST", "/v1/responses")
    assert path is not None
    for said, wants in ((True, {"stored_files"}), (False, set())):
        body = json.dumps({"model": "m", "input": "x", "background": said}).encode()
        assert set(wanted(ask_of(path, body))) == wants


def test_gemini_is_not_asked_to_leave_its_usage_out() -> None:
    assert query_of("gemini", "alt=sse&key=k&fields=candidates&$alt=proto&callback=x") == "alt=sse"
    assert query_of("gemini", "alt=json") == ""
    assert query_of("anthropic", "beta=true&key=k") == "beta=true"
    sent = to_provider([("X-Goog-FieldMask", "candidates"), ("X-Server-Timeout", "0.01"), ("X-Kept", "1")], {})
    assert [name for name, _ in sent] == ["X-Kept", "Accept-Encoding"]
