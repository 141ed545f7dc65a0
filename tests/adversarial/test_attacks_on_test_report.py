"""Every known way to make a test run say what it should not: the verdict stays, and the attempt is told."""

from __future__ import annotations

import asyncio

import pytest
from attacks import ALWAYS_EQUAL, COMPUTED, INSIDE, OUTSIDE, Attack
from grading_lab import FAIL_TO_PASS, FIX, HIDDEN, PASS_TO_PASS, EngineWork, Lab, change

from harness.api import Artifact, Grade, Output, Verdict
from harness.graders.test_report import TestReport
from harness.sandboxes.docker import Docker

pytestmark = pytest.mark.docker
GRADER = TestReport(tests=HIDDEN, fail_to_pass=tuple(FAIL_TO_PASS), pass_to_pass=tuple(PASS_TO_PASS), timeout_s=30)


AT_ONCE = 4


@pytest.fixture(scope="module")
def alone(lab: Lab) -> dict[str, Grade]:
    """The grade of every attack, by its name."""
    return graded(lab, {a.name: change(a.files) for a in (*OUTSIDE, *INSIDE)})


@pytest.fixture(scope="module")
def with_fix(lab: Lab) -> dict[str, Grade]:
    """The grade of every attack from outside that comes with the right fix."""
    return graded(lab, {a.name: change({**a.files, **FIX}) for a in OUTSIDE})


def graded(lab: Lab, patches: dict[str, bytes]) -> dict[str, Grade]:
    """Grade several at once, as a run does."""

    async def all_of_them(docker: Docker) -> list[Verdict]:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(patch: bytes) -> Verdict:
            output = Output(artifacts=(Artifact("patch", patch),))
            async with places:
                return await GRADER.grade(EngineWork(lab.task(), output, docker, lab.workspace))

        return list(await asyncio.gather(*map(one, patches.values())))

    verdicts = dict(zip(patches, lab.run(all_of_them), strict=True))
    assert all(isinstance(v, Grade) for v in verdicts.values()), verdicts
    return {name: v for name, v in verdicts.items() if isinstance(v, Grade)}


@pytest.mark.parametrize("attack", [*OUTSIDE, *INSIDE], ids=lambda a: a.name)
def test_an_attack_does_not_pass_and_is_told(attack: Attack, alone: dict[str, Grade]) -> None:
    grade = alone[attack.name]
    assert not grade.passed and grade.value == 0, grade
    if attack.label:
        assert grade.label == attack.label, grade
    assert attack.flag and any(flag.startswith(attack.flag) for flag in grade.flags), grade


@pytest.mark.parametrize("attack", OUTSIDE, ids=lambda a: a.name)
def test_a_fix_is_not_punished_for_what_came_with_it(attack: Attack, with_fix: dict[str, Grade]) -> None:
    """What is outside the source is dropped, so the verdict is the fix's own; the flag is there all the same."""
    grade = with_fix[attack.name]
    assert grade.passed and grade.label == "resolved", grade
    assert any(flag.startswith(attack.flag) for flag in grade.flags), grade


def test_an_object_equal_to_everything_is_seen_by_a_written_value(lab: Lab) -> None:
    grade = lab.grade(GRADER, patch=change(ALWAYS_EQUAL.files))
    assert (grade.label, grade.passed) == (ALWAYS_EQUAL.label, False), grade


def test_an_object_equal_to_everything_needs_better_tests(lab: Lab) -> None:
    """What no grader can see: tests that compute what they expect. It is here so that nobody believes otherwise."""
    computed = TestReport(tests=COMPUTED, fail_to_pass=("tests/test_add.py::test_sum",), timeout_s=30)
    assert lab.grade(computed, patch=change(ALWAYS_EQUAL.files)).label == "resolved"


def link(path: str, target: str) -> bytes:
    return (
        f"diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n"
        f"@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    ).encode()


@pytest.mark.parametrize(
    ("path", "target", "flag"),
    [
        ("calc/out", "/etc", "symlink: calc/out"),
        ("calc/up", "../../..", "symlink: calc/up"),
        ("calc/chain", "a/link/../..", "symlink: calc/chain"),
        ("tests/test_add.py", "../calc/core.py", "protected_path: tests/test_add.py"),
        ("calc/hooks", "../.git/hooks", "symlink: calc/hooks"),
        (".git/hooks/pre-commit", "/bin/true", "unsafe_path"),
        ("../escape", "x", "unsafe_path"),
    ],
)
def test_links_that_lead_out_are_dropped(path: str, target: str, flag: str, lab: Lab) -> None:
    grade = lab.grade(GRADER, patch=link(path, target) + change(FIX))
    assert grade.passed and any(said.startswith(flag) for said in grade.flags), grade
