"""Requests and answers in the words of Anthropic's Messages API. Pure: no SDK, no network.

Shapes are those of the SDK's types, anthropic 2.11 (`types/message_create_params.py`, `types/message.py`).
"""

from __future__ import annotations

import msgspec

from harness.api import File, Json, Message, ModelError, Reasoning, Request, Response, Text, ToolCall, ToolResult
from harness.models._body import Block, arguments_of, encode, merged, not_an_answer
from harness.models._faults import error_of, problem_of
from harness.models._files import IMAGES, PDF, Files, is_text
from harness.models._usage import anthropic_usage, charged
from harness.records.content import Part, StopReason

NONSTREAMING_TOKENS = 21_333
"""Longest answer asked for without streaming: what the SDK allows for ten minutes (`_calculate_nonstreaming_timeout`:
128,000 tokens an hour)."""

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


class Messages:
    """Writes bodies for one model. `constant` holds what every body has, `extra` what the user adds on top."""

    def __init__(self, constant: Block, extra: Block, files: Files, *, max_tokens: int, ttl: str, stream: bool | None):
        self._constant = constant
        self._extra = extra
        self._files = files
        self._max_tokens = max_tokens
        self._mark: Block | None = None
        if ttl:
            self._mark = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
        self._stream = stream

    def body(self, request: Request) -> tuple[bytes, bool]:
        """The encoded body, and whether it asks for a stream. Raises ModelError for a file that cannot be sent."""
        limit = request.max_output_tokens
        max_tokens = min(limit, self._max_tokens) if limit else self._max_tokens
        stream = max_tokens > NONSTREAMING_TOKENS if self._stream is None else self._stream
        body: Block = {**self._constant, "max_tokens": max_tokens, "messages": self._messages(request.messages)}
        if request.system:
            body["system"] = request.system
        if request.tools:
            body["tools"] = [
                {"name": t.name, "description": t.description, "input_schema": t.schema} for t in request.tools
            ]
            if request.tool_choice != "auto":
                body["tool_choice"] = {"type": request.tool_choice}
        if request.stop:
            body["stop_sequences"] = request.stop
        if request.json_schema is not None:
            form = {"type": "json_schema", "schema": request.json_schema}
            body["output_config"] = {**body.get("output_config", {}), "format": form}
        if request.cache and self._mark:
            _mark_prefix(body, request, self._mark)
        if stream:
            body["stream"] = True
        return encode(merged(body, self._extra) if self._extra else body), stream

    def _messages(self, messages: tuple[Message, ...]) -> list[Block]:
        if len(messages) == 1 and len(messages[0].parts) == 1:
            only = messages[0].parts[0]
            if type(only) is Text:
                return [{"role": messages[0].role, "content": only.text}]
        found = []
        for message in messages:
            blocks = [b for p in message.parts if (b := self._block(p)) is not None]
            if blocks:
                found.append({"role": message.role, "content": blocks})
        return found

    def _block(self, part: Part) -> Block | None:
        if isinstance(part, Text):
            return {"type": "text", "text": part.text} if part.text else None
        if isinstance(part, ToolCall):
            given = part.arguments if isinstance(part.arguments, dict) else {"unparsed": part.arguments}
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": given}
        if isinstance(part, ToolResult):
            block: Block = {"type": "tool_result", "tool_use_id": part.id, "content": part.content}
            return {**block, "is_error": True} if part.is_error else block
        if isinstance(part, Reasoning):
            return part.opaque if _is_own(part.opaque) else None
        return self._file(part)

    def _file(self, file: File) -> Block:
        if is_text(file.media_type):
            return {"type": "text", "text": self._files.text(file)}
        source = {"type": "base64", "media_type": file.media_type}
        if file.media_type in IMAGES:
            return {"type": "image", "source": {**source, "data": self._files.base64(file)}}
        if file.media_type == PDF:
            return {"type": "document", "title": file.name, "source": {**source, "data": self._files.base64(file)}}
        raise ModelError(
            "bad_request",
            f"file '{file.name}' is {file.media_type}: Anthropic takes text, PDF and {', '.join(sorted(IMAGES))}",
        )


def _is_own(opaque: Json) -> bool:
    """Whether a block came from this API: other providers' reasoning means nothing to it."""
    kind = opaque.get("type", "") if isinstance(opaque, dict) else ""
    return kind in ("thinking", "redacted_thinking", "server_tool_use") or kind.endswith("_tool_result")


def _mark_prefix(body: Block, request: Request, mark: Block) -> None:
    """Cache breakpoints, at most three of the four allowed.

    The system text closes the prefix of tools and system (tools come first); without one the last tool does. In a
    conversation that goes on (tools, or an answer in it) the last message is the next call's prefix, and the user
    message before it is where this call's prefix was written. Otherwise all but the last message is stable.
    Source: platform.claude.com/docs/en/build-with-claude/prompt-caching.
    """
    if request.system:
        body["system"] = [{"type": "text", "text": request.system, "cache_control": mark}]
    elif request.tools:
        body["tools"][-1]["cache_control"] = mark
    messages = body["messages"]
    goes_on = bool(request.tools) or any(m["role"] == "assistant" for m in messages)
    spots = [-1, -3] if goes_on else [-2]
    for spot in spots:
        if len(messages) >= -spot:
            _mark_message(messages[spot], mark)


def _mark_message(message: Block, mark: Block) -> None:
    if isinstance(message["content"], str):
        message["content"] = [{"type": "text", "text": message["content"]}]
    for block in reversed(message["content"]):
        if block["type"] in ("text", "image", "document", "tool_use", "tool_result"):
            block["cache_control"] = mark
            return


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
