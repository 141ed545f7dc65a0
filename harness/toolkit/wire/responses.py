"""Answers in the words of OpenAI's Responses API, whole and streamed. Pure: no SDK, no network.

Shapes are those of the SDK's types, openai 3.52 (`types/responses/`). A reasoning item is kept whole in
`Reasoning.opaque`, and so is a message that is only commentary: it is no part of the answer. The `phase` of a final
answer is kept as an item without text before it.
"""

from __future__ import annotations

import msgspec

from harness.api import Json, ModelError, Reasoning, Response, Text, ToolCall
from harness.records.content import Part, StopReason
from harness.toolkit.wire.body import Block, arguments_of, not_an_answer
from harness.toolkit.wire.faults import Problem, error_of, is_policy, problem_of, refusal
from harness.toolkit.wire.usage import charged, openai_usage

PHASE = "phase"
_CLIENTS: dict[str, str] = {
    "local_shell_call": "action", "shell_call": "action", "apply_patch_call": "operation",
    "tool_search_call": "arguments", "computer_call": "action",
}  # fmt: skip
"""Items by which the model asks the client to do something, beside functions: where each has its arguments."""


class _Reason(msgspec.Struct, gc=False):
    reason: str | None = None


class _Answer(msgspec.Struct, gc=False):
    output: list[Block]
    id: str = ""
    model: str = ""
    status: str | None = None
    incomplete_details: _Reason | None = None
    error: Json = None
    usage: Json = None
    service_tier: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw()
    item: Json = None
    error: Json = None
    message: str = ""
    code: str | None = None


_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)


def whole(data: bytes) -> Response:
    """A whole answer. Raises ModelError when it is not one."""
    try:
        answer = _answer.decode(data)
    except msgspec.MsgspecError as e:
        raise not_an_answer(data, e) from e
    return _response(answer)


def _response(answer: _Answer) -> Response:
    if answer.status == "failed" or answer.error:
        problem = problem_of({"error": answer.error or "the response failed"})
        if is_policy(problem):
            return refusal(problem)
        raise _failed(problem)
    if answer.status not in ("completed", "incomplete", None):
        raise ModelError("bad_response", f"the response is {answer.status}, not completed")
    parts: list[Part] = []
    for item in answer.output:
        _read_item(item, parts)
    try:
        usage = openai_usage(answer.usage, "input", "output")
    except (TypeError, ValueError, AttributeError) as e:
        raise ModelError("bad_response", f"the answer's usage cannot be read: {e}") from e
    tier = {"service_tier": answer.service_tier}
    return Response(
        tuple(parts), _stop(answer, parts), usage, answer.model, answer.id, charged(tier, ("service_tier",))
    )


def _failed(problem: Problem) -> ModelError:
    """A response that failed: without a word that is the request's own fault, it is the server's."""
    error = error_of(problem)
    own = problem.code == "invalid_prompt" or "image" in problem.code
    return ModelError("bad_request", str(error)) if own else error


def _read_item(item: Block, parts: list[Part]) -> None:
    kind = item.get("type")
    if kind == "message":
        _read_message(item, parts)
    elif kind == "function_call":
        parts.append(ToolCall(item.get("call_id", ""), item.get("name", ""), arguments_of(item.get("arguments", ""))))
    elif call := _freeform(item):
        parts.append(call)
    elif kind == "reasoning":
        said = [p.get("text", "") for p in item.get("summary") or item.get("content") or ()]
        parts.append(Reasoning("\n\n".join(said), {k: v for k, v in item.items() if v is not None}))
    else:
        parts.append(Reasoning("", item))


def _freeform(item: Block) -> ToolCall | None:
    """A call that the client answers and that is no function's; None for what the provider runs itself."""
    kind = str(item.get("type"))
    id = str(item.get("call_id") or item.get("id") or "")
    if kind == "custom_tool_call":
        return ToolCall(id, str(item.get("name") or ""), str(item.get("input") or ""))
    environment = item.get("environment")
    hosted = isinstance(environment, dict) and environment.get("type") == "container_reference"
    if kind not in _CLIENTS or hosted or item.get("execution") == "server":
        return None
    given = item.get(_CLIENTS[kind])
    return ToolCall(id, kind.removesuffix("_call"), given if isinstance(given, dict | str) else {})


def _read_message(item: Block, parts: list[Part]) -> None:
    content = item.get("content") or []
    phase = item.get("phase")
    if phase == "commentary":
        parts.append(Reasoning("".join(c.get("text", "") for c in content), item))
        return
    if phase:
        parts.append(Reasoning("", {"type": PHASE, "phase": phase}))
    for piece in content:
        text = piece.get("refusal") if piece.get("type") == "refusal" else piece.get("text")
        if text:
            parts.append(Text(text))


def _stop(answer: _Answer, parts: list[Part]) -> StopReason:
    if answer.status == "incomplete":
        reason = answer.incomplete_details.reason if answer.incomplete_details else None
        words: dict[str | None, StopReason] = {"max_output_tokens": "max_tokens", "content_filter": "refusal"}
        return words.get(reason, "other")
    if any(isinstance(p, ToolCall) for p in parts):
        return "tool_use"
    refused = any(
        c.get("type") == "refusal" for i in answer.output if i.get("type") == "message" for c in i.get("content") or ()
    )
    return "refusal" if refused else "end"


class Assembler:
    """Takes a stream's events; the final one holds the whole response, so deltas are passed over."""

    def __init__(self) -> None:
        self._final: bytes | None = None
        self._items: list[Block] = []

    def feed(self, data: bytes) -> bool:
        """Take one event; True at the final one. Raises ModelError for an error event or a broken one."""
        try:
            event = _event.decode(data)
        except msgspec.MsgspecError as e:
            raise ModelError("bad_response", f"a stream event cannot be read: {e}") from e
        if event.type == "error":
            raise error_of(problem_of({"error": event.error or {"code": event.code, "message": event.message}}))
        if event.type == "response.output_item.done" and isinstance(event.item, dict):
            self._items.append(event.item)
        if event.type in ("response.completed", "response.incomplete", "response.failed"):
            self._final = bytes(event.response)
        return self._final is not None

    def response(self) -> Response:
        """The whole answer. Some servers leave `output` empty in the final event: then the finished items are it."""
        data = self._final or b""
        try:
            answer = _answer.decode(data)
        except msgspec.MsgspecError as e:
            raise not_an_answer(data, e) from e
        if not answer.output:
            answer.output = self._items
        return _response(answer)
