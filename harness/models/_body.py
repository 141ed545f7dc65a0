"""What all dialects share: encoding, tool-call arguments, unreadable answers, extra fields."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.api import Json, ModelError, Response, Text, ToolCall
from harness.models._faults import error_of, problem_of
from harness.records.content import Part

Block = dict[str, Any]
encode = msgspec.json.Encoder().encode


def arguments_of(text: str) -> dict[str, Json] | str:
    """Arguments of a tool call: the parsed object, `{}` for nothing, or the text if it is no JSON object."""
    if not text.strip():
        return {}
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return found if isinstance(found, dict) else text


def arguments_text(call: ToolCall) -> str:
    """The arguments as OpenAI wants them back: a string."""
    return call.arguments if isinstance(call.arguments, str) else encode(call.arguments).decode()


def merged(body: Block, extra: Block) -> Block:
    """`extra` over `body`; objects are merged one level deep, so that `text: {...}` adds to ours."""
    found = dict(body)
    for key, value in extra.items():
        old = found.get(key)
        found[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return found


def not_an_answer(data: bytes, cause: Exception | str) -> ModelError:
    """The error for a body with status 200 that is no answer: an error object, or something unreadable."""
    if not data.strip():
        return ModelError("bad_response", "the answer is empty")
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = None
    if isinstance(found, dict) and found.get("error"):
        return error_of(problem_of(found))
    return ModelError("bad_response", f"the answer cannot be read: {cause}")


def schema_name(schema: dict[str, Json]) -> str:
    """A name for a schema, which OpenAI asks for: letters, digits, `_` and `-`, 64 at most."""
    title = str(schema.get("title", ""))
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in title)[:64] or "answer"


def is_strict(schema: Json) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object is closed and requires all its properties.

    Source: developers.openai.com/api/docs/guides/structured-outputs, supported schemas. A schema with optional fields
    is sent without strict mode instead of failing every call.
    """
    if isinstance(schema, list):
        return all(is_strict(s) for s in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or names != set(schema.get("required", ())):
            return False
    return all(is_strict(s) for k, s in schema.items() if k not in ("enum", "const", "default", "examples"))


def cut_at_stop(response: Response, stop: tuple[str, ...]) -> Response:
    """The answer up to the first stop sequence, for an API that has none (Responses)."""
    parts: list[Part] = []
    for part in response.parts:
        if isinstance(part, Text):
            ends = [i for s in stop if (i := part.text.find(s)) >= 0]
            if ends:
                parts.append(Text(part.text[: min(ends)]))
                return msgspec.structs.replace(response, parts=tuple(parts), stop="stop_sequence")
        parts.append(part)
    return response
