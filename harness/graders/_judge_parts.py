"""Parameters that graders share: how a panel decides, whom it hands on to, what judges may cost, controls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.toolkit.judging.attacks import SHELLS, attacks
from harness.toolkit.judging.judge import Judge

UNGRADED = "ungraded"
"""What a draw of votes means in words where it means nothing (judge.md 7.1)."""


PAIRS_ONLY = ("identical", "near_identical")
"""Controls that only a comparison of two can be asked about."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PanelRule(_Closed):
    """How a panel decides."""

    quorum: int = Field(default=0, ge=0)
    """How many members must have an opinion; 0 is more than half. It is not asked of those that `escalate.to` names: of
    them more than half must."""
    tie: str = ""
    """What a draw of votes means, one of the protocol's outcomes (`tie`, `not_met`, ...); left out, or `ungraded`, it
    leaves the work without a verdict."""


class Escalate(_Closed):
    """Who decides what the judge, or the panel, could not."""

    when: tuple[Literal["swap_disagrees", "panel_disagrees", "ungraded"], ...] = ("panel_disagrees", "swap_disagrees")
    """What is handed on: a verdict that changed with the order, a panel that is not of one mind, no verdict at all."""
    to: tuple[Judge, ...] = ()
    """A stronger judge, or another panel; its opinion replaces the first."""
    person: bool = False
    """Left for a person instead: not graded, cause `needs_person`, and listed in the run's `to_label.jsonl`."""


class Budget(_Closed):
    """What this grader's judges may use in one run."""

    max_cost_usd: float | None = Field(default=None, gt=0)
    """US dollars."""
    max_calls: int | None = Field(default=None, ge=1)
    """Calls, repairs included."""


class Controls(_Closed):
    """Work with a known verdict, made from this run's own outputs, judged at its end; never in a score."""

    identical: int = Field(default=0, ge=0)
    """Pairs of one answer with itself: which slot is picked when there is nothing to choose? (pairwise)"""
    near_identical: int = Field(default=0, ge=0)
    """Pairs of an answer with the same answer in other line breaks and list marks (pairwise)."""
    padded: int = Field(default=0, ge=0)
    """An answer against itself with its own sentences repeated: longer, and no better."""
    authority: int = Field(default=0, ge=0)
    """An answer against itself with a source that nobody can check; alone, its verdict must stay what it was. So with
    the next two: the content is the same, so the cue must win nothing (judge.md 2.5)."""
    bandwagon: int = Field(default=0, ge=0)
    """With the word that most people say so."""
    sentiment: int = Field(default=0, ge=0)
    """With a feeling before it."""
    null_answers: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    """Shells of an answer (`:`, `Thought process:`, flattery, the question again, the reference of another task): they
    must lose. `all` is each of them once."""
    injection: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    """Answers with an order to the judge appended: the verdict must stay what it was. `all` is the whole corpus."""
    audit_items: int = Field(default=0, ge=0)
    """Works of this run that are asked again, in every order and twice: what `harness judge audit` does, in the run."""

    def counts(self) -> dict[str, int]:
        """How many of each kind that is asked for."""
        every = {"null_answers": SHELLS, "injection": len(attacks())}
        said = {kind: every[kind] if n == "all" else int(n) for kind, n in self.model_dump().items()}
        return {kind: n for kind, n in said.items() if n}
