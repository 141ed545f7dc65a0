"""`judge_rubric`: criteria with points, good and bad, each met or not; gates that cap, quotes that are looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from harness.api import Grade, GraderCase, Json, Judgement, Verdict
from harness.graders._case_judge import case_judge
from harness.graders._hearing import CANNOT, Hearing, Meaning, Sitting
from harness.graders._judged import JudgeGrader, Opinion, ungraded
from harness.plugins.contracts import Rehearsal
from harness.toolkit.judging.form import Ask, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.looks import holds
from harness.toolkit.judging.material import question_pieces, work_pieces
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import Outcome, majority
from harness.toolkit.refused import refused

VERDICTS = ("met", "not_met")
TASK = """Say for each criterion whether the work meets it. A criterion says what is to be looked for: it is met when
that is there, and not met when it is not. Some describe something bad; then it is met when the bad thing is there. Do
not judge whether the work is good; only whether what the criterion says is so.
- met: it is so, and you can quote where.
- not_met: it is not so, or only claimed.
- cannot_judge: what is shown does not allow a decision."""
AGAIN = "Judge by the criteria as they were given above the material, and by nothing else."
QUOTE = "the words of the work that show it, copied exactly; empty if it is not met"


class Gate(BaseModel):
    """What a failed criterion does to the whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    cap: float = Field(ge=0, lt=1)
    """The most the value can be when this criterion fails (a good one not met, a bad one met)."""


class Criterion(BaseModel):
    """One thing to look for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")
    """Unique in the rubric."""
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    """What is looked for, as a statement that is so or not."""
    points: float
    """Its weight: positive for something good, negative for something bad."""
    gate: Gate | None = None
    """A cap on the whole when it fails."""
    critical: bool = False
    """Whether failing it is a critical error, listed apart in reports."""
    tags: tuple[str, ...] = ()
    """Free words, kept in the record."""


class JudgeRubric(JudgeGrader):
    """A judge looks for weighted criteria. Value: points met / positive points, cut to [0, 1]; passed from `pass_from`.

    Scoring after HealthBench: negative points count against, and the uncut score is kept. A criterion without a
    verdict, or whose quote is not in the work, leaves the whole not graded; the interval it could lie in is told.
    """

    version = "2"
    protocol: ClassVar[str] = "rubric"
    menu: ClassVar[tuple[str, ...]] = VERDICTS

    criteria: tuple[Criterion, ...] = Field(min_length=1)
    """What is looked for."""
    call: Literal["per_criterion", "batched"] = "per_criterion"
    """One call for each criterion, or one for all. Batching is cheaper; measure that it says the same."""
    evidence: Literal["quote", "none"] = "quote"
    """Whether `met` needs words of the work that are really in it."""
    pass_from: float = Field(default=0.7, gt=0, le=1)
    """The smallest value that passes."""
    clip: Literal["each", "run_mean"] = "each"
    """Where scores are cut to [0, 1]: each work's, or only their mean over a run, as HealthBench reports it. The data
    sheet has that mean by system; a work's own value, and whether it passes, are cut either way."""

    example: ClassVar[Mapping[str, Json]] = {
        "judge": {"model": "anthropic/claude-opus-4-7"},
        "criteria": [
            {"id": "dose", "text": "States the maximum daily dose as 4 g", "points": 7},
            {"id": "invent", "text": "Cites a source that does not exist", "points": -6},
            {"id": "scope", "text": "Covers all three files", "points": 5, "gate": {"cap": 0.5}},
        ],
    }
    cases = (
        GraderCase(
            "At most 4 g a day.",
            True,
            params={
                "criteria": [{"id": "dose", "text": "States 4 g", "points": 7}],
                "judge": case_judge("met", quotes=["4 g a day"]),
            },
        ),
        GraderCase(
            "At most 4 g a day.",
            False,
            params={
                "criteria": [{"id": "dose", "text": "States 5 g", "points": 7}],
                "judge": case_judge("not_met", quotes=[]),
            },
        ),
        GraderCase(
            "At most 4 g a day.",
            None,
            params={
                "criteria": [{"id": "dose", "text": "States 5 g", "points": 7}],
                "judge": case_judge("met", quotes=["at most 5 g"]),
            },
        ),
    )

    def turns(self) -> float:
        """Each criterion, or all at once."""
        return len(self.criteria) if self.call == "per_criterion" else 1

    def words_of(self, rehearsal: Rehearsal) -> Sequence[str]:
        """The labels of its grades."""
        return ("met", "partly_met", "capped", "not_met")

    def parts_of(self, rehearsal: Rehearsal) -> Mapping[str, Sequence[str]]:
        """The criteria."""
        return {c.id: VERDICTS for c in self.criteria}

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """The criterion."""
        return next((c.text for c in self.criteria if c.id == about), "")

    @model_validator(mode="after")
    def _criteria_make_a_score(self) -> Self:
        ids = [c.id for c in self.criteria]
        for i, name in enumerate(ids):
            if name in ids[:i]:
                what = f"two criteria are called {name}"
                raise refused(what, "ids are unique in a rubric: rename one", "criteria", i, "id")
        for i, criterion in enumerate(self.criteria):
            if criterion.points == 0:
                what = "a criterion with 0 points counts for nothing"
                raise refused(what, "leave it out, or give it points", "criteria", i, "points")
        if not any(c.points > 0 for c in self.criteria):
            what = "no criterion has positive points: nothing could ever be scored"
            help_ = "the score is points met of all positive points: name at least one good thing"
            raise refused(what, help_, "criteria")
        return self

    def fits_tagged(self) -> bool:
        """One criterion fits, a batch does not; nor do quotes."""
        return self.call == "per_criterion" and self.evidence == "none"

    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """Every criterion, `repeats` times; more than half decide."""
        heard = await sitting.hear(self._hearings(judge, sitting))
        opinion: Opinion = {}
        for c in self.criteria:
            said = [j.outcome for j in heard if j.about == c.id and j.status == "ok"]
            value = majority(said) if said else None
            opinion[c.id] = Outcome(value, "" if value else "no_majority", None, len(set(said)) > 1)
        return opinion

    def _hearings(self, judge: Judge, sitting: Sitting) -> list[Hearing]:
        pieces = question_pieces(sitting.work.task, self.inputs, sitting.work.workspace)
        pieces += work_pieces(sitting.work, self.inputs, "", sitting.work.workspace)
        head = "\n\n".join(w for w in (TASK, self.instructions) if w)
        found: list[Hearing] = []
        for repeat in range(self.repeats):
            if self.call == "batched":
                order = list(self.criteria)
                sitting.random("criteria", repeat).shuffle(order)
                said = "\n".join(f"- {c.id}: {c.text}" for c in order)
                task = f"{head}\n\nThe criteria:\n{said}"
                ids = tuple(c.id for c in self.criteria)
                batch = _Batch(ids, pieces, self.evidence == "quote")
                found.append(Hearing(judge, task, AGAIN, pieces, batch.form(), batch.read, repeat=repeat))
                continue
            for c in self.criteria:
                one = _Single(pieces, self.evidence == "quote")
                task, again = f"{head}\n\nThe criterion:\n{c.text}", f"{AGAIN} The criterion again: {c.text}"
                found.append(Hearing(judge, task, again, pieces, one.form(), one.read, repeat=repeat, about=c.id))
        return found

    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """The points, if every criterion has a verdict."""
        open_ = [c for c in self.criteria if opinion.get(c.id, Outcome(None)).value not in VERDICTS]
        met = {c.id: opinion[c.id].value == "met" for c in self.criteria if c not in open_}
        best = sum(c.points for c in self.criteria if c.points > 0)
        raw = sum(c.points for c in self.criteria if met.get(c.id)) / best
        if open_:
            low = raw + sum(min(0.0, c.points) for c in open_) / best
            high = raw + sum(max(0.0, c.points) for c in open_) / best
            names = ", ".join(c.id for c in open_)
            return ungraded(sitting.heard, f"{names} without a verdict; the score is from {low:.2f} to {high:.2f}")
        failed = [c for c in self.criteria if met[c.id] != (c.points > 0)]
        caps = [c.gate.cap for c in failed if c.gate]
        value = min([max(0.0, min(1.0, raw)), *caps])
        passed = value >= self.pass_from - 1e-9
        why = f"{value:.2f} of 1 (passes from {self.pass_from:g})"
        if failed:
            why += "; fails " + ", ".join(c.id for c in failed[:20])
        parts: dict[str, Json] = {"score": round(raw, 6), **met}
        label = "met" if not failed else "capped" if caps else "partly_met" if value > 0 else "not_met"
        return Grade(value, passed, label, why, parts=parts, critical=any(c.critical for c in failed))


