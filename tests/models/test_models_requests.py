"""What is sent: every setting and every kind of part, in each provider's words."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.api import (
    File,
    Model,
    ModelError,
    Request,
    Tool,
    user,
)
from harness.testing.check_model import one_pixel_png
from harness.testing.wire import WireServer

DIALECTS = ("anthropic", "responses", "chat")
TOOL = Tool("look_up", "Look up.", {"type": "object", "properties": {"w": {"type": "string"}}})
SCHEMA = {
    "title": "City answer!",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
Body = dict[str, Any]


def a_file(folder: Path, name: str, media_type: str, data: bytes) -> File:
    (folder / name).write_bytes(data)
    return File(name, name, media_type, hashlib.sha256(data).hexdigest())


def test_a_plain_request_is_small(sent: Callable[..., Body]) -> None:
    request = Request((user("hi"),), "be brief")
    assert sent("anthropic", request) == {
        "model": "echo",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": "hi"}],
        "system": "be brief",
        "stream": True,
    }
    assert sent("responses", request) == {
        "model": "echo",
        "input": [{"role": "user", "content": "hi"}],
        "instructions": "be brief",
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert sent("chat", request) == {
        "model": "echo",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
    }


def test_anthropic_settings_are_sent(sent: Callable[..., Body], wire: WireServer) -> None:
    body = sent(
        "anthropic",
        Request((user("hi"),), stop=("END",), max_output_tokens=5000),
        effort="high",
        thinking=2048,
        thinking_display="omitted",
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        service_tier="auto",
        speed="fast",
        inference_geo="us",
        betas=("one", "two"),
        headers={"X-Team": "evals"},
        extra={"metadata": {"user_id": "u"}, "output_config": {"task_budget": 7}},
    )
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}
    assert body["output_config"] == {"effort": "high", "task_budget": 7}
    assert body["metadata"] == {"user_id": "u"}
    assert body["stop_sequences"] == ["END"]
    assert body["max_tokens"] == 5000
    kept = ("temperature", "top_p", "top_k", "service_tier", "speed", "inference_geo")
    assert [body[k] for k in kept] == [0.5, 0.9, 40, "auto", "fast", "us"]
    headers = wire.log()[-1]["headers"]
    assert (headers["anthropic-beta"], headers["x-team"]) == ("one,two", "evals")


@pytest.mark.parametrize("mode", ["adaptive", "disabled", "between_tools"])
def test_anthropic_thinking_modes_are_sent(sent: Callable[..., Body], mode: str) -> None:
    assert sent("anthropic", Request((user("hi"),)), thinking=mode)["thinking"] == {"type": mode}


def test_anthropic_streams_when_long_answers_are_asked_for(sent: Callable[..., Body]) -> None:
    assert "stream" not in sent("anthropic", Request((user("hi"),), max_output_tokens=21_333))
    assert sent("anthropic", Request((user("hi"),)), max_output_tokens=21_334)["stream"] is True
    assert "stream" not in sent("anthropic", Request((user("hi"),)), stream=False)


def test_responses_settings_are_sent(sent: Callable[..., Body]) -> None:
    body = sent(
        "responses",
        Request((user("hi"),), max_output_tokens=500),
        effort="xhigh",
        summary="auto",
        verbosity="low",
        temperature=1.0,
        top_p=0.5,
        max_output_tokens=400,
        service_tier="flex",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        store=True,
        extra={"truncation": "disabled", "reasoning": {"mode": "pro"}},
    )
    assert body["reasoning"] == {"effort": "xhigh", "summary": "auto", "mode": "pro"}
    assert body["text"] == {"verbosity": "low"}
    assert body["max_output_tokens"] == 400
    kept = ("temperature", "top_p", "service_tier", "prompt_cache_key", "prompt_cache_retention", "store", "truncation")
    assert [body[k] for k in kept] == [1.0, 0.5, "flex", "k", "24h", True, "disabled"]


def test_chat_settings_are_sent(sent: Callable[..., Body]) -> None:
    body = sent(
        "chat",
        Request((user("hi"),), stop=("END",), max_output_tokens=300),
        effort="low",
        verbosity="high",
        seed=7,
        max_output_tokens=400,
        service_tier="priority",
    )
    assert (body["reasoning_effort"], body["verbosity"], body["seed"]) == ("low", "high", 7)
    assert (body["max_tokens"], body["stop"], body["service_tier"]) == (300, ["END"], "priority")


def test_openai_itself_gets_its_own_spelling_of_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import msgspec

    from harness.models.openai_api import OpenAI

    wire = OpenAI(name="gpt-5.4", api="chat", max_output_tokens=9)._wire(tmp_path)
    body = msgspec.json.decode(wire.body(Request((user("hi"),)), stream=False))
    assert (body["max_completion_tokens"], body["store"]) == (9, False)


def test_tools_and_choice_are_spelled_for_each(sent: Callable[..., Body]) -> None:
    def ask_for(dialect: str, choice: Any) -> Body:
        return sent(dialect, Request((user("hi"),), tools=(TOOL,), tool_choice=choice))

    assert ask_for("anthropic", "any")["tool_choice"] == {"type": "any"}
    assert ask_for("anthropic", "none")["tool_choice"] == {"type": "none"}
    assert ask_for("responses", "any")["tool_choice"] == "required"
    assert ask_for("chat", "none")["tool_choice"] == "none"
    assert "tool_choice" not in ask_for("chat", "auto")
    assert ask_for("anthropic", "auto")["tools"] == [
        {"name": "look_up", "description": "Look up.", "input_schema": TOOL.schema}
    ]
    function = {"name": "look_up", "description": "Look up.", "parameters": TOOL.schema}
    assert ask_for("chat", "auto")["tools"] == [{"type": "function", "function": function}]
    assert ask_for("responses", "auto")["tools"] == [{"type": "function", "strict": False, **function}]


def test_a_json_schema_is_spelled_for_each(sent: Callable[..., Body]) -> None:
    request = Request((user("hi"),), json_schema=SCHEMA)
    form = {"type": "json_schema", "schema": SCHEMA}
    assert sent("anthropic", request, effort="low")["output_config"] == {"effort": "low", "format": form}
    named = {"name": "City_answer_", "schema": SCHEMA, "strict": True}
    assert sent("responses", request, verbosity="low")["text"] == {
        "verbosity": "low",
        "format": {"type": "json_schema", **named},
    }
    assert sent("chat", request)["response_format"] == {"type": "json_schema", "json_schema": named}


@pytest.mark.parametrize(
    "schema",
    [
        {**SCHEMA, "required": []},
        {**SCHEMA, "additionalProperties": True},
        {**SCHEMA, "properties": {"city": {"type": "object", "properties": {"name": {}}}}},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"properties": {}}]}},
    ],
)
def test_a_schema_that_strict_mode_refuses_is_sent_without_it(sent: Callable[..., Body], schema: Any) -> None:
    request = Request((user("hi"),), json_schema=schema)
    assert sent("responses", request)["text"]["format"]["strict"] is False
    assert sent("chat", request)["response_format"]["json_schema"]["strict"] is False


def test_files_are_sent_in_each_providers_form(sent: Callable[..., Body], tmp_path: Path) -> None:
    image, pdf = one_pixel_png(), b"%PDF-1.4 tiny"
    request = Request(
        (
            user(
                "look",
                a_file(tmp_path, "dot.png", "image/png", image),
                a_file(tmp_path, "p.pdf", "application/pdf", pdf),
                a_file(tmp_path, "n & m.txt", "text/plain; charset=utf-8", "\ufeffgrüß".encode()),
            ),
        )
    )
    image64, pdf64 = base64.b64encode(image).decode(), base64.b64encode(pdf).decode()
    text = '<file name="n &amp; m.txt">\ngrüß\n</file>'
    assert sent("anthropic", request)["messages"][0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image64}},
        {
            "type": "document",
            "title": "p.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": pdf64},
        },
        {"type": "text", "text": text},
    ]
    image_url, pdf_url = f"data:image/png;base64,{image64}", f"data:application/pdf;base64,{pdf64}"
    assert sent("responses", request)["input"][0]["content"] == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "detail": "auto", "image_url": image_url},
        {"type": "input_file", "filename": "p.pdf", "file_data": pdf_url},
        {"type": "input_text", "text": text},
    ]
    assert sent("chat", request)["messages"][0]["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": image_url}},
        {"type": "file", "file": {"filename": "p.pdf", "file_data": pdf_url}},
        {"type": "text", "text": text},
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("how", ["changed", "gone", "not utf-8"])
def test_a_file_that_cannot_be_sent_stops_the_call(
    make: Callable[..., Model], ask: Callable[..., Any], wire: WireServer, tmp_path: Path, dialect: str, how: str
) -> None:
    file = a_file(tmp_path, "a.txt", "text/plain", b"\xff\xfe" if how == "not utf-8" else b"text")
    if how == "gone":
        (tmp_path / "a.txt").unlink()
    if how == "changed":
        (tmp_path / "a.txt").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"a\.txt") as caught:
        ask(make(dialect), Request((user(file),)))
    assert caught.value.fault == "bad_request"
    assert wire.log() == []


def test_anthropic_refuses_a_file_type_it_does_not_take(
    make: Callable[..., Model], ask: Callable[..., Any], tmp_path: Path
) -> None:
    file = a_file(tmp_path, "a.docx", "application/vnd.ms-word", b"zip")
    with pytest.raises(ModelError, match=r"a\.docx.*takes text, PDF") as caught:
        ask(make("anthropic"), Request((user(file),)))
    assert not caught.value.retryable


def test_the_file_cache_keeps_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.models import _files

    monkeypatch.setattr(_files, "KEPT_BYTES", 400)
    files = _files.Files(tmp_path)
    small = [a_file(tmp_path, f"{i}.txt", "text/plain", b"x" * 40) for i in range(20)]
    big = a_file(tmp_path, "big.txt", "text/plain", b"y" * 500)
    for file in (*small, big):
        assert file.name in files.text(file)
        assert files._size == sum(len(v) for v in files._kept.values()) <= 400
    (tmp_path / "19.txt").unlink()
    assert "x" in files.text(small[19])
    with pytest.raises(ModelError):
        (tmp_path / "0.txt").unlink()
        files.text(small[0])
