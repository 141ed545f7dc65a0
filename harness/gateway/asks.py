"""What must be known of a request before it is passed on: its model, whether it streams, its tools. And its edits.

A body is relayed as it came. Where the model's name is another one, a setting is pinned, or a chat stream must tell its
usage, only those top-level fields are written anew; every other value keeps its bytes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from harness.gateway.dialects import Path
from harness.records.content import Json
from harness.records.exchange import Dialect

T = TypeVar("T")
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


_model = msgspec.json.Decoder(str)
_stream = msgspec.json.Decoder(bool | None)
_options = msgspec.json.Decoder(dict[str, Any] | None)
_BRACKET = ord("[")
_NOTHING = msgspec.Raw(b"null")
_listed = msgspec.json.Decoder(list[msgspec.Raw])
_tools = msgspec.json.Decoder(list[ToolHead] | None)
_google_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw] | None)


class Fields:
    """The top-level fields of a body, each in its own bytes. Read once: a body is long, and is looked at four times."""

    __slots__ = ("_lists", "_raws")

    def __init__(self, raws: dict[str, msgspec.Raw]) -> None:
        self._raws = raws
        self._lists: dict[str, list[bytes]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._raws

    def __iter__(self) -> Iterator[str]:
        return iter(self._raws)

    def get(self, name: str, missing: bytes = b"") -> bytes:
        """The value in its own bytes."""
        found = self._raws.get(name)
        return missing if found is None else bytes(found)

    def size(self, name: str) -> int:
        """Length of a value in bytes."""
        return len(memoryview(self._raws[name]))

    def items_of(self, name: str) -> list[bytes]:
        """What a list holds, or the value alone where it is none; nothing for what is absent, null or empty.

        The same objects each time: whoever looks them up in a table has them hashed once.
        """
        if name not in self._lists:
            raw = self._raws.get(name, _NOTHING)
            if memoryview(raw)[0] == _BRACKET:
                self._lists[name] = [bytes(one) for one in _listed.decode(raw)]
            else:
                self._lists[name] = [] if bytes(raw) in (b"null", b'""') else [bytes(raw)]
        return self._lists[name]

    def without(self, names: Container[str]) -> dict[str, msgspec.Raw]:
        """The other fields, in a new dict that may be changed."""
        return {name: raw for name, raw in self._raws.items() if name not in names}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as it came. `usage_asked` says that a chat stream was to tell its usage anyway."""

    path: Path
    model: str
    streamed: bool
    body: bytes
    tools: tuple[ToolHead, ...]
    fields: Fields = field(repr=False, compare=False)
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
        fields = Fields(_raws.decode(body))
        google = path.dialect == "gemini"
        named = _field(fields, "model", _model) or ""
        stream = _field(fields, "stream", _stream)
        options = _field(fields, "stream_options", _options) or {}
        tools = _google(fields) if google else _heads(fields)
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise BadAsk(f"the body is no {path.dialect} request: {e}") from e
    model = path.model or named
    if not model:
        raise BadAsk("the request names no model")
    streamed = path.method == "streamGenerateContent" if google else bool(stream)
    return Ask(path, model, streamed, body, tools, fields, bool(options.get("include_usage")))


def _field(fields: Fields, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """One field of a known type. Raises MsgspecError that names it."""
    if name not in fields:
        return None
    try:
        return decoder.decode(fields.get(name))
    except msgspec.ValidationError as e:
        raise msgspec.ValidationError(f"{e} - in `{name}`") from e


def _heads(fields: Fields) -> tuple[ToolHead, ...]:
    found = _field(fields, "tools", _tools)
    return tuple(found or ())


def _google(fields: Fields) -> tuple[ToolHead, ...]:
    """Gemini names a kind of tool by the key it is declared under."""
    found = _field(fields, "tools", _google_tools) or []
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
    others = [n for n in OTHER_MODELS if n in ask.fields] if ask.path.action == "generate" else []
    if not changes and not others:
        return ask.body
    fields = ask.fields.without(others)
    for name, value in changes.items():
        fields[name] = msgspec.Raw(_encode(_over(fields.get(name), value)))
    return _encode(fields)


def _over(old: msgspec.Raw | None, value: Json) -> Json:
    """A pinned object is laid over the agent's, one level deep."""
    if old is None or not isinstance(value, dict):
        return value
    before = msgspec.json.decode(old)
    return {**before, **value} if isinstance(before, dict) else value
