from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))

from cases import attempt, drawn, info, invalid, manifest, nothing_graded, nothing_ran, ordinary, write

from harness.errors import Exit, StoreError
from harness.records.content import Usage
from harness.records.outcome import Output, Timing, Trouble
from harness.report.build import build_report
from harness.report.markdown import render_markdown
from harness.report.text import render_text
from harness.stats.intervals import wilson, z_of

INFRA: dict[str, Any] = {"status": "infra_error", "value": None, "trouble": Trouble("model", "server")}


def report_of(runs: Path, attempts: list, n_tasks: int, epochs: int = 1, **more: Any):
    names = sorted({a.system for a in attempts}) or ["alpha"]
    plan = manifest(tuple(info(n, **more) for n in names), n_tasks, epochs)
    return build_report(write(runs, plan, attempts))


@pytest.mark.parametrize(
    ("make", "code"),
    [(ordinary, Exit.OK), (invalid, Exit.INVALID), (nothing_graded, Exit.INVALID), (nothing_ran, Exit.NOTHING)],
)
def test_the_exit_code_says_whether_to_believe_it(tmp_path, make, code):
    assert build_report(make(tmp_path)).exit_code == code


def test_repeating_the_same_outcomes_adds_no_certainty_about_other_tasks(tmp_path):
    """Row-level standard errors would shrink with every epoch; the task is the unit of analysis."""
    spans = []
    for epochs in (1, 5):
        found = [attempt(f"t{i:02d}", "alpha", i % 3 > 0, epoch=e) for i in range(30) for e in range(1, epochs + 1)]
        spans.append(report_of(tmp_path / str(epochs), found, 30, epochs).systems[0].passed.other_tasks)
    assert spans[0] is not None
    assert spans[0] == spans[1]
    rows = wilson(20 / 30, 150, z_of(0.95))
    assert spans[1].high - spans[1].low > 1.8 * (rows.high - rows.low)


