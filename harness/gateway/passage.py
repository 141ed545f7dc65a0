"""One request on its way to a model: lane, tries, waiting, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Literal, TypeVar

from harness.errors import ModelError
from harness.gateway.asks import Ask
from harness.gateway.ports import Opened, Trial
from harness.gateway.reply import Reply
from harness.records.content import Response

T = TypeVar("T")
ALIVE_S = 10.0
"""A stream that waits for longer than this is sent a sign of life, over and over. Clients give up after minutes."""
PERHAPS_BILLED = ("timeout", "bad_response")


@dataclass(slots=True)
class Passage:
    """A request under way. `error` is what failed in the end, `answer` the pieces of what the model said.

    `passed` is how many of these the agent was passed, and `delivered` whether it has the answer to its last event.
    """

    ask: Ask
    opened: Opened
    trial: Trial
    reply: Reply
    sent_as: str = ""
    failures: list[str] = field(default_factory=list)
    waited: float = 0.0
    retry_wait: float = 0.0
    answer: list[bytes] = field(default_factory=list)
    passed: int = 0
    delivered: bool = False
    response: Response | None = None
    error: ModelError | None = None
    cut: Literal["", "agent", "provider"] = ""

    def left(self) -> None:
        """The agent has hung up. It has cut nothing where it had the last event: Codex does not wait for the end."""
        if not self.cut and not self.delivered:
            self.cut = "agent"

    async def tried(self, call: Callable[[], Awaitable[T]]) -> T:
        """Enter the lane and call, again and again as the policy allows. The caller leaves the lane when it is done.

        Raises ModelError after the last try.
        """
        opened, trial, lane = self.opened, self.trial, self.opened.lane
        while True:
            if opened.broken is not None:
                raise opened.broken
            if not lane.try_enter():
                await self.waiting(lane.enter(opened.policy.max_wait_s), in_vain=lane.given_up)
                if opened.broken is not None:
                    lane.given_up()
                    raise opened.broken
            sent = monotonic()
            try:
                return await call()
            except ModelError as e:
                lane.failed(e, sent)
                if e.fault in PERHAPS_BILLED and not e.status and not opened.simulated:
                    trial.perhaps_billed()
                self.failures.append(f"{e.fault}: {e}")
                delay = opened.policy.delay(e, len(self.failures), self.retry_wait, trial.rng)
                if delay is None:
                    raise
                trial.retried()
                self.retry_wait += delay
                await self.waiting(asyncio.sleep(delay))
            except BaseException:
                lane.given_up()
                if not opened.simulated:
                    trial.perhaps_billed()
                raise

    async def waiting(self, something: Awaitable[None], in_vain: Callable[[], None] = lambda: None) -> None:
        """Wait in no working time, with signs of life for the agent.

        `in_vain` is called when the agent has left, and what was waited for had come by then.
        """
        began = perf_counter()
        self.trial.begin_wait()
        task = asyncio.ensure_future(something)
        try:
            while not (await asyncio.wait((task,), timeout=ALIVE_S))[0]:
                await self.reply.alive()
            task.result()
        except BaseException:
            if not task.cancel() and not task.cancelled() and task.exception() is None:
                in_vain()
            raise
        finally:
            self.trial.end_wait()
            self.waited += perf_counter() - began
