"""The runs whose reports are kept as golden files. Small enough that every number can be checked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from harness.records.content import Usage
from harness.records.outcome import Attempt, Grade, NotGraded, Output, Timing, Trouble
from harness.records.task import Shape
from harness.records.transcript import Transcript
from harness.report.markdown import render_full_markdown
from harness.report.reliability import full_report
from harness.report.summary import full_json
from harness.report.text import render_full_text, render_text
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, Selection, SystemInfo

GOLDEN = Path(__file__).parent / "reports"
RATE = 4e-6


def manifest(systems: tuple[SystemInfo, ...], n_tasks: int, epochs: int, **more: Any) -> Manifest:
    return Manifest(
        run="20260102T030405Z-mine-0123abcd", suite="mine", suite_path="tasks/mine/suite.yaml", suite_digest="5u17e",
        tasks_digest="7a5k5", created="2026-01-02T03:04:05Z", systems=systems, n_tasks=n_tasks, epochs=epochs, seed=7,
        **more,
    )  # fmt: skip


def attempt(task: str, system: str, passed: bool | None = True, **more: Any) -> Attempt:
    """A graded attempt of 1,000 tokens and 4 cents; anything can be said otherwise."""
    fields: dict[str, Any] = {
        "status": "graded", "epoch": 1, "attempt": 1, "passed": passed,
        "value": None if passed is None else float(passed), "output": Output(answer="14 days"),
        "usage": Usage(input=600, cache_read=200, output=150, reasoning=50, calls=1, cost_usd=0.04), "turns": 1,
        "timing": Timing(wall=3.0, working=2.0),
        "grades": {"match": NotGraded("unparseable") if passed is None else Grade(float(passed), passed)},
    }  # fmt: skip
    return Attempt(task=task, system=system, **(fields | more))


def write(runs: Path, plan: Manifest, attempts: list[Attempt]) -> Path:
    with RunFolder.create(runs, plan) as folder:
        for a in attempts:
            folder.add(a, Transcript(a.task, a.system, a.epoch, a.attempt, a.output))
    return folder.path


def info(name: str, **more: Any) -> SystemInfo:
    return SystemInfo(name, "single_turn", {"main": f"openai/{name}"}, f"h-{name}", f"m-{name}", **more)


def ordinary(runs: Path) -> Path:
    """Twenty tasks in ten families, two epochs, two real systems, a ceiling and a floor; failures and limits."""
    systems = (
        SystemInfo("reference", "reference", {}, "h", "", privileged=True), SystemInfo("empty", "empty", {}, "h", ""),
        info("alpha"), info("beta"),
    )  # fmt: skip
    found = []
    for i in range(20):
        task = f"task-{i:02d}"
        same: dict[str, Any] = {
            "family": f"family-{i // 2}", "tags": ("money",) if i % 4 == 0 else (),
            "shape": Shape(horizon="short" if i % 2 else "long", stakes="high" if i < 5 else "low", tools=i % 5),
        }  # fmt: skip
        free = {"usage": Usage(), "turns": 0, "timing": Timing(wall=0.01, working=0.01)}
        for epoch in (1, 2):
            found.append(attempt(task, "reference", epoch=epoch, **same, **free))
            found.append(attempt(task, "empty", False, epoch=epoch, output=Output(), **same, **free))
            slow = Timing(wall=5.0 + i, working=2.0 + i / 4, waiting=1.0 if i == 3 else 0.0)
            limit = "time" if i == 19 else ""
            found.append(
                attempt(task, "alpha", i % 5 != 0, epoch=epoch, timing=slow, limit=limit, retries=i % 2, **same)
            )
            found.append(attempt(task, "beta", (i + epoch) % 3 != 0, epoch=epoch, timing=slow, **same))
    down = Trouble("model", "overloaded", "529")
    like = next(a for a in found if a.task == "task-03")
    same = {"family": like.family, "shape": like.shape, "tags": like.tags}
    found.append(attempt("task-03", "alpha", None, attempt=2, final=False, status="infra_error", trouble=down, **same))
    return write(runs, manifest(systems, 20, 2, selection=Selection({"tag": "x"}, 40)), found)


def invalid(runs: Path) -> Path:
    """Coverage under the floor for several causes, unpriced and simulated systems, a fractional grader, a judge."""
    systems = (info("gamma"), info("delta", simulated=True))
    found = []
    for i in range(9):
        task = f"task-{i}"
        unpriced = Usage(input=100, output=10, calls=2, cost_usd=0.0 if i else 0.01, unpriced=2 if i else 0)
        judge = Usage(input=50, output=5, calls=1, cost_usd=0.001)
        more: dict[str, Any] = {}
        if i == 0:
            more = {"status": "infra_error", "passed": None, "value": None, "trouble": Trouble("sandbox", "image")}
        if i == 1:
            more = {"status": "ungradable", "passed": None, "value": None, "trouble": Trouble("grader", "unparseable")}
        if i == 2:
            more = {"status": "skipped", "passed": None, "value": None, "trouble": Trouble("requirement", "docker")}
        gamma = attempt(task, "gamma", i > 4, usage=unpriced, judge_usage=judge)
        found.append(msgspec.structs.replace(gamma, **({"value": i / 10} | more)))
        metrics = {"verify_rounds": 2, "verify_failed_first": i % 2, "verify_unresolved": int(i > 6)}
        found.append(attempt(task, "delta", i % 2 == 0, output=Output(answer="x", metrics=metrics)))
    return write(runs, manifest(systems, 10, 1), found)


def nothing_graded(runs: Path) -> Path:
    """Every trial failed for infrastructure: not 0 %."""
    trouble = Trouble("model", "auth", "401")
    more = {"status": "infra_error", "value": None, "trouble": trouble, "usage": Usage()}
    return write(runs, manifest((info("alpha"),), 3, 1), [attempt(f"t{i}", "alpha", None, **more) for i in range(3)])


def nothing_ran(runs: Path) -> Path:
    """A run that was planned and stopped at once."""
    return write(runs, manifest((info("alpha"),), 3, 1), [])


def rich(runs: Path) -> Path:
    """Everything a section of the full report can be alive on, with an earlier run, a broken-off one and judgements."""
    from harness.records.judgement import Judgement

    systems = (info("alpha"), info("beta"))
    first = [_rich(f"task-{i:02d}", s.name, i, n) for s in systems for i in range(24) for n in range(1, 16)]
    write(runs, _earlier(systems, "20260101T030405Z-mine-00000001", 24, 15), first)
    write(runs, _earlier(systems, "20260101T040405Z-mine-00000002", 24, 2), first[:3])
    found = [_rich(f"task-{i:02d}", s.name, i, epoch) for s in systems for i in range(24) for epoch in (1, 2)]
    path = write(runs, manifest(systems, 24, 2, graders={"match": "1"}), found)
    judge: dict[str, Any] = {"judge": "strict", "model": "openai/judge", "status": "ok", "system": "alpha"}
    said = [
        Judgement(grader="claims", protocol="claims", task=f"task-{i:02d}", epoch=1, about=f"claim {c}",
                  outcome="supported" if (i + c) % 4 else "contradicted", **judge)
        for i in range(12) for c in range(3)
    ]  # fmt: skip
    said.append(Judgement(grader="claims", protocol="claims", **(judge | {"status": "unparseable", "task": "task-00"})))
    said += [
        Judgement(grader="steps", protocol="steps", task=f"task-{i:02d}", epoch=1, outcome=str(2 + i % 2), **judge)
        for i in range(4)
    ]
    (path / "judgements.jsonl").write_bytes(b"".join(msgspec.json.encode(j) + b"\n" for j in said))
    return path


def _earlier(systems: tuple[SystemInfo, ...], run: str, n_tasks: int, epochs: int) -> Manifest:
    plan = manifest(systems, n_tasks, epochs, graders={"match": "1"})
    return msgspec.structs.replace(plan, run=run, created=f"2026-01-01T0{run[10]}:04:05Z")


def _rich(task: str, system: str, i: int, epoch: int) -> Attempt:
    """Each task fails in its own way, alpha less than beta; the first eight are solid under alpha."""
    beta = system == "beta"
    passed = i < 8 or (i % 3 == 0 and not beta) or (i == 10 and epoch % 2 == 0)
    output: dict[str, Any] = {"answer": "x", "confidence": 0.95 if i < 12 else 0.6, "declared_done": True}
    tags = [t for t, at in (("unanswerable", 20), ("benign", 21), ("hidden", 22), ("hidden", 23)) if i == at]
    tags += [f"variant:paraphrase:task-{i - 1:02d}"] if i % 2 and i < 20 else []
    more: dict[str, Any] = {}
    grade: dict[str, Any] = {"label": "right" if passed else "wrong"}
    if not passed:
        match i:
            case 11:
                output |= {"refused": True, "answer": None, "declared_done": None}
                grade = {"label": "refused"}
            case 13:
                output |= {"abstained": True, "declared_done": None}
                grade = {"label": "abstained"}
            case 14:
                more = {"limit": "turns"}
                output |= {"declared_done": False}
            case 16:
                output |= {"declared_done": False, "metrics": {"ended": "format_errors", "format_errors": 3}}
            case 17:
                output |= {"answer": None, "declared_done": None, "confidence": None}
                grade = {"label": "no_answer"}
            case 19:
                grade = {"label": "passes_visible_fails_hidden", "parts": {"visible": {"passed": 4, "of": 4}}}
            case 20:
                more = {"flags": ("protected_path: tests/test_x.py", "invented_api: client.fetch")}
            case 22:
                grade = {"label": "critical", "critical": True, "explanation": "deleted the customer's table"}
            case _:
                pass
    verdict = Grade(float(passed), passed, **grade)
    shape = Shape(horizon="short" if i < 12 else "long", stakes="high" if i % 4 == 0 else "low", surface="code")
    return attempt(
        task, system, passed, epoch=epoch, family=f"family-{i // 2}", tags=tuple(tags), shape=shape,
        label=verdict.label, grades={"match": verdict}, output=Output(**output), **more,
    )  # fmt: skip


CASES: dict[str, Callable[[Path], Path]] = {
    "ordinary": ordinary, "invalid": invalid, "nothing_graded": nothing_graded, "nothing_ran": nothing_ran,
    "rich": rich,
}  # fmt: skip


def drawn(path: Path) -> dict[str, str]:
    """Every form of a run's report, by file ending."""
    full = full_report(path)
    return {
        "txt": render_full_text(full),
        "short.txt": render_text(full.report),
        "md": render_full_markdown(full),
        "json": msgspec.json.format(msgspec.json.encode(full_json(full))).decode() + "\n",
    }
