"""What is sent of a conversation: tool calls and results, others' reasoning, cache marks, keys and headers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.api import Message, Model, Reasoning, Request, Text, Tool, ToolCall, ToolResult, assistant, user
from harness.testing.wire import WireServer

DIALECTS = ("anthropic", "responses", "chat")
TOOL = Tool("look_up", "Look up.", {"type": "object", "properties": {"w": {"type": "string"}}})
Body = dict[str, Any]

CONVERSATION = (
    user("first"),
    assistant("thinking aloud", ToolCall("c1", "look_up", {"w": "a"}), ToolCall("c2", "look_up", "{broken")),
    user(ToolResult("c1", "found"), ToolResult("c2", "no", is_error=True), "go on"),
)


def test_a_conversation_with_tools_is_spelled_for_each(sent: Callable[..., Body]) -> None:
    request = Request(CONVERSATION, tools=(TOOL,))
    assert sent("anthropic", request)["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "thinking aloud"},
                {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"w": "a"}},
                {"type": "tool_use", "id": "c2", "name": "look_up", "input": {"unparsed": "{broken"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "found"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "no", "is_error": True},
                {"type": "text", "text": "go on"},
            ],
        },
    ]
    assert sent("responses", request)["input"][1:] == [
        {"role": "assistant", "content": "thinking aloud"},
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"w":"a"}'},
        {"type": "function_call", "call_id": "c2", "name": "look_up", "arguments": "{broken"},
        {"type": "function_call_output", "call_id": "c1", "output": "found"},
        {"type": "function_call_output", "call_id": "c2", "output": "no"},
        {"role": "user", "content": [{"type": "input_text", "text": "go on"}]},
    ]
    assert sent("chat", request)["messages"][1:] == [
        {
            "role": "assistant",
            "content": "thinking aloud",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"w":"a"}'}},
                {"id": "c2", "type": "function", "function": {"name": "look_up", "arguments": "{broken"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {"role": "tool", "tool_call_id": "c2", "content": "no"},
        {"role": "user", "content": [{"type": "text", "text": "go on"}]},
    ]


def test_another_providers_reasoning_is_not_sent(sent: Callable[..., Body]) -> None:
    theirs = (
        Reasoning("a", {"type": "thinking", "thinking": "a", "signature": "s"}),
        Reasoning("b", {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}),
        Reasoning("c", {"type": "reasoning", "id": "rs2", "summary": []}),
        Reasoning("d"),
    )
    request = Request((user("q"), Message("assistant", (*theirs, Text("said"))), user("go on")))
    blocks = sent("anthropic", request)["messages"][1]["content"]
    assert [b["type"] for b in blocks] == ["thinking", "text"]
    items = sent("responses", request)["input"][1:-1]
    assert [i.get("id") or i["content"] for i in items] == ["rs", "said"]
    assert sent("chat", request)["messages"][1] == {"role": "assistant", "content": "said"}


MARK = {"type": "ephemeral"}


def marked(body: Body) -> list[str]:
    """Where a body has cache breakpoints: `system`, `tools`, or the index of a message."""
    spots = ["system"] if isinstance(body.get("system"), list) and "cache_control" in body["system"][-1] else []
    spots += ["tools" for t in body.get("tools", ()) if "cache_control" in t]
    for i, message in enumerate(body["messages"]):
        if isinstance(message["content"], list):
            spots += [str(i) for b in message["content"] if "cache_control" in b]
    return spots


@pytest.mark.parametrize(
    ("request_", "spots"),
    [
        (Request((user("q"),), "sys", cache=True), ["system"]),
        (Request((user("long document"), user("q")), "sys", cache=True), ["system", "0"]),
        (Request((user("q"),), tools=(TOOL,), cache=True), ["tools", "0"]),
        (Request(CONVERSATION, "sys", tools=(TOOL,), cache=True), ["system", "0", "2"]),
        (Request((user("q"),), cache=True), []),
        (Request(CONVERSATION, "sys", tools=(TOOL,)), []),
    ],
)
def test_the_stable_prefix_is_marked(sent: Callable[..., Body], request_: Request, spots: list[str]) -> None:
    assert marked(sent("anthropic", request_)) == spots


def test_the_mark_says_how_long_and_can_be_off(sent: Callable[..., Body]) -> None:
    request = Request((user("q"),), "sys", cache=True)
    assert sent("anthropic", request)["system"][0]["cache_control"] == MARK
    assert sent("anthropic", request, cache="1h")["system"][0]["cache_control"] == {**MARK, "ttl": "1h"}
    assert sent("anthropic", request, cache="off")["system"] == "sys"


def test_marking_leaves_the_request_and_the_tool_alone(sent: Callable[..., Body]) -> None:
    thought = Reasoning("t", {"type": "thinking", "thinking": "t", "signature": "s"})
    request = Request((user("q"), Message("assistant", (Text("a"), thought))), tools=(TOOL,), cache=True)
    first, second = sent("anthropic", request), sent("anthropic", request)
    assert first == second
    assert marked(first) == ["tools", "1"]
    assert first["messages"][1]["content"][0]["cache_control"] == MARK
    assert thought.opaque == {"type": "thinking", "thinking": "t", "signature": "s"}


def test_without_a_key_none_is_sent(
    wire: WireServer, make: Callable[..., Model], ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "sk-must-stay-here-123")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-must-stay")
    for dialect in DIALECTS:
        ask(make(dialect), Request((user("hi"),)))
        headers = wire.log()[-1]["headers"]
        assert not {"authorization", "x-api-key", "openai-organization"} & set(headers)
        assert "must-stay" not in str(headers)


@pytest.mark.parametrize("key", [None, "MY_KEY"])
def test_headers_from_the_environment_are_not_sent(
    wire: WireServer, make: Callable[..., Model], ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, key: Any
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-mine-123456")
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Hidden: 1\nAuthorization: Bearer other\nX-Team: theirs")
    for dialect in DIALECTS:
        ask(make(dialect, api_key_env=key, headers={"X-Team": "ours"}), Request((user("hi"),)))
        headers = wire.log()[-1]["headers"]
        assert "x-hidden" not in headers
        assert headers["x-team"] == "ours"
        assert headers.get("authorization") == ("***3456" if key else None)


def test_a_named_key_is_sent_as_the_server_wants_it(
    wire: WireServer, make: Callable[..., Model], ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-mine-123456")
    for dialect in DIALECTS:
        ask(make(dialect, api_key_env="MY_KEY"), Request((user("hi"),)))
        assert wire.log()[-1]["headers"]["authorization"] == "***3456"
        ask(make(dialect, api_key_env="MY_KEY", key_header="api-key"), Request((user("hi"),)))
        headers = wire.log()[-1]["headers"]
        assert headers["api-key"] == "***"  # too short to show its end
        assert "authorization" not in headers
