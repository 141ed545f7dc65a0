"""What writing bodies shares in every dialect: extra fields, schemas, stop sequences."""

from __future__ import annotations

import msgspec

from harness.api import Json, Response, Text
from harness.records.content import Part
from harness.toolkit.wire.body import Block


def merged(body: Block, extra: Block) -> Block:
    """`extra` over `body`; objects are merged one level deep, so that `text: {...}` adds to ours."""
    found = dict(body)
    for key, value in extra.items():
        old = found.get(key)
        found[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return found


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
