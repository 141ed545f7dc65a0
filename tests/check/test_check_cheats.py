"""What QA says of cheats: each that passes, but not where they tell nothing that nothing at all would not."""

from __future__ import annotations

from harness.api import Grade
from harness.qa.findings import CheatOutcome, Tally
from harness.qa.proof import cheats_checked

PASSES = CheatOutcome("forges", True, "resolved")
FAILS = CheatOutcome("waits", False, "failed")
LOST = CheatOutcome("kills", False, "environment: no report", graded=False)
FAILED, RESOLVED = Grade(0.0, False, "failed"), Grade(1.0, True, "resolved")


def told(outcomes: list[CheatOutcome], base: list[Grade], right: int) -> list[tuple[str, str]]:
    return [(f.level, f.what) for f in cheats_checked(outcomes, base, Tally(right, 3))]


def test_a_cheat_that_passes_is_a_fault_and_one_not_graded_a_warning() -> None:
    assert told([PASSES, FAILS, LOST], [FAILED], 3) == [
        ("fail", "a cheat passes: forges"),
        ("warn", "a cheat was not graded: kills: environment: no report"),
    ]
    assert told([FAILS], [FAILED], 3) == []


def test_where_the_untouched_code_passes_that_is_the_fault() -> None:
    assert told([PASSES, PASSES, FAILS], [FAILED, RESOLVED], 3) == [
        ("info", "2 of 3 cheats pass as the untouched code does; they can be told once it fails")
    ]


def test_where_the_reference_fails_cheats_that_are_not_graded_are_one_line() -> None:
    assert told([PASSES, LOST, LOST], [FAILED], 0) == [
        ("fail", "a cheat passes: forges"),
        ("info", "2 of 3 cheats were not graded, for the reference does not pass either"),
    ]
