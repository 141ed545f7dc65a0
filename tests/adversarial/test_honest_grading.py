"""What an honest grader says of honest work: the ground that the attacks stand on."""

from __future__ import annotations

import pytest
from grading_lab import FAIL_TO_PASS, FIX, HIDDEN, PASS_TO_PASS, TREE, Lab, change

from harness.api import Grade, NotGraded
from harness.graders.test_report import TestReport

pytestmark = pytest.mark.docker
GRADER = TestReport(tests=HIDDEN, fail_to_pass=tuple(FAIL_TO_PASS), pass_to_pass=tuple(PASS_TO_PASS), timeout_s=60)


def test_the_right_patch_is_resolved(lab: Lab) -> None:
    grade = lab.grade(GRADER, patch=change(FIX))
    assert (grade.passed, grade.label, grade.flags, grade.weak) == (True, "resolved", (), False), grade
