"""`judge_pairwise`: the work against another one, in both orders, with ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from harness.api import Card, Grade, GraderCase, Json, Judgement, NotGraded, Output, Task, Verdict, Work
from harness.graders._case_judge import case_judge
from harness.graders._hearing import CANNOT, Hearing, Meaning, Sitting
from harness.graders._judged import JudgeGrader, Opinion, spoke, ungraded
from harness.graders._opponents import Opponent, Refusals, declined, delivered
from harness.plugins.contracts import Rehearsal
from harness.plugins.judging import Delivered
from harness.records.outcome import IS_OPPONENT
from harness.toolkit.answers import no_answer
from harness.toolkit.judging.form import Ask, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.material import Delivery, question_pieces, work_pieces
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import WORTH, Outcome, PairRule, pair_outcome

TASK = """Two pieces of work on the same question are shown, each under a letter. Say which is better by this measure:

{criteria}

The order in which they are shown, their letters, their length and their formatting say nothing. If neither is better by
this measure, say tie; do not look for a winner where there is none."""
AGAIN = "Say what each does well and badly by the measure above, then decide."
MINE, THEIRS = "work", "opponent"
_FIELD: Json = {"field": "reference"}
_LEVELS = {"much_better": 2, "better": 1}


class JudgePairwise(JudgeGrader):
    """A judge compares the work with an opponent's, in both orders. Value: win 1, tie 0.5, loss 0.

    Skipped without a call: both empty (tie), one empty (it loses), equal texts (tie); who refused counts as empty. An
    order without a verdict leaves the pair not graded. Verdicts that change with the order are ties under
    `conservative` (MT-Bench's rule) and are marked as disagreement, not as judged ties.
    """

    version = "2"
    protocol: ClassVar[str] = "pairwise"
    opponent: Opponent
    """With what the work is compared."""
    criteria: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = (
        "Which solves the user's problem better, with fewer errors?"
    )
    """By what measure one is better."""
    scale: Literal["win_tie_loss", "five_level"] = "win_tie_loss"
    """Whether "much better" can be said; it is recorded and counts no more than "better"."""
    orders: Literal["both", "audit", "random_single"] = "both"
    """Each pair in both orders; in one that the seed chooses (half the calls, and nothing learnt about position); or
    `audit`: in one, and a share of them in both, by which the judge is measured."""
    audit_share: float = Field(default=0.25, gt=0, le=1)
    """The share of pairs that `orders: audit` shows in both orders, drawn by the seed."""
    aggregate: PairRule = "conservative"
    """What two orders make together when they disagree: a tie, their average, the sign of their sum, or nothing."""
    refusals: Refusals = "lose"
    """A side that refused or abstained has delivered nothing: it loses to one that delivered, and two such tie. With
    `judged` its words are judged like any other, for tasks where refusing may be right. The same for both sides."""
    passes: Literal["win", "tie"] = "tie"
    """Whether a tie passes, or only a win."""

    example: ClassVar[Mapping[str, Json]] = {
        "judge": {"model": "openai/gpt-5.4-2026-03-05"},
        "opponent": {"field": "expert_deliverable"},
        "criteria": "Which answer solves the user's problem with fewer errors?",
    }
    cases = (
        GraderCase("14 days", True, "thirty", {"opponent": _FIELD, "judge": case_judge("tie")}),
        GraderCase(
            "14 days",
            False,
            "thirty",
            {"opponent": _FIELD, "judge": case_judge("tie"), "passes": "win"},
        ),
        GraderCase("14 days", None, "thirty", {"opponent": _FIELD, "judge": case_judge("first")}),
        GraderCase(None, False, "thirty", {"opponent": _FIELD, "judge": case_judge("tie")}),
    )

    def opponents(self) -> Sequence[str]:
        """The other system of this run, if it is one."""
        return (self.opponent.system,) if self.opponent.system and not self.opponent.run else ()

    def check(self, workspace: Path) -> Sequence[str]:
        """The opponent is there."""
        return (*super().check(workspace), *self.opponent.check(workspace, "opponent"))

    def check_task(self, task: Task) -> str:
        """The opponent's field."""
        return self.opponent.lacks(task)

    def unopposed(self, tasks: Sequence[Task], workspace: Path) -> str:
        """Tasks that the opponent's file does not have."""
        return self.opponent.unopposed(tasks, workspace)

    def digest_files(self) -> Sequence[str]:
        """The opponent's file, too."""
        return (*super().digest_files(), *((self.opponent.file,) if self.opponent.file else ()))

    def before(self, work: Work) -> Verdict | None:
        """Pairs that need no judge."""
        if work.bench.opponent is None and work.bench.system in self.opponents():
            return NotGraded(IS_OPPONENT, f"others are compared with '{work.bench.system}'; nobody judges it here")
        other = delivered(self.opponent, work)
        if isinstance(other, NotGraded):
            return other
        mine, theirs = self._texts(work, work), self._texts(work, other)
        sides = {MINE: self._lacks(work.output, mine), THEIRS: self._lacks(other.output, theirs)}
        if sides[MINE] and sides[THEIRS]:
            label = "both_empty" if set(sides.values()) == {"empty"} else "both_declined"
            return self._skipped("tie", label, "neither delivered anything", sides)
        if sides[MINE]:
            said = no_answer(work.output) if self.refusals == "lose" or sides[MINE] == "empty" else None
            return said or self._skipped("loss", "no_answer", "there is nothing to compare", sides)
        if sides[THEIRS]:
            return self._skipped("win", f"opponent_{sides[THEIRS]}", f"{other.by} delivered nothing", sides)
        if _normal(mine) == _normal(theirs) and not work.bench.role.startswith("control:"):
            return self._skipped("tie", "identical", "both delivered the same", sides)
        return None

    def _lacks(self, output: Output, text: str) -> str:
        """Why a side has nothing to compare: it `refused`, `abstained` or is `empty`; nothing where it has."""
        return declined(output, self.refusals) or ("" if text.strip() else "empty")

    def odd_sentinel(self, rehearsal: Rehearsal) -> str:
        """It brings its own opponent: none of the run's is one for it."""
        return "it has no `opponent`" if rehearsal.opponent is None else super().odd_sentinel(rehearsal)

    def draws(self) -> Sequence[str]:
        """Of a pair, the three outcomes."""
        return tuple(WORTH)

    def turns(self) -> float:
        """Both orders, one, or one and a share of the other."""
        return {"both": 2.0, "random_single": 1.0, "audit": 1 + self.audit_share}[self.orders]

    def turned(self) -> bool:
        """Unless each pair is shown in one order."""
        return self.orders != "random_single"

    def shown(self) -> int:
        """The work and its opponent."""
        return 2

    def words_of(self, rehearsal: Rehearsal) -> Sequence[str]:
        """The outcomes."""
        return tuple(WORTH)

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """The measure."""
        return self.criteria.strip()

    def card(self, work: Work, about: str, said: Sequence[Judgement]) -> Card | NotGraded:
        """Both sides, to choose from."""
        found = super().card(work, about, said)
        return found if isinstance(found, NotGraded) else replace(found, menu=("tie",), picks=("win", "loss"))

    def sides(self, work: Work) -> Sequence[tuple[str, Sequence[Piece]]] | NotGraded:
        """The work and its opponent."""
        mine, other = super().sides(work), delivered(self.opponent, work)
        if isinstance(other, NotGraded) or isinstance(mine, NotGraded):
            return other if isinstance(other, NotGraded) else mine
        return [*mine, (other.by, work_pieces(other, self.inputs, "", work.workspace))]

    def _texts(self, work: Work, side: Delivery) -> str:
        inputs = self.inputs.model_copy(update={"transcript": False})
        pieces = work_pieces(side, inputs, "", work.workspace)
        return "\n".join(p.content if isinstance(p.content, str) else p.content.sha256 for p in pieces)

    def _skipped(self, outcome: str, label: str, why: str, sides: Mapping[str, str]) -> Grade:
        """A verdict without a judge. `sides` is recorded: what each side lacks, by which the pair was decided."""
        lacks = {who: lack for who, lack in sides.items() if lack}
        parts: dict[str, Json] = {"outcome": outcome, "skipped": label, **({"lacks": dict(lacks)} if lacks else {})}
        return Grade(WORTH[outcome], self._passes(outcome), label, why, parts=parts)

    def _passes(self, outcome: str) -> bool:
        return outcome == "win" or (outcome == "tie" and self.passes == "tie")

    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """Each order, `repeats` times."""
        other = delivered(self.opponent, sitting.work)
        if isinstance(other, NotGraded):
            return {"": Outcome(None, other.cause)}
        orders = (0, 1) if self._in_both(sitting) else (sitting.random("order").randrange(2),)
        turns = [(order, repeat) for order in orders for repeat in range(self.repeats)]
        heard = await sitting.hear([self._hearing(judge, sitting, other, *turn) for turn in turns])
        said = [[j.outcome for j in heard if j.order == order and j.status == "ok"] for order in orders]
        return {"": pair_outcome(said, self.aggregate)}

    def _in_both(self, sitting: Sitting) -> bool:
        """Whether this pair is shown in both orders. Under `audit` sentinels and controls always are."""
        if self.orders != "audit" or sitting.work.bench.role.split(":")[0] != "score":
            drawn = self.orders != "random_single"
        else:
            drawn = sitting.random("audit").random() < self.audit_share
        return drawn

    def _hearing(self, judge: Judge, sitting: Sitting, other: Delivered, order: int, repeat: int) -> Hearing:
        work = sitting.work
        labels = sitting.labels(2, judge.name, order, repeat)
        slots = (MINE, THEIRS) if order == 0 else (THEIRS, MINE)
        sides: dict[str, Delivery] = {MINE: work, THEIRS: other}
        pieces = question_pieces(work.task, self.inputs, work.workspace)
        for slot, label in zip(slots, labels, strict=True):
            pieces += work_pieces(sides[slot], self.inputs, label, work.workspace)
        task = "\n\n".join(w for w in (TASK.format(criteria=self.criteria.strip()), self.instructions) if w)
        shown = (work.bench.system or MINE, other.by) if order == 0 else (other.by, work.bench.system or MINE)
        form = self._form(sorted(labels))
        reader = _Reader(slots, labels)
        return Hearing(
            judge, task, AGAIN, pieces, form, reader.read, order, repeat, "", shown, labels, other.by,
            mine=labels[slots.index(MINE)],
        )  # fmt: skip

    def _form(self, labels: Sequence[str]) -> Form:
        words = labels if self.scale == "win_tie_loss" else [f"{x}_{how}" for x in labels for how in _LEVELS]
        options = (*words, "tie", CANNOT)
        return Form(
            Ask("reason", "what each does well and badly"), Ask("verdict", "which is better", "choice", options)
        )

    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """Win, tie or loss."""
        found = opinion.get("", Outcome(None))
        if found.value not in WORTH:
            return ungraded(sitting.heard, found.cause or f"'{found.value}' is no outcome of a pair")
        value = WORTH[found.value] if found.score is None else found.score
        label = "disagreement" if found.contested and found.value == "tie" else found.value
        first = spoke(sitting.heard, found.value)
        parts: dict[str, Json] = {"outcome": found.value, "opponent": first.opponent, "contested": found.contested}
        why = f"{found.value} against {first.opponent}: {first.reason}"
        return Grade(value, self._passes(found.value), label, why[:2000], parts=parts)


class _Reader:
    """Verdicts are said of labels; this maps them to places and to the work under test."""

    def __init__(self, slots: Sequence[str], labels: Sequence[str]) -> None:
        self.slots = slots
        self.labels = labels

    def read(self, values: Mapping[str, Json]) -> Meaning:
        """What the verdict says of the work."""
        verdict = str(values["verdict"])
        label, _, how = verdict.partition("_")
        if label not in self.labels:
            return Meaning(verdict, "tie" if verdict == "tie" else "", reason=values["reason"], level=0)
        slot = self.labels.index(label)
        outcome = "win" if self.slots[slot] == MINE else "loss"
        level = _LEVELS.get(how, 1) * (1 if outcome == "win" else -1)
        return Meaning(verdict, outcome, slot, level, values["reason"])


def _normal(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
