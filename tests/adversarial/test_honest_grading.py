"""What an honest grader says of honest work: the ground that the attacks stand on."""
# ruff: noqa: E501 - tables of cases and texts of programs

from __future__ import annotations

from typing import Any

import pytest
from grading_lab import FAIL_TO_PASS, FIX, HIDDEN, PASS_TO_PASS, TREE, EngineWork, Lab, change

from harness.api import Artifact, Grade, Json, NotGraded, Output
from harness.graders.test_report import TestReport

pytestmark = pytest.mark.docker
CORE = TREE["calc/core.py"]
NO_GOLD: dict[str, Json] = {"patch": ""}


def grader(**more: Any) -> TestReport:
    known: dict[str, Any] = {
        "tests": HIDDEN, "fail_to_pass": tuple(FAIL_TO_PASS), "pass_to_pass": tuple(PASS_TO_PASS), "timeout_s": 30,
    }  # fmt: skip
    return TestReport(**{**known, **more})


def test_the_right_patch_is_resolved(lab: Lab) -> None:
    grade = lab.grade(grader(), patch=change(FIX))
    assert (grade.passed, grade.label, grade.flags, grade.weak) == (True, "resolved", (), False), grade
    assert grade.parts["collected"] == 5


def test_the_wrong_patch_fails_and_the_half_right_is_partial(lab: Lab) -> None:
    assert lab.grade(grader(), patch=change({"README.md": "x\n"})).label == "failed"
    half = change({"calc/core.py": CORE.replace("a - b", "a + b if a < 50 else 0")})
    assert lab.grade(grader(), patch=half).label == "partial"
    broken = change({"calc/core.py": FIX["calc/core.py"].replace("2 * a", "3 * a")})
    grade = lab.grade(grader(), patch=broken)
    assert grade.label == "failed" and grade.flags == ("rerun_failed: 1 pass-to-pass",)


def test_a_program_that_cannot_be_imported_fails_without_suspicion(lab: Lab) -> None:
    grade = lab.grade(grader(), patch=change({"calc/core.py": "def broken(:\n"}))
    assert (grade.label, grade.passed, grade.flags) == ("failed", False, ()), grade


def test_nothing_is_run_for_an_empty_patch_but_can_be(lab: Lab) -> None:
    assert lab.grade(grader()).label == "empty_patch"
    assert lab.grade(grader(), patch=b" \n").label == "empty_patch"
    verdict = lab.run(lambda d: grader().examine(EngineWork(lab.task(), Output(), d, lab.workspace), b""))
    assert isinstance(verdict, Grade) and verdict.label == "failed" and verdict.parts["collected"] == 5


def test_a_patch_that_does_not_apply_is_said_to_be_one(lab: Lab) -> None:
    stale = change({"calc/core.py": "b\n"}, {"calc/core.py": "a\n"})
    grade = lab.grade(grader(), patch=stale)
    assert (grade.label, grade.passed) == ("patch_error", False)
    assert lab.grade(grader(), patch=b"I changed the minus to a plus.\n").label == "patch_error"


def test_a_patch_with_moved_context_goes_in_as_in_swe_bench(lab: Lab) -> None:
    """git refuses it: the context's first line is not the file's. Only `patch` with fuzz takes it."""
    moved = b"--- a/calc/core.py\n+++ b/calc/core.py\n@@ -1,3 +1,3 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n \n"
    grade = lab.grade(grader(), patch=moved)
    assert (grade.label, grade.flags) == ("resolved", ()), grade


def test_hidden_tests_can_be_a_folder_or_a_patch(lab: Lab) -> None:
    folder = lab.workspace / "hidden" / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test_add.py").write_text(HIDDEN["tests/test_add.py"])
    assert lab.grade(grader(tests="hidden"), patch=change(FIX)).label == "resolved"
    text = change(HIDDEN).decode()  # type: ignore[arg-type]
    grade = lab.grade(grader(tests={}, test_patch=text), patch=change(FIX))
    assert (grade.label, grade.parts["collected"]) == ("resolved", 5)


def test_a_reference_can_say_what_is_wanted(lab: Lab) -> None:
    reference = {
        "patch": change(FIX).decode(),
        "tests": HIDDEN,
        "fail_to_pass": FAIL_TO_PASS,
        "pass_to_pass": PASS_TO_PASS,
    }
    assert lab.grade(TestReport(), lab.task(reference), patch=change(FIX)).label == "resolved"


def test_visible_tests_are_told_apart(lab: Lab) -> None:
    seen = grader(visible=("tests/test_double.py::test_double",), pass_to_pass=())
    assert lab.grade(seen, patch=change({"README.md": "x\n"})).label == "passes_visible_fails_hidden"


def test_a_crash_is_not_held_against_work_without_a_right_patch(lab: Lab) -> None:
    crash = change({"calc/core.py": "import os\nos.kill(os.getpid(), 9)\n"})
    verdict = lab.verdict(grader(), lab.task(NO_GOLD), patch=crash)
    assert isinstance(verdict, NotGraded) and verdict.cause == "environment"
    assert lab.grade(grader(), patch=crash).label == "failed"


def test_a_broken_environment_is_no_verdict(lab: Lab) -> None:
    for broken in (grader(python="python9"), grader(options=("--no-such-option",))):
        verdict = lab.verdict(broken, patch=change(FIX))
        assert isinstance(verdict, NotGraded) and verdict.cause == "environment", verdict


