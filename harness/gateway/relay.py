"""Pass a request on to its provider and the answer back, byte for byte, keeping a copy to read afterwards."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from functools import cache
from typing import Literal
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from harness.errors import ModelError, ModelFault
from harness.gateway.asks import body_for
from harness.gateway.dialects import MANNERS
from harness.gateway.headers import query_of, to_agent, to_provider
from harness.gateway.passage import Passage
from harness.gateway.record import estimated, with_tokens
from harness.gateway.veil import Veil, without_keys
from harness.plugins.gateway import Upstream
from harness.records.content import Response
from harness.toolkit.wire.faults import clean, error_of, is_policy, problem_of, refusal
from harness.toolkit.wire.sse import event_data

CONNECT_S = 30.0
MAX_ERROR = 1024**2
ONE_PIECE = 1024**2
"""A larger body is sent in pieces, so that the loop is not held up by it."""
_LOST = (aiohttp.ClientError, TimeoutError, OSError)
_ODD = (KeyError, IndexError, TypeError, AttributeError)
"""What readers stumble over in an answer that has another shape than any API's."""
_EVENT_END = re.compile(rb"\r?\n\r?\n")


class Refused(ModelError):
    """The provider answered with an error status: what it said, to be passed on as it is.

    `refusal` is there where its policy refused to answer, which is the system's own outcome.
    """

    def __init__(
        self, error: ModelError, headers: list[tuple[str, str]], body: bytes, refusal: Response | None = None
    ) -> None:
        super().__init__(error.fault, str(error), status=error.status, retry_after_s=error.retry_after_s)
        self.headers = headers
        self.body = body
        self.refusal = refusal


async def relay(passage: Passage, request: web.BaseRequest, upstream: Upstream, session: aiohttp.ClientSession) -> None:
    """Relay one request. Raises ModelError when the provider failed for good; a cut stream is told in the passage."""
    ask, opened = passage.ask, passage.opened
    passage.sent_as = opened.model.name
    pins = upstream.pins.get(ask.dialect, {})
    body = body_for(ask, passage.sent_as, pins)
    headers = to_provider(request.headers.items(), upstream.headers)
    url = _url(passage, upstream, request.query_string)

    async def call() -> aiohttp.ClientResponse:
        return await _posted(session, url, body, headers, upstream)

    answered = await passage.tried(call)
    try:
        await _pass_back(passage, answered, Veil(upstream))
    except BaseException:
        opened.lane.given_up()
        raise
    else:
        opened.lane.answered()
    finally:
        answered.close()


def _url(passage: Passage, upstream: Upstream, query: str) -> URL:
    path = passage.ask.path
    tail = f"{path.tail}{passage.sent_as}:{path.method}" if path.model else path.tail
    kept = query_of(path.dialect, query)
    return URL(upstream.base_url.rstrip("/") + tail + (f"?{kept}" if kept else ""), encoded=True)


async def _posted(
    session: aiohttp.ClientSession, url: URL, body: bytes, headers: list[tuple[str, str]], upstream: Upstream
) -> aiohttp.ClientResponse:
    """The provider's answer with its head read. Raises ModelError, and Refused for an error status."""
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=upstream.timeout_s)
    try:
        data = body if len(body) < ONE_PIECE else io.BytesIO(body)
        answered = await session.post(
            url,
            data=data,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            proxy=proxy_for(url.scheme, url.host or ""),
        )
        if answered.status < 300:
            return answered
        said = without_keys(await answered.content.read(MAX_ERROR), upstream)
        answered.release()
    except _LOST as e:
        raise _lost(e, upstream) from e
    if answered.status < 400:
        where = without_keys(answered.headers.get("location", "nowhere").encode(), upstream).decode()
        raise ModelError("bad_request", f"the provider redirects to {where}; give that as base_url")
    problem = problem_of(said)
    error = error_of(problem, answered.status, answered.headers)
    told = refusal(problem) if answered.status < 500 and is_policy(problem) else None
    raise Refused(error, Veil(upstream).headers(to_agent(answered.headers.items())), said, told)


