"""The parts of the engine alone: lanes, clock, retries, presenting, selecting, the call cache."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from engine_bench import Ask, Bench, said, task
from hypothesis import given
from hypothesis import strategies as st

from harness.api import Message, Output, Request, Task, user
from harness.engine.cache import CallCache
from harness.engine.clock import WorkClock
from harness.engine.lanes import FIRST_WINDOW, Lane
from harness.engine.present import choice_order, letter, present, trial_seed
from harness.engine.retry import RetryPolicy
from harness.engine.select import Filters, parse_shape, select_systems, select_tasks, stratified
from harness.errors import LimitReached, ModelError, NothingToRun, UsageFault
from harness.records.task import Shape, TaskView
from harness.store.read import iter_attempts, read_transcript

RATE = ModelError("rate_limit", "slow down", status=429)


# --- lanes


def test_the_window_doubles_each_round_until_the_first_throttle() -> None:
    lane = Lane("l", 100)
    for width in (8, 16, 32, 64, 100):
        assert lane.window == width
        for _ in range(int(lane.window)):
            assert lane.try_enter()
        assert not lane.try_enter()
        for _ in range(lane.inflight):
            lane.answered()


def test_one_wave_of_throttles_cuts_once_and_recovery_is_slow() -> None:
    lane = Lane("l", 64)
    lane.window = 40.0
    for _ in range(10):
        assert lane.try_enter()
    for _ in range(10):
        lane.failed(RATE, sent=0.0)
    assert lane.window == 20
    for _ in range(20):
        assert lane.try_enter()
        lane.answered()
    assert 20.9 < lane.window < 21.1
    assert lane.inflight == 0


def test_other_failures_do_not_cut() -> None:
    lane = Lane("l", 64)
    lane.try_enter()
    lane.failed(ModelError("server", "500", status=500), sent=0.0)
    assert lane.window == FIRST_WINDOW


def test_the_window_never_closes() -> None:
    lane = Lane("l", 4)
    for i in range(20):
        assert lane.try_enter()
        lane._cut_at = 0.0
        lane.failed(RATE, sent=float(i))
    assert lane.window >= 1


def test_waiters_enter_in_order_and_a_cancelled_one_gives_its_place_back() -> None:
    async def go() -> list[int]:
        lane, entered = Lane("l", 1), []
        assert lane.try_enter()

        async def wait(i: int) -> None:
            await lane.enter()
            entered.append(i)
            lane.answered()

        tasks = [asyncio.create_task(wait(i)) for i in range(5)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        lane.answered()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert lane.inflight == 0 and lane.waiting == 0
        return entered

    assert asyncio.run(go()) == [0, 2, 3, 4]


def test_retry_after_pauses_everybody_in_the_lane() -> None:
    async def go() -> float:
        lane = Lane("l", 8)
        lane.try_enter()
        lane.failed(ModelError("rate_limit", "x", status=429, retry_after_s=0.1), sent=0.0)
        assert not lane.try_enter()
        began = asyncio.get_running_loop().time()
        await lane.enter()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(go()) >= 0.095


# --- clock and retries


def test_overlapping_waits_count_once_and_stop_the_limit() -> None:
    async def go() -> tuple[float, bool]:
        clock = WorkClock(0.08)
        try:
            async with clock:
                for _ in range(2):
                    clock.begin_wait()
                await asyncio.sleep(0.1)
                clock.end_wait()
                clock.end_wait()
                await asyncio.sleep(0.01)
                waited = clock.waited
                await asyncio.sleep(10)
        except LimitReached as e:
            return waited, e.kind == "time"
        return waited, False

    waited, limited = asyncio.run(go())
    assert 0.09 < waited < 0.2 and limited


@given(st.integers(1, 30), st.none() | st.floats(0, 100), st.floats(0, 700))
def test_a_retry_never_waits_less_than_asked_or_longer_than_allowed(
    failed: int, after: float | None, waited: float
) -> None:
    policy = RetryPolicy()
    delay = policy.delay(ModelError("server", "x", retry_after_s=after), failed, waited, Random(1))
    if delay is not None:
        assert failed < policy.tries and waited + delay <= policy.max_wait_s
        assert delay >= (after or 0) and delay <= (after or policy.cap_s) + 1


def test_what_cannot_get_better_is_not_tried_again() -> None:
    for fault in ("auth", "not_found", "bad_request", "context_length", "script_exhausted"):
        assert RetryPolicy().delay(ModelError(fault, "x"), 1, 0, Random(1)) is None  # type: ignore[arg-type]


# --- presenting


def test_a_view_is_an_allow_list() -> None:
    secret = Task(
        id="t", prompt="p", reference="SECRET-REF", graders=("SECRET-G",), tags=("SECRET-TAG",), canary="SECRET-C",
        meta={"x": "SECRET-M"}, place="SECRET-P", digest="SECRET-D", family="SECRET-F",
    )  # fmt: skip
    view = present(secret, 1).view
    assert "SECRET" not in str(view)
    assert set(TaskView.__struct_fields__) == {"id", "prompt", "files", "shape", "n_choices", "sandbox", "serves"}


@given(st.integers(1, 60), st.integers(0, 2**63), st.booleans())
def test_choices_are_a_permutation_and_stand_as_recorded(n: int, seed: int, shuffle: bool) -> None:
    one = Task(id="t", prompt="which?", choices=tuple(f"option {i}." for i in range(n)), shuffle_choices=shuffle)
    _, view, order = present(one, seed)
    assert sorted(order) == list(range(n)) and (shuffle or order == tuple(range(n)))
    assert isinstance(view.prompt, str)
    for i, at in enumerate(order):
        assert f"\n{letter(i)}) option {at}." in view.prompt


def test_the_seed_of_a_trial_knows_no_system() -> None:
    assert trial_seed(0, "a", 1) == trial_seed(0, "a", 1) != trial_seed(0, "a", 2)
    orders = {
        choice_order(Task(id="t", prompt="", choices=("a", "b", "c", "d"), shuffle_choices=True), s) for s in range(200)
    }
    assert len(orders) == 24


# --- selecting


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(1, 100), st.integers(0, 5))
def test_a_stratified_sample_is_in_proportion(families: list[int], n: int, seed: int) -> None:
    tasks = [Task(id=f"t{i}", prompt="", family=f"f{f}") for i, f in enumerate(families)]
    chosen = stratified(tasks, n, seed)
    size = min(n, len(tasks))
    assert len(chosen) == size and len({t.id for t in chosen}) == size
    assert chosen == stratified(tasks, n, seed)
    for family, count in Counter(t.family for t in tasks).items():
        share = sum(t.family == family for t in chosen)
        assert abs(share - size * count / len(tasks)) < 1


def test_filters_join_and_name_what_is_near(bench: Bench) -> None:
    suite = bench.suite([task(i, tags=("even",) if i % 2 == 0 else (), shape=Shape(stakes="high")) for i in range(9)])
    tasks, selection = select_tasks(suite, Filters(task=("t[1-4]",), tag=("even",), shape=(("stakes", "high"),)))
    assert [t.id for t in tasks] == ["t2", "t4"] == list(selection.task_ids or ())
    with pytest.raises(NothingToRun, match="no task") as caught:
        select_tasks(suite, Filters(task=("t11",)))
    assert "did you mean 't1'" in caught.value.render() and caught.value.exit_code == 5
    with pytest.raises(UsageFault, match="no system 'aks'") as unknown:
        select_systems(suite, ["aks"])
    assert "did you mean 'ask'" in unknown.value.render()
    with pytest.raises(UsageFault, match="a shape has no"):
        parse_shape(["stake=high"])


# --- calls


def test_a_long_conversation_is_stored_once(bench: Bench) -> None:
    async def talk(view: Any, ctx: Any) -> Output:
        messages = (user("start"),)
        for i in range(20):
            response = await ctx.models["main"].generate(Request(messages))
            messages = (*messages, Message("assistant", response.parts), user(f"go {i}"))
        return Output(answer="x")

    bench.run(bench.suite([task(1)], {"s": Ask(how=talk)}))
    assert bench.folder is not None
    (a,) = iter_attempts(bench.folder.path)
    events = read_transcript(bench.folder.path, a).events
    assert [len(e.request.messages) for e in events] == [1] * 20  # type: ignore[union-attr]
    from harness.records.transcript import full_messages

    assert [len(whole) for _, whole in full_messages(events)] == list(range(1, 41, 2))


def test_the_cache_is_keyed_by_content_epoch_and_repetition(tmp_path: Path) -> None:
    cache = CallCache(tmp_path / "c" / "calls.sqlite")
    cache.put("a-1-0", said("first"))
    cache.put("a-1-0", said("second"))
    assert cache.get("a-1-0") == said("first") and cache.get("a-2-0") is None
    cache.close()


def test_cached_answers_cost_nothing_and_are_marked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import harness.engine.services as services

    opened = services.Services._open
    cache = CallCache(bench.root / "calls.sqlite")

    def with_cache(self: Any, model: Any, digest: str) -> Any:
        made = opened(self, model, digest)
        made.cache = cache
        return made

    monkeypatch.setattr(services.Services, "_open", with_cache)
    suite = bench.suite([task(i) for i in range(4)], epochs=2)
    bench.run(suite)
    first = len(bench.client.requests)
    bench.run(suite)
    assert (first, len(bench.client.requests)) == (8, 8)
    assert bench.folder is not None
    again = list(iter_attempts(bench.folder.path))
    assert all(a.usage.cached == 1 and a.usage.cost_usd == 0 and a.passed for a in again)
    cache.close()
