"""The wire server's OpenAI dialects: Responses and Chat Completions, streaming and not. Shapes: SDK types 3.52."""

from __future__ import annotations

import json
from typing import Any

from harness.testing.wire_script import Ask, Call, Step, Tokens

CREATED = 1_790_000_000
"""The one time the server knows: answers are the same every time."""


def chat_answer(step: Step, ask: Ask, n: int) -> dict[str, Any]:
    """A `chat.completion`."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if step.refusal or (step.tool_calls and not step.text) else step.text or "",
        "refusal": step.refusal or None,
    }
    if step.reasoning:
        message["reasoning_content"] = step.reasoning
    if step.tool_calls:
        message["tool_calls"] = [_chat_call(c, i) for i, c in enumerate(step.tool_calls)]
    return {
        "id": f"chatcmpl-{n:08d}",
        "object": "chat.completion",
        "created": CREATED,
        "model": step.model or ask.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(step)}],
        "usage": _chat_usage(step, ask),
        "service_tier": step.service_tier or "default",
    }


def chat_events(step: Step, ask: Ask, n: int) -> list[dict[str, Any]]:
    """The chunks of the same completion; the server ends them with `[DONE]`."""
    whole = chat_answer(step, ask, n)
    message = whole["choices"][0]["message"]
    text = message["content"] or ""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if step.reasoning:
        deltas.append({"reasoning_content": step.reasoning})
    deltas += [{"content": t} for t in (text[: len(text) // 2], text[len(text) // 2 :]) if t]
    if step.refusal:
        deltas.append({"refusal": step.refusal})
    for i, call in enumerate(message.get("tool_calls", ())):
        args = call["function"]["arguments"]
        head = {**call, "index": i, "function": {"name": call["function"]["name"], "arguments": ""}}
        deltas.append({"tool_calls": [head]})
        deltas += [
            {"tool_calls": [{"index": i, "function": {"arguments": a}}]}
            for a in (args[: len(args) // 2], args[len(args) // 2 :])
        ]
    base = {k: whole[k] for k in ("id", "created", "model", "service_tier")} | {"object": "chat.completion.chunk"}
    chunks = [{**base, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(step)}]})
    if (ask.stream_options or {}).get("include_usage"):
        chunks.append({**base, "choices": [], "usage": whole["usage"]})
    return chunks


def responses_answer(step: Step, ask: Ask, n: int) -> dict[str, Any]:
    """A `response`."""
    incomplete = {"max_tokens": "max_output_tokens", "refusal": "content_filter"}.get(
        step.stop if not step.refusal else ""
    )
    return {
        "id": f"resp_{n:08d}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if incomplete else "completed",
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": None,
        "metadata": {},
        "model": step.model or ask.model,
        "output": _output_items(step, n),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "service_tier": step.service_tier or "default",
        "store": False,
        "usage": _responses_usage(step, ask),
    }


def responses_events(step: Step, ask: Ask, n: int) -> list[dict[str, Any]]:
    """The events of the same response, numbered."""
    whole = responses_answer(step, ask, n)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    found: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for i, item in enumerate(whole["output"]):
        found += _item_events(i, item)
    found.append({"type": f"response.{whole['status']}", "response": whole})
    for i, event in enumerate(found):
        event["sequence_number"] = i
    return found


def responses_failed(step: Step, ask: Ask, n: int) -> dict[str, Any]:
    """The final event of a response that failed on the server; `stream_error` is its error code."""
    whole = responses_answer(step, ask, n)
    error_body = {"code": step.stream_error, "message": step.error_message or step.stream_error}
    whole |= {"status": "failed", "output": [], "usage": None, "error": error_body}
    return {"type": "response.failed", "sequence_number": 99, "response": whole}


def error(status: int, step: Step) -> dict[str, Any]:
    """An error body."""
    kind = step.error_type or {429: "rate_limit_exceeded", 401: "authentication_error"}.get(
        status, "server_error" if status >= 500 else "invalid_request_error"
    )
    return {
        "error": {
            "message": step.error_message or f"scripted status {status}",
            "type": kind,
            "param": None,
            "code": step.error_code or None,
        }
    }


def stream_error(step: Step) -> dict[str, Any]:
    """An error in the middle of a chat stream."""
    return {"error": {"message": step.error_message or step.stream_error, "type": step.stream_error, "code": None}}


def _chat_call(call: Call, i: int) -> dict[str, Any]:
    return {
        "id": call.id or f"call_{i + 1}",
        "type": "function",
        "function": {"name": call.name, "arguments": _arguments(call)},
    }


def _arguments(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _finish(step: Step) -> str:
    if not step.stop:
        return "tool_calls" if step.tool_calls else "stop"
    words = {"max_tokens": "length", "context": "length", "tool_use": "tool_calls", "refusal": "content_filter"}
    return words.get(step.stop, "stop")


def _output_items(step: Step, n: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if step.reasoning:
        items.append(
            {
                "id": f"rs_{n:08d}",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": step.reasoning}],
                "encrypted_content": step.signature,
            }
        )
    if step.commentary:
        items.append(_message(f"msg_c{n:08d}", {"type": "output_text", "text": step.commentary}, "commentary"))
    if step.refusal:
        items.append(_message(f"msg_{n:08d}", {"type": "refusal", "refusal": step.refusal}))
    elif step.text or not step.tool_calls:
        phase = "final_answer" if step.commentary else ""
        items.append(_message(f"msg_{n:08d}", {"type": "output_text", "text": step.text or ""}, phase))
    for i, call in enumerate(step.tool_calls):
        head = {"call_id": call.id or f"call_{i + 1}", "name": call.name, "status": "completed"}
        if call.custom:
            items.append({"id": f"ctc_{n:08d}_{i}", "type": "custom_tool_call", **head, "input": _arguments(call)})
        else:
            items.append({"id": f"fc_{n:08d}_{i}", "type": "function_call", **head, "arguments": _arguments(call)})
    return items


def _message(id: str, content: dict[str, Any], phase: str = "") -> dict[str, Any]:
    if content["type"] == "output_text":
        content["annotations"] = []
    item = {"id": id, "type": "message", "role": "assistant", "status": "completed", "content": [content]}
    return {**item, "phase": phase} if phase else item


def _item_events(i: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    at = {"item_id": item["id"], "output_index": i}
    empty = {**item, "content": []} if item["type"] == "message" else {**item, "summary": []}
    middle: list[dict[str, Any]] = []
    if item["type"] == "message":
        part = item["content"][0]
        key = "text" if part["type"] == "output_text" else "refusal"
        kind = "response.output_text" if key == "text" else "response.refusal"
        spot = {**at, "content_index": 0}
        more: dict[str, Any] = {"logprobs": []} if key == "text" else {}
        middle = [
            {"type": "response.content_part.added", **spot, "part": {**part, key: ""}},
            {"type": f"{kind}.delta", **spot, "delta": part[key], **more},
            {"type": f"{kind}.done", **spot, key: part[key], **more},
            {"type": "response.content_part.done", **spot, "part": part},
        ]
    elif item["type"] == "function_call":
        empty = {**item, "arguments": "", "status": "in_progress"}
        name = {"name": item["name"]}
        middle = [
            {"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]},
            {"type": "response.function_call_arguments.done", **at, **name, "arguments": item["arguments"]},
        ]
    elif item["type"] == "custom_tool_call":
        empty = {**item, "input": "", "status": "in_progress"}
        middle = [
            {"type": "response.custom_tool_call_input.delta", **at, "delta": item["input"]},
            {"type": "response.custom_tool_call_input.done", **at, "input": item["input"]},
        ]
    return [
        {"type": "response.output_item.added", "output_index": i, "item": empty},
        *middle,
        {"type": "response.output_item.done", "output_index": i, "item": item},
    ]


def _tokens(step: Step, ask: Ask) -> Tokens:
    return step.usage or Tokens(input=max(1, ask.size // 4), output=len(step.text or "") // 4 + 1)


def _chat_usage(step: Step, ask: Ask) -> dict[str, Any]:
    t = _tokens(step, ask)
    wrote = t.cache_write_short + t.cache_write_long
    prompt, completion = t.input + t.cache_read + wrote, t.output + t.reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": t.cache_read, "cache_write_tokens": wrote},
        "completion_tokens_details": {"reasoning_tokens": t.reasoning},
    }


def _responses_usage(step: Step, ask: Ask) -> dict[str, Any]:
    t = _tokens(step, ask)
    wrote = t.cache_write_short + t.cache_write_long
    total_in, total_out = t.input + t.cache_read + wrote, t.output + t.reasoning
    details: dict[str, Any] = {"cached_tokens": t.cache_read, "cache_write_tokens": wrote}
    if wrote:
        details["cache_write_tokens_details"] = {
            "ttl_30m_tokens": t.cache_write_short,
            "ttl_12h_tokens": t.cache_write_long,
        }
    return {
        "input_tokens": total_in,
        "input_tokens_details": details,
        "output_tokens": total_out,
        "output_tokens_details": {"reasoning_tokens": t.reasoning},
        "total_tokens": total_in + total_out,
    }
