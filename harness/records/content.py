"""What is said to a model and what comes back: parts, messages, tools, requests, responses, usage.

Records are msgspec structs (docs/design/001-records.md): frozen, cheap to make, encoded to JSON once.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Json = Any
"""A JSON value (None, bool, int, float, str, list, dict). The one place where `Any` crosses borders."""


class Text(msgspec.Struct, frozen=True, tag="text", gc=False):
    """A piece of text."""

    text: str


class File(msgspec.Struct, frozen=True, tag="file", gc=False):
    """A file by reference: bytes are read when needed and never stored in a transcript.

    `path` is relative to the workspace; `name` is what the system sees; `sha256` is of the bytes, hexadecimal.
    """

    name: str
    path: str
    media_type: str
    sha256: str


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning", omit_defaults=True):
    """A model's reasoning block. `opaque` is the provider's own form, sent back unchanged in the next turn."""

    text: str = ""
    opaque: Json = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """A model asks for a tool. `arguments` is the parsed JSON object, or the raw text if it did not parse."""

    id: str
    name: str
    arguments: dict[str, Json] | str


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", omit_defaults=True):
    """What a tool gave back to the model."""

    id: str
    content: str
    is_error: bool = False


Part = Text | File | Reasoning | ToolCall | ToolResult


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A tool offered to a model; `schema` is the JSON Schema of its arguments."""

    name: str
    description: str
    schema: dict[str, Json]


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model call. Sampling settings (effort, temperature, ...) belong to the model, not to the request.

    `max_output_tokens` lowers the model's own limit; `json_schema` asks for structured output where the provider
    has it; `cache` marks the stable prefix (system, tools, all but the last message) for provider prompt caching;
    `label` names the purpose of the call for transcripts and for scripted models (`solve`, `verify`, `plan`, ...).
    """

    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: Literal["auto", "any", "none"] = "auto"
    max_output_tokens: int = 0
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Json] | None = None
    cache: bool = False
    label: str = ""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens by kind, in disjoint buckets that add up to what the provider billed, and their cost.

    `cache_write_short` / `cache_write_long`: Anthropic 5 minutes / 1 hour, OpenAI 30 minutes / 12 hours.
    `output` is visible output without `reasoning`. `cost_usd` adds the priced calls only; with `unpriced` > 0 it is
    a lower bound. `estimated` counts calls priced with a rate known to be approximate. `cached` counts calls
    answered by the harness's own call cache: they cost nothing and are left out of latency.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_short: int = 0
    cache_write_long: int = 0
    output: int = 0
    reasoning: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    estimated: int = 0
    cached: int = 0

    @property
    def input_total(self) -> int:
        """All input tokens, cached or not: what context tiers are chosen by."""
        return self.input + self.cache_read + self.cache_write_short + self.cache_write_long

    @property
    def output_total(self) -> int:
        """Visible and reasoning tokens."""
        return self.output + self.reasoning

    @property
    def tokens(self) -> int:
        """Everything: what the token limit counts."""
        return self.input_total + self.output_total

    def __add__(self, other: Usage) -> Usage:
        """Bucket by bucket."""
        return Usage(
            self.input + other.input,
            self.cache_read + other.cache_read,
            self.cache_write_short + other.cache_write_short,
            self.cache_write_long + other.cache_write_long,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.calls + other.calls,
            self.cost_usd + other.cost_usd,
            self.unpriced + other.unpriced,
            self.estimated + other.estimated,
            self.cached + other.cached,
        )


StopReason = Literal["end", "max_tokens", "stop_sequence", "tool_use", "refusal", "other"]


class Response(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model answered. `model` is the name the provider returned; `service_tier` is what was charged.

    `usage` has one call in it and no price yet: the engine prices it. `priced_as` holds what price depends on
    besides tokens (`service_tier`, `inference_geo`, `speed`, `batch`), as the provider reported it.
    """

    parts: tuple[Part, ...]
    stop: StopReason
    usage: Usage
    model: str = ""
    id: str = ""
    priced_as: dict[str, str] = {}

    @property
    def text(self) -> str:
        """All text parts, joined."""
        if len(self.parts) == 1 and type(self.parts[0]) is Text:
            return self.parts[0].text
        return "".join(p.text for p in self.parts if type(p) is Text)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools the model asks for, in order."""
        return tuple(p for p in self.parts if type(p) is ToolCall)


def user(*parts: str | Part) -> Message:
    """A user message from strings and parts."""
    return Message("user", tuple(Text(p) if isinstance(p, str) else p for p in parts))


def assistant(*parts: str | Part) -> Message:
    """An assistant message from strings and parts."""
    return Message("assistant", tuple(Text(p) if isinstance(p, str) else p for p in parts))
