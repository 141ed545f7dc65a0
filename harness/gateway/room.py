"""An open door: requests come in, are checked against the task's policy and limits, go to a model, and are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex

import aiohttp
from aiohttp import web

from harness.errors import BudgetReached, LimitReached, ModelError, NoModelCall
from harness.gateway.asks import Ask, BadAsk, ask_of
from harness.gateway.dialects import MANNERS, Path, encode, error_body
from harness.gateway.exchanges import exchange_of
from harness.gateway.passage import Passage
from harness.gateway.policy import WORDS, Clean, wanted
from harness.gateway.ports import Opened, Trial
from harness.gateway.record import Known
from harness.gateway.relay import Refused, relay
from harness.gateway.reply import Reply
from harness.gateway.served import serve
from harness.plugins.contracts import Model
from harness.plugins.gateway import DOOR_PORT, Upstream, mismatch
from harness.records.exchange import Dialect, Exchange, Outside
from harness.toolkit.wire.faults import is_account

LIMITS = ("time", "turns", "tokens", "cost")
MAX_BODY = 64 * 1024**2
MAX_TOGETHER = 128 * 1024**2
"""Of the bodies that one trial sends at the same time, in bytes: an agent must not fill this machine's memory."""
MAX_AT_ONCE = 64
MAX_IDLE = 200
"""Exchanges without an answer that are kept; an agent that is refused can ask for ever."""
SETTLE_S = 5.0
GRACE_S = 0.25
OF_ONE_REQUEST = ("bad_request", "auth", "not_found")
"""What a provider refuses one request for. Where it has answered others, it says nothing about the model."""
NEVER_CALLED = "the agent ended without one request to a model: does its program start, and does it use the door's url?"
UNREAD = "the agent called, and none of its requests could be read at the door"


class TooLarge(Exception):
    """A body above MAX_BODY, or bodies above MAX_TOGETHER."""


