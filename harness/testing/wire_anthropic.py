"""The wire server's Anthropic dialect: Messages, streaming and not, and errors. Shapes: SDK types 2.11."""

from __future__ import annotations

from typing import Any

from harness.testing.wire_script import Ask, Step, Tokens

_STOP = {
    "": "end_turn", "end": "end_turn", "max_tokens": "max_tokens", "stop_sequence": "stop_sequence",
    "tool_use": "tool_use", "refusal": "refusal", "context": "model_context_window_exceeded", "pause": "pause_turn",
}  # fmt: skip
_ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def answer(step: Step, ask: Ask, n: int) -> dict[str, Any]:
    """A whole `message`."""
    return {
        "id": f"msg_{n:08d}",
        "type": "message",
        "role": "assistant",
        "model": step.model or ask.model,
        "content": _content(step),
        "stop_reason": _stop(step),
        "stop_sequence": None,
        "usage": _usage(step, ask),
    }


def events(step: Step, ask: Ask, n: int) -> list[dict[str, Any]]:
    """The same message as stream events, in the provider's order."""
    whole = answer(step, ask, n)
    usage = whole["usage"]
    start = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    start["usage"].pop("output_tokens_details", None)
    found: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for i, block in enumerate(whole["content"]):
        found += _block_events(i, block)
    tail = {k: usage[k] for k in ("output_tokens", "output_tokens_details") if k in usage}
    found.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": tail,
        }
    )
    found.append({"type": "message_stop"})
    return found


def error(status: int, step: Step, n: int) -> dict[str, Any]:
    """An error body."""
    kind = step.error_type or _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    body = {"type": kind, "message": step.error_message or f"scripted status {status}"}
    return {"type": "error", "error": body, "request_id": f"req_{n:08d}"}


def stream_error(step: Step) -> dict[str, Any]:
    """An error event in the middle of a stream."""
    return {
        "type": "error",
        "error": {"type": step.stream_error, "message": step.error_message or step.stream_error},
    }


def _content(step: Step) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if step.reasoning:
        blocks.append({"type": "thinking", "thinking": step.reasoning, "signature": step.signature})
    if step.redacted:
        blocks.append({"type": "redacted_thinking", "data": step.redacted})
    said = step.refusal or step.text or ""
    if said or not (step.tool_calls or step.refusal):
        blocks.append({"type": "text", "text": said, "citations": None})
    for i, call in enumerate(step.tool_calls):
        blocks.append(
            {"type": "tool_use", "id": call.id or f"toolu_{i + 1}", "name": call.name, "input": call.arguments}
        )
    return blocks


def _block_events(i: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    kind = block["type"]
    deltas: list[dict[str, Any]] = []
    start = dict(block)
    if kind == "text":
        start["text"] = ""
        half = len(block["text"]) // 2
        deltas = [{"type": "text_delta", "text": t} for t in (block["text"][:half], block["text"][half:])]
    elif kind == "thinking":
        start |= {"thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    elif kind == "tool_use":
        start["input"] = {}
        deltas = [{"type": "input_json_delta", "partial_json": t} for t in _json_pieces(block["input"])]
    return [
        {"type": "content_block_start", "index": i, "content_block": start},
        *({"type": "content_block_delta", "index": i, "delta": d} for d in deltas),
        {"type": "content_block_stop", "index": i},
    ]


def _json_pieces(arguments: dict[str, Any] | str) -> tuple[str, str]:
    import json

    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    half = len(text) // 2
    return text[:half], text[half:]


def _stop(step: Step) -> str:
    if not step.stop:
        return "tool_use" if step.tool_calls else "refusal" if step.refusal else "end_turn"
    return _STOP[step.stop]


def _usage(step: Step, ask: Ask) -> dict[str, Any]:
    t = step.usage or Tokens(input=max(1, ask.size // 4), output=len(step.text or "") // 4 + 1)
    usage: dict[str, Any] = {
        "input_tokens": t.input,
        "cache_creation_input_tokens": t.cache_write_short + t.cache_write_long,
        "cache_read_input_tokens": t.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": t.cache_write_short,
            "ephemeral_1h_input_tokens": t.cache_write_long,
        },
        "output_tokens": t.output + t.reasoning,
        "service_tier": step.service_tier or "standard",
    }
    if t.reasoning:
        usage["output_tokens_details"] = {"thinking_tokens": t.reasoning}
    if step.speed:
        usage["speed"] = step.speed
    if step.inference_geo:
        usage["inference_geo"] = step.inference_geo
    return usage
