"""`judge_steps`: the way, not the result: which step of the work is the first wrong one?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from harness.api import Card, Grade, GraderCase, Json, Judgement, NotGraded, Output, Task, Transcript, Verdict, Work
from harness.graders._case_judge import case_judge
from harness.graders._hearing import CANNOT, Hearing, Meaning, Sitting
from harness.graders._judged import JudgeGrader, Opinion, ungraded
from harness.graders._opponents import field_of, fields_of
from harness.plugins.contracts import Rehearsal
from harness.toolkit.judging.form import Ask, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.looks import holds
from harness.toolkit.judging.material import question_pieces, steps_of, steps_shown
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import Outcome, majority

TASK = """The steps of a piece of work are shown, numbered from 0. Find the first step that is wrong: a false statement,
a wrong calculation or conclusion, an action that does harm or that the question does not allow. A step is judged by
what was known when it was taken. Detours, repetitions and style are not wrong, and neither is a step that only carries
on an earlier mistake."""
AGAIN = "Go through the steps in order, then name the first wrong one by its number, or say clean."
CLEAN = "clean"
RIGHT_WRONG = ("right", "wrong")


class JudgeSteps(JudgeGrader):
    """A judge looks for the first wrong step of the way. Passed when there is none; value: the steps before it.

    After ProcessBench: the verdict is the number of the earliest wrong step, or `clean`. The words it quotes must stand
    in that step. Where the task holds the true first error (`gold`), the record says whether it was hit exactly, within
    one step, or blamed too late; that measures the judge and moves no score.
    """

    version = "3"
    protocol: ClassVar[str] = "steps"
    menu: ClassVar[tuple[str, ...]] = ("clean",)

    steps: Literal["transcript", "paragraphs", "lines"] = "transcript"
    """What a step is: an event of the transcript, or a paragraph or line of the answer."""
    each: bool = False
    """Also ask for a verdict on every step, in the same call."""
    quote: Literal["required", "none"] = "required"
    """Whether a wrong step needs words that are really in it."""
    gold: str = ""
    """A field of the task (`reference`, or a key of its `meta`) with the number of the first wrong step, or `clean`.
    Work without that step is not the work that was labelled: it measures no judge, and is flagged `gold_past_end`."""
    most: int = Field(default=200, ge=1, le=1000)
    """Longer ways are not graded."""

    example: ClassVar[Mapping[str, Json]] = {"judge": {"model": "openai/gpt-5.4-2026-03-05"}, "steps": "paragraphs"}
    cases = (
        GraderCase("2 + 2 = 4\n\nSo 5", True, params={"steps": "paragraphs", "judge": case_judge(CLEAN, quote="")}),
        GraderCase(
            "2 + 2 = 5\n\nSo 5", False, params={"steps": "paragraphs", "judge": case_judge("0", quote="2 + 2 = 5")}
        ),
        GraderCase(
            "2 + 2 = 5\n\nSo 5", None, params={"steps": "paragraphs", "judge": case_judge("1", quote="2 + 2 = 5")}
        ),
        GraderCase("2 + 2 = 5", None, params={"steps": "paragraphs", "judge": case_judge("7", quote="2 + 2 = 5")}),
    )

    def check_task(self, task: Task) -> str:
        """The first wrong step is a number or `clean`, where the grader names its field."""
        if not self.gold:
            return ""
        true = field_of(task, self.gold)
        if true is None:
            return f"`gold` names `{self.gold}`, which it lacks; {fields_of(task)}"
        right = str(true) == CLEAN or str(true).isdecimal()
        return "" if right else f"its `{self.gold}` is {str(true)!r}: the number of a step from 0, or {CLEAN}"

    def fits_tagged(self) -> bool:
        """Verdicts on every step are a list."""
        return not self.each

    def before(self, work: Work) -> Verdict | None:
        """No step, or too many."""
        if self.steps != "transcript" and (early := super().before(work)):
            return early
        n = len(self._steps(work))
        if n == 0:
            return NotGraded("no_steps", "the work shows no steps")
        return None if n <= self.most else NotGraded("too_many_steps", f"{n} steps, at most {self.most} are judged")

    def words_of(self, rehearsal: Rehearsal) -> Sequence[str]:
        """Its steps by number."""
        return (CLEAN, *map(str, range(len(self._steps_of(rehearsal.output, rehearsal.transcript)))))

    def parts_of(self, rehearsal: Rehearsal) -> Mapping[str, Sequence[str]]:
        """The whole, and each step where it is asked for."""
        words = self.words_of(rehearsal)
        each = {f"step {n}": RIGHT_WRONG for n in words[1:]} if self.each else {}
        return {"": words, **each}

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """Which step; or of one step, where each is judged, whether it is right."""
        return f"Is {about} right?" if about else "Which step is the first wrong one?"

    def card(self, work: Work, about: str, said: Sequence[Judgement]) -> Card | NotGraded:
        """The steps by number; one of them by itself is right or wrong."""
        found = super().card(work, about, said)
        if isinstance(found, NotGraded):
            return found
        return replace(found, menu=RIGHT_WRONG) if about else replace(found, steps=len(self._steps(work)))

    def sides(self, work: Work) -> Sequence[tuple[str, Sequence[Piece]]]:
        """The steps."""
        return [(work.bench.system, [Piece(f"step {i}", f"{i}. {s}") for i, s in enumerate(self._steps(work))])]

    def _steps(self, work: Work) -> list[str]:
        return steps_shown(work) if self.steps == "transcript" else self._steps_of(work.output, None)

    def _steps_of(self, output: Output, transcript: Transcript | None) -> list[str]:
        if self.steps == "transcript":
            return steps_of(transcript)
        text = output.answer or ""
        parts = re.split(r"\n\s*\n", text) if self.steps == "paragraphs" else text.splitlines()
        return [p.strip() for p in parts if p.strip()]

    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """One question, `repeats` times; more than half must name the same step."""
        steps = self._steps(sitting.work)
        heard = await sitting.hear([self._hearing(judge, sitting.work, steps, r) for r in range(self.repeats)])
        said = [j.outcome for j in heard if j.status == "ok" and not j.about]
        value = majority(said) if said else None
        return {"": Outcome(value, "" if value else "no_majority", None, len(set(said)) > 1)}

    def _hearing(self, judge: Judge, work: Work, steps: Sequence[str], repeat: int) -> Hearing:
        pieces = question_pieces(work.task, self.inputs, work.workspace)
        pieces += [Piece(f"step {i}", text, "work") for i, text in enumerate(steps)]
        task = "\n\n".join(w for w in (TASK, self.instructions) if w)
        reader = _Reader(steps, self)
        true = self._true(work.task)
        expect = "" if past_end(true, len(steps)) else true
        return Hearing(judge, task, AGAIN, pieces, reader.form(), reader.read, repeat=repeat, expect=expect)

    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """Clean, or the first wrong step."""
        found = opinion.get("", Outcome(None))
        if found.value is None:
            return ungraded(sitting.heard, found.cause)
        n = len(self._steps(sitting.work))
        first = next((j for j in sitting.heard if j.status == "ok" and j.outcome == found.value), None)
        parts: dict[str, Json] = {"first_wrong": found.value, "steps": n}
        true = self._true(sitting.work.task)
        late = past_end(true, n)
        if true and not late:
            parts |= against_gold(found.value, true)
        clean = found.value == CLEAN
        value = 1.0 if clean else int(found.value) / n
        label = CLEAN if clean else "wrong_step"
        why = "no step is wrong" if clean else f"step {found.value} of {n} is the first wrong one"
        flags = (f"gold_past_end: step {true}, and the last one is {n - 1}",) if late else ()
        return Grade(value, clean, label, f"{why}: {first.reason if first else ''}"[:2000], parts=parts, flags=flags)

    def _true(self, task: Task) -> str:
        """The true first error, where the task holds it."""
        true = field_of(task, self.gold) if self.gold else None
        return "" if true is None else str(true)


def past_end(true: str, n: int) -> bool:
    """Whether a true first error is of other work: this has no such step, and no judge could hit it."""
    return true.isdecimal() and int(true) >= n


def against_gold(said: str, true: str) -> dict[str, Json]:
    """How a named step relates to the true first error: exact hit, within one step, blamed late."""
    if CLEAN in (said, true):
        return {"gold": true, "exact": said == true, "within_one": said == true, "late": False}
    gap = int(said) - int(true)
    return {"gold": true, "exact": gap == 0, "within_one": abs(gap) <= 1, "late": gap > 0}


class _Reader:
    """The form for one way, and what its reply means."""

    def __init__(self, steps: Sequence[str], grader: JudgeSteps) -> None:
        self.steps = steps
        self.grader = grader

    def form(self) -> Form:
        """The first wrong step, and each step where asked for."""
        numbers = tuple(map(str, range(len(self.steps))))
        each = (
            Ask("step", "its number", "choice", numbers),
            Ask("is", "what it is", "choice", (*RIGHT_WRONG, CANNOT)),
        )
        asks = [Ask("each", "one entry for every step", "items", of=each)] if self.grader.each else []
        quote = [Ask("quote", "the wrong words, copied exactly; empty if clean")] if self._quoted else []
        verdict = Ask("verdict", "the first wrong step", "choice", (*numbers, CLEAN, CANNOT))
        return Form(*asks, Ask("reason", "what is wrong there, or why nothing is"), *quote, verdict)

    @property
    def _quoted(self) -> bool:
        return self.grader.quote == "required"

    def read(self, values: Mapping[str, Json]) -> dict[str, Meaning]:
        """The verdict; a step whose quote is not in it, or that the list of steps contradicts, is not believed."""
        verdict, quote = str(values["verdict"]), str(values.get("quote", ""))
        evidence = (quote,) if quote else ()
        whole = Meaning(verdict, verdict, reason=values["reason"], evidence=evidence)
        if verdict in (CLEAN, CANNOT):
            pass
        elif self._quoted and not holds(quote, self.steps[int(verdict)]):
            why = f"the quote is not in step {verdict}: {quote[:200]}"
            whole = Meaning(verdict, reason=why, evidence=evidence, status="integrity_failed")
        each = {str(e["step"]): str(e["is"]) for e in values.get("each", ())}
        wrong = sorted(int(s) for s, is_ in each.items() if is_ == "wrong")
        if self.grader.each and verdict != CANNOT and whole.status == "ok":
            first = str(wrong[0]) if wrong else CLEAN
            if first != verdict:
                whole = Meaning(
                    verdict, reason=f"the list of steps says {first}, the verdict {verdict}", status="ambiguous"
                )
        found = {"": whole}
        for step, is_ in each.items():
            found[f"step {step}"] = Meaning(is_, is_, reason="")
        return found
