"""A work that skips its tests, or lets them be expected to fail, from inside: no pass, and told."""

from __future__ import annotations

import pytest
from grading_lab import FAIL_TO_PASS, FIX, HIDDEN, PASS_TO_PASS, TREE, Lab, change

from harness.api import Grade, NotGraded
from harness.graders.test_report import TestReport

pytestmark = pytest.mark.docker
MORE = "from calc.core import double\n\n\ndef test_more():\n    assert double(3) == 6\n"
NO_LISTS = TestReport(tests={**HIDDEN, "tests/test_more.py": MORE}, timeout_s=60)
LISTS = TestReport(tests=HIDDEN, fail_to_pass=tuple(FAIL_TO_PASS), pass_to_pass=tuple(PASS_TO_PASS), timeout_s=60)
WAYS = {
    "SkipTest": "raise __import__('unittest').SkipTest('n/a')",
    "pytest.skip": "__import__('pytest').skip('n/a')",
    "pytest.xfail": "__import__('pytest').xfail('n/a')",
}
SKIPS = """\
import pytest

from calc.core import add


@pytest.mark.skip(reason="not here")
def test_elsewhere():
    assert add(1, 1) == 2


@pytest.mark.xfail
def test_known():
    assert add(1, 1) == 3


def test_here():
    assert add(1, 1) == 2
"""


def told(grade: Grade, id: str) -> bool:
    """That a test was skipped; or, where the copy that must fail called the work and was excused too, the canary."""
    return f"skipped: {id}" in grade.flags or (grade.label, "canary_passed" in grade.flags) == ("tampered", True)


@pytest.mark.parametrize("way", WAYS)
def test_skipping_the_tests_from_inside_the_work_does_not_pass_and_is_told(way: str, lab: Lab) -> None:
    """The work's own `add` says that its test is not for here; `double` works, so one test is there that passes."""
    lazy = change({"calc/core.py": TREE["calc/core.py"].replace("return a - b", WAYS[way])})
    for grader in (NO_LISTS, LISTS):
        grade = lab.grade(grader, patch=lazy)
        assert not grade.passed and told(grade, FAIL_TO_PASS[0]), grade


@pytest.mark.parametrize("way", WAYS)
def test_a_kept_test_that_the_right_patch_passes_may_not_be_skipped(way: str, lab: Lab) -> None:
    breaks = change({"calc/core.py": FIX["calc/core.py"].replace("return 2 * a", WAYS[way])})
    grade = lab.grade(LISTS, patch=breaks)
    assert not grade.passed and told(grade, PASS_TO_PASS[0]), grade


def test_what_the_hidden_tests_themselves_skip_is_not_held_against_the_work(lab: Lab) -> None:
    grader = TestReport(tests={"tests/test_some.py": SKIPS}, timeout_s=60)
    grade = lab.grade(grader, patch=change(FIX))
    assert (grade.label, grade.flags, grade.weak) == ("resolved", (), False), grade
    wrong = lab.grade(grader, patch=change({"README.md": "x\n"}))
    assert (wrong.passed, wrong.flags) == (False, ()), wrong
    alone = lab.grade(grader, lab.task({"patch": ""}), patch=change(FIX))
    assert not alone.passed and len(alone.flags) == 2, "without a right patch nobody says that this is as it should be"


def test_a_skip_where_the_right_patch_fails_is_nobodys_fault(lab: Lab) -> None:
    """The right patch of the task is no fix: what its run says cannot decide."""
    broken = lab.task({"patch": change({"README.md": "x\n"}).decode()})
    verdict = lab.verdict(TestReport(tests={"tests/test_some.py": SKIPS}, timeout_s=60), broken, patch=change(FIX))
    assert isinstance(verdict, NotGraded) and verdict.cause == "environment", verdict
