"""Places in a lane: an agent that hangs up while it waits for one, or has just been given one, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import cast

import pytest
from gate_bench import QUICK, GateBench, Visit, a_model, run
from raw_provider import body_of, path_for

from harness.engine.calls import OpenModel
from harness.engine.lanes import Lane
from harness.errors import ModelError
from harness.gateway import passage
from harness.gateway.asks import ask_of
from harness.gateway.dialects import path_of
from harness.gateway.passage import Passage
from harness.gateway.reply import Reply
from harness.testing.wire import Step, WireServer

PLACES = 4
STEPS = 12
"""More turns of the loop than there are between a place that is given and the call that is made in it."""


class Quiet:
    """A trial and a reply that count nothing. `alive` fails as one does whose client is gone, when it is told to."""

    def __init__(self) -> None:
        self.gone = False

    def begin_wait(self) -> None: ...

    def end_wait(self) -> None: ...

    def perhaps_billed(self) -> None: ...

    async def alive(self) -> None:
        await asyncio.sleep(0)
        if self.gone:
            raise ConnectionResetError


def passage_in(gate: GateBench, lane: Lane) -> tuple[Passage, Quiet]:
    opened = gate.opened(a_model("scripted", name="s", answer="x"))
    opened.lane = lane
    path = path_of("POST", "/v1/messages")
    assert path is not None
    quiet = Quiet()
    ask = ask_of(path, body_of("anthropic", stream=True))
    return Passage(ask, opened, quiet, cast(Reply, quiet)), quiet  # type: ignore[arg-type]  # what a wait needs of it


async def queued(lane: Lane) -> None:
    while not lane.waiting:  # noqa: ASYNC110 - the lane has no event for it
        await asyncio.sleep(0)


@pytest.mark.parametrize("after", range(STEPS))
def test_who_leaves_at_any_step_after_a_place_was_given_gives_it_back(gate: GateBench, after: int) -> None:
    async def go() -> None:
        lane = Lane("one", 1)
        assert lane.try_enter()
        waiting, _ = passage_in(gate, lane)
        called = asyncio.Event()

        async def call() -> None:
            called.set()
            await asyncio.Event().wait()

        one = asyncio.create_task(waiting.tried(call))
        await queued(lane)
        lane.answered()  # the place is free, and given to the one that waits
        for _ in range(after):
            await asyncio.sleep(0)
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        await asyncio.sleep(0)
        assert called.is_set() or after < STEPS - 1, "the last step is within the call"
        assert lane.inflight == 0
        assert lane.try_enter()

    run(gate, go)


def test_who_is_found_gone_by_a_sign_of_life_gives_a_place_back(
    gate: GateBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign is on its way when the place is given."""
    monkeypatch.setattr(passage, "ALIVE_S", 0.01)

    async def go() -> None:
        lane = Lane("one", 1)
        assert lane.try_enter()
        waiting, quiet = passage_in(gate, lane)
        alive = quiet.alive

        async def slow() -> None:
            lane.answered()
            for _ in range(STEPS):
                await asyncio.sleep(0)
            quiet.gone = True
            await alive()

        quiet.alive = slow  # type: ignore[method-assign]
        with pytest.raises(ConnectionResetError):
            await waiting.tried(asyncio.Event().wait)  # never called
        assert lane.inflight == 0 and lane.try_enter()

    run(gate, go)


def test_who_is_given_a_place_after_the_model_broke_does_not_call(gate: GateBench) -> None:
    async def go() -> None:
        lane = Lane("one", 1)
        assert lane.try_enter()
        waiting, _ = passage_in(gate, lane)
        called: list[int] = []

        async def call() -> None:
            called.append(1)

        one = asyncio.create_task(waiting.tried(call))
        await queued(lane)
        waiting.opened.broken = ModelError("auth", "the key is refused", status=401)
        lane.answered()
        with pytest.raises(ModelError, match="the key is refused"):
            await one
        assert called == [] and lane.inflight == 0 and lane.try_enter()

    run(gate, go)


async def call_and_leave(visit: Visit, socket: Path, after_s: float) -> None:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    body = body_of("anthropic", stream=True)
    writer.write(
        f"POST {path_for('anthropic', stream=True)} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(), after_s)
    writer.close()


def test_all_places_can_be_used_after_hundreds_have_hung_up(gate: GateBench, wire: WireServer) -> None:
    """On real sockets: those that wait leave at all moments, many of them just when another's place becomes free."""

    async def go() -> None:
        wire.script(Step(text="x", delay_ms=5, repeat=10_000))
        opened: OpenModel = gate.opened(a_model("anthropic", name="claude-opus-4-7", base_url=wire.url), QUICK)
        opened.lane = Lane("few", PLACES)
        async with gate.door(opened) as visit:
            for round in range(12):
                leaving = (call_and_leave(visit, visit.socket, 0.002 + (i * 7 + round) % 30 / 1000) for i in range(40))
                await asyncio.gather(*leaving)
            while visit.room._busy:  # noqa: ASYNC110 - nothing tells that the last of them was recorded
                await asyncio.sleep(0.005)
            assert {e.cut for e in visit.room.exchanges} >= {"agent"}
            assert opened.lane.inflight == 0
            assert all(opened.lane.try_enter() for _ in range(PLACES))

    run(gate, go)
