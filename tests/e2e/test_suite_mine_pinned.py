"""What `harness nightly --suite mine` needs of a fresh clone: pinned work that grades as it did, a `nightly:` key."""

from __future__ import annotations

from pathlib import Path

from harness.config.load import load_suite
from harness.engine.canary import pinned_path, replay
from harness.store.read import iter_attempts

ROOT = Path(__file__).resolve().parents[2]
PINNED = pinned_path(ROOT / "runs", "mine")


def test_the_pinned_work_of_mine_grades_as_it_was_graded() -> None:
    """After a grader or task was changed on purpose: harness nightly --suite mine, then --pin latest, and commit."""
    found = replay(load_suite(ROOT, "mine"), PINNED)
    assert (found.state, found.differ) == ("same", ()), found.detail
    assert found.checked >= 40


def test_the_pinned_work_has_passes_and_failures_and_nothing_of_a_process() -> None:
    passed = [a.passed for a in iter_attempts(PINNED)]
    assert min(passed.count(True), passed.count(False)) >= 10
    assert not list(PINNED.rglob(".lock"))


def test_the_suite_names_a_control_and_a_limit_of_its_nights() -> None:
    suite = load_suite(ROOT, "mine")
    assert suite.nightly.control in suite.systems
    assert suite.nightly.budget_usd is not None
    assert (ROOT / "tasks" / suite.nightly.canary / "suite.yaml").is_file()
