"""Advice on routing, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.config.needs import Needs
from harness.stats.intervals import Interval

Status = Literal["supported", "tie", "insufficient", "none"]
Fit = Literal["yes", "no", "unknown"]
CellKey = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One candidate on the tasks of one shape.

    `bounds` are one-sided, corrected for the number of candidates; None under 8 families. `shrunk` is the success
    drawn towards the candidate's overall rate, where the cell is small. `fits` says whether it is *shown* to keep the
    needs, shown not to, or neither; `why` names what decides. `best` is the bootstrap's share of suites in which it is
    the best, `regret` what choosing it loses (share of success, or dollars a task where a failure has a price); None
    under 8 families.
    """

    name: str
    tasks: int
    trials: int
    success: float
    bounds: Interval | None
    shrunk: float | None
    cost_per_task: float | None
    cost_per_success: float | None
    p95_s: float | None
    critical: int
    fits: Fit
    why: tuple[str, ...]
    best: float | None
    regret: float | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What to use for one shape. `need` is about how many tasks would settle it; `why` says it in words.

    `choice` is the best guess when the status is insufficient; its rule then names the default.
    """

    shape: CellKey
    status: Status
    choice: str
    runner_up: str
    why: str
    need: int | None
    needs: Needs
    tasks: int
    families: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Composition:
    """A composition counted on stored outcomes: the first system, and the next one where it was unsure.

    `handed_on` of `trials` went on. `difference` is its success minus that of its last system alone.
    """

    name: str
    systems: tuple[str, ...]
    trials: int
    handed_on: int
    tasks: int
    success: float
    difference: Interval | None
    cost_per_success: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """Plan with one system's models, work with the other's: what it would cost, and what it would have to reach.

    Its success cannot be counted: nobody stored what the worker makes of that plan. `cost_per_task` is what both spent
    on the task alone, about the most that planning and working costs. `beats` has, by system alone, its cost per
    success and the success from which the pair is cheaper per success (above 1: never). None where a call had no price.
    """

    name: str
    systems: tuple[str, str]
    tasks: int
    cost_per_task: float | None
    beats: dict[str, tuple[float | None, float | None]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A way of working counted on the stored outcomes: a system alone, or the routing."""

    name: str
    tasks: int
    success: float
    cost_per_success: float | None


@dataclass(frozen=True, slots=True)
class Route:
    """The whole advice. `default` is for tasks that no rule is written for; `expires` the last day it counts."""

    suite: str
    runs: tuple[str, ...]
    made: str
    expires: str
    by: tuple[str, ...]
    default: str
    overall: Advice
    shapes: tuple[Advice, ...]
    compositions: tuple[Composition, ...]
    planned: tuple[Planned, ...]
    replayed: tuple[Replayed, ...]
    notes: tuple[str, ...]
