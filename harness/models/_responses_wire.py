"""Requests and answers in the words of OpenAI's Responses API. Pure: no SDK, no network.

Shapes are those of the SDK's types, openai 3.52 (`types/responses/`). Nothing is stored at the provider, so reasoning
travels in the conversation: an item's encrypted content comes back in `Reasoning.opaque` and is sent again unchanged.
A message that is only commentary is kept the same way: it is no part of the answer. The `phase` of a final answer is
kept as an item without text before it.
"""

from __future__ import annotations

import msgspec

from harness.api import File, Json, Message, ModelError, Reasoning, Request, Response, Text, ToolCall, ToolResult
from harness.models._body import (
    Block,
    arguments_of,
    arguments_text,
    cut_at_stop,
    encode,
    is_strict,
    merged,
    not_an_answer,
    schema_name,
)
from harness.models._faults import Problem, error_of, is_policy, problem_of, refusal
from harness.models._files import IMAGES, Files, is_text
from harness.models._usage import charged, openai_usage
from harness.records.content import Part, StopReason

PATH = "/responses"
_PHASE = "phase"


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
        try:
            answer = _answer.decode(data)
        except msgspec.MsgspecError as e:
            raise not_an_answer(data, e) from e
        return _finished(answer, request)

    def assembler(self) -> Assembler:
        """A fresh one for one stream."""
        return Assembler()


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
            if kind == _PHASE:
                phase = part.opaque["phase"]
            elif kind == "message" or (kind == "reasoning" and part.opaque.get("encrypted_content")):
                items.append(part.opaque)


def _finished(answer: _Answer, request: Request) -> Response:
    found = _response(answer)
    return cut_at_stop(found, request.stop) if request.stop else found


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
    elif kind == "reasoning":
        said = [p.get("text", "") for p in item.get("summary") or item.get("content") or ()]
        parts.append(Reasoning("\n\n".join(said), {k: v for k, v in item.items() if v is not None}))
    else:
        parts.append(Reasoning("", item))


def _read_message(item: Block, parts: list[Part]) -> None:
    content = item.get("content") or []
    phase = item.get("phase")
    if phase == "commentary":
        parts.append(Reasoning("".join(c.get("text", "") for c in content), item))
        return
    if phase:
        parts.append(Reasoning("", {"type": _PHASE, "phase": phase}))
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

    def response(self, request: Request) -> Response:
        """The whole answer. Some servers leave `output` empty in the final event: then the finished items are it."""
        data = self._final or b""
        try:
            answer = _answer.decode(data)
        except msgspec.MsgspecError as e:
            raise not_an_answer(data, e) from e
        if not answer.output:
            answer.output = self._items
        return _finished(answer, request)
