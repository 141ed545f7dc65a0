"""`judge_select`: the best of several pieces of work, each shown in every place once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from harness.api import Card, Grade, GraderCase, Json, Judgement, NotGraded, Task, Verdict, Work
from harness.graders._case_judge import case_judge
from harness.graders._hearing import CANNOT, Hearing, Meaning, Sitting
from harness.graders._judged import JudgeGrader, Opinion, ungraded
from harness.graders._opponents import Opponent, Refusals, declined, delivered
from harness.plugins.contracts import Rehearsal
from harness.plugins.judging import Delivered
from harness.records.outcome import IS_OPPONENT
from harness.toolkit.judging.form import Ask, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.material import question_pieces, work_pieces
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import Outcome, majority

TASK = """Several pieces of work on the same question are shown, each under a letter. Say which one is the best by this
measure:

{criteria}

The order in which they are shown, their letters, their length and their formatting say nothing. If two or more are
equally the best, say tie."""
AGAIN = "Go through them one by one by the measure above, then decide."
MINE = "work"
_PICKS = case_judge("MINE", when=r"<<<answer (?P<mine>\w) \w+>>>\n14\n", mine="MINE")


class JudgeSelect(JudgeGrader):
    """A judge picks the best of the work and its opponents, over all rotations. Value: the share of rotations it wins.

    With K candidates there are K rotations, so that each stands in every place once (judge.md 1.5). Passed when the
    work is picked in more than half; without a majority for anybody it is a tie, which does not pass. An opponent whose
    work is missing, or a rotation without a verdict, leaves the work not graded.
    """

    version = "2"
    protocol: ClassVar[str] = "select"

    against: tuple[Opponent, ...] = Field(min_length=1, max_length=11)
    """The other candidates. Systems of this run are compared in this order: a named one with those named before it."""
    criteria: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = (
        "Which solves the user's problem best, with the fewest errors?"
    )
    """By what measure one is the best."""
    refusals: Refusals = "lose"
    """A candidate that refused or abstained has delivered nothing: it is not shown, and as the work it fails. With
    `judged` its words are shown like any other. The same for every candidate."""

    example: ClassVar[Mapping[str, Json]] = {
        "judge": {"model": "openai/gpt-5.4-2026-03-05"},
        "against": [{"system": "careful"}, {"file": "tasks/mine/answers/expert.jsonl"}],
    }
    cases = (
        GraderCase("14", False, "30", {"against": [{"field": "reference"}], "judge": case_judge("tie")}),
        GraderCase("14", None, "30", {"against": [{"field": "reference"}], "judge": case_judge("2")}),
        GraderCase("14", True, "30", {"against": [{"field": "reference"}], "judge": _PICKS}),
    )

    def opponents(self) -> Sequence[str]:
        """The other systems of this run."""
        return tuple(o.system for o in self.against if o.system and not o.run)

    def opponents_needed(self) -> Sequence[str]:
        """A named system is compared with those that are named before it."""
        return self.opponents()[:1]

    def check(self, workspace: Path) -> Sequence[str]:
        """The opponents are there."""
        return (
            *super().check(workspace),
            *(line for i, o in enumerate(self.against) for line in o.check(workspace, "against", i)),
        )

    def check_task(self, task: Task) -> str:
        """The opponents' fields."""
        return next((lack for o in self.against if (lack := o.lacks(task))), "")

    def unopposed(self, tasks: Sequence[Task], workspace: Path) -> str:
        """Tasks that an opponent's file does not have."""
        return "; ".join(filter(None, (o.unopposed(tasks, workspace) for o in self.against)))

    def digest_files(self) -> Sequence[str]:
        """Their files, too."""
        return (*super().digest_files(), *(o.file for o in self.against if o.file))

    def before(self, work: Work) -> Verdict | None:
        """An empty answer loses; one among empty ones wins; a missing opponent is no comparison."""
        early = super().before(work)
        if early and not (self.refusals == "judged" and (work.output.answer or "").strip()):
            return early
        others = self._others(work)
        if isinstance(others, NotGraded):
            return others
        if not others and self._met(work):
            return Grade(1.0, True, "alone", "no other candidate delivered anything")
        if not others:
            return NotGraded(IS_OPPONENT, f"others are compared with '{work.bench.system}'; nobody judges it here")
        return None

    def odd_sentinel(self, rehearsal: Rehearsal) -> str:
        """It brings its own opponent."""
        return "it has no `opponent`" if rehearsal.opponent is None else super().odd_sentinel(rehearsal)

    def draws(self) -> Sequence[str]:
        """Nobody has a majority, or this work is picked."""
        return ("tie", "win")

    def turned(self) -> bool:
        """By its rotations."""
        return True

    def turns(self) -> float:
        """Every rotation."""
        return self.shown()

    def shown(self) -> int:
        """The work and the other candidates."""
        return 1 + len(self.against)

    def words_of(self, rehearsal: Rehearsal) -> Sequence[str]:
        """The labels of its grades."""
        return ("selected", "not_selected", "no_majority")

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """The measure."""
        return self.criteria.strip()

    def card(self, work: Work, about: str, said: Sequence[Judgement]) -> Card | NotGraded:
        """All candidates, to choose from."""
        found = super().card(work, about, said)
        if isinstance(found, NotGraded):
            return found
        return replace(found, menu=("tie",), picks=("win", *(who for who, _ in found.sides[1:])))

    def sides(self, work: Work) -> Sequence[tuple[str, Sequence[Piece]]] | NotGraded:
        """The work and the other candidates."""
        mine, others = super().sides(work), self._others(work)
        if isinstance(others, NotGraded) or isinstance(mine, NotGraded):
            return others if isinstance(others, NotGraded) else mine
        return [*mine, *((o.by, work_pieces(o, self.inputs, "", work.workspace)) for o in others)]

    def _met(self, work: Work) -> bool:
        """Whether this work stands against anybody: not a system that is only named, with none named before it."""
        named = self.opponents()
        before = named[: named.index(work.bench.system)] if work.bench.system in named else named
        return bool(before) or len(named) < len(self.against) or work.bench.opponent is not None

    def _others(self, work: Work) -> list[Delivered] | NotGraded:
        """Those that delivered something; a system stands neither against itself nor against one named after it."""
        found = []
        for opponent in self.against:
            if opponent.system and opponent.system == work.bench.system and not opponent.run:
                continue
            other = delivered(opponent, work)
            if isinstance(other, NotGraded) and other.cause == "judged_later":
                continue
            if isinstance(other, NotGraded):
                return other
            something = (other.output.answer or "").strip() or other.output.artifacts
            if something and not declined(other.output, self.refusals):
                found.append(other)
        return found

    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """Every rotation, `repeats` times."""
        others = self._others(sitting.work)
        if isinstance(others, NotGraded):
            return {"": Outcome(None, others.cause)}
        n = len(others) + 1
        turns = [(rotation, repeat) for rotation in range(n) for repeat in range(self.repeats)]
        heard = await sitting.hear([self._hearing(judge, sitting, others, *turn) for turn in turns])
        if any(j.status != "ok" for j in heard):
            return {"": Outcome(None, "incomplete")}
        picks = [j.outcome for j in heard]
        best = majority(picks) or "tie"
        return {"": Outcome(best, "", picks.count("win") / len(picks), len(set(picks)) > 1)}

    def _hearing(
        self, judge: Judge, sitting: Sitting, others: Sequence[Delivered], rotation: int, repeat: int
    ) -> Hearing:
        work, n = sitting.work, len(others) + 1
        candidates: list[Delivered | None] = [None, *others]
        shown = candidates[rotation:] + candidates[:rotation]
        labels = sitting.labels(n, judge.name, rotation, repeat)
        pieces = question_pieces(work.task, self.inputs, work.workspace)
        pieces += self._shown(work, shown, labels)
        task = "\n\n".join(w for w in (TASK.format(criteria=self.criteria.strip()), self.instructions) if w)
        slots = tuple((work.bench.system or MINE) if c is None else c.by for c in shown)
        options = (*sorted(labels), "tie", CANNOT)
        form = Form(Ask("reason", "what each does well and badly"), Ask("verdict", "the best", "choice", options))

        def read(values: Mapping[str, Json]) -> Meaning:
            verdict = str(values["verdict"])
            if verdict not in labels:
                return Meaning(verdict, "tie" if verdict == "tie" else "", reason=values["reason"])
            slot = labels.index(verdict)
            outcome = "win" if shown[slot] is None else slots[slot]
            return Meaning(verdict, outcome, slot, reason=values["reason"])

        mine = labels[shown.index(None)]
        return Hearing(judge, task, AGAIN, pieces, form, read, rotation, repeat, "", slots, labels, mine=mine)

    def _shown(self, work: Work, shown: Sequence[Delivered | None], labels: Sequence[str]) -> list[Piece]:
        pieces: list[Piece] = []
        for other, label in zip(shown, labels, strict=True):
            pieces += work_pieces(work if other is None else other, self.inputs, label, work.workspace)
        return pieces

    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """Picked, not picked, or nobody stable."""
        found = opinion.get("", Outcome(None))
        if found.value is None:
            return ungraded(sitting.heard, found.cause)
        picked = found.value == "win"
        label = "selected" if picked else "no_majority" if found.value == "tie" else "not_selected"
        share = found.score if found.score is not None else float(picked)
        why = f"picked in {share:.0%} of rotations; the majority is {'this work' if picked else found.value}"
        return Grade(share, picked, label, why, parts={"best": found.value, "share": round(share, 6)})
