"""Errors a user can mend, and the exit codes.

    HarnessError                 what / where / help; no traceback; carries its exit code
    ├── UsageFault               one thing wrong in an argument or a file (exit 2)
    ├── ConfigError              all faults of the configuration at once (exit 2)
    ├── NothingToRun             nothing selected, nothing ran (exit 5)
    ├── RunInvalid               coverage, judge gate, infrastructure, budget (exit 3)
    ├── NotComparable            digests differ from the baseline or the earlier run (exit 6)
    ├── GateFailed               what was asked for would hide a loss (exit 1)
    └── StoreError               a run folder that is locked, newer, torn or on a full disk (exit 2 or 3)
    ModelError                   a model call failed; says whether trying again can help
    SandboxError                 a box or its engine failed: infrastructure, never a grade
    LimitReached                 a limit of the trial was hit: the system's own outcome
    BudgetReached                the run's budget was used up in the middle of the trial: it is run again on resume
    NoModelCall                  an agent ended without asking a model: its program is broken
    MissingRequirement           something the trial needs is not there: skipped, never a wrong answer
Everything else that is raised is our bug, and shows its traceback (exit 70).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Exit(IntEnum):
    """Process exit codes (design section 8)."""

    OK = 0
    GATE_FAILED = 1
    USAGE = 2
    INVALID = 3
    INCONCLUSIVE = 4
    NOTHING = 5
    NOT_COMPARABLE = 6
    INTERNAL = 70
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a user's file; `line` and `column` count from 1, 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """`file:line:column`, the spelling editors and CI understand."""
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing the user said wrong: what, where, what was written there, and what would help."""

    what: str
    place: Place | None = None
    help: str = ""
    source_line: str = ""

    def render(self) -> str:
        """The fault as shown in a terminal, in rustc's form: error, arrow, source line, help."""
        lines = [f"error: {self.what}"]
        if self.place:
            lines.append(f"  --> {self.place}")
        if self.source_line and self.place and self.place.line:
            gutter = " " * len(str(self.place.line))
            lines += [
                f"{gutter} |",
                f"{self.place.line} | {self.source_line}",
                f"{gutter} | {' ' * max(0, self.place.column - 1)}^",
            ]
        if self.help:
            lines.append(f"  = help: {self.help}")
        return "\n".join(lines)


class HarnessError(Exception):
    """A mistake or a state of the world that the user can mend; shown without a traceback."""

    exit_code: Exit = Exit.USAGE

    def __init__(self, what: str, *, place: Place | None = None, help: str = "") -> None:
        super().__init__(what)
        self.fault = Fault(what, place, help)

    def render(self) -> str:
        """The whole message for a terminal."""
        return self.fault.render()


class UsageFault(HarnessError):
    """One wrong argument, name or file."""


class ConfigError(HarnessError):
    """All faults found in the configuration, sorted by place."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = sorted(faults, key=lambda f: (f.place.path, f.place.line, f.place.column) if f.place else ("",))
        super().__init__("; ".join(f"{f.place}: {f.what}" if f.place else f.what for f in self.faults))

    def render(self) -> str:
        """Every fault, then the count."""
        body = "\n\n".join(f.render() for f in self.faults)
        n = len(self.faults)
        return body if n == 1 else f"{body}\n\n{n} errors"


class NothingToRun(HarnessError):
    """No task or no system is left to run. A run of nothing is never green."""

    exit_code = Exit.NOTHING


class RunInvalid(HarnessError):
    """The run cannot be believed: coverage under the floor, infrastructure, judge gate, budget."""

    exit_code = Exit.INVALID


class NotComparable(HarnessError):
    """Digests differ where they must be equal."""

    exit_code = Exit.NOT_COMPARABLE


class GateFailed(HarnessError):
    """A loss was shown where none is accepted."""

    exit_code = Exit.GATE_FAILED


class StoreError(HarnessError):
    """A run folder cannot be used: locked, from a newer version, damaged, or the disk is full."""


class DiskFull(StoreError):
    """Writing failed; everything already measured is on disk."""

    exit_code = Exit.INVALID


ModelFault = Literal[
    "rate_limit", "overloaded", "server", "timeout", "connection", "bad_response",
    "auth", "not_found", "bad_request", "context_length", "script_exhausted",
]  # fmt: skip
"""Why a model call failed. The first six can be tried again; the others cannot."""

RETRYABLE: frozenset[ModelFault] = frozenset(
    ("rate_limit", "overloaded", "server", "timeout", "connection", "bad_response")
)


class ModelError(Exception):
    """A model call failed.

    `status` is the HTTP status (0 without one); `retry_after_s` is what the server asked for, in seconds.
    """

    def __init__(self, fault: ModelFault, message: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault: ModelFault = fault
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self.fault in RETRYABLE


class SandboxError(Exception):
    """A box or its engine failed. `fault` is a short machine word such as `engine` or `image`."""

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


LimitKind = Literal["time", "turns", "tokens", "cost", "context", "output"]


class LimitReached(Exception):
    """A limit of this trial was reached. Harnesses let it pass; the engine grades what was left behind."""

    def __init__(self, kind: LimitKind, message: str = "") -> None:
        super().__init__(message or f"{kind} limit reached")
        self.kind: LimitKind = kind


class BudgetReached(Exception):
    """The run's budget was used up in the middle of a trial: neither the system's outcome nor its fault."""


class NoModelCall(Exception):
    """An agent ended without having asked a model once: its program is broken, and there is nothing to measure."""


class MissingRequirement(Exception):
    """Something this trial needs is not there (a stored answer, a reference). The engine maps it to `skipped`.

    `requirement` is a short machine word (`stored_answer`, `reference`, ...) and becomes `Trouble.cause` with source
    `requirement`.
    """

    def __init__(self, requirement: str, message: str) -> None:
        super().__init__(message)
        self.requirement = requirement
