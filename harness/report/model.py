"""What a report says, as data. `text`, `markdown` and `summary` only draw it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import Exit
from harness.records.content import Json
from harness.stats.intervals import Estimate, Interval

if TYPE_CHECKING:
    from harness.report.judges_model import JudgeReport


@dataclass(frozen=True, slots=True)
class Count:
    """A named count."""

    name: str
    n: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the plan was measured. `missing` says why the rest was not; its counts add up to the rest.

    `bounds` is the pass rate over all planned trials if every missing one had failed, and if it had passed.
    `overlooked` trials were skipped for something that the suite allows a machine to lack, or because their task says
    `skip`, or are of a system that others are compared with: the floor does not count them, everything else does.
    """

    planned: int
    attempted: int
    graded: int
    missing: tuple[Count, ...]
    bounds: Interval
    overlooked: int = 0

    @property
    def share(self) -> float:
        """Graded of planned; 0 when nothing was planned."""
        return self.graded / self.planned if self.planned else 0.0

    @property
    def counted(self) -> int:
        """Trials that the floor is about."""
        return self.planned - self.overlooked


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean over tasks with everything needed to believe it. `other_tasks` is the headline interval.

    `tasks` and `trials` are graded ones. `notes` tell what limits the intervals.
    """

    value: float | None
    tasks: int
    trials: int
    families: int
    other_tasks: Interval | None
    why_not: str
    again: Interval | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """Money, in US dollars, of the system under test; the judge's apart.

    `total` adds every billed call of every attempt. `kind`: `exact`, `lower_bound` (some calls have no price),
    `unpriced` (none has one), `simulated` or `none` (no model was called). `cached` calls were answered from the call
    cache and cost nothing here, so what a success costs is then a lower bound.
    """

    kind: str
    total: float
    failed_attempts: float
    calls: int
    unpriced: int
    estimated: int
    per_success: Estimate
    successes: int
    judge_total: float
    judge_calls: int
    judge_unpriced: int
    cached: int


@dataclass(frozen=True, slots=True)
class Times:
    """Working time per task in seconds (mean over its epochs); `censored` is the share of tasks cut by a time limit."""

    tasks: int
    p50: Estimate
    p95: Estimate
    censored: float
    waiting_s: float
    cached_trials: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What self-verifying harnesses say of themselves, over trials that verified.

    `failed_first`: the first check found problems. `unresolved`: the last one still did. `false_alarm` and `missed`
    compare with the verdict: unresolved yet passed, and resolved yet failed.
    """

    trials: int
    failed_first: int
    unresolved: int
    false_alarm: int
    missed: int


@dataclass(frozen=True, slots=True)
class SystemReport:
    """One system."""

    name: str
    harness: str
    models: tuple[str, ...]
    simulated: bool
    privileged: bool
    stored: bool
    coverage: Coverage
    passed: Rate
    mean_value: Rate | None
    cost: Cost
    tokens: tuple[Count, ...]
    cache_share: float | None
    out_per_in: float | None
    times: Times
    turns: int
    retries: int
    limits: tuple[Count, ...]
    verification: Verification | None
    failed_attempts: int
    failed_causes: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the tasks; `rates` in the order of the systems. Exploration: never a verdict."""

    field: str
    value: str
    tasks: int
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """Passed of graded trials of one task under one system."""

    passed: int
    graded: int


@dataclass(frozen=True, slots=True)
class Separating:
    """A task on which systems differ; `shares` in the order of `Tasks.systems`."""

    task: str
    difference: float
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Tasks:
    """How the tasks tell the compared systems apart. Ceilings (privileged) and floors (no answer at all) are left out.

    `compared` counts tasks graded under all of `systems`; `separating` are the largest differences of `differ` tasks.
    """

    systems: tuple[str, ...]
    compared: int
    differ: int
    all_solved: tuple[str, ...]
    none_solved: tuple[str, ...]
    separating: tuple[Separating, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `invalid` says why it cannot be believed; empty when it can. `judges` is None without any."""

    identity: dict[str, Json]
    tasks: int
    epochs: int
    attempts: int
    coverage_floor: float
    warnings: tuple[str, ...]
    invalid: tuple[str, ...]
    exit_code: Exit
    systems: tuple[SystemReport, ...]
    slices: tuple[Slice, ...] = field(default=())
    by_task: Tasks | None = None
    judges: JudgeReport | None = None
