"""Agents in real boxes: they mend a repository, cannot reach out of it, and leave their work behind at a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from agent_boxes import bash, call, told
from test_bash_agent import fenced

from harness.api import Harness, Limits, Output, SandboxSpec, TaskView
from harness.cli._trajectory import trajectory
from harness.config.suite import BoundGrader, Suite, System
from harness.engine.lanes import Lanes
from harness.engine.retry import RetryPolicy
from harness.engine.services import Services
from harness.engine.trial import Trial, run_attempt
from harness.graders.match import Match
from harness.harnesses.bash_agent import BashAgent
from harness.harnesses.tool_loop import ToolLoop
from harness.models.scripted import Scripted
from harness.prices import PriceBook
from harness.records.outcome import Attempt
from harness.records.task import Task
from harness.records.transcript import Transcript
from harness.sandboxes.docker import Docker
from harness.testing.fakes import FakeContext, a_file, a_task

pytestmark = pytest.mark.docker

BUG = "def middle(values):\n    values = sorted(values)\n    return values[len(values) // 2]\n"
TESTS = (
    "import unittest\nfrom stats import middle\n\n\nclass Middle(unittest.TestCase):\n"
    "    def test_odd(self):\n        self.assertEqual(middle([3, 1, 2]), 2)\n\n"
    "    def test_even(self):\n        self.assertEqual(middle([4, 1, 3, 2]), 2.5)\n"
)
GOOD = (
    "    half = len(values) // 2\n    if len(values) % 2:\n        return values[half]\n"
    "    return (values[half - 1] + values[half]) / 2\n"
)
OLD = "    return values[len(values) // 2]\n"
RUN = "python3 -m unittest -q 2>&1 | tail -3"
SED = f"cat > new.py <<'END'\n{BUG.replace(OLD, GOOD)}END\nmv new.py stats.py"

BY_TOOL = [bash("ls", "cat stats.py"), bash(RUN), bash(SED), bash(RUN, "git status --short"), "Mended.\nTASK_DONE\n2.5"]
BY_TEXT = [fenced("cat stats.py"), fenced(SED), fenced(RUN), "TASK_DONE\n2.5"]
BY_TOOLS = [
    call("search", pattern="def ", files="*.py"),
    call("view", path="stats.py"),
    call("python", code="from stats import middle\nprint(middle([4, 1, 3, 2]))"),
    call("str_replace", path="stats.py", old=OLD, new=GOOD),
    call("bash", command=RUN),
    call("submit", answer="2.5"),
]


def solve(harness: Harness, answers: Sequence[object], root: Path, task: TaskView) -> tuple[Output, FakeContext, str]:
    """The agent in a box of its own; its output, what it was told, and what the tests say in that box afterwards."""
    [(output, ctx)], after = solve_in_turn([(harness, answers)], root, task)
    return output, ctx, after


def solve_in_turn(
    agents: Sequence[tuple[Harness, Sequence[object]]], root: Path, task: TaskView
) -> tuple[list[tuple[Output, FakeContext]], str]:
    """Several agents one after another in one box."""

    async def go() -> tuple[list[tuple[Output, FakeContext]], str]:
        sandbox = Docker()
        try:
            async with sandbox.open(task.sandbox or SandboxSpec()) as box:
                done = []
                for harness, answers in agents:
                    client = Scripted.model_validate({"answers": answers}).open(root)
                    ctx = FakeContext(root, client, box=box)
                    done.append((await harness.solve(task, ctx), ctx))
                after = await box.exec(("sh", "-c", "python3 -m unittest -q 2>&1 || ls; ps ax"), timeout_s=30)
                return done, after.stdout.decode()
        finally:
            await sandbox.aclose()

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("harness", "answers"),
    [(BashAgent(), BY_TOOL), (BashAgent(actions="text"), BY_TEXT), (ToolLoop(), BY_TOOLS)],
    ids=["tools", "text", "loop"],
)
def test_a_bug_is_mended(harness: Harness, answers: Sequence[object], tmp_path: Path) -> None:
    files = (a_file(tmp_path, "stats.py", BUG.encode()), a_file(tmp_path, "test_stats.py", TESTS.encode()))
    task = a_task("`middle` is wrong for even lists. What is it for [4, 1, 3, 2]?", files=files, sandbox=SandboxSpec())
    output, ctx, after = solve(harness, answers, tmp_path, task)
    assert (output.answer, output.declared_done) == ("2.5", True)
    assert "OK" in after and "FAILED" not in after
    said = "\n".join(text for i in range(1, len(ctx.calls)) for text in told(ctx, i))
    assert "return values[len(values) // 2]" in said and "OK" in said
    if harness == BashAgent():
        assert "FAILED (failures=1)" in said
    assert "there is no network" in ctx.calls[0].last_text and "you are agent" in ctx.calls[0].last_text


ASKS_SERVER = """import time, urllib.request
for _ in range(500):
    try:
        print(urllib.request.urlopen('http://127.0.0.1:8123').status)
        break
    except OSError:
        time.sleep(0.05)
