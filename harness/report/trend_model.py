"""What a trend says, as data. `trend_text`, `trend_markdown` and `trend_figure` only draw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from harness.errors import Exit
from harness.stats.drift import Limits

State = Literal["ok", "watch", "alarm", "learning", "stale"]
Mark = Literal["baseline", "watched", "hollow", "changed", "learning"]


@dataclass(frozen=True, slots=True)
class TrendOptions:
    """What a trend is made with. `now` is the only clock, `seed` the only randomness.

    `yearly_alarms` is the chance of any false alarm in a quiet year, over all charts together.
    """

    now: datetime
    max_age: timedelta | None = None
    yearly_alarms: float = 0.2
    seed: int = 0
    replicates: int = 2000
    systems: tuple[str, ...] = ()
    control: str = ""
    promoted: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    """Of systems with a promoted baseline: when it was promoted, and its runs."""


@dataclass(frozen=True, slots=True)
class Point:
    """One night on one chart. `value` is in the chart's own unit, `low` and `high` what the baseline lets expect.

    `down` and `up` are the CUSUMs. `why` says why a hollow or changed night is not accumulated.
    """

    run: str
    created: str
    mark: Mark
    value: float | None
    low: float | None = None
    high: float | None = None
    z: float | None = None
    down: float = 0.0
    up: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class AlarmSaid:
    """An alarm that nobody has acknowledged: night and onset as indices of points, and the change since in units.

    `tasks` are those whose rate fell most clearly, with a false discovery rate of 10 %.
    """

    rule: str
    night: int
    onset: int
    change: float | None
    low: float | None
    high: float | None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An alarm that somebody looked into: night and onset as indices of points, and who said when what it was."""

    rule: str
    night: int
    onset: int
    at: str
    by: str
    cause: str


@dataclass(frozen=True, slots=True)
class ChartSaid:
    """One chart of one system. `middle` is the baseline's value; `limits` are None while it is learning.

    `anew` where its newest night is acknowledged: the sums of its points led there, and the next night begins at 0.
    """

    name: str
    system: str
    unit: str
    state: State
    why: str
    middle: float | None
    baseline_nights: int
    limits: Limits | None
    points: tuple[Point, ...]
    alarms: tuple[AlarmSaid, ...]
    acknowledged: tuple[Acknowledged, ...] = ()
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the attribution ladder. `state` is `same`, `moved` or `not measured`; `said` tells what was seen.

    `later` is what moved only after the alarm, and so is no cause of it.
    """

    name: str
    state: str
    said: str
    later: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that can change a result and did, at this night."""

    created: str
    system: str
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SystemTrend:
    """One system: its charts, and where an alarm comes from. `rungs` and `verdict` are empty without an alarm."""

    system: str
    state: State
    nights: int
    hollow: int
    charts: tuple[ChartSaid, ...]
    rungs: tuple[Rung, ...]
    verdict: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is no night of this history, and why. `broken` when it should have been one."""

    run: str
    why: str
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Trend:
    """Everything about a suite's nights. `problems` say why the newest night carries no verdict."""

    suite: str
    now: str
    state: State
    exit_code: Exit
    yearly_alarms: float
    systems: tuple[SystemTrend, ...]
    changes: tuple[Change, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[str, ...]
    acks: tuple[str, ...]
