"""Writes the record of one exchange when it is over."""

from __future__ import annotations

from time import perf_counter

import msgspec
from aiohttp import web

from harness.gateway.passage import Passage
from harness.gateway.record import Known, Said, fingerprint, said_in
from harness.records.content import Response
from harness.records.exchange import Exchange

_AGENT = ("x-claude-code-agent-id", "x-agent-id")
_CODEX_SUBAGENT = "x-openai-subagent"
_SESSION = ("x-claude-code-session-id", "session-id", "session_id", "thread-id")
_RETRIES = ("x-stainless-retry-count",)
Checked = tuple[str, tuple[str, ...], tuple[str, ...], str]
"""Role, what was refused, what was allowed, and the limit that was answered with."""


def exchange_of(passage: Passage, request: web.BaseRequest, at: float, known: Known, checked: Checked) -> Exchange:
    """The record, with the price of the answer in it. `known` are digests of messages that are stored already."""
    ask, reply, headers = passage.ask, passage.reply, request.headers
    role, refused, allowed, limit = checked
    said = _said(passage, known)
    if (retries := _first(headers, _RETRIES) or "0") != "0":
        said.settings["client_retry"] = retries
    passed = perf_counter() - reply.began
    error = passage.error
    return Exchange(
        at=round(at, 4),
        seconds=round(passed - passage.waited, 4),
        dialect=ask.dialect,
        path=_plain(request.path),
        status=reply.status,
        role=role,
        asked=_plain(ask.model),
        sent=passage.sent_as,
        streamed=ask.streamed,
        first_byte=None if reply.first is None else round(reply.first - reply.began, 4),
        waited=round(passage.waited, 4),
        retries=tuple(passage.failures),
        system=said.system,
        tools=said.tools,
        messages=said.messages,
        parts=said.parts,
        settings=said.settings,
        system_digest=fingerprint(said.system),
        tools_digest=fingerprint(said.tools),
        tool_names=said.tool_names,
        response=_priced(passage),
        agent=_agent_of(headers),
        session=_first(headers, _SESSION),
        client=_first(headers, ("User-Agent",)),
        betas=tuple(w.strip() for w in _plain(headers.get("anthropic-beta", "")).split(",") if w.strip()),
        refused=refused,
        allowed=allowed,
        limit=limit,
        trouble=f"{error.fault}: {error}" if error is not None else "",
        cut=passage.cut,
        bytes_in=len(ask.body),
        bytes_out=reply.bytes,
    )


def _said(passage: Passage, known: Known) -> Said:
    """What was said; nothing of a request that was not passed on: it is in no conversation."""
    if not passage.sent_as:
        return Said()
    try:
        return said_in(passage.ask, known)
    except (msgspec.MsgspecError, AttributeError, TypeError, RecursionError):
        return Said()


def _priced(passage: Passage) -> Response | None:
    """The answer with its cost; one whose tokens are estimated stays so, whatever its rates."""
    response = passage.response
    if response is None:
        return None
    usage = passage.opened.price(response)
    if response.usage.estimated and not usage.unpriced:
        usage = msgspec.structs.replace(usage, estimated=1)
    return msgspec.structs.replace(response, usage=usage)


def _agent_of(headers: object) -> str:
    """The subagent that asks, or nothing. Codex and its subagents have one `session-id`: their thread is their own."""
    subagent = _first(headers, (_CODEX_SUBAGENT,))
    return _first(headers, _AGENT) or (_first(headers, ("thread-id",)) or subagent if subagent else "")


def _first(headers: object, names: tuple[str, ...]) -> str:
    found = (headers.get(name) for name in names)  # type: ignore[attr-defined]  # aiohttp's multidict
    return next((_plain(str(v)[:200]) for v in found if v), "")


def _plain(text: str) -> str:
    """Words of a request that can be written down: bytes that are no text come as halves of characters."""
    return text.encode("utf-8", "replace").decode()