"""


def test_a_command_that_is_too_slow_dies_with_its_tree_and_servers_live_on(tmp_path: Path) -> None:
    """Only the slow command stands under the short limit: on a busy machine it would end the others as well."""
    agents = [
        (ToolLoop(), [bash("python3 -m http.server 8123 >log 2>&1 &"), call("submit")]),
        (ToolLoop(command_timeout_s=1), [bash("(setsid sleep 311 &) ; sleep 312 & sleep 313"), call("submit")]),
        (ToolLoop(), [call("python", code=ASKS_SERVER), call("submit")]),
    ]
    [started, slow, asked], after = solve_in_turn(agents, tmp_path, a_task("x", sandbox=SandboxSpec()))
    assert told(slow[1], 1)[0].startswith("timed out: killed after 1 s")
    assert [output.metrics["timeouts"] for output, _ in (started, slow, asked)] == [0, 1, 0]
    assert "sleep 31" not in after and "http.server" in after
    assert "200" in told(asked[1], 1)[0]


def test_the_box_bounds_files_memory_output_and_the_network(tmp_path: Path) -> None:
    answers = [
        call("create", path="/etc/passwd", text="root::0:0"),
        call("python", code="x = bytearray(10**9)\nx[::4096] = b'x' * len(x[::4096])"),
        bash("head -c 3000000 /dev/zero | tr '\\0' a"),
        call("python", code="import urllib.request as u; u.urlopen('http://1.1.1.1', timeout=3)"),
        bash(f"true # {'x' * 150_000}"),
        call("submit"),
    ]
    spec = SandboxSpec(memory=256 * 1024**2)
    _, ctx, _ = solve(ToolLoop(), answers, tmp_path, a_task("x", sandbox=spec))
    said = [told(ctx, i)[0] for i in range(1, 6)]
    assert "Permission denied" in said[0]
    assert "out of memory" in said[1]
    assert "the middle of the output is gone" in said[2] and len(said[2]) < 11_000
    assert "unreachable" in said[3]
    assert said[4] == "exit code: 0\n(no output)"


def attempt_of(harness: Harness, model: Scripted, limits: Limits, root: Path) -> tuple[Attempt, Transcript]:
    """One attempt through the real spine."""
    task = Task(id="t", prompt="Do it.", reference="7", graders=("match",), sandbox=SandboxSpec(), limits=limits)
    system = System("s", harness, {"main": model}, Limits(), True, "h", "m", {})
    suite = Suite(
        "x", root, root / "tasks/x/suite.yaml", [task], {"s": system}, {"match": BoundGrader("match", Match(), "g", {})}
    )
    recorded: list[tuple[Attempt, Transcript]] = []

    async def go() -> None:
        sandbox = Docker()
        services = Services(
            suite, RetryPolicy(), PriceBook.load(None), lambda a, t, *_: recorded.append((a, t)), Lanes(2), sandbox
        )
        try:
            await run_attempt(Trial(task, "s", 1), services, 0)
        finally:
            await services.aclose()
            await sandbox.aclose()

    asyncio.run(go())
    return recorded[0]


STEP = {**bash("echo work >> log"), "usage": {"input": 100, "output": 50}}


@pytest.mark.parametrize(
    ("limits", "limit", "turns"),
    [
        (Limits(turns=2), "turns", 2),
        (Limits(tokens=400), "tokens", 3),
        (Limits(time_s=4.0), "time", 3),
        (Limits(), "turns", 4),
    ],
)
def test_every_limit_is_recorded_and_the_work_so_far_is_graded(
    limits: Limits, limit: str, turns: int, tmp_path: Path
) -> None:
    last = bash("sleep 60") if limit == "time" else STEP
    model = Scripted.model_validate({"answers": [STEP, STEP, last, STEP, STEP]})
    attempt, _ = attempt_of(BashAgent(max_turns=4), model, limits, tmp_path)
    assert (attempt.limit, attempt.turns, attempt.status, attempt.passed) == (limit, turns, "graded", False)
    assert attempt.output.declared_done is False
    assert attempt.output.metrics["commands"] == (2 if limit == "time" else turns)
    assert attempt.digests.image.startswith("sha256:")


def test_a_whole_attempt_passes_and_its_transcript_has_every_step(tmp_path: Path) -> None:
    model = Scripted.model_validate({"answers": [bash("echo 3+4 | tee sum"), call("submit", answer="7")]})
    attempt, transcript = attempt_of(ToolLoop(), model, Limits(), tmp_path)
    assert (attempt.passed, attempt.turns, attempt.output.declared_done) == (True, 2, True)
    shown = "\n".join(trajectory(transcript.events))
    assert "step 1, main (solve)" in shown and "step 2, main (solve)" in shown
    assert '[calls bash] {"command":"echo 3+4 | tee sum"}' in shown and "\n      3+4\n" in shown


MISSING = "frobnicate --all"
MISUSE = {
    "tools": (
        BashAgent(),
        [bash(MISSING, MISSING, MISSING), call("edit", path="a"), call("bash", cmd="ls"), "TASK_DONE\n8"],
    ),
    "text": (BashAgent(actions="text"), [fenced(MISSING), fenced(MISSING), fenced(MISSING), "Hm.", "TASK_DONE\n8"]),
    "loop": (
        ToolLoop(),
        [call("bash", command=MISSING)] * 3 + [call("edit", path="a"), call("view"), call("submit", answer="8")],
    ),
}


@pytest.mark.parametrize("how", MISUSE)
def test_tools_that_are_misused_are_told_and_change_no_verdict(how: str, tmp_path: Path) -> None:
    harness, answers = MISUSE[how]
    attempt, _ = attempt_of(harness, Scripted.model_validate({"answers": answers}), Limits(), tmp_path)
    assert (attempt.status, attempt.passed) == ("graded", False)
    calls = ("unknown_tool: 1 (edit)",) if how != "text" else ()
    bad = {"tools": ("bad_arguments: 1 (bash: without command)",), "loop": ("bad_arguments: 1 (view: without path)",)}
    again = MISSING if how == "text" else f'bash {{"command":"{MISSING}"}}'
    assert attempt.flags == (
        *bad.get(how, ()), "command_not_found: 3 (frobnicate)", f"repeated_failure: 3 ({again})", *calls,
    )  # fmt: skip


def test_honest_trials_and_errors_are_no_misuse(tmp_path: Path) -> None:
    commands = [
        "command -v rg || echo none", "ls nowhere", "python3 -m unittest", "echo x > a", "python3 -m unittest",
        "printf 'sh: 1: f%s: not found\\n' oo > log", "cat log", "false", "false",
    ]  # fmt: skip
    answers = [*(bash(c) for c in commands), "TASK_DONE\n7"]
    attempt, _ = attempt_of(BashAgent(), Scripted.model_validate({"answers": answers}), Limits(), tmp_path)
    assert attempt.flags == ()