@cache
def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for an address, as the SDKs go by it.

    aiohttp can look itself, but does so for each request in a thread, and takes passwords from `.netrc` as well.
    """
    found = getproxies().get(scheme)
    return None if not found or proxy_bypass(host) else found


def _lost(e: BaseException, upstream: Upstream) -> ModelError:
    if isinstance(e, TimeoutError):
        return ModelError("timeout", f"the provider was silent for {upstream.timeout_s:g} s")
    if isinstance(e, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return ModelError("bad_response", "the connection was closed in the middle of the answer")
    return ModelError("connection", clean(f"{type(e).__name__}: {e}", ""))


async def _pass_back(passage: Passage, answered: aiohttp.ClientResponse, veil: Veil) -> None:
    """Every piece at once, as it comes. A stream that breaks is broken off for the agent too."""
    reply, ask = passage.reply, passage.ask
    headers = veil.headers(to_agent(answered.headers.items()))
    length = answered.headers.get("Content-Length")
    if length and not ask.streamed and "Content-Encoding" not in answered.headers:
        headers.append(("Content-Length", length))
    sieve = _Sieve() if ask.swallows else None
    complete = False
    try:
        here = b"" if answered.content.exception() else answered.content.read_nowait()  # a break comes after the head
        await reply.begin(answered.status, headers, _taken(passage, veil.take(here), sieve) if here else b"")
        passage.passed = len(passage.answer)
        async for piece in answered.content.iter_any():
            if passed := _taken(passage, veil.take(piece), sieve):
                await reply.write(passed)
            passage.passed += 1
        rest = _taken(passage, veil.rest(), sieve)
        if rest := rest + sieve.rest() if sieve else rest:
            await reply.write(rest)
        passage.passed += 1
        complete = True
    except aiohttp.ClientConnectionResetError:
        read_answer(passage, complete=False)
        passage.left()
        return
    except _LOST as e:
        passage.cut = "provider"
        passage.error = ModelError("bad_response", f"the stream broke off ({type(e).__name__})")
    except asyncio.CancelledError:
        read_answer(passage, complete=False)
        passage.left()
        raise
    read_answer(passage, complete=complete)
    if complete and passage.cut != "provider":
        await reply.end()
    else:
        reply.break_off()


def _taken(passage: Passage, piece: bytes, sieve: _Sieve | None) -> bytes:
    """Keep a piece of the answer; what of it is passed on."""
    passage.answer.append(piece)
    return sieve.take(piece) if sieve else piece


def read_answer(passage: Passage, *, complete: bool) -> None:
    """Read the copy. Usage is that of all that came; delivered is what was passed on to its last event."""
    ask, data = passage.ask, b"".join(passage.answer)
    if ask.path.action == "count":
        return
    heard = data if passage.passed == len(passage.answer) else b"".join(passage.answer[: passage.passed])
    try:
        passage.response = with_tokens(ask, _read(passage, data))
    except ModelError as e:
        if complete or _end_of(passage, heard) not in ("", "whole"):
            passage.error = e
            passage.cut = "provider"
        if passage.response is None:  # also when nothing came yet: the provider has answered, and it costs
            passage.response = estimated(ask, data, None)
    else:
        passage.delivered = heard is data or _end_of(passage, heard) == "whole"
        if passage.delivered:  # a connection that breaks after the last event breaks nothing
            passage.cut, passage.error = "", None
    passage.answer.clear()


def _read(passage: Passage, data: bytes) -> Response:
    """The answer in these bytes. Raises ModelError when they are not all of it, or no answer at all."""
    try:
        if not passage.ask.streamed:
            return MANNERS[passage.ask.dialect].whole(data)
        return _streamed(passage, data)
    except (UnicodeDecodeError, *_ODD) as e:
        raise ModelError("bad_response", f"the answer cannot be read ({type(e).__name__})") from e


def _end_of(passage: Passage, data: bytes) -> Literal["", "whole"] | ModelFault:
    """What these first bytes of an answer end with: `whole`, the fault of an error that they say, or nothing yet.

    What came after a whole answer ended it only. An agent that leaves at an error has not cut the answer.
    """
    response = passage.response
    try:
        _read(passage, data)
    except ModelError as e:
        return "" if e.fault == "bad_response" else e.fault  # what is not all there cannot be read either
    else:
        return "whole"
    finally:
        passage.response = response


def _streamed(passage: Passage, data: bytes) -> Response:
    """The answer in a stream's events. Raises ModelError; then `passage.response` has what there was, estimated."""
    reader = MANNERS[passage.ask.dialect].reader()
    done = False
    try:
        for event in _google_events(data) if passage.ask.dialect == "gemini" else event_data(data):
            done = reader.feed(event) or done
        if done:
            return reader.response()
        raise ModelError("bad_response", "the stream ended before its final event")
    except ModelError:
        passage.response = estimated(passage.ask, data, _partial(reader))
        raise


def _partial(reader: object) -> Response | None:
    try:
        found = reader.response()  # type: ignore[attr-defined]  # every reader has it
    except (ModelError, msgspec.MsgspecError, UnicodeDecodeError, *_ODD):
        return None
    return found if isinstance(found, Response) else None


def _google_events(data: bytes) -> Iterator[bytes]:
    """Gemini streams events, or without `alt=sse` one JSON array of them."""
    if not data.lstrip().startswith(b"["):
        yield from event_data(data)
        return
    try:
        found = msgspec.json.decode(data, type=list[msgspec.Raw])
    except msgspec.MsgspecError:
        return
    yield from (bytes(one) for one in found)


class _Sieve:
    """Keeps back the one chunk of a chat stream that only tells usage, which the agent did not ask for."""

    def __init__(self) -> None:
        self._held = b""

    def take(self, piece: bytes) -> bytes:
        """What of the bytes so far can be passed on: whole events, without the chunk of usage."""
        self._held += piece
        passed = []
        at = 0
        for end in _EVENT_END.finditer(self._held):
            event = self._held[at : end.end()]
            at = end.end()
            if not _tells_usage_only(event):
                passed.append(event)
        self._held = self._held[at:]
        return b"".join(passed)

    def rest(self) -> bytes:
        """What is left when the stream has ended."""
        return b"" if _tells_usage_only(self._held) else self._held


def _tells_usage_only(event: bytes) -> bool:
    if b'"usage"' not in event or b'"choices"' not in event:
        return False
    for data in event_data(event):
        try:
            chunk = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return False
        return isinstance(chunk, dict) and chunk.get("choices") == [] and bool(chunk.get("usage"))
    return False
