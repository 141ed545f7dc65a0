"""A run folder as history lines: against a naive reading, and what must not be read into it."""

from __future__ import annotations

import json

import msgspec
import pytest

from harness.records.judgement import Judgement
from harness.report.nights import nights_of
from harness.store.history import Canary, Night, TaskNight, append_history, read_history
from harness.testing.planted import Missing
from harness.testing.simulate import Conduct, World, simulate_run
from harness.testing.simulate import Night as OneNight


@pytest.fixture
def run(tmp_path):
    def made(night=None, **conduct):
        world = World(tasks=20, seed=2, suite="mine")
        return simulate_run(tmp_path / "runs", world, night or OneNight(epochs=2, seed=1), {"s": Conduct(**conduct)})

    return made


def lines(path):
    return [json.loads(line) for line in (path / "attempts.jsonl").read_text().splitlines()]


def rewrite(path, rows):
    (path / "attempts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_night_is_what_a_naive_reading_says(run):
    path = run(refuses=0.5, model="m-1")
    rows = lines(path)
    (night,) = nights_of(path)
    passed = [r for r in rows if r["passed"]]
    assert (night.planned, night.graded, night.successes) == (40, len(rows), len(passed))
    assert night.cost_usd == pytest.approx(sum(r["usage"]["cost_usd"] for r in rows), abs=1e-6)
    assert night.refused == sum(bool(r.get("output", {}).get("refused")) for r in rows)
    assert night.output_tokens == pytest.approx(sum(r["usage"]["output"] for r in rows) / len(rows))
    times = {}
    for r in rows:
        times.setdefault(r["task"], []).append(r["timing"]["working"])
    means = sorted(sum(t) / len(t) for t in times.values())
    assert night.p50_s == pytest.approx((means[9] + means[10]) / 2, abs=1e-3)
    assert night.served == ("m-1",)
    for task, said in night.tasks.items():
        of = [r for r in rows if r["task"] == task]
        assert (said.passed, said.graded) == (sum(r["passed"] for r in of), len(of))


def test_the_order_of_lines_and_failed_tries_change_nothing_but_the_cost(run):
    path = run()
    (before,) = nights_of(path)
    rows = lines(path)
    failed = {
        **rows[0],
        "attempt": 0,
        "final": False,
        "status": "infra_error",
        "passed": None,
        "usage": {"cost_usd": 5.0},
    }
    rewrite(path, [*reversed(rows), failed])
    (after,) = nights_of(path)
    assert after.cost_usd == pytest.approx((before.cost_usd or 0) + 5.0)
    same = {"bytes": 0, "cost_usd": 0.0}
    assert msgspec.structs.replace(after, **same) == msgspec.structs.replace(before, **same)


def test_one_call_without_a_price_makes_the_cost_unknown_and_never_zero(run):
    path = run(unpriced=0.2)
    assert nights_of(path)[0].cost_usd is None


def test_what_is_not_graded_is_in_no_task(run):
    path = run(OneNight(epochs=1, seed=3, missing=Missing(ungradable=0.3, random=0.2)))
    (night,) = nights_of(path)
    graded = [r for r in lines(path) if r["status"] == "graded"]
    assert night.graded == len(graded) == sum(t.graded for t in night.tasks.values()) < 20
    assert not night.is_valid


def test_trials_that_a_machine_may_lack_are_not_held_against_the_floor(run):
    path = run()
    rows = lines(path)
    for row in rows[:10]:
        row |= {"status": "skipped", "passed": None, "value": None, "grades": {}}
        row["trouble"] = {"source": "requirement", "cause": "engine"}
    rewrite(path, rows)
    assert not nights_of(path)[0].is_valid
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "may_lack": ["engine"]}))
    (night,) = nights_of(path)
    assert (night.lacking, night.coverage, night.is_valid) == (10, 1.0, True)


def judgement(**more):
    said = {"grader": "g", "protocol": "reference", "judge": "j", "model": "m", "role": "sentinel", "status": "ok"}
    return msgspec.json.encode(Judgement(**{**said, "outcome": "correct", "expected": "correct", **more})) + b"\n"


def test_sentinels_count_right_of_judged_and_outages_do_not(run):
    path = run()
    (path / "judgements.jsonl").write_bytes(
        judgement() + judgement(outcome="wrong") + judgement(status="unparseable", outcome="")
        + judgement(status="api_error", outcome="") + judgement(role="score") + judgement(expected="")
    )  # fmt: skip
    assert [tuple(s) for s in map(msgspec.structs.astuple, nights_of(path)[0].judges.values())] == [(1, 3)]


def test_a_run_without_attempts_is_a_night_without_a_grade(run):
    path = run()
    (path / "attempts.jsonl").write_text("")
    (night,) = nights_of(path)
    assert (night.graded, night.coverage, night.is_valid, night.p50_s) == (0, 0.0, False, None)


def night_of(run="r", **more):
    said = {"suite": "mine", "system": "s", "created": "2026-01-01T00:00:00+00:00", "planned": 1, "graded": 1}
    return Night(**{**said, "run": run, "floor": 0.9, "epochs": 1, "tasks": {"t": TaskNight(1, 1, "d")}, **more})


def test_history_lines_come_back_and_the_last_one_of_a_run_wins(tmp_path):
    path = tmp_path / "history" / "mine.jsonl"
    canary = Canary(suite="mine", night="n", at="2026-01-01T00:00:00+00:00", rung="replay", state="same", checked=3)
    append_history(path, [night_of("b", created="2026-01-02T00:00:00+00:00"), canary])
    append_history(path, [night_of("a"), night_of("b", created="2026-01-02T00:00:00+00:00", graded=0)])
    history = read_history(path)
    assert [(n.run, n.graded) for n in history.nights] == [("a", 1), ("b", 0)]
    assert history.canaries == (canary,)


def test_a_line_of_a_newer_program_is_refused(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({**json.loads(msgspec.json.encode(night_of())), "format": 2}) + "\n")
    with pytest.raises(Exception, match=r"mine.jsonl:1 is from a newer version"):
        read_history(path)