@dataclass(slots=True)
class Room:
    """What lies behind a trial's door while it is open (the contract `harness.plugins.gateway.Door`)."""

    trial: Trial
    models: Mapping[str, Opened]
    upstreams: Mapping[str, Upstream | None]
    aliases: Mapping[str, str]
    role: str
    session: aiohttp.ClientSession
    base_url: str = f"http://127.0.0.1:{DOOR_PORT}"
    port: int = DOOR_PORT
    host_url: str = ""
    key: str = field(default_factory=lambda: f"sk-harness-{token_hex(16)}")
    exchanges: list[Exchange] = field(default_factory=list)
    limit: str = ""
    unread: str = ""
    known: Known = field(default_factory=Known)
    clean: Clean = field(default_factory=Clean)
    failed: ModelError | None = None
    heard: set[str] = field(default_factory=set)
    last_error: ModelError | None = None
    crash: Exception | None = None
    _busy: set[asyncio.Task[None]] = field(default_factory=set)
    _reading: int = 0
    _idle: int = 0

    @property
    def last(self) -> Exchange | None:
        """The last exchange with a model."""
        return next((e for e in reversed(self.exchanges) if "count" not in e.path.lower()), None)

    @property
    def lost(self) -> bool:
        """Whether the model failed for good: no further request of the trial is answered."""
        return self.failed is not None

    async def answer(self, request: web.BaseRequest, path: Path) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        at = self.trial.now
        try:
            body = await self._body_of(request)
            ask = ask_of(path, body)
            wants = wanted(ask, self.clean)
        except (BadAsk, TooLarge) as e:
            status = 413 if isinstance(e, TooLarge) else 400
            self._keep(Exchange(at=at, seconds=0.0, dialect=path.dialect, path=request.path, status=status,
                                trouble=f"bad_request: {e}"))  # fmt: skip
            return web.Response(
                status=status, body=encode(error_body(path.dialect, status, str(e))), content_type="application/json"
            )
        passage = Passage(ask, self.models[self._role_of(ask)], self.trial, Reply(request, ask))
        await self._through(passage, request, at, wants)
        return passage.reply.response

    def conclude(self, must_call: bool) -> None:
        """What the whole of it comes to, when the agent has ended by itself. Raises what the contract says."""
        if self.crash is not None:
            raise self.crash
        if self.limit == "budget":
            raise BudgetReached("the run's budget was used up in the middle of the trial")
        if self.failed is not None:
            raise self.failed
        if self.last_error is not None and not self.limit:
            if self.last_error.fault == "context_length":
                raise LimitReached("context", str(self.last_error))
            raise self.last_error
        if (
            must_call
            and not self.limit
            and not any(e.response or e.trouble or e.refused or e.cut for e in self.exchanges)
        ):
            raise NoModelCall(f"{UNREAD}: {self.unread}" if self.unread else NEVER_CALLED)

    def explain(self, failure: Exception) -> None:
        """Raise what made an agent fail, if it was not the agent: the budget, the provider, a limit of the trial."""
        try:
            self.conclude(must_call=False)
            if self.limit in LIMITS:
                raise LimitReached(self.limit)  # type: ignore[arg-type]  # one of LIMITS
        except Exception as e:
            raise e from failure

    async def settle(self) -> None:
        """Let what just ends come to its end, end the rest, and wait until all is recorded."""
        busy = [task for task in self._busy if task is not asyncio.current_task()]
        if busy:
            _, busy_still = await asyncio.wait(busy, timeout=GRACE_S)
            for task in busy_still:
                task.cancel()
            await asyncio.wait(busy, timeout=SETTLE_S)

    async def _body_of(self, request: web.BaseRequest) -> bytes:
        """The whole body, decompressed. Raises TooLarge."""
        if len(self._busy) >= MAX_AT_ONCE:
            raise TooLarge(f"{MAX_AT_ONCE} requests are under way: one agent may have no more at once")
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in request.content.iter_any():
                pieces.append(piece)
                size += len(piece)
                self._reading += len(piece)
                if size > MAX_BODY or self._reading > MAX_TOGETHER:
                    raise TooLarge(
                        f"the body has more than {MAX_BODY:,} bytes, or all of them more than {MAX_TOGETHER:,}"
                    )
        finally:
            self._reading -= size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _role_of(self, ask: Ask) -> str:
        return self.aliases.get(ask.model, self.role)

    async def _through(
        self, passage: Passage, request: web.BaseRequest, at: float, wants: Mapping[Outside, str]
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        ask, reply = passage.ask, passage.reply
        refused: tuple[str, ...] = ()
        limit = ""
        counted = False
        try:
            refusal, refused = self._refusal(passage, wants)
            stop = None if refusal else self.trial.stop()
            if refusal:
                await reply.error(MANNERS[ask.dialect].refuse, refusal)
            elif self.failed is not None:
                await reply.error(MANNERS[ask.dialect].stop, f"the model cannot be reached: {self.failed}")
            elif stop is not None:
                limit = self.limit = stop.kind
                await reply.error(MANNERS[ask.dialect].stop, stop.message)
            else:
                counted = ask.path.action == "generate"
                if counted:
                    self.trial.begin_turn()
                await self._ask(passage, request)
        except (ConnectionError, aiohttp.ClientConnectionResetError):
            passage.left()
        except Exception as e:  # noqa: BLE001 - the edge of a request: our own bug must not become the agent's failure
            self.crash = self.crash or e
            await reply.error(MANNERS[ask.dialect].stop, f"the gateway failed: {type(e).__name__}")
        except asyncio.CancelledError:
            passage.left()
            raise
        finally:
            if counted:
                self.trial.end_turn()
                self._weigh(passage)
            allowed = () if refused else tuple(f"{word}: {what}" for word, what in wants.items())
            self._keep(exchange_of(passage, request, at, self.known, (self._role_of(ask), refused, allowed, limit)))
            self._busy.discard(task)

    def _weigh(self, passage: Passage) -> None:
        """Keep what the last request failed of. One that the agent wrote wrongly is its own failure and no other's:
        else whatever is in the box could end any trial ungraded with one bad request."""
        role, error = self._role_of(passage.ask), passage.error
        if passage.cut == "agent" or (error is not None and role in self.heard and is_of_one_request(error)):
            return
        if error is None:
            self.heard.add(role)
        self.last_error = error

    def _refusal(self, passage: Passage, wants: Mapping[Outside, str]) -> tuple[str, tuple[str, ...]]:
        """Why a request is not passed on, in words for the agent and for the record; nothing when it is."""
        upstream = self.upstreams[self._role_of(passage.ask)]
        dialect = passage.ask.dialect
        if upstream is not None and dialect not in upstream.dialects:
            return mismatch_of(dialect, passage.opened.model, upstream.dialects), ()
        forbidden = {word: what for word, what in wants.items() if word not in self.trial.allowed}
        if not forbidden:
            return "", ()
        refused = tuple(f"{word}: {what}" for word, what in forbidden.items())
        meant = "; ".join(WORDS[word] for word in forbidden)
        return f"refused by the harness: {', '.join(refused)} ({meant}); the task does not allow it", refused

    async def _ask(self, passage: Passage, request: web.BaseRequest) -> None:
        """Have it answered. What failed for good is told to the agent so that it ends at once."""
        upstream = self.upstreams[self._role_of(passage.ask)]
        reply, manner = passage.reply, MANNERS[passage.ask.dialect]
        try:
            if upstream is None:
                await serve(passage)
            else:
                await relay(passage, request, upstream, self.session)
        except ModelError as e:
            passage.error = e
            if is_for_good(e, passage.opened.model.name):
                if e.fault in ("auth", "not_found"):
                    passage.opened.broken = e
                self.failed = e
                await reply.error(manner.stop, f"the model cannot be reached: {e}")
            elif isinstance(e, Refused) and not reply.has_begun:
                if e.refusal is not None:
                    passage.response, passage.error = e.refusal, None
                await reply.whole(e.status, e.body, e.headers)
            else:
                await reply.error(e.status or 400, str(e))

    def _keep(self, exchange: Exchange) -> None:
        if exchange.response is None:
            self._idle += 1
            if self._idle == MAX_IDLE + 1:
                self.trial.note(
                    "gateway", f"more than {MAX_IDLE} requests had no answer: further ones are not recorded"
                )
            if self._idle > MAX_IDLE:
                return
        self.exchanges.append(exchange)
        self.trial.record(exchange)


def is_for_good(error: ModelError, model: str) -> bool:
    """Whether no further request of the trial can succeed: the provider is down, or our key or model is refused.

    A status that an agent can bring about with a request of its own (403, or 404 for something it named) is not.
    """
    if error.fault == "auth":
        return error.status in (0, 401, 402, 429) or error.status >= 500
    if error.fault == "not_found":
        return model in str(error)
    return error.retryable


def is_of_one_request(error: ModelError) -> bool:
    """Whether an error, after others were answered, says nothing about the model: 400, 403 or 404 of one request.

    That there is no money or no key any more is told with these too.
    """
    return error.fault in OF_ONE_REQUEST and not is_account(str(error))


def mismatch_of(dialect: Dialect, model: Model, there: Sequence[Dialect]) -> str:
    """The message for an agent that speaks another API than its model."""
    return mismatch(dialect, model.name, type(model).__name__.lower(), there)
