"""Every installed grader keeps the contract; and the contract suite finds those that do not."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from harness.api import Grade, Grader, GraderCase, Task, Verdict, Work
from harness.plugins.loader import installed, load
from harness.testing.check_grader import check_grader
from harness.testing.checks import failed

SHIPPED = [
    "all_of", "any_of", "choice", "code_tests", "match", "math", "numeric", "script", "similarity", "state",
    "structured", "table", "test_report", "weighted",
]  # fmt: skip


def test_every_shipped_grader_is_installed() -> None:
    assert set(SHIPPED) <= set(installed("grader"))


@pytest.mark.parametrize("name", sorted(installed("grader")))
def test_installed_grader_keeps_the_contract(name: str, tmp_path: Path) -> None:
    cls = load("grader", name, tmp_path)
    assert issubclass(cls, Grader)
    assert failed(check_grader(cls, tmp_path)) == []


class Broken(Grader):
    """Breaks rules on purpose; `how` says which."""

    how: str = ""
    """Which rule."""

    cases = (GraderCase("yes", True, "yes"), GraderCase("no", False, "yes"))
    seen: ClassVar[list[int]] = []
    """Changes from call to call."""

    def check_task(self, task: Task) -> str:
        """Takes for granted what a task need not have."""
        return "" if self.how != "looks at tasks" else str(task.meta["gold"])

    async def grade(self, work: Work) -> Verdict:
        answer = work.output.answer or ""
        match self.how:
            case "raises" if "\0" in answer:
                raise RuntimeError("boom")
            case "surrogates":
                return Grade(float(answer == "yes"), answer == "yes", "x", extracted=answer)
            case "out of range":
                return Grade(2.0 * (answer == "yes"), answer == "yes", "x")
            case "passes nothing":
                return Grade(float(answer != "no"), answer != "no", "x")
            case "random":
                self.seen.append(1)
                return Grade(float(answer == "yes"), answer == "yes", str(len(self.seen)))
        passed = answer == "yes" and not work.output.refused and not work.output.abstained
        return Grade(float(passed), passed, "x")


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("raises", "survives null bytes"),
        ("surrogates", "survives lone surrogates"),
        ("out of range", "the verdict of case 1 can be stored"),
        ("passes nothing", "no answer never passes"),
        ("random", "is deterministic and leaves the work alone"),
        ("looks at tasks", "check_task never raises"),
    ],
)
def test_a_broken_grader_is_found(how: str, check: str, tmp_path: Path) -> None:
    cases = tuple(GraderCase(c.answer, c.expect, c.reference, {"how": how}) for c in Broken.cases)
    cls = type("BrokenHere", (Broken,), {"cases": cases, "__doc__": "Broken."})
    assert check in [f.check for f in failed(check_grader(cls, tmp_path))]


def test_a_sound_grader_of_ten_lines_has_no_findings(tmp_path: Path) -> None:
    assert failed(check_grader(Broken, tmp_path)) == []


def test_a_grader_without_cases_is_found(tmp_path: Path) -> None:
    cls = type("NoCases", (Broken,), {"cases": (), "__doc__": "No cases."})
    names = [f.check for f in failed(check_grader(cls, tmp_path))]
    assert names == ["has a case that passes", "has a case that fails"]
