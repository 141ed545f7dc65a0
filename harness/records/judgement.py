"""What a judge said: one call to one judge about one piece of work, as `judgements.jsonl` has it."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.records.content import Json, Usage

JudgementStatus = Literal[
    "ok",
    "refused",
    "unparseable",
    "off_menu",
    "ambiguous",
    "integrity_failed",
    "truncated",
    "too_long",
    "api_error",
    "skipped_budget",
]


class Reply(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One try of a judgement: what came back and how it was read."""

    status: JudgementStatus
    raw: str = ""


class Judgement(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One judgement. Only `status` ok carries a `verdict`; anything else is no verdict and never a score.

    `role` is `score`, `audit`, `sentinel` or `control:<kind>`; only `score` moves a score. `protocol` is pairwise,
    reference, rubric, select, steps or claims. `order` and `repeat` say which presentation this was: for pairwise 0 is
    AB and 1 is BA, for select the rotation. `slots` are the candidates in the order shown, `labels` what each was
    called there. `slot` is the slot the verdict names (0-based; None for a tie or where there are no slots), and
    `outcome` is the same said of the work under test: win, tie, loss, correct, met, the index of a step, ...
    `case` names the made-up work of a control: several can be made of one work.
    `about` is the criterion, claim or step judged, where a judgement is about a part. `lengths` are characters of each
    slot, `styles` counts of headings, lists and bold words. `flags` name injection attempts that were seen in the work
    under test, `others_flags` those in the other candidates, by candidate.
    `attempt` is the number of the attempt it belongs to, 0 for those of none (sentinels, controls, audits).
    `expected` is the outcome that is known to be right, where one is: a sentinel's frozen verdict, a control's. `work`
    is a digest of what was judged and asked, as labels have it: a label for other text is none for this.
    """

    grader: str
    protocol: str
    judge: str
    model: str
    family: str = ""
    model_returned: str = ""
    role: str = "score"
    task: str = ""
    task_family: str = ""
    system: str = ""
    epoch: int = 0
    attempt: int = 0
    opponent: str = ""
    about: str = ""
    case: str = ""
    order: int = 0
    repeat: int = 0
    slots: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    status: JudgementStatus
    verdict: str = ""
    slot: int | None = None
    outcome: str = ""
    expected: str = ""
    level: int | None = None
    confidence: float | None = None
    reason: str = ""
    evidence: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    others_flags: dict[str, tuple[str, ...]] = {}
    canary_ok: bool | None = None
    replies: tuple[Reply, ...] = ()
    prompt_digest: str = ""
    template: str = ""
    schema_digest: str = ""
    parser: str = ""
    calibration: str = ""
    seed: int = 0
    work: str = ""
    lengths: tuple[int, ...] = ()
    styles: tuple[tuple[int, ...], ...] = ()
    usage: Usage = Usage()
    cached: bool = False
    seconds: float = 0.0
    at: float = 0.0
    data: dict[str, Json] = {}
