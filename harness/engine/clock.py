"""Working time: the wall clock of an attempt without what was spent waiting for rate limits and retries."""

from __future__ import annotations

import asyncio
from time import perf_counter, time
from types import TracebackType

from harness.errors import LimitReached


class WorkClock:
    """Measures one attempt and ends its work when the time limit is used up.

    Use as an async context manager around the work. The limit stands still while the attempt does nothing but wait for
    rate limits and retries: while every model call in progress waits. Whatever the work does with the cancellation that
    ends it (swallows it, raises something else), LimitReached("time") comes out; and a cancellation from outside comes
    out as one, so that an interrupted attempt is never taken for an answer.
    """

    __slots__ = (
        "_calls",
        "_cancelling",
        "_left",
        "_loop",
        "_resumed",
        "_still",
        "_timeout",
        "_wait_began",
        "_waits",
        "began",
        "limit_s",
        "started",
        "waited",
    )

    def __init__(self, limit_s: float | None) -> None:
        self.limit_s = limit_s
        self.started = time()
        self.began = perf_counter()
        self.waited = 0.0
        self._calls = 0
        self._waits = 0
        self._still = False
        self._wait_began = 0.0
        self._cancelling = 0
        self._timeout: asyncio.Timeout | None = None
        self._left = 0.0
        self._resumed = 0.0

    async def __aenter__(self) -> WorkClock:
        self._cancelling = _cancelling()
        if self.limit_s is not None:
            self._loop = asyncio.get_running_loop()
            self._left, self._resumed = self.limit_s, self._loop.time()
            self._timeout = asyncio.timeout_at(self._resumed + self.limit_s)
            await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timeout is not None:
            try:
                await self._timeout.__aexit__(kind, error, trace)
            except TimeoutError as e:
                raise self.time_is_up() from e
        if kind is not None and not issubclass(kind, Exception):
            return
        if _cancelling() > self._cancelling:
            raise asyncio.CancelledError from error
        if self.over and not isinstance(error, LimitReached):
            raise self.time_is_up() from error

    @property
    def over(self) -> bool:
        """Whether the time limit is used up."""
        return self._timeout is not None and self._timeout.expired()

    def time_is_up(self) -> LimitReached:
        """The outcome when it is."""
        return LimitReached("time", f"time limit of {self.limit_s:g} s of working time reached")

    def begin_call(self) -> None:
        """A model call starts: while it works, another one's waiting is no waiting of the attempt."""
        self._calls += 1
        self._turn()

    def end_call(self) -> None:
        """A model call is over."""
        self._calls -= 1
        self._turn()

    def begin_wait(self) -> None:
        """A call starts to wait."""
        self._waits += 1
        self._turn()

    def end_wait(self) -> None:
        """It goes on."""
        self._waits -= 1
        self._turn()

    def _turn(self) -> None:
        """Stop or start the limit when that has changed."""
        still = self._waits > 0 and self._waits >= self._calls
        if still == self._still:
            return
        self._still = still
        limited = self._timeout if self._timeout is not None and not self._timeout.expired() else None
        if still:
            self._wait_began = perf_counter()
            if limited is not None:
                self._left -= self._loop.time() - self._resumed
                limited.reschedule(None)
            return
        self.waited += perf_counter() - self._wait_began
        if limited is not None:
            self._resumed = self._loop.time()
            limited.reschedule(self._resumed + max(0.0, self._left))

    @property
    def now(self) -> float:
        """Seconds since the attempt began."""
        return perf_counter() - self.began


def _cancelling() -> int:
    """How often the running task was asked to end and has not yet."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0
