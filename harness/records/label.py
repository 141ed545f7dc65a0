"""What a person said of one piece of work: one line of `graders/labels/*.jsonl`."""

from __future__ import annotations

from typing import Literal

import msgspec

LabelSet = Literal["dev", "report", "sentinel"]
UNSURE = "unsure"


class Label(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True):
    """One label of one person. `task`, `system`, `epoch`, `opponent` and `about` say of what, as in a judgement.

    `label` is an outcome the grader's judges can have (win, tie, loss, correct, met, ...), or `unsure`. `run` is the
    run it was drawn from, empty for labels that hold for this work in any run; `work` is a digest of the text that was
    shown. `inclusion_prob` is the probability with which the item was drawn. `set`: `dev` labels tune a prompt and are
    never reported on. `seconds` is how long it took; `blind` that no verdict was shown; `shown` the candidates in
    order. `replaces` says that it takes the place of what the same person said before of the same item.
    """

    grader: str
    task: str
    system: str = ""
    epoch: int = 0
    opponent: str = ""
    about: str = ""
    labeler: str
    label: str
    set: LabelSet = "report"
    run: str = ""
    work: str = ""
    inclusion_prob: float = 1.0
    seconds: float = 0.0
    blind: bool = True
    shown: tuple[str, ...] = ()
    replaces: bool = False
    note: str = ""
    at: str = ""

    @property
    def item(self) -> tuple[str, str, int, str, str]:
        """What is labelled, as a judgement names it."""
        return (self.task, self.system, self.epoch, self.opponent, self.about)
