"""Requests in the words of Chat Completions, OpenAI's own and compatible servers'. Pure: no SDK.

Shapes are those of the SDK's types, openai 3.52 (`types/chat/`). Compatible servers add `reasoning_content`
(DeepSeek, vLLM) or `reasoning` (OpenRouter) to a message; it goes back with the tool calls of the same turn, as they
ask.
"""

from __future__ import annotations

from harness.api import File, Message, Reasoning, Request, Response, Text, ToolCall, ToolResult
from harness.models._body import is_strict, merged, schema_name
from harness.models._files import IMAGES, Files, is_text
from harness.toolkit.wire import chat as wire
from harness.toolkit.wire.body import Block, arguments_text, encode

PATH = "/chat/completions"


class Chat:
    """Writes bodies for one model. `limit_key` is how the server spells the limit of output tokens."""

    path = PATH

    def __init__(self, constant: Block, extra: Block, files: Files, max_tokens: int | None, limit_key: str) -> None:
        self._constant = constant
        self._extra = extra
        self._files = files
        self._max_tokens = max_tokens
        self._limit_key = limit_key

    def body(self, request: Request, *, stream: bool) -> bytes:
        """The encoded body. Raises ModelError for a file that cannot be read."""
        body: Block = {**self._constant, "messages": self._messages(request)}
        limits = [n for n in (request.max_output_tokens, self._max_tokens) if n]
        if limits:
            body[self._limit_key] = min(limits)
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": t.name, "description": t.description, "parameters": t.schema},
                }
                for t in request.tools
            ]
            if request.tool_choice != "auto":
                body["tool_choice"] = "required" if request.tool_choice == "any" else "none"
        if request.stop:
            body["stop"] = request.stop
        if request.json_schema is not None:
            form = {
                "name": schema_name(request.json_schema),
                "schema": request.json_schema,
                "strict": is_strict(request.json_schema),
            }
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True}
        return encode(merged(body, self._extra) if self._extra else body)

    def _messages(self, request: Request) -> list[Block]:
        found: list[Block] = [{"role": "system", "content": request.system}] if request.system else []
        for message in request.messages:
            if message.role == "assistant":
                found.append(_assistant(message))
            else:
                self._user(message, found)
        return found

    def _user(self, message: Message, found: list[Block]) -> None:
        parts = message.parts
        if len(parts) == 1 and type(parts[0]) is Text:
            found.append({"role": "user", "content": parts[0].text})
            return
        content: list[Block] = []
        for part in parts:
            if isinstance(part, ToolResult):
                found.append({"role": "tool", "tool_call_id": part.id, "content": part.content})
            elif isinstance(part, Text):
                content.append({"type": "text", "text": part.text})
            elif isinstance(part, File):
                content.append(self._file(part))
        if content:
            found.append({"role": "user", "content": content})

    def _file(self, file: File) -> Block:
        if is_text(file.media_type):
            return {"type": "text", "text": self._files.text(file)}
        url = self._files.data_url(file)
        if file.media_type in IMAGES:
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "file", "file": {"filename": file.name, "file_data": url}}

    def read(self, data: bytes, request: Request) -> Response:
        """A whole answer. Raises ModelError when it is not one."""
        return wire.whole(data)

    def assembler(self) -> wire.Assembler:
        """A fresh one for one stream."""
        return wire.Assembler()

    def finished(self, response: Response, request: Request) -> Response:
        """A streamed answer as a whole one."""
        return response


def _assistant(message: Message) -> Block:
    text: list[str] = []
    calls: list[Block] = []
    thought: Block = {}
    for part in message.parts:
        if isinstance(part, Text):
            text.append(part.text)
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": arguments_text(part)}
            calls.append({"id": part.id, "type": "function", "function": function})
        elif isinstance(part, Reasoning) and isinstance(part.opaque, dict):
            thought |= {k: v for k, v in part.opaque.items() if k in wire.REASONING}
    body: Block = {"role": "assistant", "content": "".join(text) or None}
    if calls:
        body |= {"tool_calls": calls, **thought}
    elif body["content"] is None:
        body["content"] = ""
    return body
