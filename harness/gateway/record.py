"""From a relayed request to its record: each message stored once, by its digest, and fingerprints of what wraps it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from harness.gateway.asks import Ask
from harness.records.content import Json, Response, Usage
from harness.records.exchange import Dialect
from harness.records.task import digest_of

KEPT_TEXT = 200_000
"""Characters of one string of a message that are kept; a picture is longer, and is left out."""
KEPT_SETTING = 2_000
_CONTENT: Mapping[Dialect, tuple[str, ...]] = {
    "anthropic": ("system", "messages", "tools"),
    "responses": ("instructions", "input", "tools"),
    "chat": ("messages", "tools"),
    "gemini": ("systemInstruction", "system_instruction", "contents", "tools"),
}
_SAID = re.compile(rb'"(?:text|partial_json|thinking|delta|content|arguments)": ?"((?:[^"\\]|\\.)*)"')
CHARS_PER_TOKEN = 4


class Said:
    """What a request says, in digests; `parts` has the content of those that are new."""

    __slots__ = ("messages", "parts", "settings", "system", "tool_names", "tools")

    def __init__(self) -> None:
        self.system: tuple[str, ...] = ()
        self.messages: tuple[str, ...] = ()
        self.tools: tuple[str, ...] = ()
        self.tool_names: tuple[str, ...] = ()
        self.parts: dict[str, Json] = {}
        self.settings: dict[str, Json] = {}


def said_in(ask: Ask, known: set[str]) -> Said:
    """Read a request for its record. `known` holds digests that are stored already, and grows."""
    body = msgspec.json.decode(ask.body)
    said = Said()
    system, messages, tools = _split(ask.dialect, body)
    said.system = _stored(system, known, said.parts)
    said.messages = _stored(messages, known, said.parts)
    said.tools = _stored(tools, known, said.parts)
    said.tool_names = tuple(_tool_names(tools))
    for name, value in body.items():
        if name in _CONTENT[ask.dialect] or name in ("model", "stream"):
            continue
        if len(msgspec.json.encode(value)) <= KEPT_SETTING:
            said.settings[name] = value
    return said


def _split(dialect: Dialect, body: dict[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """System prompt, conversation and tools, as lists."""
    tools = _listed(body.get("tools"))
    if dialect == "anthropic":
        return _listed(body.get("system")), _listed(body.get("messages")), tools
    if dialect == "gemini":
        system = body.get("systemInstruction") or body.get("system_instruction")
        return _listed(system), _listed(body.get("contents")), tools
    if dialect == "responses":
        items = _listed(body.get("input"))
        for item in items:
            if isinstance(item, dict) and item.get("type") == "additional_tools":
                tools = [*tools, *_listed(item.get("tools"))]
        return _listed(body.get("instructions")), items, tools
    messages = _listed(body.get("messages"))
    first = next((i for i, m in enumerate(messages) if not _is_system(m)), len(messages))
    return messages[:first], messages[first:], tools


def _is_system(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") in ("system", "developer")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _stored(values: Iterable[Any], known: set[str], parts: dict[str, Json]) -> tuple[str, ...]:
    digests = []
    for value in values:
        kept = _kept(value)
        digest = digest_of(kept)
        digests.append(digest)
        if digest not in known:
            known.add(digest)
            parts[digest] = kept
    return tuple(digests)


def _kept(value: Any) -> Any:
    """A message without its cache marks, which move from turn to turn, and without what is too long to keep."""
    if isinstance(value, dict):
        return {k: _kept(v) for k, v in value.items() if k != "cache_control"}
    if isinstance(value, list):
        return [_kept(v) for v in value]
    if isinstance(value, str) and len(value) > KEPT_TEXT:
        return f"[{len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:16]}]"
    return value


def _tool_names(tools: Iterable[Any]) -> Iterable[str]:
    for tool in tools:
        if not isinstance(tool, dict):
            continue
        function = tool.get("function")
        declared = tool.get("functionDeclarations") or tool.get("function_declarations") or tool.get("tools")
        if isinstance(declared, list):
            yield from _tool_names(declared)
        else:
            named = tool.get("name") or (function.get("name") if isinstance(function, dict) else None)
            yield str(named or tool.get("type") or next(iter(tool), ""))


def fingerprint(digests: tuple[str, ...]) -> str:
    """One digest for a list of them; nothing for nothing."""
    return digest_of(digests) if digests else ""


def estimated(ask: Ask, answer: bytes, seen: Response | None) -> Response:
    """An answer that was cut off, with its usage estimated: a token for every four characters of what was said.

    What the provider told before the cut (Anthropic tells the input first) is taken from `seen`.
    """
    chars = sum(len(m[1]) for m in _SAID.finditer(answer))
    told = seen.usage if seen is not None else Usage()
    input_tokens = told.input if told.input_total else len(ask.body) // CHARS_PER_TOKEN
    output = max(told.output_total, chars // CHARS_PER_TOKEN)
    usage = msgspec.structs.replace(told, input=input_tokens, output=output, reasoning=0, calls=1, estimated=1)
    if seen is None:
        return Response((), "other", usage)
    return msgspec.structs.replace(seen, usage=usage, stop="other")
