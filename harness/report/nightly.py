"""A night as data: what each step said, the exit code, and the words for a step summary and an issue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.errors import Exit
from harness.report.grids import Grid, grid_markdown, plain

NIGHT_FORMAT = 1
StepState = Literal["ok", "failed", "invalid", "not measured", "inconclusive", "not comparable", "nothing"]
_CODES: dict[StepState, Exit] = {
    "failed": Exit.GATE_FAILED,
    "invalid": Exit.INVALID,
    "not comparable": Exit.NOT_COMPARABLE,
    "inconclusive": Exit.INCONCLUSIVE,
    "nothing": Exit.NOTHING,
}
_FIRST = (Exit.NOTHING, Exit.INVALID, Exit.GATE_FAILED, Exit.NOT_COMPARABLE, Exit.INCONCLUSIVE)
"""What decides the code of a night: without a measurement there is no verdict on quality, so 3 goes before 1."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step of a night, and what it said in one line. `details` are further lines.

    `critical`: a critical error was seen, which no other step may hide.
    """

    name: str
    state: StepState
    said: str
    details: tuple[str, ...] = ()
    critical: bool = False


class NightResult(msgspec.Struct, frozen=True, kw_only=True):
    """`result.json` of a night. Paths are relative to the workspace."""

    format: int = NIGHT_FORMAT
    suite: str
    night: str
    run: str
    exit_code: int
    verdict: str
    steps: tuple[Step, ...]
    files: dict[str, str]


VERDICTS = {
    Exit.OK: "ok",
    Exit.GATE_FAILED: "failed",
    Exit.INVALID: "not valid",
    Exit.INCONCLUSIVE: "inconclusive",
    Exit.NOTHING: "nothing ran",
    Exit.NOT_COMPARABLE: "not comparable",
}


def exit_code_of(steps: Sequence[Step]) -> Exit:
    """The night's exit code: 1 for a critical error, then the first of 5, 3, 1, 6, 4 that a step asks for, else 0."""
    if any(s.critical for s in steps):
        return Exit.GATE_FAILED
    asked = {_CODES[s.state] for s in steps if s.state in _CODES}
    return next((code for code in _FIRST if code in asked), Exit.OK)


def state_of(code: int) -> StepState:
    """The state of a step that ended with an exit code of a command."""
    return next((state for state, at in _CODES.items() if at == code), "ok")


def summary_markdown(result: NightResult, trend: str = "") -> str:
    """The step summary: the verdict, one line a step, and the trend folded away."""
    lines = [f"# Night {plain(result.night)} of {plain(result.suite)}: {result.verdict}", ""]
    rows = tuple((s.name, s.state, s.said) for s in result.steps)
    lines += grid_markdown(Grid("steps", ("step", "state", "what it said"), rows))
    for step in result.steps:
        if step.details:
            lines += [f"**{plain(step.name)}**", "", *(f"- {plain(line)}" for line in step.details), ""]
    if result.run:
        lines += [f"Run `{result.run}`: the whole report is `{result.files.get('report', 'report.md')}`.", ""]
    if trend:
        lines += ["<details><summary>Trend</summary>", "", trend.rstrip(), "", "</details>", ""]
    return "\n".join(lines)


def issue_markdown(result: NightResult) -> str:
    """The text of the one issue about this suite's nights; updated in place, never opened twice.

    The first line is its title and the hidden marker is how a script finds it: the same for every night.
    """
    lines = [f"# Nightly of {plain(result.suite)}: {result.verdict}", "", issue_marker(result.suite), ""]
    lines += [f"Last night that says so: {plain(result.night)} (run `{result.run or 'none'}`).", ""]
    for step in result.steps:
        if step.state not in ("ok", "not measured"):
            lines += [f"- **{plain(step.name)}: {step.state}**: {plain(step.said)}"]
            lines += [f"  - {plain(line)}" for line in step.details]
    lines += [
        "",
        "What to do: `harness trend` shows the charts and where a change comes from; when the cause is known,",
        f'`harness trend ack --suite {result.suite} --cause "..."`. Exit code {result.exit_code}.',
        "",
    ]
    return "\n".join(lines)


def issue_marker(suite: str) -> str:
    """How the one issue of a suite is found again."""
    return f"<!-- harness-nightly:{suite} -->"


def message_of(result: NightResult) -> str:
    """One line for a chat."""
    worst = [s for s in result.steps if s.state not in ("ok", "not measured")]
    said = "; ".join(f"{s.name}: {s.said}" for s in worst[:3])
    return f"nightly {result.suite} {result.night}: {result.verdict}" + (f" - {said}" if said else "")
