"""Row 14, the rows that are tests and no simulation, and the tests beside each simulated row."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from cells import Cell, Row, at_least, at_most
from junitparser import JUnitXml

from harness.stats.calibration import calibration

TESTS = Path(__file__).resolve().parents[1]

PROOFS: dict[int, tuple[str, ...]] = {
    1: ("stats/test_intervals.py::test_wilson_equals_statsmodels",),
    2: ("stats/test_intervals.py::test_the_headline_interval_covers_with_families",),
    3: (
        "planted/test_attempts_are_no_units.py",
        "report/test_report_build.py::test_repeating_the_same_outcomes_adds_no_certainty_about_other_tasks",
    ),
    4: ("compare/test_compare_cmd.py::test_holm_holds_over_the_metrics_that_decide",),
    5: ("compare/test_disasters.py::test_all_equal_runs_of_few_tasks_are_not_ok",),
    6: ("compare/test_compare_cmd.py::test_the_detectable_loss_and_what_settles_it_are_told",),
    7: ("stats/test_paired.py::test_equal_runs_never_have_a_zero_width",),
    8: (
        "compare/test_disasters.py::test_a_disaster_ends_in_its_own_code",
        "compare/test_compare_cmd.py::test_a_verdict_that_hangs_on_what_is_missing_is_none",
    ),
    9: (
        "compare/test_disasters.py",
        "compare/test_disasters_everywhere.py",
        "report/test_report_sections.py::test_no_task_at_all_gives_reasons_and_code_5",
        "report/test_report_sections.py::test_everything_errored_is_not_nought_percent",
        "report/test_report_sections.py::test_one_family_has_no_interval_anywhere_and_says_so",
    ),
    10: (
        "stats/test_drift.py::test_a_quiet_year_rarely_alarms_whatever_the_nights_share",
        "cli/test_trend_cmd.py::test_quiet_nights_are_ok",
    ),
    11: (
        "stats/test_drift.py::test_a_step_is_found_within_two_weeks",
        "stats/test_drift.py::test_the_onset_of_a_step_is_dated_to_the_night",
        "cli/test_trend_cmd.py::test_a_step_alarms_with_its_onset_and_the_lowest_rung_that_moved",
    ),
    12: ("stats/test_drift.py::test_hard_tasks_that_go_missing_move_nothing",),
    13: (
        "stats/test_repeats.py::test_estimators_over_epochs_have_no_bias",
        "stats/test_repeats.py::test_too_few_epochs_are_undefined_and_not_nought",
    ),
    14: ("stats/test_calibration.py",),
    15: (
        "stats/test_intervals.py::test_p95_needs_72_values",
        "compare/test_gate_policy.py::test_latency_is_judged_by_the_paired_ratio",
    ),
    16: (
        "stats/test_intervals.py::test_cost_per_success_covers_with_skewed_costs",
        "stats/test_intervals.py::test_no_success_has_no_cost_per_success",
        "report/test_report_build.py::test_no_success_costs_at_least_the_total",
    ),
    17: ("prices/test_prices_book.py",),
    18: (
        "report/test_route_cells.py",
        "cli/test_route_cmd.py",
    ),
    19: (
        "stats/test_paired.py",
        "stats/test_intervals.py::test_wilson_equals_statsmodels",
        "stats/test_intervals.py::test_cluster_variance_equals_statsmodels",
        "stats/test_intervals.py::test_quantile_intervals_equal_scipy",
        "stats/test_repeats.py::test_exact_intervals_are_scipys_and_statsmodels",
    ),
    20: (
        "compare/test_gate_outputs.py",
        "compare/test_ci_readers.py",
        "report/test_report_html.py",
        "cli/test_nightly_cmd.py::test_github_gets_a_summary_and_outputs",
    ),
    21: (
        "compare/test_gate_outputs.py::test_the_same_bytes_in_give_the_same_bytes_out",
        "compare/test_simulate.py",
        "report/test_report_naive.py::test_the_order_of_lines_says_nothing_even_where_lines_disagree_about_a_task",
        "cli/test_route_cmd.py::test_the_same_runs_give_the_same_bytes",
        "cli/test_trend_cmd.py::test_the_same_nights_give_the_same_bytes_whatever_is_stored",
        "store/test_store_records.py::test_a_regraded_runs_order_does_not_matter",
    ),
}
"""Row -> tests, below tests/. Rows without a simulation consist of these alone."""


def by_tests(number: int, _: int) -> list[Cell]:
    """A cell for each test function: the share of its cases that passed, in a pytest of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "found.xml"
        nodes = [str(TESTS / node) for node in PROOFS[number]]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={found}", *nodes]
        done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, timeout=900, check=False)
        if not found.is_file():
            raise RuntimeError(f"row {number}: pytest wrote nothing: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        cases, passed = Counter[str](), Counter[str]()
        for suite in JUnitXml.fromfile(str(found)):
            for case in suite:
                name = f"{case.classname.rpartition('.')[2]}::{case.name.partition('[')[0]}"
                cases[name] += 1
                passed[name] += case.is_passed
    return [Cell(f"`{name}` ({n} cases)", passed[name] / n, 1.0, 1.0) for name, n in cases.items()]


def row_14(replicates: int) -> list[Cell]:
    """Corrected calibration error, of systems that are calibrated and that are surer than right by 0.1."""
    cells = []
    for n in (100, 300, 1000):
        for over in (0.0, 0.1) if n == 1000 else (0.0,):
            found = [calibration(*_answers(n, over, seed), seed=seed).corrected for seed in range(replicates)]
            values = np.array([c.value for c in found])
            above = float(np.mean([c.interval is not None and c.interval.low > 0 for c in found]))
            if over:
                cells.append(at_least(f"{n} answers, {over} too sure: found", above, 0.8, replicates))
                continue
            slack = 0.01 + 3 * float(values.std()) / replicates**0.5
            cells.append(Cell(f"{n} answers, calibrated: mean corrected error", float(values.mean()), -slack, slack))
            cells.append(at_most(f"{n} answers, calibrated: called miscalibrated", above, 0.05, replicates))
    return cells


def _answers(n: int, over: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence ~ U(.5, 1), right ~ Bernoulli(confidence - over), each answer of a task of its own."""
    rng = np.random.default_rng([n, round(10 * over), seed])
    sure = rng.uniform(0.5, 1, n)
    return sure, (rng.random(n) < sure - over).astype(float), np.arange(n)


def _tests(number: int, planted: str, requirement: str) -> Row:
    cells: Callable[[int], list[Cell]] = partial(by_tests, number)
    return Row(number, planted, requirement, cells, quick=0, full=1)


ROWS = [
    _tests(9, "0 tasks, all errors, no match, NaN, one family", "codes 5, 3, 5, 3; undefined, never 0"),
    Row(14, "calibrated, or too sure by 0.1", "corrected error 0 +- 0.01; found in >= 0.8 at 1,000", row_14, 60, 400),
    _tests(17, "a golden file of prices", "tiers, cache, batch, unknown is not 0, both conventions"),
    _tests(19, "scipy and statsmodels", "equal to 1e-9"),
    _tests(20, "what CI reads", "parsed back, bounded, escaped, without secrets"),
    _tests(21, "the same folders, in any order", "the same bytes"),
]
