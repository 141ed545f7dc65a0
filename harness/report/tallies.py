"""Sums per task of one system's night, or of a pool of nights: what every decision is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.records.outcome import Digests
from harness.report.columns import About
from harness.stats.intervals import Codes, Numbers
from harness.store.manifest import SystemInfo

PASS_RATE = "pass_rate"
GRADER = "grader."
"""Prefix of a metric that is one grader's mean value: `grader.tone`."""

METRICS: Mapping[str, tuple[bool, str]] = {
    PASS_RATE: (True, "share of graded trials that passed"),
    "value": (True, "mean of the graders' values, 0 to 1"),
    "refusal_rate": (False, "share of graded trials that were refused"),
    "abstention_rate": (False, "share of graded trials in which the system would not answer"),
    "false_success_rate": (False, "share of graded trials that claimed to be done and failed"),
    "critical_rate": (False, "share of graded trials with a critical error"),
    "limit_rate": (False, "share of graded trials that hit a limit"),
}
"""Metrics per task in [0, 1]: whether more is better, and what they are. `grader.<name>` comes on top."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Per task: how many values, their sum, and the sum of their squares."""

    n: Numbers
    total: Numbers
    squares: Numbers

    @property
    def mean(self) -> Numbers:
        """Means per task; NaN where there is no value."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.total / self.n)

    @property
    def within(self) -> Numbers:
        """Sample variances per task over its values; 0 where there are fewer than two."""
        squares = self.squares - self.total**2 / np.maximum(self.n, 1)
        return np.asarray(np.maximum(squares, 0.0) / np.maximum(self.n - 1, 1))

    def take(self, at: Codes | NDArray[np.bool_]) -> Tally:
        """Only these tasks."""
        return Tally(self.n[at], self.total[at], self.squares[at])

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.n + other.n, self.total + other.total, self.squares + other.squares)


@dataclass(frozen=True, slots=True)
class Totals:
    """A night in sums. Costs in US dollars over all billed attempts; `unpriced` calls make them lower bounds.

    `overlooked` trials were skipped for something that the suite lets a machine lack, or that their task says, or are
    of a system that others are compared with (`as_opponent`): the floor of coverage does not count them.
    """

    planned: int
    graded: int
    passed: float
    attempts: int
    calls: int
    cost_usd: float
    unpriced: int
    cached: int
    judge_cost_usd: float
    judge_unpriced: int
    input_tokens: float
    cache_read_tokens: float
    output_tokens: float
    refused: int
    critical: int
    models: tuple[str, ...] = ()
    overlooked: int = 0
    as_opponent: int = 0

    @property
    def counted(self) -> int:
        """The trials that coverage is of."""
        return self.planned - self.overlooked


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a measurement is from, as its newest night's manifest tells. `filters` are what the command line chose."""

    created: str = ""
    tasks_digest: str = ""
    suite_path: str = ""
    n_tasks: int = 0
    epochs: int = 1
    coverage_floor: float = 0.98
    filters: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    git: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """One system, one night or a pool of nights; arrays are in the order of `tasks`, which is sorted.

    `tallies` has the metrics of METRICS, `grader.<name>`, and the sums behind money and time: `cost` and `tokens_in`,
    `tokens_out` (n is attempts), `log_seconds` and `seconds` (working time of fresh trials). `planned` is trials per
    task. `unseen` counts planned tasks of which no line tells even the name. `time_limited` marks tasks cut by their
    time limit. `runs` are the nights, oldest first; `missing` says why planned trials have no grade. `images` are
    digests of images by task and by what a box was for. `skipped` has the tasks of which every planned trial was
    skipped for a requirement or is of a system that others are compared with, and the requirements' words.
    """

    label: str
    suite: str
    system: SystemInfo
    runs: tuple[str, ...]
    tasks: tuple[str, ...]
    about: tuple[About, ...]
    digests: tuple[Digests, ...]
    planned: Numbers
    unseen: int
    tallies: dict[str, Tally]
    totals: Totals
    origin: Origin = Origin()
    missing: tuple[tuple[str, int], ...] = ()
    time_limited: NDArray[np.bool_] | None = None
    criticals: tuple[tuple[str, int, str], ...] = ()
    warnings: tuple[str, ...] = ()
    images: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        """Graded of the trials that count; 0 when none does."""
        return self.totals.graded / self.totals.counted if self.totals.counted else 0.0

    def where(self, keep: NDArray[np.bool_]) -> Measured:
        """Only these tasks; totals stay those of the run."""
        at = np.flatnonzero(keep)
        return replace(
            self,
            tasks=tuple(self.tasks[i] for i in at),
            about=tuple(self.about[i] for i in at),
            digests=tuple(self.digests[i] for i in at),
            planned=self.planned[at],
            tallies={name: t.take(at) for name, t in self.tallies.items()},
            time_limited=None if self.time_limited is None else self.time_limited[at],
        )
