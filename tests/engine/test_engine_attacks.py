"""Attacks on the engine: work that will not end, keys and limits that meet in one lane, money nobody counted."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from engine_bench import FAST, Ask, Bench, FakeClient, FakeModel, echo_number, said, task

from harness.api import Grade, Grader, NotGraded, Output, Request, Response, user
from harness.config.suite import BoundGrader
from harness.engine.attempt_state import AttemptState
from harness.engine.cache import CallCache
from harness.engine.calls import MeteredClient, OpenModel
from harness.engine.clock import WorkClock
from harness.engine.lanes import Lane
from harness.engine.retry import RetryPolicy
from harness.errors import LimitReached, ModelError
from harness.prices import PriceBook
from harness.records.outcome import Attempt
from harness.records.task import Limits
from harness.store.read import iter_attempts


def attempts(bench: Bench) -> list[Attempt]:
    assert bench.folder is not None
    return list(iter_attempts(bench.folder.path))


class PaidModel(FakeModel):
    simulated: ClassVar[bool] = False


def opened(answer: Any, lane: Lane | None = None, policy: RetryPolicy = FAST, **more: Any) -> OpenModel:
    model = PaidModel(client=FakeClient(answer))
    return OpenModel(
        model, model.client, lane or Lane("fake/fake", 4), "d", "fake", model.simulated, PriceBook(), policy, **more
    )


async def swallow_and_answer(view: Any, ctx: Any) -> Output:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(30)
    return Output(answer=str(view.prompt).split()[-1])


async def swallow_and_crash(view: Any, ctx: Any) -> Output:
    try:
        await asyncio.sleep(30)
    except BaseException as e:
        raise RuntimeError("wrapped") from e
    return Output()


async def swallow_and_ask_on(view: Any, ctx: Any) -> Output:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(30)
    for _ in range(3):
        await ctx.models["main"].generate(Request((user(str(view.prompt)),)))
    return Output(answer="more")


@pytest.mark.parametrize("how", [swallow_and_answer, swallow_and_crash, swallow_and_ask_on])
def test_work_that_will_not_end_at_its_time_limit_has_hit_it_all_the_same(bench: Bench, how: Any) -> None:
    bench.run(bench.suite([task(1)], {"s": Ask(how=how)}, limits=Limits(time_s=0.05)))
    (a,) = attempts(bench)
    assert (a.limit, a.status, a.passed, a.output.answer) == ("time", "graded", False, None)
    assert not bench.client.requests


@pytest.mark.parametrize("how", [swallow_and_answer, swallow_and_crash])
def test_an_interruption_that_the_work_swallows_is_not_an_answer(bench: Bench, how: Any) -> None:
    async def halt(runner: Any) -> None:
        await asyncio.sleep(0.05)
        runner.halt()

    assert bench.run(bench.suite([task(1)], {"s": Ask(how=how)}), halt) == "interrupted"
    assert attempts(bench) == []


def test_a_call_that_waits_does_not_stop_the_clock_of_one_that_works() -> None:
    async def go() -> tuple[float, float, float, float]:
        clock = WorkClock(10.0)
        async with clock:
            clock.begin_call()
            clock.begin_call()
            clock.begin_wait()
            await asyncio.sleep(0.05)
            beside = clock.waited + 0.0
            clock.end_call()
            await asyncio.sleep(0.05)
            clock.end_wait()
            clock.end_call()
            return beside, clock.waited, clock._left, clock.now

    beside, waited, left, now = asyncio.run(go())
    assert beside == 0.0
    assert waited >= 0.049 and waited <= now - 0.049
    assert left <= 10.0 - 0.049


def test_a_call_beside_a_waiting_one_keeps_its_own_time() -> None:
    first = asyncio.Event()

    async def answer(request: Request) -> Response:
        if request.system == "flaky" and not first.is_set():
            first.set()
            raise ModelError("rate_limit", "slow down", status=429, retry_after_s=None)
        await asyncio.sleep(0.02)
        return said("ok")

    async def go() -> AttemptState:
        state = AttemptState(Limits(), 1, 1)
        model = opened(answer, policy=RetryPolicy(tries=3, base_s=0.2, cap_s=0.2))
        client = MeteredClient(model, "main", state)
        async with state.clock:
            await asyncio.gather(*(client.generate(Request((user("x"),), system=s)) for s in ("flaky", "plain")))
        return state

    state = asyncio.run(go())
    by_system = {e.request.system: e for e in state.events}  # type: ignore[union-attr]
    assert by_system["plain"].waited == 0.0 and by_system["plain"].seconds >= 0.019  # type: ignore[union-attr]
    assert by_system["flaky"].seconds >= 0.019  # type: ignore[union-attr]


def test_a_wrong_key_of_one_model_does_not_stop_another_on_the_same_lane() -> None:
    async def refused(request: Request) -> Response:
        raise ModelError("auth", "bad key", status=401)

    async def go() -> str:
        lane = Lane("fake/fake", 4)
        bad = MeteredClient(opened(refused, lane), "main", AttemptState(Limits(), 1, 1))
        good = MeteredClient(opened(echo_number, lane), "main", AttemptState(Limits(), 1, 1))
        for _ in range(2):
            with pytest.raises(ModelError, match="bad key"):
                await bad.generate(Request((user("say 1"),)))
        assert lane.inflight == 0
        return (await good.generate(Request((user("say 2"),)))).text

    assert asyncio.run(go()) == "2"


def test_a_server_that_says_come_back_tomorrow_does_not_hold_the_run(bench: Bench) -> None:
    async def tomorrow(request: Request) -> Response:
        raise ModelError("rate_limit", "daily quota", status=429, retry_after_s=86_400.0)

    began = time.monotonic()
    bench.run(bench.suite([task(i) for i in range(20)], None, tomorrow, concurrency=8))
    assert time.monotonic() - began < 5.0
    found = attempts(bench)
    assert {(a.status, a.trouble.cause) for a in found if a.trouble} == {("infra_error", "rate_limit")}
    assert len([a for a in found if a.final]) == 20


@pytest.mark.parametrize("dear", [0.5, 5.0])
def test_many_at_once_do_not_pass_the_budget_together(bench: Bench, dear: float) -> None:
    """Sixteen first trials used to start before anyone knew what one costs."""

    async def answer(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return said("1", cost_usd=dear)  # type: ignore[arg-type]

    suite = bench.suite([task(i) for i in range(40)], {"a": Ask(), "b": Ask()}, answer, budget_usd=2.0, concurrency=16)
    assert bench.run(suite) == "budget"
    spent = sum(a.usage.cost_usd for a in attempts(bench))
    assert spent <= max(2.0, 2 * dear)
    assert spent >= 2.0 - dear


def test_a_cheap_system_does_not_hide_what_a_dear_one_costs(bench: Bench) -> None:
    async def answer(request: Request) -> Response:
        await asyncio.sleep(0.005)
        return said("1", cost_usd=1.0 if request.label == "dear" else 0.0)  # type: ignore[arg-type]

    async def dear(view: Any, ctx: Any) -> Output:
        return Output(answer=(await ctx.models["main"].generate(Request((user("x"),), label="dear"))).text)

    systems = {"cheap": Ask(), "dear": Ask(how=dear)}
    suite = bench.suite([task(i) for i in range(60)], systems, answer, budget_usd=6.5, concurrency=12)
    assert bench.run(suite) == "budget"
    assert sum(a.usage.cost_usd for a in attempts(bench)) <= 6.5


@pytest.mark.parametrize("fault", ["timeout", "bad_response"])
def test_a_call_whose_answer_never_came_whole_may_have_been_billed(fault: Any) -> None:
    tries = iter((ModelError(fault, "cut off"), ModelError("rate_limit", "no", status=429)))

    async def answer(request: Request) -> Response:
        error = next(tries, None)
        if error:
            raise error
        return said("ok")

    async def go() -> AttemptState:
        state = AttemptState(Limits(), 1, 1)
        await MeteredClient(opened(answer), "main", state).generate(Request((user("x"),)))
        return state

    usage = asyncio.run(go()).usage
    assert (usage.calls, usage.unpriced) == (2, 2)  # the answer itself has no known price either


def test_a_call_cut_off_by_the_time_limit_may_have_been_billed() -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(30)
        return said("never")

    async def go() -> AttemptState:
        state = AttemptState(Limits(time_s=0.03), 1, 1)
        client = MeteredClient(opened(slow), "main", state)
        with pytest.raises(LimitReached):
            async with state.clock:
                await client.generate(Request((user("x"),)))
        assert client._open.lane.inflight == 0
        return state

    usage = asyncio.run(go()).usage
    assert (usage.calls, usage.unpriced, usage.cost_usd) == (1, 1, 0.0)


def test_a_call_cache_that_fails_costs_no_answer(tmp_path: Path) -> None:
    cache = CallCache(tmp_path / "c.sqlite")

    async def go() -> AttemptState:
        state = AttemptState(Limits(), 1, 1)
        client = MeteredClient(opened(echo_number, cache=cache), "main", state)
        assert (await client.generate(Request((user("say 1"),)))).text == "1"
        cache._db.execute("UPDATE calls SET response = x'00'")
        state.occurrences.clear()
        assert (await client.generate(Request((user("say 1"),)))).text == "1"
        cache._db.close()
        assert (await client.generate(Request((user("say 2"),)))).text == "2"
        return state

    state = asyncio.run(go())
    assert (state.usage.calls, state.cached, len(state.events)) == (3, 0, 3)
    with pytest.raises(sqlite3.ProgrammingError):
        cache._db.execute("SELECT 1")


def test_lanes_leak_no_place_whenever_a_call_is_cancelled() -> None:
    async def go(moment: float) -> float:
        lane = Lane("x", 2)
        hold = [lane.try_enter(), lane.try_enter()]
        assert all(hold)
        waiting = [asyncio.create_task(lane.enter()) for _ in range(4)]
        await asyncio.sleep(moment)
        waiting[0].cancel()
        lane.answered()
        waiting[1].cancel()
        lane.failed(ModelError("rate_limit", "", status=429, retry_after_s=0.01), time.monotonic())
        for t in waiting:
            await asyncio.sleep(0.005)
            t.cancel()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        return lane.inflight - sum(d is None for d in done)

    for moment in (0.0, 0.001, 0.01):
        assert asyncio.run(go(moment)) == 0


def test_a_limit_that_a_harness_swallows_is_recorded_all_the_same(bench: Bench) -> None:
    async def swallow(view: Any, ctx: Any) -> Output:
        try:
            while True:
                await ctx.models["main"].generate(Request((user(view.prompt),)))
        except LimitReached:
            return Output(answer="3")

    bench.run(bench.suite([task(3)], {"s": Ask(how=swallow)}, limits=Limits(turns=2)))
    (a,) = attempts(bench)
    assert (a.status, a.passed, a.turns, a.limit) == ("graded", True, 2, "turns")


class Spoiler(Grader):
    """Writes into the reference it is shown."""

    async def grade(self, work: Any) -> Grade | NotGraded:
        work.task.reference.append("spoilt")
        return Grade(1.0, True)


def test_a_grader_cannot_change_the_reference_of_others(bench: Bench) -> None:
    one = msgspec.structs.replace(task(1), graders=("spoiler",), reference=["right"])
    suite = bench.suite([one], epochs=2, graders={"spoiler": BoundGrader("spoiler", Spoiler(), "s", {})})
    bench.run(suite)
    assert suite.tasks[0].reference == ["right"]
    assert len({a.digests.grader for a in attempts(bench)}) == 1


class Stuck(Grader):
    """Never says anything."""

    async def grade(self, work: Any) -> Grade | NotGraded:
        await asyncio.sleep(3600)
        raise AssertionError


def test_a_grader_that_never_ends_leaves_its_trial_ungraded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engine.grade.GRADING_S", 0.05, raising=False)
    one = msgspec.structs.replace(task(1), graders=("stuck",))
    suite = bench.suite([one], graders={"stuck": BoundGrader("stuck", Stuck(), "s", {})})
    bench.run(suite)
    (a,) = attempts(bench)
    assert a.status == "ungradable" and a.trouble is not None and a.trouble.cause == "timeout"