def test_a_flaky_pass_to_pass_test_gets_a_second_run(lab: Lab) -> None:
    """It passes only where the box's random folder has a certain letter: about every second run."""
    flaky = {"tests/test_flaky.py": "import glob\n\n\ndef test_f():\n    assert glob.glob('/grade-[0-7]*')\n"}
    wanted = (*PASS_TO_PASS, "tests/test_flaky.py::test_f")
    seen = set()
    for _ in range(48):  # one in four fails first and passes then: never in 48 is one in a million
        grade = lab.grade(grader(tests={**HIDDEN, **flaky}, pass_to_pass=wanted), patch=change(FIX))
        seen.add((grade.label, grade.flags))
        if any("rerun_passed: tests/test_flaky.py::test_f" in flags for _, flags in seen):
            break
    assert ("resolved", ("rerun_passed: tests/test_flaky.py::test_f",)) in seen


def test_gold_changes_of_protected_files_are_laid_down(lab: Lab) -> None:
    gold = change({**FIX, "tests/conftest.py": TREE["tests/conftest.py"].replace("return 2", "return 20")})
    hidden = {
        "tests/test_add.py": "from calc.core import add\n\n\ndef test_small(two):\n    assert add(two, 1) == 21\n"
    }
    wanted = grader(tests=hidden, fail_to_pass=("tests/test_add.py::test_small",), pass_to_pass=())
    grade = lab.grade(wanted, lab.task({"patch": gold.decode()}), patch=change(FIX))
    assert grade.label == "resolved"


def test_a_build_runs_before_the_tests_are_there(lab: Lab) -> None:
    build = "ls tests > built.txt; (sleep 100 &) ; test -d calc"
    hidden = {
        "tests/test_built.py": "def test_b():\n    said = open('built.txt').read()\n    assert 'test_built' not in said\n"
    }
    wanted = grader(build=build, tests=hidden, fail_to_pass=("tests/test_built.py::test_b",), pass_to_pass=())
    assert lab.grade(wanted, patch=change(FIX)).label == "resolved"
    failing = grader(build="grep -q 'a + b' calc/core.py")
    assert lab.grade(failing, patch=change(FIX)).label == "resolved"
    assert lab.grade(failing, patch=change({"README.md": "x\n"})).flags[0].startswith("crash")


UNIT = {
    "tests/test_unit.py": "import unittest\n\nfrom calc.core import add\n\n\nclass Adds(unittest.TestCase):\n"
    "    def test_small(self):\n        self.assertEqual(add(1, 2), 3)\n\n"
    "    def test_many(self):\n        for a in range(3):\n            with self.subTest(a=a):\n"
    "                self.assertEqual(add(a, 1), a + 1)\n\n"
    "    @unittest.expectedFailure\n    def test_known(self):\n        self.fail()\n\n"
    "    @unittest.skip('later')\n    def test_later(self):\n        pass\n",
}
UNIT_IDS = tuple(f"tests.test_unit.Adds.{name}" for name in ("test_small", "test_many", "test_known"))


def test_unittest_by_our_own_runner(lab: Lab) -> None:
    wanted = TestReport(runner="unittest", tests=UNIT, fail_to_pass=UNIT_IDS, timeout_s=30)
    grade = lab.grade(wanted, patch=change(FIX))
    assert (grade.label, grade.parts["collected"]) == ("resolved", 4), grade
    assert lab.grade(wanted, patch=change({"README.md": "x\n"})).label == "partial"
    forged = CORE + "import unittest\nunittest.TestCase.assertEqual = lambda *a, **k: None\n"
    assert lab.grade(wanted, patch=change({"calc/core.py": forged})).label == "tampered"


def test_a_command_of_ones_own(lab: Lab) -> None:
    plain = TestReport(runner="command", command="python3 -c 'from calc.core import add; assert add(1, 2) == 3'")
    good, bad = lab.grade(plain, patch=change(FIX)), lab.grade(plain, patch=change({"README.md": "x\n"}))
    assert (good.label, good.weak, bad.label) == ("resolved", True, "failed")
    script = "import calc.core as c\nprint('1..2')\nfor i, name in enumerate(('add', '{name}'), 1):\n" \
             "    ok = name == 'add' and c.add(1, 2) == 3\n    print(('ok' if ok else 'not ok'), i, '-', name)\n" \
             "raise SystemExit(1)\n"  # fmt: skip
    tap = TestReport(
        runner="tap", command=("sh", "-c", "python3 -c \"import sys; sys.path[:0]=['.']; exec(open(sys.argv[1]).read())\" checks/run.py"),
        canary={"path": "checks/run.py", "text": script}, fail_to_pass=("add",),
    )  # fmt: skip
    grade = lab.grade(tap, patch=change(FIX))
    assert (grade.label, grade.weak) == ("resolved", True), grade


def test_the_system_that_refuses_is_not_run(lab: Lab) -> None:
    output = Output(refused=True, artifacts=(Artifact("patch", change(FIX)),))
    verdict = lab.run(lambda d: grader().grade(EngineWork(lab.task(), output, d, lab.workspace)))
    assert isinstance(verdict, Grade) and verdict.label == "refused"
