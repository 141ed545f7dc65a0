"""The harnesses and both simulated models through the real spine, runner and store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from harness.api import Attempt, Harness, Model, Shape, Task
from harness.config.suite import BoundGrader, Suite, System
from harness.engine.lanes import Lanes
from harness.engine.plan import Plan
from harness.engine.prepare import make_manifest
from harness.engine.retry import RetryPolicy
from harness.engine.run import Recorder, Runner
from harness.engine.select import Filters, select_tasks
from harness.engine.services import Services
from harness.graders.match import Match
from harness.harnesses.plan_execute import PlanExecute
from harness.harnesses.reference import Reference
from harness.harnesses.replay import Replay as ReplayAnswers
from harness.harnesses.router import Router
from harness.harnesses.self_verify import SelfVerify
from harness.harnesses.single_turn import SingleTurn
from harness.models.replay import Replay as ReplayModel
from harness.models.scripted import Scripted
from harness.prices import PriceBook
from harness.records.task import Limits, task_digest
from harness.store.folder import RunFolder
from harness.store.read import Settled, iter_attempts

TAGGED = SingleTurn(answer_format="tagged")
SUM = Scripted.model_validate({"rules": [{"when": r"say (\d+)", "answer": r"ANSWER: \1"}]})
CHECKED = Scripted.model_validate(
    {
        "rules": [
            {"label": "verify", "when": r"<answer>\n-1\n", "answer": "PROBLEM: it is negative\nVERDICT: PROBLEMS"},
            {"label": "verify", "when": ".", "answer": "VERDICT: OK"},
            {"when": r"say (\d+).*negative", "answer": r"ANSWER: \1"},
            {"when": "say [13579]\\b", "answer": "ANSWER: -1"},
            {"when": r"say (\d+)", "answer": r"ANSWER: \1"},
        ]
    }
)


def a_task(i: int, shape: Shape | None = None) -> Task:
    made = Task(id=f"t{i}", prompt=f"say {i}", reference=str(i), graders=("match",), shape=shape or Shape())
    return msgspec.structs.replace(made, digest=task_digest(made))


def a_system(name: str, harness: Harness, model: Model | None = None) -> System:
    models = {role: model for role in harness.roles()} if model else {}
    return System(name, harness, models, Limits(), True, name, "m", {})


def run(root: Path, tasks: Sequence[Task], systems: Sequence[System], epochs: int = 1) -> tuple[Path, list[Attempt]]:
    """A whole run; its folder and its attempts."""
    graders = {"match": BoundGrader("match", Match(), "g", {})}
    named: Mapping[str, System] = {s.name: s for s in systems}
    suite = Suite("x", root, root / "tasks/x/suite.yaml", list(tasks), named, graders, epochs=epochs, concurrency=8)
    chosen, selection = select_tasks(suite, Filters())
    folder = RunFolder.create(root / "runs", make_manifest(suite, chosen, suite.systems, selection))
    before = Settled(frozenset(), {}, 0.0, 0.0, 0)

    async def go() -> None:
        recorder = Recorder(folder)
        policy = RetryPolicy(tries=3, base_s=0.001, cap_s=0.002, max_wait_s=5)
        services = Services(suite, policy, PriceBook.load(None), recorder, Lanes(8))
        await Runner(services, recorder, Plan(chosen, list(named), epochs, 0, before), before).run(8)
        folder.flush()
        await services.aclose()

    with folder:
        asyncio.run(go())
    return folder.path, sorted(iter_attempts(folder.path), key=lambda a: (a.system, a.epoch, int(a.task[1:])))


def test_a_run_is_replayed_without_its_model(tmp_path: Path) -> None:
    tasks = [a_task(i) for i in range(20)]
    folder, first = run(tmp_path, tasks, [a_system("v", SelfVerify(), CHECKED)], epochs=2)
    assert all(a.passed for a in first) and len(first) == 40
    assert sum(a.output.metrics["verify_failed_first"] for a in first) == 10
    replay = ReplayModel(run=str(folder.relative_to(tmp_path)))
    _, again = run(tmp_path, tasks, [a_system("v", SelfVerify(), replay)], epochs=2)
    assert [a.output for a in again] == [a.output for a in first]
    assert [a.usage for a in again] == [a.usage for a in first]


def test_one_request_that_was_not_recorded_does_not_stop_the_others(tmp_path: Path) -> None:
    folder, _ = run(tmp_path, [a_task(i) for i in range(6)], [a_system("s", TAGGED, SUM)])
    replay = ReplayModel(run=str(folder.relative_to(tmp_path)))
    _, again = run(tmp_path, [a_task(i) for i in range(9)], [a_system("s", TAGGED, replay)])
    assert [a.status for a in again] == ["graded"] * 6 + ["infra_error"] * 3
    assert {a.trouble.cause for a in again if a.trouble} == {"script_exhausted"}
    assert all(len([b for b in again if b.task == a.task]) == 1 for a in again)


def test_stored_answers_that_are_missing_are_skipped(tmp_path: Path) -> None:
    folder, _ = run(tmp_path, [a_task(i) for i in range(3)], [a_system("s", TAGGED, SUM)])
    path = str((folder / "attempts.jsonl").relative_to(tmp_path))
    _, played = run(tmp_path, [a_task(i) for i in range(5)], [a_system("r", ReplayAnswers(path=path))])
    assert [(a.status, a.passed) for a in played] == [("graded", True)] * 3 + [("skipped", None)] * 2
    assert {(a.trouble.source, a.trouble.cause) for a in played if a.trouble} == {("requirement", "stored_answer")}


def test_the_router_runs_the_chosen_system_inside_the_trial(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("rules: [{name: risky, when: {stakes: high}, use: big}]\ndefault: small\n")
    systems = [
        a_system("auto", Router(policy="p.yaml")),
        a_system("big", PlanExecute(), CHECKED),
        a_system("small", TAGGED, SUM),
    ]
    _, attempts = run(tmp_path, [a_task(2, Shape(stakes="high")), a_task(4)], systems)
    risky, plain = (a for a in attempts if a.system == "auto")
    assert (risky.passed, risky.turns, risky.output.metrics["routed_to"]) == (True, 2, "big")
    assert (plain.passed, plain.turns, plain.output.metrics["routed_by"]) == (True, 1, "default")
    assert risky.usage.calls == 2


def test_planted_errors_are_retried_and_the_answer_comes(tmp_path: Path) -> None:
    flaky = Scripted.model_validate({"answer": "1", "error": {"fault": "rate_limit", "retry_after_s": 0.01}})
    _, (attempt,) = run(tmp_path, [a_task(1)], [a_system("s", SingleTurn(), flaky)])
    assert (attempt.passed, attempt.retries, attempt.status) == (True, 1, "graded")


def test_the_ceiling_passes_and_is_free(tmp_path: Path) -> None:
    _, attempts = run(tmp_path, [a_task(i) for i in range(3)], [a_system("ceiling", Reference())])
    assert all(a.passed and a.usage.calls == 0 for a in attempts)
