"""A gate as text, Markdown and JSON."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from harness.records.content import Json
from harness.report.compare_json import comparison_json, without_nan
from harness.report.compare_sections import sections_of
from harness.report.draw import draw_markdown, draw_text
from harness.report.gate_model import Check, GatedSystem, GateResult, State
from harness.report.section import Table
from harness.report.words import money, percent, seconds

RESULT_FORMAT = 1
"""Version of the layout of `result.json`."""
MARKER = "<!-- harness gate: {suite} -->"
"""Hidden first line of the Markdown: by it a comment is found again and replaced (sticky)."""
COMMENT_BYTES = 60_000
"""A pull request's comment holds 65,536 characters."""

_WORD: dict[State, str] = {
    "ok": "ok", "fail": "FAIL", "inconclusive": "inconclusive", "invalid": "INVALID",
    "not measured": "NOT MEASURED", "skipped": "skipped",
}  # fmt: skip
_ORDER: tuple[State, ...] = ("fail", "invalid", "not measured", "inconclusive", "skipped", "ok")


def gate_head(r: GateResult) -> tuple[str, ...]:
    """The decision, and what it is about."""
    lines = [f"gate {r.overall} (exit {int(r.exit_code)}): {r.run}", f"suite {r.suite}, policy {r.policy}"]
    for s in r.systems:
        against = f"against baseline {s.baseline}" if s.baseline else "without a baseline"
        lines.append(f"system {s.system}: {_figures(s)}, {against}")
    return (*lines, *(f"not gated: {line}" for line in r.not_gated))


def _figures(s: GatedSystem) -> str:
    found = [f"pass rate {percent(s.pass_rate)}", f"coverage {percent(s.coverage)}"]
    if s.cost_per_success is not None:
        found.append(f"{money(s.cost_per_success)} per success")
    if s.p95_s is not None:
        found.append(f"p95 {seconds(s.p95_s)}")
    return ", ".join(found)


def gate_loud(r: GateResult) -> tuple[str, ...]:
    """The reasons for the exit code, then warnings."""
    return (*r.reasons, *r.warnings)


def gate_sections(r: GateResult, *, details: bool = True) -> tuple[Table, ...]:
    """Rules first; then, per system, the comparison with its baseline."""
    found = [_rules(r)]
    if details:
        for s in r.systems:
            if s.comparison is not None:
                found += [_named(section, s, r) for section in sections_of(s.comparison)]
    return tuple(found)


def _named(section: Table, s: GatedSystem, r: GateResult) -> Table:
    if len(r.systems) == 1:
        return section
    return Table(f"{s.system}: {section.title}", section.header, section.rows, section.notes)


def _rules(r: GateResult) -> Table:
    many = len(r.systems) > 1
    rows = tuple((f"{c.system}: {c.name}" if many else c.name, word_of(c), c.says) for c in sorted_checks(r))
    return Table("rules", ("rule", "state", "finding"), rows)


def word_of(c: Check) -> str:
    """The state in one word; a failure that does not count says so."""
    return _WORD[c.state] if c.counts else f"{_WORD[c.state]}, not counted"


def sorted_checks(r: GateResult) -> list[Check]:
    """What failed first."""
    return sorted(r.checks, key=lambda c: (not c.counts, _ORDER.index(c.state)))


def gate_text(r: GateResult) -> str:
    """For a terminal."""
    return draw_text(gate_head(r), gate_loud(r), gate_sections(r, details=False), width=120)


def gate_markdown(r: GateResult, limit: int = COMMENT_BYTES) -> str:
    """For a comment or a step summary: at most `limit` bytes, details left out first, never cut in a table."""
    marker = MARKER.format(suite="".join(c for c in r.suite if c.isalnum() or c in "._-"))
    short = f"{marker}\n{draw_markdown(gate_head(r), gate_loud(r)[:30], gate_sections(r, details=False))}"
    details = draw_markdown(("Details",), (), gate_sections(r)[1:]).partition("\n")[2]
    whole = f"{short}\n<details><summary>comparison</summary>\n{details}\n</details>\n" if details.strip() else short
    if len(whole.encode()) <= limit:
        return whole
    if len(short.encode()) <= limit:
        return short
    lines, size = [], 0
    for line in short.splitlines():
        size += len(line.encode()) + 1
        if size > limit - 100:
            lines.append("\n(cut: result.json has everything)")
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def gate_json(r: GateResult) -> dict[str, Json]:
    """`result.json`: field names as in `harness.report.gate_model`, null where there is no number."""
    systems = []
    for s in r.systems:
        said: dict[str, Any] = without_nan(msgspec.to_builtins(_bare(s), order="deterministic"))
        said["comparison"] = comparison_json(s.comparison) if s.comparison else None
        systems.append(said)
    return {
        "format": RESULT_FORMAT,
        "verdict": r.overall,
        "exit_code": int(r.exit_code),
        "run": r.run,
        "suite": r.suite,
        "created": r.created,
        "policy": r.policy,
        "reasons": list(r.reasons),
        "warnings": list(r.warnings),
        "systems": systems,
        "not_gated": list(r.not_gated),
    }


def _bare(s: GatedSystem) -> dict[str, Any]:
    names = [n for n in GatedSystem.__dataclass_fields__ if n != "comparison"]
    return {n: getattr(s, n) for n in names}


def figures(r: GateResult) -> dict[str, str]:
    """The numbers CI asks for: of the system that decided, or of the first."""
    bad = [c.system for c in sorted_checks(r) if c.counts and c.state != "ok"]
    first = next((s for s in r.systems if bad and s.system == bad[0]), r.systems[0] if r.systems else None)
    found = {"verdict": r.overall, "exit_code": str(int(r.exit_code)), "run": r.run}
    if first is None:
        return found
    metric = first.comparison.metrics[0] if first.comparison and first.comparison.metrics else None
    numbers = {
        "delta": metric.difference if metric else None,
        "ci_low": metric.low if metric else None,
        "ci_high": metric.high if metric else None,
        "coverage": first.coverage,
        "pass_rate": first.pass_rate,
        "cost": first.cost_per_success,
    }
    found["system"] = first.system
    return found | {k: _number(v) for k, v in numbers.items()}


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
