"""What comes back: parts in order, stop reasons, usage in buckets, reasoning that goes round."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Message, Model, Reasoning, Request, Response, Text, ToolCall, ToolResult, Usage, user
from harness.testing.wire import Call, Step, Tokens, WireServer
from harness.toolkit.wire.usage import anthropic_usage, openai_usage

TOKENS = Tokens(input=5, cache_read=7, cache_write_short=11, cache_write_long=13, output=17, reasoning=19)
RICH = Step(
    text="Grüße — „Wien“ 🎡",
    reasoning="let me think",
    tool_calls=(Call("look_up", {"w": "ä"}), Call("look_up", '{"w": '), Call("now", {})),
    usage=TOKENS,
    model="echo-2026-11-01",
)
HI = Request((user("hi"),))


def test_parts_come_in_order_with_their_usage(
    way: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]
) -> None:
    wire.script(RICH)
    response: Response = ask(way(), HI)
    thought, text, *calls = response.parts
    assert isinstance(thought, Reasoning)
    assert thought.text == "let me think"
    assert text == Text("Grüße — „Wien“ 🎡")
    assert calls == [
        ToolCall("call_1" if "call_1" in str(calls) else "toolu_1", "look_up", {"w": "ä"}),
        ToolCall("call_2" if "call_2" in str(calls) else "toolu_2", "look_up", '{"w": '),
        ToolCall("call_3" if "call_3" in str(calls) else "toolu_3", "now", {}),
    ]
    assert response.stop == "tool_use"
    assert response.model == "echo-2026-11-01"
    assert re.fullmatch(r"(msg|resp|chatcmpl)[_-]\d+", response.id)
    usage = response.usage
    assert (usage.input, usage.cache_read, usage.output, usage.reasoning, usage.calls) == (5, 7, 17, 19, 1)
    assert usage.cache_write_short + usage.cache_write_long == 24
    assert (usage.input_total, usage.output_total) == (36, 36)


def test_cache_writes_are_told_apart_by_age(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]
) -> None:
    written = {}
    for dialect in ("anthropic", "responses", "chat"):
        wire.script(RICH)
        usage = ask(make(dialect), HI).usage
        written[dialect] = (usage.cache_write_short, usage.cache_write_long)
    assert written == {"anthropic": (11, 13), "responses": (11, 13), "chat": (24, 0)}


@pytest.mark.parametrize(
    ("step", "stop"),
    [
        (Step(text="a"), "end"),
        (Step(text="a", stop="max_tokens"), "max_tokens"),
        (Step(tool_calls=(Call("f"),)), "tool_use"),
        (Step(refusal="I cannot help with that."), "refusal"),
        (Step(text="", stop="refusal"), "refusal"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_stop_reasons_mean_the_same(
    way: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], step: Step, stop: str
) -> None:
    wire.script(step)
    response: Response = ask(way(), HI)
    assert response.stop == stop
    assert response.text == (step.refusal or step.text or "")


@pytest.mark.parametrize(("word", "stop"), [("context", "max_tokens"), ("pause", "other"), ("stop_sequence",) * 2])
def test_anthropics_other_stop_reasons(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], word: Any, stop: str
) -> None:
    wire.script(Step(text="a", stop=word))
    assert ask(make("anthropic"), HI).stop == stop


@pytest.mark.parametrize("stream", [False, True])
def test_responses_keep_stop_sequences_that_the_api_lacks(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], stream: bool
) -> None:
    wire.script(Step(text="one END two STOP three"))
    response = ask(make("responses", stream=stream), Request((user("hi"),), stop=("STOP", "END")))
    assert (response.text, response.stop) == ("one ", "stop_sequence")
    assert "stop" not in wire.log()[-1]["body"]


def test_what_was_charged_is_reported(make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]) -> None:
    for stream in (False, True):
        wire.script(Step(text="a", service_tier="priority", speed="fast", inference_geo="us"))
        charged = ask(make("anthropic", stream=stream), HI).priced_as
        assert charged == {"service_tier": "priority", "speed": "fast", "inference_geo": "us"}
        for dialect in ("responses", "chat"):
            wire.script(Step(text="a", service_tier="flex"))
            assert ask(make(dialect, stream=stream), HI).priced_as == {"service_tier": "flex"}


def next_turn(first: Response) -> Request:
    results = Message("user", tuple(ToolResult(c.id, "found") for c in first.tool_calls))
    return Request((user("hi"), Message("assistant", first.parts), results))


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_thinking_goes_round_unchanged(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], stream: bool
) -> None:
    wire.script(Step(reasoning="hm", signature="abc+/=", redacted="ZGF0YQ==", tool_calls=(Call("f", {"a": 1}),)))
    model = make("anthropic", stream=stream)
    ask(model, next_turn(ask(model, HI)))
    assert wire.log()[-1]["body"]["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "abc+/="},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_responses_reasoning_and_phases_go_round_without_being_stored(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], stream: bool
) -> None:
    wire.script(Step(reasoning="hm", signature="ENC", commentary="I will look.", text="So:", tool_calls=(Call("f"),)))
    model = make("responses", stream=stream)
    first: Response = ask(model, HI)
    assert first.text == "So:"
    assert [p.text for p in first.parts if isinstance(p, Reasoning)] == ["hm", "I will look.", ""]
    ask(model, next_turn(first))
    body = wire.log()[-1]["body"]
    assert body["store"] is False
    _, reasoning, commentary, answer, call, result = body["input"]
    assert (reasoning["type"], reasoning["encrypted_content"]) == ("reasoning", "ENC")
    assert (commentary["phase"], commentary["content"][0]["text"]) == ("commentary", "I will look.")
    assert answer == {"role": "assistant", "content": "So:", "phase": "final_answer"}
    assert (call["call_id"], result["call_id"]) == ("call_1", "call_1")


@pytest.mark.parametrize("stream", [False, True])
def test_chat_reasoning_goes_back_with_tool_calls_only(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any], stream: bool
) -> None:
    model = make("chat", stream=stream)
    wire.script(Step(reasoning="hm", tool_calls=(Call("f"),)))
    ask(model, next_turn(ask(model, HI)))
    assert wire.log()[-1]["body"]["messages"][1]["reasoning_content"] == "hm"
    wire.script(Step(reasoning="hm", text="done"))
    first: Response = ask(model, HI)
    assert (first.text, first.parts[0]) == ("done", Reasoning("hm", {"reasoning_content": "hm"}))
    ask(model, next_turn(first))
    assert wire.log()[-1]["body"]["messages"][1] == {"role": "assistant", "content": "done"}


CHAT: dict[str, Any] = {"id": "x", "model": "m", "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}


def test_a_server_without_usage_gives_a_call_without_tokens(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]
) -> None:
    wire.script(Step(body=CHAT))
    assert ask(make("chat"), HI).usage == Usage(calls=1)


def test_compatible_servers_liberties_are_understood(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]
) -> None:
    call = {"id": None, "function": {"name": "f", "arguments": {"a": 1}}}
    message = {
        "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}],
        "reasoning": "r",
        "tool_calls": [call],
    }
    wire.script(
        Step(body={"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3.0}})
    )
    response: Response = ask(make("chat"), HI)
    assert response.parts == (Reasoning("r", {"reasoning": "r"}), Text("ab"), ToolCall("", "f", {"a": 1}))
    assert (response.stop, response.usage.input) == ("tool_use", 3)


def test_anthropic_server_tools_are_kept_and_sent_back(
    make: Callable[..., Model], wire: WireServer, ask: Callable[..., Any]
) -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "text", "text": "found"},
    ]
    usage = {"input_tokens": 1, "output_tokens": 2}
    wire.script(Step(body={"id": "m", "model": "x", "content": blocks, "stop_reason": "end_turn", "usage": usage}))
    model = make("anthropic", stream=False)
    first: Response = ask(model, HI)
    assert first.text == "found"
    ask(model, Request((user("hi"), Message("assistant", first.parts), user("more"))))
    assert wire.log()[-1]["body"]["messages"][1]["content"] == blocks


COUNTS = st.one_of(st.none(), st.integers(-5, 10**7))


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_anthropic_buckets_add_up_to_the_providers_totals(
    fresh: Any, read: Any, written: Any, long: Any, output: Any, thought: Any
) -> None:
    usage = anthropic_usage(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_1h_input_tokens": long, "ephemeral_5m_input_tokens": 1},
            "output_tokens": output,
            "output_tokens_details": {"thinking_tokens": thought},
        }
    )
    assert usage.input_total == sum(max(0, n or 0) for n in (fresh, read, written))
    assert usage.output_total == max(0, output or 0)
    assert no_bucket_is_negative(usage)


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.sampled_from([("prompt", "completion"), ("input", "output")]))
def test_openai_buckets_add_up_to_the_providers_totals(
    total_in: Any, read: Any, written: Any, long: Any, total_out: Any, thought: Any, sides: tuple[str, str]
) -> None:
    side_in, side_out = sides
    usage = openai_usage(
        {
            f"{side_in}_tokens": total_in,
            f"{side_in}_tokens_details": {
                "cached_tokens": read,
                "cache_write_tokens": written,
                "cache_write_tokens_details": {"ttl_12h_tokens": long},
            },
            f"{side_out}_tokens": total_out,
            f"{side_out}_tokens_details": {"reasoning_tokens": thought},
        },
        side_in,
        side_out,
    )
    assert usage.input_total == max(0, total_in or 0)
    assert usage.output_total == max(0, total_out or 0)
    assert no_bucket_is_negative(usage)


def no_bucket_is_negative(usage: Usage) -> bool:
    names = ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "reasoning")
    return all(getattr(usage, n) >= 0 for n in names)
