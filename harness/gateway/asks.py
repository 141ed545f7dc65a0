"""What must be known of a request before it is passed on: its model, whether it streams, its tools. And its edits.

A body is relayed as it came. Where the model's name is another one, a setting is pinned, or a chat stream must tell its
usage, only those top-level fields are written anew; every other value keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from harness.gateway.dialects import Path
from harness.records.content import Json
from harness.records.exchange import Dialect

_raws = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


class BadAsk(ValueError):
    """A body that is no request."""


class ToolHead(msgspec.Struct, gc=False):
    """What a declared tool is, without its schema."""

    type: str | None = None
    name: str | None = None
    function: ToolHead | None = None
    tools: list[ToolHead] | None = None


class _Head(msgspec.Struct, gc=False):
    model: str = ""
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    tools: msgspec.Raw = msgspec.Raw(b"null")


_head = msgspec.json.Decoder(_Head)
_tools = msgspec.json.Decoder(list[ToolHead] | None)
_google_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw] | None)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as it came. `usage_asked` says that a chat stream was to tell its usage anyway."""

    path: Path
    model: str
    streamed: bool
    body: bytes
    tools: tuple[ToolHead, ...]
    usage_asked: bool = True

    @property
    def dialect(self) -> Dialect:
        """The API it is written for."""
        return self.path.dialect

    @property
    def swallows(self) -> bool:
        """Whether the stream's usage is asked for by us alone and must not reach the agent."""
        return self.dialect == "chat" and self.streamed and not self.usage_asked and self.path.action == "generate"


def ask_of(path: Path, body: bytes) -> Ask:
    """Read a request. Raises BadAsk in words for the agent."""
    try:
        body.isascii() or str(body, "utf-8")  # what no reader reads whole could not be recorded
        head = _head.decode(body)
        google = path.dialect == "gemini"
        tools = _google(head.tools) if google else tuple(_tools.decode(head.tools) or ())
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise BadAsk(f"the body is no {path.dialect} request: {e}") from e
    model = path.model or head.model
    if not model:
        raise BadAsk("the request names no model")
    streamed = path.method == "streamGenerateContent" if google else bool(head.stream)
    usage = bool((head.stream_options or {}).get("include_usage"))
    return Ask(path, model, streamed, body, tools, usage)


def _google(raw: msgspec.Raw) -> tuple[ToolHead, ...]:
    """Gemini names a kind of tool by the key it is declared under."""
    found = _google_tools.decode(raw) or []
    listed = [found] if isinstance(found, dict) else found
    return tuple(ToolHead(type=key) for tool in listed for key in tool)


OTHER_MODELS = ("models", "fallbacks")
"""Fields by which routers (OpenRouter, LiteLLM) are told which models to ask when the named one fails."""


def body_for(ask: Ask, model: str, pins: Mapping[str, Json]) -> bytes:
    """The body to send: the agent's own bytes, but for what has to be another, and without other models to fall to."""
    changes: dict[str, Json] = {}
    if not ask.path.model and model != ask.model:
        changes["model"] = model
    if ask.path.action == "generate":
        changes |= pins
    if ask.swallows:
        changes["stream_options"] = {"include_usage": True}
    hinted = ask.path.action == "generate" and any(f'"{name}"'.encode() in ask.body for name in OTHER_MODELS)
    if not changes and not hinted:
        return ask.body
    fields = _raws.decode(ask.body)
    others = [fields.pop(name) for name in OTHER_MODELS if name in fields] if hinted else []
    if not changes and not others:
        return ask.body
    for name, value in changes.items():
        fields[name] = msgspec.Raw(_encode(_over(fields.get(name), value)))
    return _encode(fields)


def _over(old: msgspec.Raw | None, value: Json) -> Json:
    """A pinned object is laid over the agent's, one level deep."""
    if old is None or not isinstance(value, dict):
        return value
    before = msgspec.json.decode(old)
    return {**before, **value} if isinstance(before, dict) else value