class _Single:
    """The form for one criterion."""

    def __init__(self, pieces: Sequence[Piece], quoted: bool) -> None:
        self.text = "\n".join(p.content for p in pieces if p.side and isinstance(p.content, str))
        self.quoted = quoted

    def form(self) -> Form:
        quotes = [Ask("quotes", QUOTE, "list")] if self.quoted else []
        return Form(
            Ask("reason", "why, in a few words"), *quotes, Ask("verdict", "your verdict", "choice", (*VERDICTS, CANNOT))
        )

    def read(self, values: Mapping[str, Json]) -> Meaning:
        """The verdict; `met` without words that are in the work is not believed."""
        quotes, verdict = tuple(values.get("quotes", ())), values["verdict"]
        absent = [q for q in quotes if not holds(q, self.text)]
        if verdict == "met" and self.quoted and (absent or not quotes):
            why = f"the quote is not in the work: {absent[0][:200]}" if absent else "`met` without a quote"
            return Meaning(verdict, reason=why, evidence=quotes, status="integrity_failed")
        return Meaning(verdict, verdict, reason=values["reason"], evidence=quotes)


class _Batch(_Single):
    """The form for all criteria at once."""

    def __init__(self, ids: tuple[str, ...], pieces: Sequence[Piece], quoted: bool) -> None:
        super().__init__(pieces, quoted)
        self.ids = ids

    def form(self) -> Form:
        inner = [a for a in super().form().asks if a.name != "token"]
        item = (Ask("id", "the criterion", "choice", self.ids), *inner)
        return Form(Ask("criteria", "one entry for every criterion", "items", of=item), verdict="criteria")

    def read(self, values: Mapping[str, Json]) -> dict[str, Meaning]:  # type: ignore[override]  # a batch means several
        """Each criterion's verdict. One that is missing, or there twice with two verdicts, has none."""
        said: dict[str, list[Mapping[str, Json]]] = {i: [] for i in self.ids}
        for one in values["criteria"]:
            said[one["id"]].append(one)
        found: dict[str, Meaning] = {}
        for name, entries in said.items():
            if not entries:
                found[name] = Meaning(reason="the reply leaves it out", status="unparseable")
            elif len({e["verdict"] for e in entries}) > 1:
                found[name] = Meaning(reason="the reply gives two verdicts for it", status="ambiguous")
            else:
                found[name] = super().read(entries[-1])
        return found
