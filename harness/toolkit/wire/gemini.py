"""Answers in the words of the Gemini API (`v1beta`), whole and streamed. Pure: no SDK, no network.

Shapes: ai.google.dev/api/generate-content. A stream is a row of partial answers; usage in the last one counts for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.api import Json, ModelError, Reasoning, Response, Text, ToolCall, Usage
from harness.records.content import Part, StopReason
from harness.toolkit.wire.body import not_an_answer
from harness.toolkit.wire.faults import error_of, problem_of

SIGNATURE = "thoughtSignature"
_STOP: dict[str | None, StopReason] = {
    "STOP": "end", "MAX_TOKENS": "max_tokens", "SAFETY": "refusal", "RECITATION": "refusal", "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal", "SPII": "refusal", "IMAGE_SAFETY": "refusal",
}  # fmt: skip


class _Answer(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[dict[str, Any]] | None = None
    usage_metadata: dict[str, Any] | None = None
    model_version: str = ""
    response_id: str = ""
    prompt_feedback: dict[str, Any] | None = None
    error: Json = None


_answer = msgspec.json.Decoder(_Answer)


def gemini_usage(reported: Mapping[str, Json] | None) -> Usage:
    """`usageMetadata` in disjoint buckets: the prompt has the cache in it, thoughts are beside the candidates."""
    if not reported:
        return Usage(calls=1)
    prompt = _count(reported, "promptTokenCount") + _count(reported, "toolUsePromptTokenCount")
    cached = min(_count(reported, "cachedContentTokenCount"), prompt)
    return Usage(
        input=prompt - cached,
        cache_read=cached,
        output=_count(reported, "candidatesTokenCount"),
        reasoning=_count(reported, "thoughtsTokenCount"),
        calls=1,
    )


def _count(reported: Mapping[str, Json], name: str) -> int:
    value = reported.get(name)
    return max(0, int(value)) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def whole(data: bytes) -> Response:
    """A whole answer. Raises ModelError when it is not one."""
    assembler = Assembler()
    assembler.feed(data)
    return assembler.response()


class Assembler:
    """Puts a streamed answer together. `feed` each event's data, then take `response()`."""

    def __init__(self) -> None:
        self._usage: dict[str, Any] | None = None
        self._model = ""
        self._id = ""
        self._finish: str | None = None
        self._parts: list[Part] = []

    def feed(self, data: bytes) -> bool:
        """Take one event; True at the one that says why the answer ended. Raises ModelError."""
        try:
            chunk = _answer.decode(data)
        except msgspec.MsgspecError as e:
            raise not_an_answer(data, e) from e
        if chunk.error:
            raise error_of(problem_of({"error": chunk.error}))
        self._usage = chunk.usage_metadata or self._usage
        self._model = chunk.model_version or self._model
        self._id = chunk.response_id or self._id
        if chunk.prompt_feedback and chunk.prompt_feedback.get("blockReason"):
            self._finish = "SAFETY"
        for candidate in (chunk.candidates or ())[:1]:
            self._finish = candidate.get("finishReason") or self._finish
            for part in (candidate.get("content") or {}).get("parts") or ():
                self._take(part)
        return self._finish is not None

    def _take(self, part: dict[str, Any]) -> None:
        last = self._parts[-1] if self._parts else None
        if part.get(SIGNATURE) and not part.get("thought"):
            last = Reasoning("", {SIGNATURE: part[SIGNATURE]})  # it belongs to the part after it, and goes back with it
            self._parts.append(last)
        if "functionCall" in part:
            call = part["functionCall"] or {}
            given = call.get("args")
            name = str(call.get("name") or "")
            found = given if isinstance(given, dict) else {}
            self._parts.append(ToolCall(str(call.get("id") or f"call_{len(self._parts)}"), name, found))
        elif part.get("thought"):
            self._parts.append(Reasoning(str(part.get("text") or ""), part))
        elif isinstance(part.get("text"), str):
            if isinstance(last, Text):
                self._parts[-1] = Text(last.text + part["text"])
            elif part["text"]:
                self._parts.append(Text(part["text"]))
        else:
            self._parts.append(Reasoning("", part))

    def response(self) -> Response:
        """The whole answer. Raises ModelError when nothing was said about how it ended."""
        if self._finish is None:
            raise ModelError("bad_response", "the stream ended before its final event")
        stop = _STOP.get(self._finish, "other")
        if stop == "end" and any(isinstance(p, ToolCall) for p in self._parts):
            stop = "tool_use"
        return Response(tuple(self._parts), stop, gemini_usage(self._usage), self._model, self._id)
