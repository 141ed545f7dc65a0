"""The steps of a night that only look: sentinels of judges, the gate, the trend."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from harness.config.suite import Suite
from harness.report.nightly import Step, StepState, state_of


def sentinel_step(suite: Suite, run: Path) -> Step:
    """Whether the run's judges count as valid: sentinels are the first thing a run asks them, controls come with it."""
    from harness.report.judges_read import read_judges
    from harness.store.read import read_manifest

    used = {name for task in suite.tasks for name in (*task.graders, *task.informative)}
    judged = sorted(name for name in used if suite.graders[name].grader.judges())
    found = read_judges(run, read_manifest(run))
    if found is None:
        why = f"no judge of {', '.join(judged)} was asked" if judged else "no grader of this suite asks a judge"
        return Step("sentinels", "not measured", why)
    states: dict[str, StepState] = {"valid": "ok", "invalid": "invalid", "inconclusive": "ok"}
    said = f"{len(found.sheets)} judges: {found.validity}"
    return Step("sentinels", states[found.validity], said, (*found.reasons[:10], *found.warnings[:5]))


def gate_step(suite: Suite, run: Path, now: datetime) -> Step:
    """The suite's gate on tonight's run; its files (JUnit, metrics, Markdown) go into the run's folder.

    The rules that need no baseline are judged in every night. Where no system has a baseline yet and nobody wrote a
    rule that compares with one, that is told and is no fault; half a gate is one.
    """
    from harness.cli._gate import Asked, decide
    from harness.cli.gate_cmd import publish_gate

    decided = decide(Asked(run=run, workspace=suite.workspace, now=now))
    code = publish_gate(decided, run, argparse.Namespace(format="none", ci="auto", exit_zero=False))
    result = decided.result
    said = "; ".join(dict.fromkeys((result.overall, *result.reasons[:2])))
    none_yet = result.overall == "NOT MEASURED" and not any(s.baseline for s in result.systems)
    state = "not measured" if none_yet and not decided.compares else state_of(code)
    critical = any(c.kind == "CRITICAL" and c.state == "fail" and c.counts for c in result.checks)
    return Step("gate", state, said, (*result.reasons[2:10], *result.warnings[:5]), critical)


def trend_step(workspace: Path, suite: Suite, folder: Path, now: datetime, replicates: int) -> Step:
    """The trend with tonight in it; `trend.md` and `trend.png` go into the night's folder."""
    from harness.cli._numbers import hours
    from harness.cli._trend import drawn_of, write_figure
    from harness.report.trend_model import TrendOptions
    from harness.report.trend_render import trend_markdown
    from harness.report.trend_words import trend_loud

    says = suite.nightly
    options = TrendOptions(now, hours(says.max_age), says.yearly_alarms, 0, replicates, (), says.control)
    trend = drawn_of(workspace, suite.name, options).trend
    write_figure(trend, folder / "trend.png")
    (folder / "trend.md").write_text(trend_markdown(trend, "trend.png"), encoding="utf-8")
    words = [f"{s.system} {s.state}" for s in trend.systems]
    learning = next((s.charts[0].why for s in trend.systems if s.state == "learning"), "")
    said = f"{trend.state}" + (f": {learning}" if trend.state == "learning" and learning else f": {', '.join(words)}")
    return Step("trend", state_of(trend.exit_code), said, trend_loud(trend))
