"""Answers in the words of Chat Completions, OpenAI's own and compatible servers'. Pure: no SDK, no network.

Shapes are those of the SDK's types, openai 3.52 (`types/chat/`). Compatible servers add `reasoning_content`
(DeepSeek, vLLM) or `reasoning` (OpenRouter) to a message.
"""

from __future__ import annotations

import msgspec

from harness.api import Json, ModelError, Reasoning, Response, Text, ToolCall
from harness.records.content import Part, StopReason
from harness.toolkit.wire.body import arguments_of, encode, not_an_answer
from harness.toolkit.wire.faults import error_of, problem_of
from harness.toolkit.wire.usage import charged, openai_usage

REASONING = ("reasoning_content", "reasoning")
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


def whole(data: bytes) -> Response:
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


def _response(answer: _Answer, said: _Said, finish: str | None) -> Response:
    parts: list[Part] = []
    for name in REASONING:
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

    def response(self) -> Response:
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
