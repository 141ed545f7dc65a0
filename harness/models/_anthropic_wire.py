"""Requests in the words of Anthropic's Messages API. Pure: no SDK, no network.

Shapes are those of the SDK's types, anthropic 2.11 (`types/message_create_params.py`).
"""

from __future__ import annotations

from harness.api import File, Json, Message, ModelError, Reasoning, Request, Text, ToolCall, ToolResult
from harness.models._body import merged
from harness.models._files import IMAGES, PDF, Files, is_text
from harness.records.content import Part
from harness.toolkit.wire.body import Block, encode

NONSTREAMING_TOKENS = 21_333
"""Longest answer asked for without streaming: what the SDK allows for ten minutes (`_calculate_nonstreaming_timeout`:
128,000 tokens an hour)."""


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
