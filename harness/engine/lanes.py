"""Adaptive concurrency for one provider and model: slow start, cut on 429, recover.

The window grows by one for every answer until the first throttle (doubling each round trip), is then halved, and
grows by one per window of answers: TCP's slow start and congestion avoidance (RFC 5681) applied to calls in flight.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from time import monotonic

from harness.errors import ModelError

FIRST_WINDOW = 8.0
CUT = 0.5


class Lane:
    """The calls in flight to one provider and model. `most` is the widest the window gets."""

    __slots__ = ("_cut_at", "_paused_until", "_slow_start", "_turns", "inflight", "most", "name", "window")

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.most = max(1, most)
        self.window = min(FIRST_WINDOW, float(self.most))
        self.inflight = 0
        self._slow_start = True
        self._turns: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._cut_at = 0.0

    def try_enter(self) -> bool:
        """Take a place if one is free now; otherwise `enter` waits for it."""
        if self._turns or self.inflight >= self.window or (self._paused_until and monotonic() < self._paused_until):
            return False
        self.inflight += 1
        return True

    async def enter(self, most_s: float = math.inf) -> None:
        """Wait for a place, first come first served, and through any pause the server asked for.

        Raises ModelError when that pause is longer than `most_s`: a server that says "come back tomorrow" would hold
        the whole run in silence.
        """
        if self._turns or self.inflight >= self.window:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._turns.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._leave()
                raise
        else:
            self.inflight += 1
        try:
            while (pause := self._paused_until - monotonic()) > 0:
                if pause > most_s:
                    what = f"{self.name} takes calls again in {pause:.0f} s; one call may wait {most_s:.0f} s"
                    raise ModelError("rate_limit", what)
                await asyncio.sleep(pause)
        except (asyncio.CancelledError, ModelError):
            self._leave()
            raise

    def answered(self) -> None:
        """A call was answered: widen the window and let the next one in."""
        if self.window < self.most:
            self.window = min(float(self.most), self.window + (1.0 if self._slow_start else 1.0 / self.window))
        self._leave()

    def failed(self, error: ModelError, sent: float) -> None:
        """A call failed. Throttling halves the window, once for all calls that were sent before the last cut."""
        if error.fault in ("rate_limit", "overloaded") and sent >= self._cut_at:
            self.window = max(1.0, self.window * CUT)
            self._slow_start = False
            self._cut_at = monotonic()
        if error.retry_after_s:
            self._paused_until = max(self._paused_until, monotonic() + error.retry_after_s)
        self._leave()

    def given_up(self) -> None:
        """A call ended without an answer or an error (cancelled)."""
        self._leave()

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._turns)

    @property
    def pause_left_s(self) -> float:
        """Seconds until the server takes calls again; 0 when it does."""
        return max(0.0, self._paused_until - monotonic())

    def _leave(self) -> None:
        self.inflight -= 1
        while self._turns and self.inflight < self.window:
            turn = self._turns.popleft()
            if not turn.done():
                self.inflight += 1
                turn.set_result(None)


class Lanes:
    """All lanes of a run, made on first use."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lanes: dict[str, Lane] = {}

    def lane(self, name: str) -> Lane:
        """The lane of that name."""
        found = self._lanes.get(name)
        if found is None:
            found = self._lanes[name] = Lane(name, self._most)
        return found

    def busy(self) -> list[Lane]:
        """Lanes in which something waits, for the progress line."""
        return [lane for lane in self._lanes.values() if lane.waiting or lane.pause_left_s]
