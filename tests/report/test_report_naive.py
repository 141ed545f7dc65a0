"""A second, naive reading of `attempts.jsonl` by pandas and plain loops must agree with the report on random runs."""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))

from cases import attempt, info, manifest, write

from harness.records.content import Usage
from harness.records.outcome import Output, Timing, Trouble
from harness.records.task import Shape
from harness.report.build import build_report
from harness.report.markdown import render_markdown
from harness.report.summary import to_json
from harness.report.text import render_text

PLAN = {"n_tasks": 14, "epochs": 3}


def random_attempts(seed: int) -> list[Any]:
    """Retries, several final lines, unequal epochs, missing tasks, unpriced and cached calls, fractional values."""
    rng = random.Random(seed)
    found = []
    families = rng.choice((1, 3, 14))
    for t in range(rng.randint(1, PLAN["n_tasks"])):
        for system in ("a", "b"):
            for epoch in range(1, 4):
                if rng.random() < 0.15:
                    continue
                for number in range(1, rng.choice((1, 1, 1, 2, 3)) + 1):
                    found.append(_one(rng, f"t{t:02d}", system, epoch, number, f"f{t % families}"))
    rng.shuffle(found)
    return found


def _one(rng: random.Random, task: str, system: str, epoch: int, number: int, family: str) -> Any:
    status = rng.choices(("graded", "ungradable", "infra_error", "skipped"), (8, 1, 2, 1))[0]
    graded = status == "graded"
    passed = rng.random() < 0.6 if graded else None
    value = None if not graded else rng.choice((float(bool(passed)), 0.25, 0.5))
    calls = rng.randint(0, 4)
    usage = Usage(input=rng.randint(0, 900), cache_read=rng.randint(0, 50), output=rng.randint(0, 300), calls=calls,
                  cost_usd=rng.choice((0.0, rng.random())) if calls else 0.0,
                  unpriced=rng.randint(0, calls) if rng.random() < 0.2 else 0,
                  cached=rng.randint(0, calls) if rng.random() < 0.2 else 0)  # fmt: skip
    return attempt(
        task, system, passed, epoch=epoch, attempt=number, status=status, final=rng.random() < 0.7, value=value,
        family=family, usage=usage, retries=rng.randint(0, 3), limit=rng.choice(("", "", "time", "cost")),
        judge_usage=Usage(calls=1, cost_usd=0.5) if rng.random() < 0.1 else Usage(), turns=calls,
        timing=Timing(working=rng.random() * 9, waiting=rng.random()), output=Output(answer=rng.choice((None, "x"))),
        trouble=None if graded else Trouble("model", rng.choice(("server", "timeout"))), grades={},
    )  # fmt: skip


def frame_of(run: Path) -> pd.DataFrame:
    """Raw lines as a table: every default filled in by hand, nothing from harness."""
    rows = []
    for line in (run / "attempts.jsonl").read_text().splitlines():
        a = json.loads(line)
        u, t = a.get("usage", {}), a.get("timing", {})
        rows.append({
            "task": a["task"], "system": a["system"], "epoch": a["epoch"], "attempt": a["attempt"],
            "status": a["status"], "final": a.get("final", True), "passed": a.get("passed"), "value": a.get("value"),
            "family": a.get("family", ""), "limit": a.get("limit", ""), "retries": a.get("retries", 0),
            "cause": a["trouble"]["cause"] if a.get("trouble") else "", "cost": u.get("cost_usd", 0.0),
            "calls": u.get("calls", 0), "unpriced": u.get("unpriced", 0), "cached": u.get("cached", 0),
            "input": u.get("input", 0), "working": t.get("working", 0.0), "waiting": t.get("waiting", 0.0),
            "judge": a.get("judge_usage", {}).get("cost_usd", 0.0),
        })  # fmt: skip
    return pd.DataFrame(rows)


def naive_interval(means: dict[str, float], family: dict[str, str]) -> tuple[float, float] | None:
    """Wilson with the design effect of families, written out from docs/reference/report.md with scipy.stats."""
    groups = sorted({family[t] for t in means})
    n, g = len(means), len(groups)
    if g < 8:
        return None
    p = sum(means.values()) / n
    s2 = sum((m - p) ** 2 for m in means.values()) / (n - 1)
    if s2 < 1e-12:
        n_eff = float(g)
    else:
        between = sum(sum(m - p for t, m in means.items() if family[t] == f) ** 2 for f in groups)
        cluster = g / (g - 1) * between / n**2
        padded = [*means.values(), 0.0, 1.0]
        pm = sum(padded) / len(padded)
        gain = max(1.0, pm * (1 - pm) / (sum((m - pm) ** 2 for m in padded) / (len(padded) - 1)))
        n_eff = n * gain / max(1.0, cluster / (s2 / n))
    q = scipy_stats.t.ppf(0.975, g - 1)
    half = q * math.sqrt(p * (1 - p) / n_eff + q * q / (4 * n_eff**2)) / (1 + q * q / n_eff)
    centre = (p + q * q / (2 * n_eff)) / (1 + q * q / n_eff)
    return max(0.0, min(centre - half, p)), min(1.0, max(centre + half, p))


