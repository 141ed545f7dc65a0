"""A verifier's or reviewer's verdict on an answer: asked in one strict form, read in that form only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FORM = (
    "Write one line for every problem, starting with `PROBLEM: `. Name only problems that make the answer wrong or "
    "incomplete for this task, and say for each what is wrong and why. Then end with exactly one of these two lines:\n"
    "VERDICT: OK\n"
    "VERDICT: PROBLEMS"
)
"""Two words at the end and one line for each finding: short enough for small models, and a reply that says both, or
neither, can be told from a verdict. Style and taste are ruled out because a critic that is asked for faults finds some
(self-critique without such a bar lowers accuracy: Huang et al. 2023, arXiv 2310.01798)."""


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What a verifier said. `unparseable` is neither ok nor a finding."""

    said: Literal["ok", "problems", "unparseable"]
    problems: tuple[str, ...] = ()


UNPARSEABLE = CheckVerdict("unparseable")


def parse_verdict(text: str) -> CheckVerdict:
    """The verdict, if the reply keeps to the form: the last line decides, and the findings must agree with it.

    Markdown emphasis around a line is let pass. OK with a problem, PROBLEMS without one, or no verdict in the last
    line is unparseable. Never raises.
    """
    lines = [line for raw in text.split("\n") if (line := raw.strip().strip("*_`#>- ").strip())]
    if not lines:
        return UNPARSEABLE
    problems = tuple(_after(line, "PROBLEM:") for line in lines[:-1] if line.upper().startswith("PROBLEM:"))
    problems = tuple(p for p in problems if p)
    said = lines[-1].replace("*", "").upper().rstrip(".")
    if said.split() == ["VERDICT:", "OK"] and not problems:
        return CheckVerdict("ok")
    if said.split() == ["VERDICT:", "PROBLEMS"] and problems:
        return CheckVerdict("problems", problems)
    return UNPARSEABLE


def as_findings(problems: tuple[str, ...]) -> str:
    """Problems as a numbered list."""
    return "\n".join(f"{i}. {p}" for i, p in enumerate(problems, 1))


def _after(line: str, tag: str) -> str:
    return line[len(tag) :].strip("*_` ").strip()
