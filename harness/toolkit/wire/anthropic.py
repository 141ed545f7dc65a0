"""Answers in the words of Anthropic's Messages API, whole and streamed. Pure: no SDK, no network.

Shapes are those of the SDK's types, anthropic 2.11 (`types/message.py`).
"""

from __future__ import annotations

import msgspec

from harness.api import Json, ModelError, Reasoning, Response, Text, ToolCall
from harness.records.content import Part, StopReason
from harness.toolkit.wire.body import Block, arguments_of, not_an_answer
from harness.toolkit.wire.faults import error_of, problem_of
from harness.toolkit.wire.usage import anthropic_usage, charged

_STOP: dict[str | None, StopReason] = {
    "end_turn": "end", "max_tokens": "max_tokens", "stop_sequence": "stop_sequence", "tool_use": "tool_use",
    "refusal": "refusal", "model_context_window_exceeded": "max_tokens",
}  # fmt: skip


class _Answer(msgspec.Struct, gc=False):
    content: list[Block]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    usage: Json = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    message: Json = None
    content_block: Json = None
    delta: Json = None
    usage: Json = None
    error: Json = None


_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)


def response(data: bytes) -> Response:
    """A whole answer. Raises ModelError when it is not one."""
    try:
        answer = _answer.decode(data)
    except msgspec.MsgspecError as e:
        raise not_an_answer(data, e) from e
    return _response(answer, [_part(b) for b in answer.content if not _is_empty(b)])


def _response(answer: _Answer, parts: list[Part]) -> Response:
    if not isinstance(answer.usage, dict):
        raise ModelError("bad_response", "the answer has no usage")
    try:
        usage = anthropic_usage(answer.usage)
    except (TypeError, ValueError, AttributeError) as e:
        raise ModelError("bad_response", f"the answer's usage cannot be read: {e}") from e
    return Response(
        tuple(parts),
        _STOP.get(answer.stop_reason, "other"),
        usage,
        answer.model,
        answer.id,
        charged(answer.usage, ("service_tier", "speed", "inference_geo")),
    )


def _is_empty(block: Block) -> bool:
    return block.get("type") == "text" and not block.get("text")


def _part(block: Block) -> Part:
    kind = block.get("type")
    if kind == "text":
        return Text(block.get("text", ""))
    if kind == "tool_use":
        return ToolCall(block.get("id", ""), block.get("name", ""), block.get("input", {}))
    return Reasoning(block.get("thinking", ""), block)


class Assembler:
    """Puts a streamed message together. `feed` each event's data, then take `response()`."""

    def __init__(self) -> None:
        self._answer = _Answer([])
        self._blocks: dict[int, Block] = {}
        self._json: dict[int, list[str]] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}

    def feed(self, data: bytes) -> bool:
        """Take one event; True at the final one. Raises ModelError for an error event or a broken one."""
        try:
            event = _event.decode(data)
            return self._take(event)
        except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as e:
            raise ModelError("bad_response", f"a stream event cannot be read: {e}") from e

    def _take(self, event: _Event) -> bool:
        if event.type == "content_block_delta":
            self._delta(event.index, event.delta)
        elif event.type == "content_block_start":
            self._blocks[event.index] = dict(event.content_block)
        elif event.type == "message_start":
            self._answer = msgspec.convert(event.message, _Answer)
        elif event.type == "message_delta":
            self._answer.stop_reason = event.delta.get("stop_reason")
            known = {k: v for k, v in (event.usage or {}).items() if v is not None}
            self._answer.usage = {**(self._answer.usage or {}), **known}
        elif event.type == "error":
            raise error_of(problem_of({"error": event.error}))
        return event.type == "message_stop"

    def _delta(self, index: int, delta: Block) -> None:
        kind = delta["type"]
        if kind == "input_json_delta":
            self._json.setdefault(index, []).append(delta["partial_json"])
        elif kind in ("text_delta", "thinking_delta", "signature_delta"):
            name = kind.removesuffix("_delta")
            self._texts.setdefault((index, name), []).append(delta[name])

    def response(self) -> Response:
        """The whole answer. Raises ModelError when its usage is missing."""
        for (index, name), pieces in self._texts.items():
            block = self._blocks.setdefault(index, {"type": name})
            block[name] = (block.get(name) or "") + "".join(pieces)
        for index, pieces in self._json.items():
            self._blocks[index]["input"] = arguments_of("".join(pieces))
        return _response(self._answer, [_part(b) for _, b in sorted(self._blocks.items()) if not _is_empty(b)])
