"""What a comparison says, as data. `compare_sections` draws it, `compare_json` writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.errors import Exit
from harness.report.identity import Identity
from harness.stats.intervals import Interval
from harness.stats.ratios import Ratio

Verdict = Literal["OK", "WORSE", "REGRESSION", "INCONCLUSIVE", "INVALID"]
BAD: frozenset[Verdict] = frozenset(("WORSE", "REGRESSION"))
MARGIN = 0.05
"""The loss that counts as a regression where nobody says another."""


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A metric that decides, with the loss that would be a regression (> 0, in the metric's own units).

    `direction` says which way is better where that is not known (`grader.*`).
    """

    name: str
    margin: float = MARGIN
    direction: Literal["up", "down"] | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """How to compare. `quarantined` tasks are reported apart and never decide."""

    metrics: tuple[MetricSpec, ...] = (MetricSpec("pass_rate"),)
    alpha: float = 0.05
    coverage: float = 0.98
    by_family: bool = True
    allow_mismatch: bool = False
    allow_subset: bool = True
    slices: bool = False
    seed: int = 0
    quarantined: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. `bounds` is the pass rate if all that is missing had failed, and if it had passed."""

    label: str
    system: str
    runs: tuple[str, ...]
    planned: int
    graded: int
    coverage: float
    missing: tuple[tuple[str, int], ...]
    bounds: Interval
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checks:
    """Other tests of the same difference, as two-sided p values. `lost` and `won` are tasks, with one epoch a side."""

    interval: float | None
    sign_flip: float | None
    mantel_haenszel: float | None = None
    mcnemar_exact: float | None = None
    mcnemar_mid: float | None = None
    lost: int | None = None
    won: int | None = None


@dataclass(frozen=True, slots=True)
class Settle:
    """What would make a question of this margin answerable with 80 % power; None is *not by this alone*.

    `families` is set where there are too few of them (`families_now`) to say that nothing was lost: as many in all.
    """

    detectable: float | None
    tasks: int | None
    epochs: int | None
    why_not: str = ""
    families: int | None = None
    families_now: int = 0


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric: `difference` is b - a with one-sided bounds `low` and `high`, each at alpha.

    `verdict` counts; `plain` is that of the complete cases, `worst` and `best` if all that is missing had gone against
    b, and for it. `p_worse` and `p_regression` are adjusted by Holm over the metrics that decide.
    """

    name: str
    up: bool
    margin: float
    a: float | None
    b: float | None
    tasks: int
    families: int
    difference: float | None
    low: float | None
    high: float | None
    why_not: str
    p_worse: float | None
    p_regression: float | None
    plain: Verdict
    worst: Verdict
    best: Verdict
    verdict: Verdict
    checks: Checks
    settle: Settle
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flip:
    """A task whose rate moved: passed of graded on both sides; `q` is Fisher's p by Benjamini-Hochberg."""

    task: str
    passed_a: float
    graded_a: int
    passed_b: float
    graded_b: int
    difference: float
    p: float
    q: float


@dataclass(frozen=True, slots=True)
class SliceResult:
    """A part of the tasks. For looking, never for deciding; `q` by Benjamini-Hochberg over all slices."""

    field: str
    value: str
    tasks: int
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    q: float | None


@dataclass(frozen=True, slots=True)
class Economy:
    """Money, time and tokens of both sides on the common tasks; ratios are b over a. Costs in US dollars."""

    cost_a: float | None
    cost_b: float | None
    cost: Ratio
    seconds: Ratio
    p95_a: str
    p95_b: str
    tokens_a: float | None
    tokens_b: float | None
    out_per_in_a: float | None
    out_per_in_b: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A whole comparison. `invalid` says why no verdict can be believed; empty when it can."""

    a: Side
    b: Side
    identity: Identity
    options: Options
    tasks: int
    invalid: tuple[str, ...]
    nothing: bool
    metrics: tuple[MetricResult, ...]
    economy: Economy | None
    flips: tuple[Flip, ...]
    moved: int
    slices: tuple[SliceResult, ...]
    missingness: float | None
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The worst of the metrics that decide."""
        if self.invalid:
            return "INVALID"
        found = {m.verdict for m in self.metrics}
        order: tuple[Verdict, ...] = ("REGRESSION", "WORSE", "INCONCLUSIVE")
        return next((v for v in order if v in found), "OK")

    @property
    def exit_code(self) -> Exit:
        """Comparing never fails on quality: 0, 3 for an invalid side, 5 where nothing ran."""
        return Exit.NOTHING if self.nothing else Exit.INVALID if self.invalid else Exit.OK
