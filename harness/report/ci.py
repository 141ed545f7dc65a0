"""What CI systems read: GitHub's annotations, outputs and summary, GitLab's metrics report (stats_ci.md 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.report.gate_model import Check, GateResult
from harness.report.gate_sections import figures, gate_markdown, sorted_checks
from harness.report.nightly import NightResult, Step

MOST_ANNOTATIONS = 10
"""GitHub shows ten errors and ten warnings of a step, and drops the rest in silence."""
MOST_IN_A_NIGHT = 3
"""Of a night's gate: each of the night's seven steps may have one of its own."""
SUMMARY_BYTES = 200_000
"""Our budget; above GitHub's own 1 MiB the whole summary would be lost."""


def annotation_lines(
    r: GateResult, places: Mapping[str, str], redact: Callable[[str], str] = str, most: int = MOST_ANNOTATIONS
) -> list[str]:
    """Workflow commands, at most `most` in all; `places` has `file:line` by task."""
    found = []
    for c in sorted_checks(r):
        level = _level(c)
        if level:
            found.append(_annotation(level, c, places, redact))
    if len(found) <= most:
        return found
    more = len(found) - (most - 1)
    return [*found[: most - 1], f"::notice title=harness gate::and {more} more; see the step summary"]


def _level(c: Check) -> str:
    if c.state in ("fail", "invalid"):
        return "error" if c.counts else "notice"
    return "warning" if c.state in ("inconclusive", "not measured") else ""


def _annotation(level: str, c: Check, places: Mapping[str, str], redact: Callable[[str], str]) -> str:
    path, _, line = (places.get(c.tasks[0], "") if c.kind == "MUST_PASS" and c.tasks else "").partition(":")
    line = line.partition(":")[0]
    where = [f"file={escaped(path, part=True)}"] if path else []
    where += [f"line={line}"] if path and line.isdigit() else []
    where.append(f"title={escaped(redact(f'harness gate: {c.system}: {c.name}'), part=True)}")
    return f"::{level} {','.join(where)}::{escaped(redact(c.says)[:1000])}"


def night_annotations(night: NightResult, redact: Callable[[str], str] = str) -> list[str]:
    """A workflow command for each step of a night that is not ok: whatever made it red is told where CI shows it."""
    return [_step_annotation(night, s, redact) for s in night.steps if s.state not in ("ok", "not measured")]


def _step_annotation(night: NightResult, step: Step, redact: Callable[[str], str]) -> str:
    level = "warning" if step.state == "inconclusive" else "error"
    title = escaped(redact(f"harness nightly: {night.suite} {night.night}: {step.name}: {step.state}"), part=True)
    told = dict.fromkeys((step.said, *step.details[:3]))
    return f"::{level} title={title}::{escaped(redact('; '.join(told))[:1000])}"


def escaped(text: str, *, part: bool = False) -> str:
    """GitHub's escapes of a message, or of a property with `part`; nothing in a name can begin another command."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if part else text


def github_output(r: GateResult, report: str, redact: Callable[[str], str] = str) -> str:
    """Lines for `$GITHUB_OUTPUT`. A value is one line: a line break could forge another output."""
    said = {**figures(r), "report": report}
    return "".join(f"{k}={' '.join(redact(v).split())}\n" for k, v in said.items())


def step_summary(r: GateResult) -> str:
    """Markdown for `$GITHUB_STEP_SUMMARY`."""
    return gate_markdown(r, SUMMARY_BYTES)


def gitlab_metrics(r: GateResult) -> str:
    """GitLab's metrics report: OpenMetrics lines, shown as a difference in a merge request."""
    lines = []
    for s in r.systems:
        metric = s.comparison.metrics[0] if s.comparison and s.comparison.metrics else None
        values = {
            "harness_pass_rate": s.pass_rate,
            "harness_coverage": s.coverage,
            "harness_cost_per_success_usd": s.cost_per_success,
            "harness_latency_p95_seconds": s.p95_s,
            "harness_delta": metric.difference if metric else None,
        }
        label = s.system.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        lines += [f'{name}{{system="{label}"}} {value:.6g}' for name, value in values.items() if value is not None]
    return "\n".join([*lines, f"harness_exit_code {int(r.exit_code)}", "# EOF"]) + "\n"
