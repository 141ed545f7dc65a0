"""One model call as a harness or a judge makes it: limits, cache, lane, retries, price, transcript."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from time import monotonic, perf_counter, time
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import msgspec

from harness.engine.attempt_state import AttemptState
from harness.engine.lanes import Lane
from harness.engine.retry import RetryPolicy
from harness.errors import LimitReached, ModelError
from harness.plugins.contracts import Model, ModelClient
from harness.records.content import Message, Request, Response, Usage
from harness.records.task import digest_of
from harness.records.transcript import ModelCall

if TYPE_CHECKING:
    from harness.engine.cache import CallCache
    from harness.prices import PriceBook


@dataclass(slots=True)
class OpenModel:
    """A model, opened once per run and shared by all trials."""

    model: Model
    client: ModelClient
    lane: Lane
    digest: str
    provider: str
    simulated: bool
    prices: PriceBook
    policy: RetryPolicy
    cache: CallCache | None = None
    broken: ModelError | None = None
    """Why no call can succeed: the key or the model's name is wrong. Of this model alone: others share its lane."""

    def price(self, response: Response) -> Usage:
        """The response's usage with its cost; simulated models are free and never counted as unpriced."""
        if self.simulated:
            return response.usage
        return self.prices.price(self.provider, self.model.name, response, time())


class MeteredClient:
    """A ModelClient for one role of one attempt. Nothing a harness does can get around its accounting."""

    __slots__ = ("_open", "_role", "_state")

    def __init__(self, opened: OpenModel, role: str, state: AttemptState) -> None:
        self._open = opened
        self._role = role
        self._state = state

    async def generate(self, request: Request) -> Response:
        """Call the model. Raises LimitReached before the call, ModelError after the last retry."""
        state, opened = self._state, self._open
        state.check_limits()
        state.turns += 1
        key = self._cache_key(request) if opened.cache is not None else ""
        at, began = state.clock.now, perf_counter()
        tries = _Tries()
        answer = opened.cache.get(key) if opened.cache is not None else None
        if cached := answer is not None:
            state.cached += 1
        else:
            state.clock.begin_call()
            try:
                answer = await self._ask(request, tries)
            finally:
                state.clock.end_call()
        usage = msgspec.structs.replace(answer.usage, cached=1) if cached else opened.price(answer)
        response = msgspec.structs.replace(answer, usage=usage)
        state.usage = state.usage + usage
        state.saw_model(response.model)
        span = _Span(at, perf_counter() - began - tries.waited, tries.waited)
        state.model_s += span.seconds
        self._record(request, response, span, tuple(tries.failures), cached)
        if opened.cache is not None and not cached:
            opened.cache.put(key, answer)
        return response

    async def aclose(self) -> None:
        """Does nothing: the run closes the shared client."""

    async def _ask(self, request: Request, tries: _Tries) -> Response:
        """Enter the lane and call, again and again as the policy allows."""
        opened, state, lane = self._open, self._state, self._open.lane
        while True:
            if opened.broken is not None:
                raise opened.broken
            if not lane.try_enter():
                await self._waiting(lane.enter(opened.policy.max_wait_s), tries)
            if opened.broken is not None:
                lane.given_up()
                raise opened.broken
            sent = monotonic()
            try:
                response = await opened.client.generate(request)
            except ModelError as e:
                lane.failed(e, sent)
                if e.fault in ("auth", "not_found"):
                    opened.broken = e
                if e.fault in _PERHAPS_BILLED and not e.status:
                    self._perhaps_billed()
                tries.failures.append(f"{e.fault}: {e}")
                delay = opened.policy.delay(e, len(tries.failures), tries.retry_wait, state.rng)
                if delay is None:
                    self._give_up(e, tries.failures)
                state.retries += 1
                tries.retry_wait += delay
                await self._waiting(asyncio.sleep(delay), tries)
            except BaseException:
                lane.given_up()
                self._perhaps_billed()
                raise
            else:
                lane.answered()
                return response

    async def _waiting(self, something: Awaitable[None], tries: _Tries) -> None:
        began = perf_counter()
        self._state.clock.begin_wait()
        try:
            await something
        finally:
            self._state.clock.end_wait()
            tries.waited += perf_counter() - began

    def _perhaps_billed(self) -> None:
        """A call that was sent and whose answer never came whole: the provider may charge it, and nobody knows what."""
        if not self._open.simulated:
            self._state.usage = self._state.usage + Usage(calls=1, unpriced=1)

    def _give_up(self, error: ModelError, failures: list[str]) -> NoReturn:
        """The end of a failed call: too long a context is the system's own outcome, all else is not."""
        self._state.note("model_error", f"{self._role}: {'; '.join(failures)}")
        if error.fault == "context_length":
            raise LimitReached("context", str(error)) from error
        raise error

    def _cache_key(self, request: Request) -> str:
        """Content, epoch, and which repetition of the same request in this attempt it is."""
        content = digest_of(self._open.digest, msgspec.to_builtins(request))
        nth = self._state.occurrences.get(content, 0)
        self._state.occurrences[content] = nth + 1
        return f"{content}-{self._state.epoch}-{nth}"

    def _record(
        self, request: Request, response: Response, span: _Span, retries: tuple[str, ...], cached: bool
    ) -> None:
        state, role, messages = self._state, self._role, request.messages
        before = state.before.get(role)
        same = _common_prefix(before, messages) if before else 0
        state.before[role] = (*messages, Message("assistant", response.parts))
        if same:
            request = msgspec.structs.replace(request, messages=messages[same:])
        at, seconds, waited = (round(s, 4) for s in span)
        state.events.append(ModelCall(role, at, seconds, request, response, same, waited, retries, cached))


_PERHAPS_BILLED = ("timeout", "bad_response")


@dataclass(slots=True)
class _Tries:
    """The failed tries of one call, and how long it waited: in all, and between tries."""

    failures: list[str] = field(default_factory=list)
    waited: float = 0.0
    retry_wait: float = 0.0


class _Span(NamedTuple):
    at: float
    seconds: float
    waited: float


def _common_prefix(a: tuple[Message, ...], b: tuple[Message, ...]) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x is not y and x != y:
            break
        n += 1
    return n
