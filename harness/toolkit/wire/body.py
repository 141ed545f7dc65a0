"""What reading and writing bodies share in every dialect: encoding, arguments of tool calls, unreadable answers."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.api import Json, ModelError, ToolCall
from harness.toolkit.wire.faults import error_of, problem_of

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
