"""Requests and answers in the words of Chat Completions, OpenAI's own and compatible servers'. Pure: no SDK.

Shapes are those of the SDK's types, openai 3.52 (`types/chat/`). Compatible servers add `reasoning_content`
(DeepSeek, vLLM) or `reasoning` (OpenRouter) to a message; it goes back with the tool calls of the same turn, as they
ask.
"""

from __future__ import annotations

import msgspec

from harness.api import File, Json, Message, ModelError, Reasoning, Request, Response, Text, ToolCall, ToolResult
from harness.models._body import (
    Block,
    arguments_of,
    arguments_text,
    encode,
    is_strict,
    merged,
    not_an_answer,
    schema_name,
)
from harness.models._faults import error_of, problem_of
from harness.models._files import IMAGES, Files, is_text
from harness.models._usage import charged, openai_usage
from harness.records.content import Part, StopReason

PATH = "/chat/completions"
_REASONING = ("reasoning_content", "reasoning")
_STOP: dict[str | None, StopReason] = {
    "stop": "end", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use",
    "content_filter": "refusal",
}  # fmt: skip


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Json] | None = None


class _Call(msgspec.Struct, gc=False):
    function: _Function | None = None
    id: str | None = None
    index: int | None = None


class _Said(msgspec.Struct, gc=False):
    content: str | list[Json] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct, gc=False):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    usage: Json = None
    service_tier: str | None = None
    error: Json = None


_answer = msgspec.json.Decoder(_Answer)


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
        try:
            answer = _answer.decode(data)
        except msgspec.MsgspecError as e:
            raise not_an_answer(data, e) from e
        if answer.error:
            raise error_of(problem_of({"error": answer.error}))
        if not answer.choices or answer.choices[0].message is None:
            raise ModelError("bad_response", "the answer has no choices")
        return _response(answer, answer.choices[0].message, answer.choices[0].finish_reason)

    def assembler(self) -> Assembler:
        """A fresh one for one stream."""
        return Assembler()


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
            thought |= {k: v for k, v in part.opaque.items() if k in _REASONING}
    body: Block = {"role": "assistant", "content": "".join(text) or None}
    if calls:
        body |= {"tool_calls": calls, **thought}
    elif body["content"] is None:
        body["content"] = ""
    return body


def _response(answer: _Answer, said: _Said, finish: str | None) -> Response:
    parts: list[Part] = []
    for name in _REASONING:
        thought = getattr(said, name)
        if thought:
            parts.append(Reasoning(thought, {name: thought}))
            break
    text = said.content if isinstance(said.content, str) else _joined(said.content)
    if said.refusal:
        text = text + said.refusal
    if text:
        parts.append(Text(text))
    for call in said.tool_calls or ():
        if call.function is not None:
            given = call.function.arguments
            arguments = given if isinstance(given, dict) else arguments_of(given or "")
            parts.append(ToolCall(call.id or "", call.function.name or "", arguments))
    stop: StopReason = "refusal" if said.refusal else _STOP.get(finish, "other")
    if stop == "end" and said.tool_calls:
        stop = "tool_use"
    try:
        usage = openai_usage(answer.usage, "prompt", "completion")
    except (TypeError, ValueError, AttributeError) as e:
        raise ModelError("bad_response", f"the answer's usage cannot be read: {e}") from e
    tier = {"service_tier": answer.service_tier}
    return Response(tuple(parts), stop, usage, answer.model or "", answer.id or "", charged(tier, ("service_tier",)))


def _joined(content: list[Json] | None) -> str:
    """Text of a message whose content is a list of parts, as a few servers send it."""
    return "".join(str(p.get("text") or "") for p in content or () if isinstance(p, dict) and p.get("type") == "text")


class Assembler:
    """Puts a streamed completion together. `feed` each event's data, then take `response()`."""

    def __init__(self) -> None:
        self._answer = _Answer([])
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, tuple[_Call, list[str]]] = {}
        self._finish: str | None = None

    def feed(self, data: bytes) -> bool:
        """Take one chunk; True at `[DONE]`. Raises ModelError for an error or a broken chunk."""
        if data.strip() == b"[DONE]":
            return True
        try:
            chunk = _answer.decode(data)
        except msgspec.MsgspecError as e:
            raise not_an_answer(data, e) from e
        if chunk.error:
            raise error_of(problem_of({"error": chunk.error}))
        whole = self._answer
        whole.id = whole.id or chunk.id
        whole.model = whole.model or chunk.model
        whole.usage = chunk.usage or whole.usage
        whole.service_tier = chunk.service_tier or whole.service_tier
        for choice in chunk.choices[:1]:
            self._finish = choice.finish_reason or self._finish
            if choice.delta is not None:
                self._delta(choice.delta)
        return False

    def _delta(self, delta: _Said) -> None:
        text = delta.content if isinstance(delta.content, str) else _joined(delta.content)
        for name, piece in (
            ("content", text),
            ("refusal", delta.refusal),
            ("reasoning_content", delta.reasoning_content),
            ("reasoning", delta.reasoning),
        ):
            if piece:
                self._texts.setdefault(name, []).append(piece)
        for call in delta.tool_calls or ():
            index = len(self._calls) if call.index is None else call.index
            first, pieces = self._calls.setdefault(index, (call, []))
            if call.function is None:
                continue
            if first.function is None:
                first.function = call.function
            given = call.function.arguments
            pieces.append(given if isinstance(given, str) else encode(given).decode() if given else "")

    def response(self, request: Request) -> Response:
        """The whole answer. Raises ModelError when nothing was said about how it ended."""
        if self._finish is None:
            raise ModelError("bad_response", "the stream ended before its final event")
        said = msgspec.convert({k: "".join(v) for k, v in self._texts.items()}, _Said)
        said.tool_calls = [self._whole(self._calls[i]) for i in sorted(self._calls)]
        return _response(self._answer, said, self._finish)

    @staticmethod
    def _whole(call: tuple[_Call, list[str]]) -> _Call:
        first, pieces = call
        name = first.function.name if first.function else ""
        return _Call(_Function(name, "".join(pieces)), first.id)
