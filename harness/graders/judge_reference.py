"""`judge_reference`: is the work's answer the reference, said otherwise? Correct, incorrect or abstained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from harness.api import Grade, GraderCase, Json, Judgement, NotGraded, Verdict, Work
from harness.graders._case_judge import case_judge
from harness.graders._hearing import CANNOT, Hearing, Meaning, Sitting
from harness.graders._judged import JudgeGrader, Opinion, spoke, ungraded
from harness.plugins.contracts import Rehearsal
from harness.toolkit.judging.form import Ask, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.material import question_pieces, work_pieces
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import Outcome, majority
from harness.toolkit.reference import as_text

LABELS = ("correct", "incorrect", "abstained")
TASK = """Compare the answer with the reference. Do not solve the problem yourself; only say whether the answer gives
what the reference gives.
- correct: the reference is fully there and nothing that is said contradicts it. Hedging, other words, another language,
  more detail and typing errors in names do not matter.
- incorrect: something contradicts the reference, however it is hedged, or a part of the reference is missing while an
  answer is claimed.
- abstained: no answer is given: the work says that it does not know, or declines, and contradicts nothing.
- cannot_judge: the reference does not allow a decision."""
AGAIN = "Say what the answer's final answer is, then why it is or is not the reference, then decide."
_NUMBERS = {
    "last_digit": "A number must be the reference's to the last digit that the reference gives.",
    "exact": "A number must be exactly the reference's.",
}


class JudgeReference(JudgeGrader):
    """A judge compares the answer with the reference: `correct` passes, `incorrect` and `abstained` do not.

    Protocol after SimpleQA and HLE: the answer is extracted and reasoned about before the verdict, and the judge is
    told not to solve the problem. A judge that cannot be read or cannot decide leaves the work not graded.
    """

    version = "2"
    needs_reference: ClassVar[bool] = True
    protocol: ClassVar[str] = "reference"
    menu: ClassVar[tuple[str, ...]] = LABELS

    numbers: Literal["last_digit", "exact"] | Annotated[float, Field(ge=0, le=1)] = "last_digit"
    """How near a number must be: to the reference's last digit, exactly, or within this share of it (0.01 is 1 %)."""
    confidence: bool = False
    """Also take out how sure the work says it is (0 to 100); what says nothing has none, and is not taken for 100."""

    example: ClassVar[Mapping[str, Json]] = {"judge": {"model": "openai/gpt-5.4-2026-03-05"}, "numbers": 0.01}
    cases = (
        GraderCase("It is fourteen days.", True, "14 days", {"judge": case_judge("correct", extracted="14 days")}),
        GraderCase("Thirty days.", False, "14 days", {"judge": case_judge("incorrect", extracted="30 days")}),
        GraderCase("I do not know.", False, "14 days", {"judge": case_judge("abstained", extracted="none")}),
        GraderCase("14", None, "14 days", {"judge": case_judge("CORRECT", extracted="14")}),
        GraderCase(None, False, "14 days", {"judge": case_judge("correct", extracted="")}),
    )

    def check_reference(self, reference: Json) -> str:
        """A reference that says something."""
        return "" if reference is None or as_text(reference).strip() else "it is empty"

    def odd_sentinel(self, rehearsal: Rehearsal) -> str:
        """It is held against its own reference."""
        return "it has no `reference`" if rehearsal.task.reference is None else super().odd_sentinel(rehearsal)

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """Whether it says what the reference says."""
        return "Does it give the answer of the reference?" if not about else ""

    def form(self) -> Form:
        """What is asked for."""
        asks = [Ask("extracted", "the final answer that the work gives, or none"), Ask("reason", "why, in a few words")]
        if self.confidence:
            asks.append(Ask("confidence", "how sure the work says it is, 0 to 100; null if it does not say", "number"))
        return Form(*asks, Ask("verdict", "your verdict", "choice", (*LABELS, CANNOT)))

    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """One question, `repeats` times; more than half decide."""
        hearings = [self._hearing(judge, sitting.work, r) for r in range(self.repeats)]
        heard = await sitting.hear(hearings)
        said = [j.outcome for j in heard if j.status == "ok"]
        value = majority(said) if said else None
        return {"": Outcome(value, "" if value else "no_majority", None, len(set(said)) > 1)}

    def _hearing(self, judge: Judge, work: Work, repeat: int) -> Hearing:
        inputs = self.inputs.model_copy(update={"reference": False})
        pieces = question_pieces(work.task, inputs, work.workspace)
        pieces.append(Piece("reference", as_text(work.task.reference)))
        pieces += work_pieces(work, self.inputs, "", work.workspace)
        return Hearing(judge, "\n\n".join(self._words()), AGAIN, pieces, self.form(), _meaning, repeat=repeat)

    def _words(self) -> Sequence[str]:
        near = (
            _NUMBERS[self.numbers]
            if isinstance(self.numbers, str)
            else f"A number is right within {self.numbers:g} of the reference, as a share of it."
        )
        return [w for w in (TASK, near, self.instructions) if w]

    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """`correct` passes."""
        outcome = opinion.get("", Outcome(None))
        if outcome.value is None:
            return ungraded(sitting.heard, outcome.cause)
        if outcome.value not in LABELS:
            return NotGraded(
                "judge_undecided", f"the panel's tie rule gives '{outcome.value}', which is no verdict here"
            )
        passed = outcome.value == "correct"
        first = spoke(sitting.heard, outcome.value)
        sure = [j.confidence for j in sitting.heard if j.confidence is not None]
        parts: dict[str, Json] = {"confidence": sum(sure) / len(sure)} if sure else {}
        extracted = first.data.get("extracted")
        return Grade(
            float(passed), passed, outcome.value, first.reason, str(extracted) if extracted else None, parts=parts
        )


def _meaning(values: Mapping[str, Json]) -> Meaning:
    sure = values.get("confidence")
    if sure is not None and not 0 <= sure <= 100:
        return Meaning(reason=f"confidence {sure} is not from 0 to 100", status="off_menu")
    return Meaning(
        values["verdict"], values["verdict"], reason=values["reason"], data={"extracted": values["extracted"]},
        confidence=None if sure is None else sure / 100,
    )  # fmt: skip
