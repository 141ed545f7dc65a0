"""What a gate says, as data. `gate` decides it; `gate_outputs`, `junit` and `ci` write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.errors import Exit
from harness.report.comparison import Comparison

State = Literal["ok", "fail", "inconclusive", "invalid", "not measured", "skipped"]
Overall = Literal["OK", "FAILED", "INCONCLUSIVE", "INVALID", "NOT COMPARABLE", "NOTHING RAN", "NOT MEASURED"]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the policy on one system.

    `kind` is the word of `fail_on` by which it can fail the gate (REGRESSION, CRITICAL, ...), `name` what was looked
    at, `says` the finding with its numbers. `tasks` are those it is about. `counts` is whether it decides: a failure
    that `fail_on` leaves out is told and does not.
    `not measured` is the state of rules that had nothing to compare with.
    """

    system: str
    kind: str
    name: str
    state: State
    says: str
    tasks: tuple[str, ...] = ()
    counts: bool = True


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task under one system. `state`: ok, fail (breaks a rule), missing (a verdict of it, or of a rule about it),
    skipped (for a requirement, and coverage is kept all the same), or quarantined; `says` why."""

    task: str
    passed: int
    graded: int
    planned: int
    seconds: float | None
    state: Literal["ok", "fail", "missing", "skipped", "quarantined"]
    says: str = ""


@dataclass(frozen=True, slots=True)
class GatedSystem:
    """One system of the run."""

    system: str
    baseline: str
    checks: tuple[Check, ...]
    comparison: Comparison | None
    tasks: tuple[TaskLine, ...]
    coverage: float
    pass_rate: float | None
    cost_per_success: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True)
class GateResult:
    """A whole gate. `reasons` are what the exit code is for, the most important first; `not_gated` are the
    systems that nobody judged, with why."""

    run: str
    suite: str
    created: str
    policy: str
    overall: Overall
    exit_code: Exit
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    systems: tuple[GatedSystem, ...]
    not_gated: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks of all systems."""
        return tuple(c for s in self.systems for c in s.checks)
