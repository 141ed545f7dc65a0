"""What is known about judges, as data: the data sheets of a run, whether each judge is valid, and what to look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.report.model import Count
from harness.stats.intervals import Estimate, Interval
from harness.stats.swap import Verdict

State = Literal["ok", "failed", "inconclusive", "not_measured"]
Validity = Literal["valid", "invalid", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its n (of what `unit` says) and interval; without one of them, `why_not` says why.

    `name` is stable: the gate and `summary.json` use it. `note` says how to read the value.
    """

    name: str
    title: str
    value: float | None
    n: int
    unit: str
    interval: Interval | None
    why_not: str = ""
    note: str = ""


def figure(name: str, title: str, e: Estimate, counted: tuple[int, str], note: str = "") -> Figure:
    """A figure of an estimate; NaN becomes no value with its reason. `counted` is n and what was counted."""
    value = None if e.value != e.value else e.value
    why = e.why_not if e.interval is None else ""
    return Figure(name, title, value, counted[0], counted[1], e.interval, why, note)


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold of the judge gate and what came of it."""

    name: str
    state: State
    limit: float
    reason: str


@dataclass(frozen=True, slots=True)
class Split:
    """An item on which the two orders disagree: for a person to read."""

    task: str
    system: str
    opponent: str
    about: str
    kind: str


@dataclass(frozen=True, slots=True)
class Money:
    """What a judge cost, in US dollars: a lower bound where calls are `unpriced`.

    Every call that was made, also those whose verdict was replaced by a later one. `scores`, `sentinels`, `controls`
    and `audits` are parts of `usd`; `apart` is what no attempt's record has of it. `cached` counts judgements answered
    from the judgement cache; `provider_cached` input tokens read from a provider's.
    """

    usd: float
    calls: int
    unpriced: int
    cached: int
    judgements: int
    provider_cached: int
    scores: float = 0.0
    sentinels: float = 0.0
    controls: float = 0.0
    audits: float = 0.0
    apart: float = 0.0


@dataclass(frozen=True, slots=True)
class JudgeSheet:
    """The data sheet of one judge in one grader.

    `position` is the verdict on the position effect; `classes` what became of pairs under the swap; `ungraded` causes;
    `ungraded_by_system` where they fell; `returned` the models that really answered; `splits` are the first of
    `n_splits`. `validity` and `checks` are the judge gate; `reasons` say why it is not valid. With `informs` its
    grader decides no task of the run: then it makes no run invalid. `only_ties`: it never chose between works.
    `sentinels_alike`: a judge that says one word to each question would agree with enough of them.
    """

    grader: str
    judge: str
    protocol: str
    model: str
    family: str
    returned: tuple[Count, ...]
    calibrations: tuple[str, ...]
    figures: tuple[Figure, ...]
    position: Verdict | None
    classes: tuple[Count, ...]
    ungraded: tuple[Count, ...]
    ungraded_by_system: tuple[Count, ...]
    money: Money
    splits: tuple[Split, ...]
    n_splits: int
    notes: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    validity: Validity = "inconclusive"
    reasons: tuple[str, ...] = ()
    informs: bool = False
    only_ties: bool = False
    sentinels_alike: bool = False

    def figure(self, name: str) -> Figure | None:
        """A figure by name; None where this kind of judge has none of it."""
        return next((f for f in self.figures if f.name == name), None)


@dataclass(frozen=True, slots=True)
class Panel:
    """Several judges of one grader against each other. High agreement is no evidence of being right (judge.md 1.7)."""

    grader: str
    judges: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Rated:
    """Ratings of the candidates of one pairwise grader by one judge: strengths in logits, the same on an Elo scale.

    `alike` are the strengths between works that are equal in what `alike_in` names: length, style.
    """

    grader: str
    judge: str
    candidates: tuple[str, ...]
    strengths: tuple[Estimate, ...]
    elo: tuple[float, ...]
    figures: tuple[Figure, ...]
    games: int
    note: str
    why_not: str
    alike: tuple[Estimate, ...] = ()
    alike_in: str = ""


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """All judges of a run. `validity` is that of the worst sheet that decides; `reasons` and `warnings` name judges."""

    sheets: tuple[JudgeSheet, ...]
    panels: tuple[Panel, ...] = ()
    ratings: tuple[Rated, ...] = ()
    validity: Validity = "inconclusive"
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
