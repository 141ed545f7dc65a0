"""Models that are no provider's (scripted, replay), served in each dialect, so that agents run without a key."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

import msgspec

from harness.gateway.dialects import encode
from harness.gateway.passage import Passage
from harness.records.content import Json, Reasoning, Response, StopReason
from harness.records.exchange import Dialect
from harness.testing.wire_script import Ask as WireAsk
from harness.testing.wire_script import Call, Step, Stop, Tokens
from harness.testing.wire_server import ANTHROPIC, CHAT, GEMINI, RESPONSES, frame
from harness.testing.wire_server import Dialect as Written
from harness.toolkit.wire.requests import declared_in, neutral_request

_WRITTEN: Mapping[Dialect, Written] = {
    "anthropic": ANTHROPIC,
    "responses": RESPONSES,
    "chat": CHAT,
    "gemini": GEMINI,
}
_STOP: Mapping[StopReason, Stop] = {
    "end": "end", "max_tokens": "max_tokens", "stop_sequence": "stop_sequence", "tool_use": "tool_use",
    "refusal": "refusal", "other": "end",
}  # fmt: skip
_numbers = count(1)


async def serve(passage: Passage) -> None:
    """Answer one request with the model's own client. Raises ModelError when it fails for good."""
    ask, opened = passage.ask, passage.opened
    passage.sent_as = opened.model.name
    if ask.path.action == "count":
        counted = max(1, len(ask.body) // 4)
        body = {"totalTokens": counted} if ask.dialect == "gemini" else {"input_tokens": counted}
        await passage.reply.whole(200, encode(body), [("Content-Type", "application/json")])
        return
    asked = msgspec.json.decode(ask.body)
    request = neutral_request(ask.dialect, asked)

    async def call() -> Response:
        return await opened.client.generate(request)

    response = await passage.tried(call)
    opened.lane.answered()
    passage.response = response
    await _write(passage, step_of(response, _freeform(declared_in(asked))))


async def _write(passage: Passage, step: Step) -> None:
    ask, reply = passage.ask, passage.reply
    written, n = _WRITTEN[ask.dialect], next(_numbers)
    wire = WireAsk(model=ask.model, size=len(ask.body), stream_options={"include_usage": ask.usage_asked})
    if not ask.streamed:
        await reply.whole(200, encode(written.answer(step, wire, n)), [("Content-Type", "application/json")])
        passage.delivered = True
        return
    await reply.begin(200, [("Content-Type", "text/event-stream; charset=utf-8")])
    for event in written.events(step, wire, n):
        await reply.write(frame(event, named=written.named))
    if written.done:
        await reply.write(written.done)
    passage.delivered = True
    await reply.end()


def _freeform(tools: Json) -> frozenset[str]:
    """The names of an agent's tools that take text and no JSON: Codex's `apply_patch` and `exec` are such."""
    named = [t for t in tools if isinstance(t, dict)] if isinstance(tools, list) else []
    inside = (_freeform(t["tools"]) for t in named if "tools" in t)
    return frozenset(str(t.get("name")) for t in named if t.get("type") == "custom").union(*inside)


def step_of(response: Response, freeform: frozenset[str] = frozenset()) -> Step:
    """A neutral answer as a step of the wire server, which every dialect can write."""
    used = response.usage
    calls = tuple(Call(c.name, c.arguments, c.id, c.name in freeform) for c in response.tool_calls)
    return Step(
        text=response.text,
        reasoning="".join(p.text for p in response.parts if isinstance(p, Reasoning)),
        tool_calls=calls,
        stop=_STOP[response.stop],
        model=response.model,
        usage=Tokens(
            input=used.input,
            cache_read=used.cache_read,
            cache_write_short=used.cache_write_short,
            cache_write_long=used.cache_write_long,
            output=used.output,
            reasoning=used.reasoning,
        ),
    )
