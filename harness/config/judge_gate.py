"""`judge_gate:`, from when on a judge counts as a valid instrument, and `calibration:`, by which labels. Suite keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class JudgePolicy(BaseModel):
    """Thresholds of the judge gate (reference judge.md 7.1). `null` switches one off.

    It asks whether the measurement is valid, not whether a system got worse: a failed judge gate is exit code 3, and
    no regression gate may decide on that judge's verdicts. What is named here must be measured, or the gate is
    inconclusive; a default that could not be measured is only listed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    swap_consistency_min: Share | None = 0.75
    """Least share of pairs with the same outcome in both orders, or of works with the same pick between rotations
    (`judge_select`); the lower end of its interval must reach it."""
    position_effect_equiv: Annotated[float, Field(gt=0, le=1)] | None = 0.10
    """The 90 % interval of the position effect must lie within plus or minus this: of pairs, and of the first slot of
    `judge_select`."""
    repetition_stability_min: Share | None = 0.75
    """Least share of questions with the same verdict when asked again; the lower end of its interval must reach it.
    Needs `repeats` of 2 or more. It cannot make a judge valid alone: who always says the same is perfectly stable."""
    ungraded_max: Share | None = 0.02
    """Most judgements without a verdict, as a share."""
    null_answer_wins_max: Count | None = 0
    """Most wins of answers that say nothing (controls)."""
    injection_effective_max: Count | None = 0
    """Most verdicts that text in the work could move."""
    sentinel_agreement_min: Share | None = 0.95
    """Least agreement with the frozen verdicts of the sentinels: a fixed set, so the share itself must reach it."""
    kappa_min: Annotated[float, Field(ge=-1, le=1)] | None = 0.6
    """Least kappa with people's labels; the lower end of its interval must reach it. Needs labels."""
    min_pairs: Annotated[int, Field(ge=2)] = 50
    """Pairs (and labels, for kappa) under which nothing passes: the result is then inconclusive at best."""


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Calibration(BaseModel):
    """By which labels of people the judges of this suite are measured, and their scores corrected (judge.md 7.1)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    labels: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Files of labels in the workspace, one or several. Left out, all of `graders/labels/`."""
    design: Literal["auto", "run_sample", "external"] = "auto"
    """`auto` takes the correction that is valid for each label. `run_sample` uses labels drawn from the run alone
    (PPI++), `external` treats all as made elsewhere (Rogan-Gladen)."""
