"""Plugins that give back nonsense or end the program: each is one recorded fault, and the others' trials go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cli_process import run_harness

GRADER = '''
import sys

from harness.api import Grade, Grader, Verdict, Work

HOW = {
    "nothing": lambda: None, "text": lambda: Grade("1", True), "truthy": lambda: Grade(1.0, "yes"),
    "number": lambda: Grade(1.0, True, extracted=5), "exit": lambda: sys.exit(0), "right": lambda: Grade(1.0, True),
}


class Odd(Grader):
    """Gives back what it is told to."""

    how: str
    """Which nonsense."""

    async def grade(self, work: Work) -> Verdict:
        """Nonsense."""
        return HOW[self.how]()
'''
HARNESS = '''
import sys

from harness.api import Harness, Output, SolveContext, TaskView

HOW = {
    "nothing": lambda: None, "text": lambda: "x", "number": lambda: Output(answer=5), "exit": lambda: sys.exit(0),
    "right": lambda: Output(answer="x"), "truthy": lambda: Output(confidence=7.0),
}


class Odd(Harness):
    """Gives back what the task names."""

    def roles(self):
        """None."""
        return ()

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """Nonsense."""
        return HOW[task.id]()
'''
SUITE = """\
suite: s
tasks: [tasks/s/t.yaml]
systems: [{name: odd, harness: harnesses/odd.py}, {name: right, harness: reference}]
"""
KINDS = ("nothing", "text", "truthy", "number", "exit", "right")


def test_nonsense_of_plugins_is_recorded_and_stops_nobody(tmp_path: Path) -> None:
    tasks = "".join(
        f"  - {{id: {k}, prompt: p, reference: x, graders: [{{use: graders/odd.py, how: {k}}}]}}\n" for k in KINDS
    )
    for name, text in {
        "graders/odd.py": GRADER, "harnesses/odd.py": HARNESS, "tasks/s/t.yaml": "tasks:\n" + tasks,
        "tasks/s/suite.yaml": SUITE,
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = run_harness(("run", "--suite", "s", "--quiet"), tmp_path, os.environ, 60)
    assert done.returncode == 3, done.stderr
    (record,) = tmp_path.glob("runs/*/attempts.jsonl")
    found = {
        (a["system"], a["task"]): a for a in map(json.loads, record.read_text().splitlines()) if a.get("final", True)
    }
    assert len(found) == 2 * len(KINDS)
    for kind in KINDS[:-1]:
        assert found["odd", kind]["status"] == "infra_error", kind
        assert found["odd", kind]["trouble"]["source"] == "harness"
        assert found["right", kind]["status"] == "ungradable", kind
        assert found["right", kind]["trouble"]["cause"] == "grader_fault", kind
    assert found["odd", "right"]["passed"] and found["right", "right"]["passed"]
