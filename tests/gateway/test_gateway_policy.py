"""What a provider would do outside the box is refused, whatever way it is asked for, unless the task allows it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from gate_bench import GateBench, a_model

from harness.gateway.asks import BadAsk, ask_of
from harness.gateway.dialects import path_of
from harness.gateway.policy import WORDS, Clean, wanted
from harness.records.exchange import Outside
from harness.testing.wire import WireServer

HELLO: Any = [{"role": "user", "content": "hello"}]


def wants(path: str, body: dict[str, Any]) -> set[str]:
    found = path_of("POST", path)
    assert found is not None
    return set(wanted(ask_of(found, json.dumps({"model": "m", **body}).encode())))


def said(block: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [block]}]}


ANTHROPIC = [
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
    ({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, "web_fetch"),
    ({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "code_execution"),
    ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]}, "remote_mcp"),
    ({"tools": [{"type": "brand_new_20271231", "name": "x"}]}, "other_tools"),
    ({"mcp_servers": [{"type": "url", "url": "https://evil.example", "name": "x"}]}, "remote_mcp"),
    ({"container": "abc"}, "code_execution"),
    (said({"type": "image", "source": {"type": "url", "url": "https://evil.example/?d=secret"}}), "urls"),
    (said({"type": "document", "source": {"type": "url", "url": "https://evil.example/a.pdf"}}), "urls"),
    (said({"type": "document", "source": {"type": "file", "file_id": "file_1"}}), "stored_files"),
    (
        said({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "url", "url": "http://x"}}]}),
        "urls",
    ),
]  # fmt: skip
OPENAI = [
    ("/v1/responses", {"tools": [{"type": "web_search"}]}, "web_search"),
    ("/v1/responses", {"tools": [{"type": "web_search_preview_2025_03_11"}]}, "web_search"),
    ("/v1/responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "code_execution"),
    ("/v1/responses", {"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "file_search"),
    ("/v1/responses", {"tools": [{"type": "mcp", "server_label": "x", "server_url": "https://e"}]}, "remote_mcp"),
    ("/v1/responses", {"tools": [{"type": "image_generation"}]}, "image_generation"),
    ("/v1/responses", {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]}, "web_search"),
    ("/v1/responses", {"input": [{"type": "additional_tools", "tools": [{"type": "web_search"}]}]}, "web_search"),
    ("/v1/responses", {"prompt": {"id": "pmpt_1"}}, "stored_files"),
    (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://e/x"}]}]},
        "urls",
    ),
    (
        "/v1/responses",
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://e/x"}]}]},
        "urls",
    ),
    ("/v1/chat/completions", {"web_search_options": {"search_context_size": "low"}}, "web_search"),
    ("/v1/chat/completions", said({"type": "image_url", "image_url": {"url": "https://e/x.png"}}), "urls"),
    ("/v1/chat/completions", {"model": "gpt-5-search-api"}, "web_search"),
]
GEMINI = [
    ({"tools": [{"googleSearch": {}}]}, "web_search"),
    ({"tools": [{"google_search": {}}]}, "web_search"),
    ({"tools": [{"urlContext": {}}]}, "web_fetch"),
    ({"tools": [{"codeExecution": {}}]}, "code_execution"),
    ({"tools": {"functionDeclarations": [], "codeExecution": {}}}, "code_execution"),
    ({"contents": [{"parts": [{"fileData": {"fileUri": "https://e/x"}}]}]}, "urls"),
    ({"cachedContent": "cachedContents/1"}, "stored_files"),
]


PICTURE = {"type": "image_url", "image_url": {"url": "https://e/x.png"}}
INPUT = [{"type": "input_image", "image_url": "https://e/x"}]
BLOCK = {"type": "image", "source": {"type": "url", "url": "https://e/x"}}
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GOOGLE = "/v1beta/models/g:generateContent"
REMOTE = [{"type": "mcp", "server_url": "https://e"}]
FILE, FILE_ = {"fileUri": "https://e"}, {"file_uri": "https://e"}
DISGUISED = [
    (CHAT, {"messages": [{"role": "user", "content": [PICTURE], "functionCall": 1}]}, "urls"),
    (CHAT, {"messages": [{"role": "user", "content": [PICTURE], "type": "tool_use"}]}, "urls"),
    (CHAT, said({"type": "video_url", "video_url": {"url": "https://e/x.mp4"}}), "urls"),
    (RESPONSES, {"input": [{"role": "user", "content": INPUT, "functionCall": {}}]}, "urls"),
    (RESPONSES, {"input": [{"type": "additional_tools", "tools": [], "content": INPUT}]}, "urls"),
    (RESPONSES, {"input": [{"type": "tool_search_output", "tools": REMOTE}]}, "remote_mcp"),
    (MESSAGES, {"messages": [{"role": "user", "content": [BLOCK], "functionCall": 1}]}, "urls"),
    (MESSAGES, said({"type": "tool_use", "id": "1", "name": "x", "input": {}, "source": BLOCK["source"]}), "urls"),
    (GOOGLE, {"contents": [{"parts": [{"functionCall": {"name": "x"}, "fileData": FILE}]}]}, "urls"),
    (GOOGLE, {"contents": [{"parts": [{"function_response": {"parts": [{"file_data": FILE_}]}}]}]}, "urls"),
    (CHAT, {"web_search_options": {}}, "web_search"),
    (CHAT, {"extra_body": {"web_search_options": {}}}, "web_search"),
    (CHAT, {"extra_body": {"google": {"cached_content": "cachedContents/1"}}}, "stored_files"),
    (CHAT, {"search_parameters": {"mode": "on"}}, "web_search"),
    (CHAT, {"plugins": [{"id": "web"}]}, "web_search"),
    (CHAT, {"enable_search": True}, "web_search"),
    (CHAT, {"model": "openai/gpt-5:online"}, "web_search"),
    (RESPONSES, {"previous_response_id": "resp_1"}, "stored_files"),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}, "stored_files"),
    (RESPONSES, {"input": [{"id": "msg_1"}]}, "stored_files"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "word"), DISGUISED)
def test_no_disguise_and_no_other_name_passes(path: str, body: dict[str, Any], word: Outside) -> None:
    """A key that marks the agent's own arguments in one API hides nothing beside it, in none."""
    assert wants(path, body) == {word}


