"""One model call as a harness or a judge makes it: limits, cache, lane, retries, price, transcript."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
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
        at, waited_before, began = state.clock.now, state.clock.waited, perf_counter()
        failures: list[str] = []
        response = opened.cache.get(key) if opened.cache is not None else None
        if cached := response is not None:
            state.cached += 1
        else:
            response = await self._ask(request, failures)
            if opened.cache is not None:
                opened.cache.put(key, response)
        usage = msgspec.structs.replace(response.usage, cached=1) if cached else opened.price(response)
        response = msgspec.structs.replace(response, usage=usage)
        state.usage = state.usage + usage
        state.saw_model(response.model)
        waited = state.clock.waited - waited_before
        span = _Span(at, perf_counter() - began - waited, waited)
        state.model_s += span.seconds
        self._record(request, response, span, tuple(failures), cached)
        return response

    async def aclose(self) -> None:
        """Does nothing: the run closes the shared client."""

    async def _ask(self, request: Request, failures: list[str]) -> Response:
        """Enter the lane and call, again and again as the policy allows."""
        opened, state = self._open, self._state
        lane, waited = opened.lane, 0.0
        while True:
            if not lane.try_enter():
                state.clock.begin_wait()
                try:
                    await lane.enter()
                finally:
                    state.clock.end_wait()
            if lane.broken is not None:
                lane.given_up()
                raise lane.broken
            sent = monotonic()
            try:
                response = await opened.client.generate(request)
            except ModelError as e:
                lane.failed(e, sent)
                failures.append(f"{e.fault}: {e}")
                delay = opened.policy.delay(e, len(failures), waited, state.rng)
                if delay is None:
                    self._give_up(e, failures)
                state.retries += 1
                waited += await self._wait(delay)
            except BaseException:
                lane.given_up()
                raise
            else:
                lane.answered()
                return response

    async def _wait(self, seconds: float) -> float:
        self._state.clock.begin_wait()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._state.clock.end_wait()
        return seconds

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