def check_system(found: dict[str, Any], rows: pd.DataFrame) -> None:
    decided = rows[rows.final].sort_values("attempt").groupby(["task", "epoch"]).tail(1)
    ok = decided[decided.status == "graded"]
    attempted = rows.groupby(["task", "epoch"]).ngroups if len(rows) else 0
    planned = PLAN["n_tasks"] * PLAN["epochs"]
    cover = found["coverage"]
    assert (cover["planned"], cover["attempted"], cover["graded"]) == (planned, attempted, len(ok))
    assert sum(c["n"] for c in cover["missing"]) == planned - len(ok)
    passed = int(ok.passed.astype(bool).sum())
    assert cover["bounds"] == pytest.approx({"low": passed / planned, "high": (passed + planned - len(ok)) / planned})

    for key, column in (("passed", "passed"), ("mean_value", "value")):
        if found[key] is None:
            assert set(ok.value.dropna().astype(float)) <= {0.0, 1.0}
            continue
        means = ok.assign(x=ok[column].astype(float)).groupby("task").x.mean().to_dict()
        rate = found[key]
        assert (rate["tasks"], rate["trials"]) == (len(means), len(ok))
        assert rate["value"] == (pytest.approx(np.mean(list(means.values()))) if means else None)
        said = rate["other_tasks"]
        want = naive_interval(means, dict(zip(rows.task, rows.family, strict=True)))
        assert (said and (said["low"], said["high"])) == (pytest.approx(want) if want else None)

    cost = found["cost"]
    assert cost["total"] == pytest.approx(rows.cost.sum())
    assert (cost["calls"], cost["unpriced"]) == (rows.calls.sum(), rows.unpriced.sum())
    assert cost["judge_total"] == pytest.approx(rows.judge.sum())
    lost = rows[~rows.index.isin(decided.index) | (rows.status == "infra_error")]
    assert (found["failed_attempts"], cost["failed_attempts"]) == (len(lost), pytest.approx(lost.cost.sum()))
    assert cost["successes"] == passed
    if cost["kind"] in ("exact", "lower_bound") and passed:
        assert cost["per_success"]["value"] == pytest.approx(rows.cost.sum() / passed)
    want = "none" if not rows.calls.sum() else "exact" if not rows.unpriced.sum() else "lower_bound"
    assert cost["kind"] == ("unpriced" if want == "lower_bound" and not rows.cost.sum() else want)

    assert found["retries"] == rows.retries.sum()
    assert {c["name"]: c["n"] for c in found["limits"]} == decided[decided.limit != ""].limit.value_counts().to_dict()
    times = found["times"]
    worked = decided[decided.status.isin(["graded", "ungradable"])]
    fresh = worked[worked.cached == 0].groupby("task").working.mean()
    assert (times["tasks"], times["cached_trials"]) == (len(fresh), int((worked.cached > 0).sum()))
    assert times["waiting_s"] == pytest.approx(rows.waiting.sum())
    if times["p50"]["value"] is not None:
        assert times["p50"]["value"] == pytest.approx(fresh.quantile(0.5))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_naive_reading_agrees_with_the_report(seed: int) -> None:
    made = random_attempts(seed)
    with tempfile.TemporaryDirectory() as folder:
        run = write(Path(folder), manifest((info("a"), info("b")), **PLAN), made)
        said = to_json(build_report(run))
        rows = frame_of(run)
    for found in said["systems"]:
        check_system(found, rows[rows.system == found["name"]] if len(rows) else rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_lines_says_nothing_even_where_lines_disagree_about_a_task(tmp_path: Path, seed: int) -> None:
    """A run resumed after its tags or families were edited has lines that say different things of one task."""
    rng = random.Random(seed)
    made = [attempt(f"t{i}", s, epoch=e, family=f"f{rng.randint(0, 9)}", tags=(f"tag{rng.randint(0, 2)}",),
                    shape=Shape(stakes=rng.choice(("low", "high"))))
            for i in range(12) for s in ("a", "b") for e in (1, 2)]  # fmt: skip
    drawn = set()
    for n in range(3):
        rng.shuffle(made)
        run = write(tmp_path / str(n), manifest((info("a"), info("b")), 12, 2), made)
        report = build_report(run)
        drawn.add((json.dumps(to_json(report)), render_text(report, slices=True), render_markdown(report)))
    assert len(drawn) == 1


def test_answers_from_the_call_cache_make_the_cost_a_lower_bound(tmp_path: Path) -> None:
    """They cost nothing here; printed as exact, a system that was cached would look cheap."""
    half = [attempt(f"t{i}", "a", usage=Usage(input=10, calls=1, cached=i % 2, cost_usd=0.0 if i % 2 else 0.04))
            for i in range(20)]  # fmt: skip
    report = build_report(write(tmp_path, manifest((info("a"),), 20, 1), half))
    cost = report.systems[0].cost
    assert (cost.cached, cost.per_success.interval) == (10, None)
    text = render_text(report)
    assert ">= $0.020" in text and "10 of 20 calls were answered from the call cache" in text


def test_links_mentions_and_escapes_in_a_name_stay_text_in_markdown(tmp_path: Path) -> None:
    tag = "<b>&lt;i&gt; [x](http://y.example) ![p](q) @team `c` | \x1b[31m \u202e ~~s~~ https://z.example"
    made = [attempt(f"t{i}", "a", tags=(tag,), trouble=None) for i in range(3)]
    drawn = render_markdown(build_report(write(tmp_path, manifest((info("a"),), 3, 1), made)))
    (row,) = [line for line in drawn.splitlines() if "tag = " in line]
    assert row.replace("\\|", "").count("|") == 4
    assert "\\&lt;" in row
    for bad in ("\x1b", "\u202e", "<b>", "](", "~~s~~", "https://", "http://"):
        assert bad not in row.replace("\\]", ""), bad
