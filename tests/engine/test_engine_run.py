"""Runs of small suites in memory, through the real spine, runner and store."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from engine_bench import Ask, Bench, echo_number, said, task

from harness.api import Grade, Grader, NotGraded, Output, Request, Response, SandboxSpec, user
from harness.config.suite import BoundGrader
from harness.errors import MissingRequirement, ModelError, StoreError
from harness.harnesses.claude_code import ClaudeCode
from harness.harnesses.codex_cli import CodexCli
from harness.records.outcome import Attempt
from harness.records.task import Limits
from harness.store.read import iter_attempts, read_transcript


def attempts(bench: Bench) -> list[Attempt]:
    assert bench.folder is not None
    return list(iter_attempts(bench.folder.path))


def test_every_task_runs_under_every_system_in_every_epoch(bench: Bench) -> None:
    suite = bench.suite([task(i) for i in range(5)], {"a": Ask(), "b": Ask()}, epochs=3)
    assert bench.run(suite) == "complete"
    keys = Counter((a.task, a.system, a.epoch) for a in attempts(bench))
    assert len(keys) == 30 and set(keys.values()) == {1}
    assert all(a.passed and a.status == "graded" and a.usage.calls == 1 for a in attempts(bench))
    assert bench.client.closed == 1


def test_a_record_holds_what_is_needed_to_compare(bench: Bench) -> None:
    bench.run(bench.suite([task(1, tags=("x",))]))
    (a,) = attempts(bench)
    assert (a.family, a.tags, a.turns, a.models) == ("f1", ("x",), 1, ("fake-1",))
    assert a.digests.task and a.digests.grader and (a.digests.harness, a.digests.model) == ("h-ask", "m")
    assert bench.folder is not None
    events = read_transcript(bench.folder.path, a).events
    assert [type(e).__name__ for e in events] == ["ModelCall"]


def test_a_harness_that_crashes_is_not_a_wrong_answer(bench: Bench) -> None:
    async def crash(view: Any, ctx: Any) -> Output:
        raise RuntimeError("boom")

    bench.run(bench.suite([task(1)], {"bad": Ask(how=crash)}))
    (a,) = attempts(bench)
    assert (a.status, a.passed, a.value) == ("infra_error", None, None)
    assert a.trouble is not None and (a.trouble.source, a.trouble.cause) == ("harness", "RuntimeError")


def test_infrastructure_is_retried_and_every_try_keeps_its_cost(bench: Bench) -> None:
    calls = Counter[str]()

    async def flaky(request: Request) -> Response:
        calls["n"] += 1
        if calls["n"] == 1:
            return said("thinking")
        if calls["n"] <= 4:
            raise ModelError("server", "down", status=500)
        return await echo_number(request)

    async def twice(view: Any, ctx: Any) -> Output:
        await ctx.models["main"].generate(Request((user("first"),)))
        return Output(answer=(await ctx.models["main"].generate(Request((user(view.prompt),)))).text)

    bench.run(bench.suite([task(7)], {"s": Ask(how=twice)}, flaky, infra_retries=1))
    first, second = attempts(bench)
    assert (first.status, first.final, first.attempt, first.usage.calls) == ("infra_error", False, 1, 1)
    assert first.trouble is not None and first.trouble.cause == "server"
    assert (second.status, second.final, second.attempt, second.passed) == ("graded", True, 2, True)


def test_an_auth_failure_is_not_retried_and_stops_the_lane(bench: Bench) -> None:
    calls = Counter[str]()

    async def refuse(request: Request) -> Response:
        calls["n"] += 1
        raise ModelError("auth", "bad key", status=401)

    bench.run(bench.suite([task(i) for i in range(20)], answer=refuse, concurrency=2, infra_retries=3))
    assert len(attempts(bench)) == 20 and all(a.status == "infra_error" and a.final for a in attempts(bench))
    assert calls["n"] <= 2


def test_a_missing_requirement_is_skipped(bench: Bench) -> None:
    async def nothing_stored(view: Any, ctx: Any) -> Output:
        raise MissingRequirement("stored_answer", "no answer for this task")

    bench.run(bench.suite([task(1)], {"s": Ask(how=nothing_stored)}))
    (a,) = attempts(bench)
    assert a.status == "skipped" and a.trouble is not None and a.trouble.cause == "stored_answer"


def test_a_prompt_longer_than_an_agents_program_reads_is_skipped_before_a_box_is_made(bench: Bench) -> None:
    """Codex ends at once with one more than 1,048,576 characters. Without a box, all others are skipped for the box."""
    long = [msgspec.structs.replace(task(i), prompt="ä" * (1024**2 + i), sandbox=SandboxSpec()) for i in (0, 1)]
    bench.run(bench.suite(long, {"codex": CodexCli(), "claude": ClaudeCode()}))
    skipped = {
        (a.task, a.system): a.trouble for a in attempts(bench) if a.status == "skipped" and a.trouble is not None
    }
    assert {k: t.cause for k, t in skipped.items()} == {
        ("t0", "codex"): "sandbox", ("t1", "codex"): "task", ("t0", "claude"): "sandbox", ("t1", "claude"): "sandbox",
    }  # fmt: skip
    said = "codex cannot be given it: its prompt has 1,048,577 characters, and codex_cli reads 1,048,576"
    assert skipped["t1", "codex"].detail == said


def test_a_task_with_a_box_is_skipped_where_no_sandbox_is_installed(bench: Bench) -> None:
    bench.run(bench.suite([task(1, sandbox=SandboxSpec())]))
    (a,) = attempts(bench)
    assert a.status == "skipped" and a.trouble is not None and a.trouble.cause == "sandbox"


def test_a_limit_is_the_systems_outcome_and_what_it_saved_is_graded(bench: Bench) -> None:
    async def loop(view: Any, ctx: Any) -> Output:
        ctx.save(Output(answer="3"))
        while True:
            await ctx.models["main"].generate(Request((user(view.prompt),)))

    suite = bench.suite([task(3)], {"s": Ask(how=loop)}, limits=Limits(turns=4))
    bench.run(suite)
    (a,) = attempts(bench)
    assert (a.status, a.limit, a.turns, a.passed) == ("graded", "turns", 4, True)


@pytest.mark.parametrize(
    ("limits", "kind"), [(Limits(tokens=40), "tokens"), (Limits(time_s=0.05), "time"), (Limits(turns=2), "turns")]
)
def test_each_limit_is_named(bench: Bench, limits: Limits, kind: str) -> None:
    async def loop(view: Any, ctx: Any) -> Output:
        while True:
            await ctx.models["main"].generate(Request((user(view.prompt),)))
            await asyncio.sleep(0.005)

    bench.run(bench.suite([task(3)], {"s": Ask(how=loop)}, limits=limits))
    (a,) = attempts(bench)
    assert (a.status, a.limit, a.passed) == ("graded", kind, False)


def test_waiting_is_in_no_working_time_and_no_time_limit(bench: Bench) -> None:
    calls = Counter[str]()

    async def throttled(request: Request) -> Response:
        calls["n"] += 1
        if calls["n"] == 1:
            raise ModelError("rate_limit", "slow down", status=429, retry_after_s=0.3)
        return await echo_number(request)

    bench.run(bench.suite([task(2)], answer=throttled, limits=Limits(time_s=0.2)))
    (a,) = attempts(bench)
    assert a.passed and a.retries == 1 and not a.limit
    assert a.timing.waiting >= 0.3 and a.timing.working < 0.2


def test_too_long_a_context_is_the_systems_outcome(bench: Bench) -> None:
    async def too_long(request: Request) -> Response:
        raise ModelError("context_length", "prompt is too long", status=400)

    bench.run(bench.suite([task(2)], answer=too_long))
    (a,) = attempts(bench)
    assert (a.status, a.limit, a.passed) == ("graded", "context", False)


class Doubt(Grader):
    """Cannot say."""

    async def grade(self, work: Any) -> Grade | NotGraded:
        return NotGraded("unparseable", "no idea")


class Broken(Grader):
    """Raises."""

    async def grade(self, work: Any) -> Grade | NotGraded:
        raise ZeroDivisionError("oops")


@pytest.mark.parametrize(
    ("graders", "right", "status", "passed"),
    [
        (("equals", "doubt"), True, "ungradable", None),
        (("equals", "doubt"), False, "graded", False),
        (("equals", "broken"), True, "ungradable", None),
        (("doubt",), True, "ungradable", None),
        ((), True, "ungradable", None),
    ],
)
def test_several_graders_are_a_conjunction(
    bench: Bench, graders: tuple[str, ...], right: bool, status: str, passed: bool | None
) -> None:

    one = msgspec.structs.replace(task(5), graders=graders, reference="5" if right else "6")
    bound = {"doubt": BoundGrader("doubt", Doubt(), "d", {}), "broken": BoundGrader("broken", Broken(), "b", {})}
    bench.run(bench.suite([one], graders=bound))
    (a,) = attempts(bench)
    assert (a.status, a.passed) == (status, passed)


def test_an_informative_grader_never_decides(bench: Bench) -> None:
    bound = {"doubt": BoundGrader("doubt", Doubt(), "d", {})}
    bench.run(bench.suite([task(5, informative=("doubt",))], graders=bound))
    (a,) = attempts(bench)
    assert a.status == "graded" and a.passed and isinstance(a.grades["doubt"], NotGraded)


class Labels(Grader):
    """Fails with the answer as its label, and is critical by itself for `boom`."""

    async def grade(self, work: Any) -> Grade | NotGraded:
        label = work.output.answer or "no_answer"
        return Grade(float(label == "right"), label == "right", label, critical=label == "boom")


@pytest.mark.parametrize(
    ("answer", "tags", "critical"),
    [
        ("wrong", ("critical",), True),
        ("wrong", (), False),
        ("right", ("critical",), False),
        ("abstained", ("critical",), False),
        ("ambiguous", ("critical",), False),
        ("boom", (), True),
    ],
)
def test_a_wrong_answer_to_a_critical_task_is_marked_and_silence_is_not(
    bench: Bench, answer: str, tags: tuple[str, ...], critical: bool
) -> None:
    async def says(request: Request) -> Response:
        return said(answer)

    one = msgspec.structs.replace(task(5, tags=tags), graders=("labels",), informative=("wrong",))
    bound = {"labels": BoundGrader("labels", Labels(), "l", {}), "wrong": BoundGrader("wrong", Labels(), "w", {})}
    bench.run(bench.suite([one], graders=bound, answer=says))
    (a,) = attempts(bench)
    verdict, beside = a.grades["labels"], a.grades["wrong"]
    assert isinstance(verdict, Grade) and isinstance(beside, Grade)
    assert verdict.critical == critical
    assert beside.critical == (answer == "boom")  # an informative grader's failure is nobody's critical error


def test_stopping_lets_what_is_in_flight_finish_and_resume_does_the_rest(bench: Bench) -> None:
    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return await echo_number(request)

    suite = bench.suite([task(i) for i in range(40)], answer=slow)

    async def stop_soon(runner: Any) -> None:
        await asyncio.sleep(0.035)
        runner.stop()

    assert bench.run(suite, stop_soon) == "interrupted"
    before = len(attempts(bench))
    assert 0 < before < 40
    assert bench.run(suite, new=False) == "complete"
    keys = Counter((a.task, a.epoch) for a in attempts(bench))
    assert len(keys) == 40 and set(keys.values()) == {1}


def test_halting_cancels_what_is_in_flight_and_loses_nothing_finished(bench: Bench) -> None:
    calls = Counter[str]()

    async def hang_after_three(request: Request) -> Response:
        calls["n"] += 1
        if calls["n"] > 3:
            await asyncio.sleep(60)
        return await echo_number(request)

    suite = bench.suite([task(i) for i in range(10)], answer=hang_after_three)

    async def halt_soon(runner: Any) -> None:
        await asyncio.sleep(0.05)
        runner.halt()

    assert bench.run(suite, halt_soon) == "interrupted"
    assert len(attempts(bench)) == 3


def test_the_budget_stops_the_run_before_it_is_passed(bench: Bench) -> None:
    suite = bench.suite([task(i) for i in range(50)], budget_usd=1.0, concurrency=1)

    class Priced:
        def price(self, *args: Any) -> Any:
            from harness.api import Usage

            return Usage(input=1, calls=1, cost_usd=0.1)

    async def price_it(runner: Any) -> None:
        return None

    model = next(iter(suite.systems.values())).models["main"]
    type(model).simulated = False
    try:
        import harness.engine.services as services

        opened = services.Services._open
        services.Services._open = lambda self, m, d: _with(opened(self, m, d), Priced())  # type: ignore[method-assign]
        assert bench.run(suite) == "budget"
    finally:
        type(model).simulated = True
        services.Services._open = opened  # type: ignore[method-assign]
    spent = sum(a.usage.cost_usd for a in attempts(bench))
    assert 0.8 <= spent <= 1.0


def _with(opened: Any, prices: Any) -> Any:
    opened.prices = prices
    return opened


def test_a_full_disk_stops_the_run_with_everything_whole(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = bench.suite([task(i) for i in range(30)])
    written = Counter[str]()

    async def fill(runner: Any) -> None:
        assert bench.folder is not None
        flush = bench.folder.flush

        def full() -> None:
            written["n"] += 1
            if written["n"] > 3:
                raise StoreError("no space left on device")
            flush()

        monkeypatch.setattr(bench.folder, "flush", full)

    with pytest.raises(StoreError, match="no space"):
        bench.run(suite, fill)
    assert bench.folder is not None
    lines = (bench.folder.path / "attempts.jsonl").read_bytes().splitlines()
    assert lines and all(json.loads(line)["status"] == "graded" for line in lines)


def test_all_systems_see_the_same_order_of_choices(bench: Bench) -> None:
    one = task(1, choices=("red", "green", "blue", "gold"), shuffle_choices=True)
    seen: list[str] = []

    async def look(view: Any, ctx: Any) -> Output:
        seen.append(view.prompt)
        return Output(answer="x")

    bench.run(bench.suite([one], {"a": Ask(how=look), "b": Ask(how=look)}, epochs=6))
    by_epoch = [(a.epoch, a.choice_order) for a in attempts(bench)]
    assert len(set(by_epoch)) == 6 and len({order for _, order in by_epoch}) > 1
    assert len(set(seen)) == len({order for _, order in by_epoch})
