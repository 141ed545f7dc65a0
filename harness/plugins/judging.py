"""What a grader that asks judges is told besides the work, and where its judgements go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.records.content import Json
from harness.records.judgement import Judgement
from harness.records.outcome import NotGraded, Output
from harness.records.task import Task
from harness.records.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Delivered:
    """What somebody else delivered for the same task: the other side of a comparison."""

    by: str
    output: Output
    artifact: Callable[[str], bytes | None]
    transcript: Callable[[], Transcript | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Work whose verdict is known, judged like any other: a sentinel, or a control.

    `expect` is the frozen verdict: a label, or the expected outcomes by what they are about (criterion, claim).
    `system` and `epoch` say whose work a control was made from.
    """

    id: str
    task: Task
    output: Output
    expect: Json
    opponent: Delivered | None = None
    transcript: Transcript | None = None
    system: str = ""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class JudgeAsks:
    """What a judge is asked about one work: how many calls (a mean, where the seed draws orders), and how many works
    each of them shows. Repairs, retries, cleaned work and escalation come on top.
    """

    role: str
    calls: float
    works: int = 1


@dataclass(frozen=True, slots=True)
class JudgeBudget:
    """The most that one grader's judges may cost in a run; None is no limit."""

    max_cost_usd: float | None = None
    max_calls: int | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What a person who labels is asked and shown, and what may be answered. No verdict of any judge is on it.

    `given` are the suite's own pieces by title; `sides` the work by candidate: one, or those that are compared. `menu`
    are the outcomes; `picks` the outcome that choosing each side stands for, where sides are chosen from. With `steps`,
    the number of a step from 0 is an outcome too. `files` are paths of images and PDFs from the workspace: those given,
    then those of each side. `digest` says what is shown in one word: a label holds for that.
    """

    asked: str
    given: tuple[tuple[str, str], ...]
    sides: tuple[tuple[str, str], ...]
    menu: tuple[str, ...]
    picks: tuple[str, ...] = ()
    steps: int = 0
    digest: str = ""
    files: tuple[tuple[str, ...], ...] = ()


def _nobody(system: str) -> Delivered | NotGraded:
    return NotGraded("no_opponent", f"there is no work of '{system}' to compare with")


def _forgotten(said: object) -> None:
    """Without an engine nobody keeps it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Whose work is judged, in what role, with which seed, and where each judgement is handed to.

    `kin` are the families of the system's models. `role` is `score`, `audit`, `sentinel` or `control:<kind>`. `key` is
    this installation's secret for what the work must not be able to guess; `seed` is the suite's. `tell` keeps a
    judgement: call it for every judgement, as soon as it is there, also for those without a verdict. `stop` ends the
    run for a reason: nothing new is started. `of` gives what another system of this run delivered for the same task in
    the same epoch, or why there is nothing; `opponent`, where set, is to be used instead. `expect` is what is known to
    be right, for sentinels and controls; `case` names a control.
    """

    grader: str = ""
    system: str = ""
    epoch: int = 0
    attempt: int = 0
    kin: tuple[str, ...] = ()
    role: str = "score"
    seed: int = 0
    key: bytes = b""
    tell: Callable[[Judgement], None] = _forgotten
    stop: Callable[[str], None] = _forgotten
    of: Callable[[str], Delivered | NotGraded] = _nobody
    opponent: Delivered | None = None
    case: str = ""
    expect: Json = None
