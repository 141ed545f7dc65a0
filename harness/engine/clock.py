"""Working time: the wall clock of an attempt without what was spent waiting for rate limits and retries."""

from __future__ import annotations

import asyncio
from time import perf_counter, time
from types import TracebackType

from harness.errors import LimitReached


class WorkClock:
    """Measures one attempt and ends its work when the time limit is used up.

    Use as an async context manager around the work. While anything waits (`with clock.waiting():`) the limit stands
    still. Overlapping waits count once. Raises LimitReached("time") in place of the cancellation it causes.
    """

    __slots__ = (
        "_depth",
        "_left",
        "_loop",
        "_resumed",
        "_timeout",
        "_wait_began",
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
        self._depth = 0
        self._wait_began = 0.0
        self._timeout: asyncio.Timeout | None = None
        self._left = 0.0
        self._resumed = 0.0

    async def __aenter__(self) -> WorkClock:
        if self.limit_s is not None:
            self._loop = asyncio.get_running_loop()
            self._left, self._resumed = self.limit_s, self._loop.time()
            self._timeout = asyncio.timeout_at(self._resumed + self.limit_s)
            await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timeout is None:
            return
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as e:
            raise LimitReached("time", f"time limit of {self.limit_s:g} s of working time reached") from e

    def begin_wait(self) -> None:
        """Waiting starts: the limit stands still."""
        self._depth += 1
        if self._depth == 1:
            self._wait_began = perf_counter()
            if self._timeout is not None and not self._timeout.expired():
                self._left -= self._loop.time() - self._resumed
                self._timeout.reschedule(None)

    def end_wait(self) -> float:
        """Waiting is over; returns its seconds so far, 0 while another wait goes on."""
        self._depth -= 1
        if self._depth:
            return 0.0
        seconds = perf_counter() - self._wait_began
        self.waited += seconds
        if self._timeout is not None and not self._timeout.expired():
            self._resumed = self._loop.time()
            self._timeout.reschedule(self._resumed + max(0.0, self._left))
        return seconds

    @property
    def now(self) -> float:
        """Seconds since the attempt began."""
        return perf_counter() - self.began
