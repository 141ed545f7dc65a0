"""From a relayed request to its record: each message stored once, by its digest, and fingerprints of what wraps it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from harness.gateway.asks import Ask, Fields
from harness.records.content import Json, Part, Reasoning, Response, Text, ToolCall, Usage
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


class Known:
    """What of an attempt is stored already: digests of parts, and by their bytes the parts and lists seen before.

    A conversation is sent anew with each request, so that nearly all of it is known by its bytes alone; these are no
    more than what is stored of it, and looking them up is three times as quick as hashing them.
    """

    __slots__ = ("lists", "parts", "singles")

    def __init__(self) -> None:
        self.parts: set[str] = set()
        self.singles: dict[bytes, str] = {}
        self.lists: dict[bytes, tuple[tuple[str, ...], tuple[str, ...]]] = {}


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


def said_in(ask: Ask, known: Known) -> Said:
    """Read a request for its record. `known` grows by what is new in it."""
    fields = ask.fields
    said = Said()
    system, messages, tools = _split(ask.dialect, fields)
    said.system = _digests(system, known, said.parts)
    said.messages = _digests(messages, known, said.parts)
    said.tools, said.tool_names = _tools(tools, known, said.parts)
    for name in fields:
        if name in _CONTENT[ask.dialect] or name in ("model", "stream") or fields.size(name) > KEPT_SETTING:
            continue
        said.settings[name] = msgspec.json.decode(fields.get(name))
    return said


Parts = list[bytes]


def _split(dialect: Dialect, fields: Fields) -> tuple[Parts, Parts, Parts]:
    """System prompt, conversation and lists of tools."""
    tools = [fields.get("tools")] if "tools" in fields else []
    if dialect == "anthropic":
        return fields.items_of("system"), fields.items_of("messages"), tools
    if dialect == "gemini":
        system = "systemInstruction" if "systemInstruction" in fields else "system_instruction"
        return fields.items_of(system), fields.items_of("contents"), tools
    if dialect == "responses":
        items = fields.items_of("input")
        extra = [raw for raw in items if b"additional_tools" in raw]
        more = [bytes(i.tools) for raw in extra if (i := _item.decode(raw)).type == "additional_tools"]
        return fields.items_of("instructions"), items, [*tools, *more]
    messages = fields.items_of("messages")
    first = next((i for i, m in enumerate(messages) if not _is_system(m)), len(messages))
    return messages[:first], messages[first:], tools


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    role: str | None = None
    tools: msgspec.Raw = msgspec.Raw(b"[]")


_item = msgspec.json.Decoder(_Item)


def _is_system(message: bytes) -> bool:
    return message.startswith(b"{") and _item.decode(message).role in ("system", "developer")


def _digests(raws: Iterable[bytes], known: Known, parts: dict[str, Json]) -> tuple[str, ...]:
    found = []
    for raw in raws:
        digest = known.singles.get(raw)
        if digest is None:
            digest = known.singles[raw] = _stored(msgspec.json.decode(raw), known, parts)
        found.append(digest)
    return tuple(found)


def _tools(raws: Iterable[bytes], known: Known, parts: dict[str, Json]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Digests and names of the tools in some lists; a list that was sent before is known as a whole."""
    digests: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    for raw in raws:
        if raw not in known.lists:
            found = msgspec.json.decode(raw) or []
            tools = found if isinstance(found, list) else [found]
            known.lists[raw] = tuple(_stored(t, known, parts) for t in tools), tuple(_tool_names(tools))
        more_digests, more_names = known.lists[raw]
        digests, names = digests + more_digests, names + more_names
    return digests, names


def _stored(value: Any, known: Known, parts: dict[str, Json]) -> str:
    kept = _kept(value)
    digest = digest_of(kept)
    if digest not in known.parts:
        known.parts.add(digest)
        parts[digest] = kept
    return digest


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


def with_tokens(ask: Ask, response: Response) -> Response:
    """A whole answer; where it tells no tokens at all, with an estimate, so that limits of tokens and money hold.

    Servers with an API like OpenAI's may tell none. A refusal by policy tells none either, and stays without.
    """
    if response.usage.tokens or response.stop == "refusal":
        return response
    chars = sum(_length(part) for part in response.parts)
    told = Usage(
        input=max(1, len(ask.body) // CHARS_PER_TOKEN), output=max(1, chars // CHARS_PER_TOKEN), calls=1, estimated=1
    )
    return msgspec.structs.replace(response, usage=told)


def _length(part: Part) -> int:
    """Characters that the model wrote for a part of its answer."""
    if isinstance(part, ToolCall):
        given = part.arguments
        return len(part.name) + len(given if isinstance(given, str) else msgspec.json.encode(given))
    return len(part.text) if isinstance(part, Text | Reasoning) else 0


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
