"""What a grader that asks judges is told besides the work, and where its judgements go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.records.judgement import Judgement
from harness.records.outcome import NotGraded, Output
from harness.records.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Delivered:
    """What somebody else delivered for the same task: the other side of a comparison."""

    by: str
    output: Output
    artifact: Callable[[str], bytes | None]
    transcript: Callable[[], Transcript | None] = lambda: None


def _nobody(system: str) -> Delivered | NotGraded:
    return NotGraded("no_opponent", f"there is no work of '{system}' to compare with")


def _forgotten(judgement: Judgement) -> None:
    """Without an engine nobody keeps it."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Whose work is judged, in what role, with which seed, and where each judgement is handed to.

    `role` is `score`, `audit`, `sentinel` or `control:<kind>`. `key` is this installation's secret for what the work
    must not be able to guess; `seed` is the suite's. `tell` keeps a judgement: call it for every judgement, as soon as
    it is there, also for those without a verdict. `of` gives what another system of this run delivered for the same
    task in the same epoch, or why there is nothing; `opponent`, where set, is to be used instead.
    """

    grader: str = ""
    system: str = ""
    epoch: int = 0
    attempt: int = 0
    role: str = "score"
    seed: int = 0
    key: bytes = b""
    tell: Callable[[Judgement], None] = _forgotten
    of: Callable[[str], Delivered | NotGraded] = _nobody
    opponent: Delivered | None = None
