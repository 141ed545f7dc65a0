"""Requests in any of the four dialects as neutral ones, for models that are no provider's: scripted, replayed.

What no neutral request holds (cache marks, betas, server tools, thinking settings) is left out: a real provider is sent
the agent's own bytes, never this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from harness.api import Json, Message, Request, Text, Tool, ToolCall, ToolResult
from harness.records.content import Part
from harness.records.exchange import Dialect
from harness.toolkit.wire.body import Block, arguments_of


def neutral_request(dialect: Dialect, body: Block) -> Request:
    """The conversation, the system prompt and the tools of a request."""
    messages, system = _READ[dialect](body)
    return Request(messages=tuple(_merged(messages)), system=system, tools=tuple(_tools(dialect, declared_in(body))))


def declared_in(body: Block) -> list[Json]:
    """All tools that a request declares: some are items of the conversation (Codex's `additional_tools`)."""
    given, items = body.get("tools"), _blocks(body.get("input"))
    return [*(given if isinstance(given, list) else ()), *(i for i in items if i.get("type") == "additional_tools")]


def neutral_messages(dialect: Dialect, items: Iterable[Json]) -> tuple[Message, ...]:
    """Messages or items of a conversation, as they stand in a recorded exchange."""
    key = {"anthropic": "messages", "responses": "input", "chat": "messages", "gemini": "contents"}[dialect]
    return tuple(_merged(_READ[dialect]({key: list(items)})[0]))


Turn = tuple[str, list[Part]]


def _merged(turns: Iterable[Turn]) -> Iterable[Message]:
    """Turns of one side that follow each other are one message."""
    role, parts = "", list[Part]()
    for who, said in turns:
        if who != role and parts:
            yield Message("assistant" if role == "assistant" else "user", tuple(parts))
            parts = []
        role = who
        parts += said
    if parts:
        yield Message("assistant" if role == "assistant" else "user", tuple(parts))


def text_of(content: Json) -> str:
    """The text of a content in any dialect: a string, a block, or a list of these."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n\n".join(t for c in content if (t := text_of(c)))
    if isinstance(content, dict):
        found = content.get("text", content.get("content", content.get("parts", "")))
        return text_of(found)
    return ""


def _anthropic(body: Block) -> tuple[list[Turn], str]:
    turns: list[Turn] = []
    for message in _blocks(body.get("messages")):
        content = message.get("content")
        said: list[Part] = []
        for block in _blocks(content) if isinstance(content, list) else [{"type": "text", "text": content}]:
            kind = block.get("type")
            if kind == "text":
                said.append(Text(str(block.get("text") or "")))
            elif kind == "tool_use":
                said.append(ToolCall(str(block.get("id")), str(block.get("name")), block.get("input") or {}))
            elif kind == "tool_result":
                result = text_of(block.get("content"))
                said.append(ToolResult(str(block.get("tool_use_id")), result, bool(block.get("is_error"))))
        turns.append(("assistant" if message.get("role") == "assistant" else "user", said))
    return turns, text_of(body.get("system"))


def _chat(body: Block) -> tuple[list[Turn], str]:
    turns: list[Turn] = []
    system: list[str] = []
    for message in _blocks(body.get("messages")):
        role, text = message.get("role"), text_of(message.get("content"))
        if role in ("system", "developer"):
            system.append(text)
        elif role == "tool":
            turns.append(("user", [ToolResult(str(message.get("tool_call_id")), text)]))
        else:
            said: list[Part] = [Text(text)] if text else []
            for call in _blocks(message.get("tool_calls")):
                function = call.get("function") or {}
                given = arguments_of(str(function.get("arguments") or ""))
                said.append(ToolCall(str(call.get("id")), str(function.get("name")), given))
            turns.append(("assistant" if role == "assistant" else "user", said))
    return turns, "\n\n".join(system)


def _responses(body: Block) -> tuple[list[Turn], str]:
    given = body.get("input")
    if isinstance(given, str):
        return [("user", [Text(given)])], str(body.get("instructions") or "")
    turns: list[Turn] = []
    for item in _blocks(given):
        kind = item.get("type") or "message"
        if kind == "message":
            role = "assistant" if item.get("role") == "assistant" else "user"
            turns.append((role, [Text(text_of(item.get("content")))]))
        elif kind in ("function_call", "custom_tool_call"):
            arguments = arguments_of(str(item.get("arguments") or "")) if kind == "function_call" else item.get("input")
            call = ToolCall(str(item.get("call_id")), str(item.get("name")), arguments if arguments is not None else {})
            turns.append(("assistant", [call]))
        elif kind.endswith("_output"):
            turns.append(("user", [ToolResult(str(item.get("call_id")), text_of(item.get("output")))]))
    return turns, str(body.get("instructions") or "")


def _gemini(body: Block) -> tuple[list[Turn], str]:
    turns: list[Turn] = []
    for content in _blocks(body.get("contents")):
        said: list[Part] = []
        for part in _blocks(content.get("parts")):
            if "functionCall" in part:
                call = part["functionCall"] or {}
                said.append(
                    ToolCall(str(call.get("id") or call.get("name")), str(call.get("name")), call.get("args") or {})
                )
            elif "functionResponse" in part:
                back = part["functionResponse"] or {}
                words = back.get("response")
                text = words if isinstance(words, str) else msgspec.json.encode(words).decode()
                said.append(ToolResult(str(back.get("id") or back.get("name")), text))
            elif isinstance(part.get("text"), str) and not part.get("thought"):
                said.append(Text(part["text"]))
        turns.append(("assistant" if content.get("role") == "model" else "user", said))
    return turns, text_of(body.get("systemInstruction") or body.get("system_instruction"))


_READ: Mapping[Dialect, Callable[[Block], tuple[list[Turn], str]]] = {
    "anthropic": _anthropic,
    "responses": _responses,
    "chat": _chat,
    "gemini": _gemini,
}


def _blocks(value: Json) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _tools(dialect: Dialect, tools: Json) -> Iterable[Tool]:
    for tool in _blocks(tools):
        declared = tool.get("functionDeclarations") or tool.get("function_declarations")
        if declared:
            yield from _tools(dialect, declared)
            continue
        if tool.get("tools"):  # a namespace
            yield from _tools(dialect, tool["tools"])
            continue
        spec = tool.get("function") if isinstance(tool.get("function"), dict) else tool
        assert isinstance(spec, dict)
        name = spec.get("name")
        schema: Json = next(
            (s for k in ("input_schema", "parameters", "parametersJsonSchema") if (s := spec.get(k))), {}
        )
        if isinstance(name, str) and isinstance(schema, dict):
            yield Tool(name, str(spec.get("description") or ""), schema)
