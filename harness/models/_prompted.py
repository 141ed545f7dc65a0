"""Directives of a prompt for the scripted model: the same as the wire server's, read off a neutral request."""

from __future__ import annotations

import msgspec

from harness.api import Json, Request, Text
from harness.errors import ModelError
from harness.testing.wire_prompt import Offered, View, due
from harness.toolkit.wire.faults import error_of, problem_of


def prompted(request: Request, erred: set[str]) -> dict[str, Json] | None:
    """The fields of the answer that is due, or None where the prompt has no directive.

    Raises ModelError for each `@@error`, at its first try; `erred` remembers which.
    """
    turns = []
    for message in request.messages:
        texts = "\n".join(p.text for p in message.parts if isinstance(p, Text))
        turns.append((message.role if texts or message.role == "assistant" else "tool", texts))
    found = due(View(turns, tuple(Offered(t.name, t.schema, t.description) for t in request.tools), request.system))
    if found is None:
        return None
    if found.fails(erred):
        raise planted(found.error)
    step = found.step
    fields: dict[str, Json] = {
        "text": step.refusal or step.text or "",
        "reasoning": step.reasoning,
        "tools": [{"name": c.name, "arguments": c.arguments, "id": c.id} for c in step.tool_calls],
        "latency_s": step.delay_ms / 1000 or None,
    }
    return fields | ({"usage": msgspec.structs.asdict(step.usage)} if step.usage else {})


def planted(status: int) -> ModelError:
    """A provider's failure with this status."""
    return error_of(problem_of({"error": {"message": "planted by the prompt"}}), status)