@pytest.mark.parametrize("field", ["container", "mcp_servers", "plugins", "previous_response_id", "enable_search"])
def test_fields_that_say_nothing_ask_for_nothing(field: str) -> None:
    for empty in (None, [], "", False):
        assert wants("/v1/chat/completions", {"messages": HELLO, field: empty, "extra_body": None}) == set()


@pytest.mark.parametrize(("body", "word"), ANTHROPIC)
def test_messages(body: dict[str, Any], word: Outside) -> None:
    assert wants("/v1/messages", {"messages": HELLO, **body}) == {word}


@pytest.mark.parametrize(("path", "body", "word"), OPENAI)
def test_openai(path: str, body: dict[str, Any], word: Outside) -> None:
    assert wants(path, body) == {word}


@pytest.mark.parametrize(("body", "word"), GEMINI)
def test_gemini(body: dict[str, Any], word: Outside) -> None:
    assert wants("/v1beta/models/g:generateContent", body) == {word}


def test_every_word_has_a_meaning() -> None:
    assert set(WORDS) == set(Outside.__args__)  # type: ignore[attr-defined]


def test_escaped_letters_hide_nothing() -> None:
    path = path_of("POST", "/v1/messages")
    assert path is not None
    body = (
        b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image", "source": '
        b'{"type": "u\\u0072l", "\\u0075rl": "https://evil.example"}}]}]}'
    )
    assert set(wanted(ask_of(path, body))) == {"urls"}
    assert set(wanted(ask_of(path, b'{"model": "m", "\\u006dcp_servers": [{"url": "x"}], "messages": []}'))) == {
        "remote_mcp"
    }


