"""Requests in the words of OpenAI's Responses API. Pure: no SDK, no network.

Shapes are those of the SDK's types, openai 3.52 (`types/responses/`). Nothing is stored at the provider, so reasoning
travels in the conversation: an item's encrypted content comes back in `Reasoning.opaque` and is sent again unchanged.
A message that is only commentary is kept the same way: it is no part of the answer. The `phase` of a final answer is
kept as an item without text before it.
"""

from __future__ import annotations

from harness.api import File, Message, Reasoning, Request, Response, Text, ToolCall, ToolResult
from harness.models._body import cut_at_stop, is_strict, merged, schema_name
from harness.models._files import IMAGES, Files, is_text
from harness.records.content import Part
from harness.toolkit.wire import responses as wire
from harness.toolkit.wire.body import Block, arguments_text, encode

PATH = "/responses"


class Responses:
    """Writes bodies for one model. `constant` holds what every body has, `extra` what the user adds on top."""

    path = PATH

    def __init__(self, constant: Block, extra: Block, files: Files, max_tokens: int | None) -> None:
        self._constant = constant
        self._extra = extra
        self._files = files
        self._max_tokens = max_tokens

    def body(self, request: Request, *, stream: bool) -> bytes:
        """The encoded body. Raises ModelError for a file that cannot be read."""
        body: Block = {**self._constant, "input": self._input(request.messages)}
        limits = [n for n in (request.max_output_tokens, self._max_tokens) if n]
        if limits:
            body["max_output_tokens"] = min(limits)
        if request.system:
            body["instructions"] = request.system
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": t.name,
                    "description": t.description,
                    "parameters": t.schema,
                    "strict": False,
                }
                for t in request.tools
            ]
            if request.tool_choice != "auto":
                body["tool_choice"] = "required" if request.tool_choice == "any" else "none"
        if request.json_schema is not None:
            form = {
                "type": "json_schema",
                "name": schema_name(request.json_schema),
                "schema": request.json_schema,
                "strict": is_strict(request.json_schema),
            }
            body["text"] = {**body.get("text", {}), "format": form}
        if stream:
            body["stream"] = True
        return encode(merged(body, self._extra) if self._extra else body)

    def _input(self, messages: tuple[Message, ...]) -> list[Block]:
        items: list[Block] = []
        for message in messages:
            if message.role == "assistant":
                _assistant_items(message.parts, items)
            else:
                self._user_items(message.parts, items)
        return items

    def _user_items(self, parts: tuple[Part, ...], items: list[Block]) -> None:
        if len(parts) == 1 and type(parts[0]) is Text:
            items.append({"role": "user", "content": parts[0].text})
            return
        content: list[Block] = []
        for part in parts:
            if isinstance(part, ToolResult):
                items.append({"type": "function_call_output", "call_id": part.id, "output": part.content})
            elif isinstance(part, Text):
                content.append({"type": "input_text", "text": part.text})
            elif isinstance(part, File):
                content.append(self._file(part))
        if content:
            items.append({"role": "user", "content": content})

    def _file(self, file: File) -> Block:
        if is_text(file.media_type):
            return {"type": "input_text", "text": self._files.text(file)}
        if file.media_type in IMAGES:
            return {"type": "input_image", "detail": "auto", "image_url": self._files.data_url(file)}
        return {"type": "input_file", "filename": file.name, "file_data": self._files.data_url(file)}

    def read(self, data: bytes, request: Request) -> Response:
        """A whole answer. Raises ModelError when it is not one."""
        return self.finished(wire.whole(data), request)

    def assembler(self) -> wire.Assembler:
        """A fresh one for one stream."""
        return wire.Assembler()

    def finished(self, response: Response, request: Request) -> Response:
        """The answer up to the first stop sequence, which this API does not have."""
        return cut_at_stop(response, request.stop) if request.stop else response


def _assistant_items(parts: tuple[Part, ...], items: list[Block]) -> None:
    phase = ""
    for part in parts:
        if isinstance(part, Text):
            if part.text:
                item: Block = {"role": "assistant", "content": part.text}
                items.append({**item, "phase": phase} if phase else item)
            phase = ""
        elif isinstance(part, ToolCall):
            items.append(
                {"type": "function_call", "call_id": part.id, "name": part.name, "arguments": arguments_text(part)}
            )
        elif isinstance(part, Reasoning) and isinstance(part.opaque, dict):
            kind = part.opaque.get("type", "")
            if kind == wire.PHASE:
                phase = part.opaque["phase"]
            elif kind == "message" or (kind == "reasoning" and part.opaque.get("encrypted_content")):
                items.append(part.opaque)