def test_a_family_is_worth_less_than_its_tasks(tmp_path):
    alone = [attempt(f"t{i:02d}", "alpha", i // 4 % 2 == 0) for i in range(40)]
    together = [msgspec.structs.replace(a, family=f"f{i // 4}") for i, a in enumerate(alone)]
    a = report_of(tmp_path / "a", alone, 40).systems[0].passed
    b = report_of(tmp_path / "b", together, 40).systems[0].passed
    assert (a.value, a.families, b.families) == (b.value, 40, 10)
    assert b.other_tasks.high - b.other_tasks.low > 1.7 * (a.other_tasks.high - a.other_tasks.low)


def test_tasks_weigh_equally_whatever_their_epochs(tmp_path):
    found = [attempt("a", "alpha", True)] + [attempt("b", "alpha", False, epoch=e) for e in (1, 2, 3)]
    found += [attempt("a", "alpha", None, epoch=e, **INFRA) for e in (2, 3)]
    assert report_of(tmp_path, found, 2, 3).systems[0].passed.value == 0.5


def test_five_of_five_is_not_certain(tmp_path):
    rate = report_of(tmp_path, [attempt(f"t{i}", "alpha") for i in range(5)], 5).systems[0].passed
    assert rate.other_tasks is None
    assert rate.why_not == "5 tasks, 8 are needed"
    assert (round(rate.again.low, 3), rate.again.high) == (0.566, 1.0)


def test_nothing_graded_is_not_zero_percent(tmp_path):
    found = drawn(nothing_graded(tmp_path))
    assert "not graded" in found["txt"]
    assert "0.0% " not in found["txt"].split("results")[1]
    assert msgspec.json.decode(found["json"])["systems"][0]["passed"]["value"] is None


def test_a_failed_measurement_is_neither_a_pass_nor_a_fail(tmp_path):
    found = [attempt(f"t{i}", "alpha", True) for i in range(9)] + [attempt("t9", "alpha", None, **INFRA)]
    system = report_of(tmp_path, found, 10).systems[0]
    assert (system.passed.value, system.passed.tasks) == (1.0, 9)
    assert (system.coverage.bounds.low, system.coverage.bounds.high) == (0.9, 1.0)
    assert [(c.name, c.n) for c in system.coverage.missing] == [("infra_error: server", 1)]


def test_failed_attempts_cost_and_only_the_last_decides(tmp_path):
    found = [attempt(f"t{i}", "alpha") for i in range(10)]
    found.append(attempt("t0", "alpha", None, final=False, **INFRA))
    found[0] = msgspec.structs.replace(found[0], attempt=2)
    system = report_of(tmp_path, found, 10).systems[0]
    assert system.coverage.graded == 10
    assert system.cost.total == pytest.approx(0.44)
    assert system.cost.per_success.value == pytest.approx(0.044)
    assert (system.failed_attempts, system.cost.failed_attempts) == (1, pytest.approx(0.04))


def test_unpriced_is_never_zero(tmp_path):
    free = Usage(input=5, calls=1, unpriced=1)
    report = report_of(tmp_path / "a", [attempt(f"t{i}", "alpha", usage=free) for i in range(10)], 10)
    assert report.systems[0].cost.kind == "unpriced"
    assert "$0" not in render_text(report)
    assert any("UNPRICED" in w for w in report.warnings)
    some = [attempt(f"t{i}", "alpha", usage=free if i else Usage(calls=1, cost_usd=0.5)) for i in range(10)]
    text = render_text(report_of(tmp_path / "b", some, 10))
    assert ">= $0.50" in text
    assert "9 of 10 calls have no known price" in text


def test_no_success_costs_at_least_the_total(tmp_path):
    report = report_of(tmp_path, [attempt(f"t{i}", "alpha", False) for i in range(10)], 10)
    assert ">= $0.400, no success" in render_text(report)


def test_a_simulated_model_has_no_cost_and_is_said_loudly(tmp_path):
    report = report_of(tmp_path, [attempt(f"t{i}", "alpha") for i in range(10)], 10, simulated=True)
    assert report.warnings[0].startswith("SIMULATED: alpha")
    assert report.systems[0].cost.kind == "simulated"
    assert "$" not in render_text(report).replace("$/success", "")


def test_a_time_limit_in_the_tail_makes_the_quantile_a_lower_bound(tmp_path):
    found = [
        attempt(
            f"t{i:03d}", "alpha", limit="time" if i < 10 else "", timing=Timing(working=60.0 if i < 10 else 1.0 + i)
        )
        for i in range(100)
    ]
    text = render_text(report_of(tmp_path, found, 100))
    assert ">= 9" in text.split("work:")[1]
    assert "time 10" in text


def test_answers_from_the_call_cache_are_no_times(tmp_path):
    cached = Usage(calls=1, cached=1)
    found = [attempt(f"t{i}", "alpha", usage=cached if i < 3 else Usage(calls=1, cost_usd=1)) for i in range(10)]
    times = report_of(tmp_path, found, 10).systems[0].times
    assert (times.tasks, times.cached_trials) == (7, 3)


def test_ceilings_and_floors_do_not_separate_the_tasks(tmp_path):
    found = build_report(ordinary(tmp_path)).by_task
    assert found is not None
    assert found.systems == ("alpha", "beta")


def test_every_rate_in_every_slice_has_its_n(tmp_path):
    report = build_report(ordinary(tmp_path))
    assert {(s.field, s.value): s.tasks for s in report.slices}[("stakes", "high")] == 5
    for part in report.slices:
        for rate in part.rates:
            assert rate.value is None or (rate.tasks > 0 and rate.trials >= rate.tasks)
            assert rate.value is None or rate.other_tasks or rate.why_not


def test_names_cannot_break_the_table_or_the_terminal(tmp_path):
    found = [attempt("a|b\n# x\x1b[31m", "alpha"), attempt("a|b\n# x\x1b[31m", "beta", False)]
    report = report_of(tmp_path, found, 1)
    assert "\x1b" not in render_text(report)
    assert "a\\|b \\# x" in render_markdown(report)


def test_lines_fit_the_width(tmp_path):
    report = build_report(invalid(tmp_path))
    for width in (80, 100, 140):
        assert max(len(line) for line in render_text(report, width, slices=True).split("\n")) <= width + 10


def test_a_damaged_run_is_not_reported(tmp_path):
    path = ordinary(tmp_path)
    with (path / "attempts.jsonl").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(StoreError, match="line 162"):
        build_report(path)


def test_attempts_outside_the_plan_are_told(tmp_path):
    path = write(tmp_path, manifest((info("alpha"),), 1, 1), [attempt("t", "alpha"), attempt("t", "ghost")])
    assert any("ghost" in w for w in build_report(path).warnings)


def test_an_open_trial_is_told_apart_from_one_that_never_ran(tmp_path):
    found = [attempt("a", "alpha", None, final=False, **INFRA), attempt("b", "alpha", output=Output())]
    missing = {c.name: c.n for c in report_of(tmp_path, found, 3).systems[0].coverage.missing}
    assert missing == {"unfinished": 1, "not run": 1}