@pytest.mark.parametrize("spoilt", ["wants", "escaped"])
def test_a_clean_past_hides_nothing_that_is_new(spoilt: str) -> None:
    """Only messages without any hint are not looked at again, and whoever asked is asked every time."""
    path = path_of("POST", "/v1/messages")
    assert path is not None
    clean = Clean()
    new: Any = said({"type": "image", "source": {"type": "url", "url": "https://evil.example"}})["messages"]
    text = json.dumps(new).replace('"url"', '"\\u0075rl"') if spoilt == "escaped" else json.dumps(new)
    for turn in range(4):
        past = [{"role": "user", "content": f"turn {n}"} for n in range(turn)]
        body = json.dumps({"model": "m", "messages": past})
        assert wanted(ask_of(path, body.encode()), clean) == {}
        both = body.replace('"messages": [', '"messages": [' + text.strip("[]") + (", " if past else ""))
        assert set(wanted(ask_of(path, both.encode()), clean)) == {"urls"}


def test_what_is_kept_of_clean_messages_is_bounded() -> None:
    """An agent that is refused can send new ones for ever."""
    clean = Clean(most=1000)
    sent = [b'{"role":"user","content":"%04d"}' % n for n in range(200)]
    assert not any(clean.is_new(message) for message in sent)
    assert sum(map(len, clean._kept)) <= 1000 and clean._kept


def test_what_agents_do_all_day_asks_for_nothing() -> None:
    """Own tools, data URLs, addresses in arguments, in results and in plain words, earlier searches in a history."""
    fetch = {"type": "tool_use", "id": "1", "name": "WebFetch", "input": {"url": "https://example.com"}}
    result = {"type": "tool_result", "tool_use_id": "1", "content": 'see "url": https://example.com'}
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    tools = [
        {"name": "WebFetch", "input_schema": {"properties": {"url": {"type": "string"}}}},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "edit"},
    ]
    messages = [{"role": "assistant", "content": [fetch]}, {"role": "user", "content": [result, picture]}]
    assert wants("/v1/messages", {"messages": messages, "tools": tools}) == set()
    own: dict[str, Any] = {"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "apply_patch"}]}
    data = {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,aGk="}]}]
    }
    assert wants("/v1/responses", {**own, **data, "container": None}) == set()
    calls: list[dict[str, Any]] = [
        {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "f", "arguments": '{"url": "https://e"}'},
        {"type": "function_call_output", "call_id": "1", "output": "https://e"},
        {"type": "local_shell_call", "id": "l_1", "action": {"type": "exec", "command": ["curl", "https://e"]}},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "tool_search_output", "tools": [{"type": "namespace", "tools": [{"type": "function", "name": "f"}]}]},
    ]
    assert wants("/v1/responses", {"input": calls, "previous_response_id": None, "store": False}) == set()
    google = [{"parts": [{"functionCall": {"name": "fetch", "args": {"url": "https://e", "fileUri": "https://e"}}}]}]
    assert wants("/v1beta/models/g:generateContent", {"contents": google}) == set()
    assert wants("/v1/chat/completions", {"messages": HELLO, "tools": [{"type": "function", "function": {}}]}) == set()
    assert wants("/v1beta/models/g:generateContent", {"tools": [{"functionDeclarations": [{"name": "f"}]}]}) == set()


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{", b'"x"', b'{"model": 5}', b'{"model": "m", "tools": 5}', b'{"model": "m", "tools": [5]}'],
)
def test_what_is_no_request_is_said_to_be_none(body: bytes) -> None:
    path = path_of("POST", "/v1/messages")
    assert path is not None
    with pytest.raises(BadAsk):
        wanted(ask_of(path, body))


def test_a_refusal_is_told_recorded_and_sends_nothing(gate: GateBench, wire: WireServer) -> None:
    async def go() -> None:
        model = a_model("anthropic", name="claude-opus-4-7", base_url=wire.url)
        body = {"model": "x", "max_tokens": 5, "messages": HELLO, "tools": ANTHROPIC[0][0]["tools"]}
        async with gate.door(model) as visit:
            refused = await visit.http().post("/v1/messages", json=body)
            assert refused.status_code == 403 and "does not allow" in refused.json()["error"]["message"]
            assert visit.last.refused == ("web_search: web_search_20250305",) and visit.state.turns == 0
            assert wire.log() == []
        async with gate.door(model, allow=("web_search",)) as visit:
            allowed = await visit.http().post("/v1/messages", json=body)
            assert allowed.status_code == 200
            assert visit.last.allowed == ("web_search: web_search_20250305",) and visit.last.refused == ()
        assert len(wire.log()) == 1
        await gate.server.aclose()

    asyncio.run(go())
