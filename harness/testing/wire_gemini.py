"""The wire server's Gemini dialect: generateContent, streamed and not, and errors. Shapes: the reference of v1beta."""

from __future__ import annotations

import json
from typing import Any

from harness.testing.wire_script import Ask, Step, Tokens

_FINISH = {"max_tokens": "MAX_TOKENS", "context": "MAX_TOKENS", "refusal": "SAFETY"}
_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def answer(step: Step, ask: Ask, n: int) -> dict[str, Any]:
    """A whole `GenerateContentResponse`."""
    return _chunk(step, ask, n, _parts(step), last=True)


def events(step: Step, ask: Ask, n: int) -> list[dict[str, Any]]:
    """The same as partial answers, one for each part; the last tells how it ended and what was used."""
    pieces: list[dict[str, Any]] = []
    for part in _parts(step):
        text = part.get("text", "")
        if len(text) > 1 and not part.get("thought"):
            pieces += [{**part, "text": text[: len(text) // 2]}, {**part, "text": text[len(text) // 2 :]}]
        else:
            pieces.append(part)
    return [_chunk(step, ask, n, [p], last=i == len(pieces) - 1) for i, p in enumerate(pieces)]


def error(status: int, step: Step) -> dict[str, Any]:
    """An error body."""
    word = step.error_type or _STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": status, "message": step.error_message or f"scripted status {status}", "status": word}}


def stream_error(step: Step) -> dict[str, Any]:
    """An error in the middle of a stream."""
    return {"error": {"code": 503, "message": step.error_message or step.stream_error, "status": step.stream_error}}


def _parts(step: Step) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if step.reasoning:
        parts.append({"text": step.reasoning, "thought": True})
    said = step.refusal or step.text or ""
    if said or not step.tool_calls:
        parts.append({"text": said})
    for call in step.tool_calls:
        given = call.arguments if isinstance(call.arguments, dict) else json.loads(call.arguments)
        made: dict[str, Any] = {"name": call.name, "args": given}
        parts.append({"functionCall": {**made, "id": call.id} if call.id else made})
    return parts


def _chunk(step: Step, ask: Ask, n: int, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = "SAFETY" if step.refusal else _FINISH.get(step.stop, "STOP")
    found = {"candidates": [candidate], "modelVersion": step.model or ask.model, "responseId": f"gemini{n:08d}"}
    return {**found, "usageMetadata": _usage(step, ask)} if last else found


def _usage(step: Step, ask: Ask) -> dict[str, Any]:
    t = step.usage or Tokens(input=max(1, ask.size // 4), output=len(step.text or "") // 4 + 1)
    prompt = t.input + t.cache_read + t.cache_write_short + t.cache_write_long
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": t.output}
    if t.cache_read:
        usage["cachedContentTokenCount"] = t.cache_read
    if t.reasoning:
        usage["thoughtsTokenCount"] = t.reasoning
    return {**usage, "totalTokenCount": prompt + t.output + t.reasoning}
