"""What all graders that ask judges share: who judges, what is shown, panels, escalation, injection, the record.

grade -> opinions of each judge (each a few hearings) -> votes -> a verdict; again without what spoke to the judge
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import msgspec
from pydantic import BaseModel, Field, model_validator

from harness.api import Card, Grade, Grader, Judgement, Model, NotGraded, Usage, UsageFault, Verdict, Work
from harness.errors import ConfigError
from harness.graders._hearing import OWN, Sitting, Without
from harness.graders._judge_parts import PAIRS_ONLY, UNGRADED, Budget, Controls, Escalate, PanelRule
from harness.graders._sentinels import ROW, every_sentinel, read_sentinels
from harness.plugins.contracts import JudgeAsks, JudgeBudget, Rehearsal
from harness.plugins.loader import did_you_mean
from harness.toolkit.answers import no_answer
from harness.toolkit.files import NAMED, check_lines
from harness.toolkit.judging.judge import Judge, unpinned
from harness.toolkit.judging.material import Inputs, question_pieces, seen_files, side_text, work_digest, work_pieces
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import Outcome, vote
from harness.toolkit.refused import placed, refused

Opinion = dict[str, Outcome]
"""What one judge makes of the work, by what it is about ("" where there is one question only)."""


class JudgeGrader(Grader):
    """Shared parameters of the graders that ask judges."""

    needs_reference: ClassVar[bool] = False
    protocol: ClassVar[str] = ""
    menu: ClassVar[tuple[str, ...]] = ()
    """The outcomes that a person who labels can choose from."""

    judge: Judge | None = None
    """Who judges: a name under `judges:`, or a judge written here. There is no default, and never the model under
    test by itself."""
    panel: tuple[Judge, ...] = ()
    """Several judges instead of one; each judges alone, then they vote."""
    panel_rule: PanelRule = PanelRule()
    """How a panel decides."""
    escalate: Escalate | None = None
    """Who decides what they could not."""
    instructions: str = ""
    """What the judge should know besides: the house's view of the matter. Outside the marked pieces, so trusted."""
    inputs: Inputs = Inputs()
    """What the judge sees."""
    repeats: int = Field(default=1, ge=1, le=20)
    """How often each question is asked; two or more show the judge's own noise."""
    too_long: Literal["error", "cut"] = "error"
    """Work longer than the judge's `context`: not graded, or cut in the middle, all sides to the same length, and
    recorded."""
    injection: Literal["cleaned", "fail", "record"] = "cleaned"
    """Work that speaks to its judge is judged again without that; if the verdict changes, the cleaned one counts, or
    the work fails. Where it is an opponent that spoke, the cleaned one counts either way. `record` only flags it."""
    on_ungraded: Literal["exclude", "fail_run"] = "exclude"
    """Work without a verdict is not graded, never a score; with `fail_run` the run is stopped besides."""
    sentinels: str = ""
    """A JSONL file of work with frozen verdicts, judged first in every run."""
    sentinel_agreement: float = Field(default=0.95, ge=0, le=1)
    """The share of sentinels that must come out as frozen, or the run stops before money is spent (judge.md 7.6)."""
    controls: Controls = Controls()
    """Checks of the judge on made-up work, at the end of the run."""
    budget: Budget = Budget()
    """What its judges may use in one run."""
    allow_self_judging: bool = False
    """Say true in words if a model may judge its own work. It is refused otherwise."""

    @model_validator(mode="after")
    def _one_way_to_judge(self) -> Self:
        if self.judge is None and not self.panel:
            raise refused("no judge is named, and there is no default judge", "judge: NAME, of those under `judges:`")
        if self.judge is not None and self.panel:
            raise refused("`judge` and `panel` are both given", "give one: one judge, or several that vote", "panel")
        if self.escalate is not None and bool(self.escalate.to) == self.escalate.person:
            what = "`escalate` says neither or both of `to` and `person`"
            raise refused(what, "to: [JUDGE, ...], or person: true", "escalate")
        for kind in PAIRS_ONLY if self.protocol != "pairwise" else ():
            if getattr(self.controls, kind):
                what = f"`{kind}` controls are pairs, and this grader judges none"
                raise refused(
                    what, "leave it out: padded, null_answers and injection fit every grader", "controls", kind
                )
        if self.escalate is not None and not self._triggers() & set(self.escalate.when):
            what = f"nothing is ever handed on: of one judge asked once, `{self.escalate.when[0]}` cannot come"
            raise refused(what, "when: [ungraded], or name a panel, or say repeats: 2", "escalate")
        if self.panel_rule.quorum > len(self.members):
            what = f"a quorum of {self.panel_rule.quorum} cannot be had from {len(self.members)} judges"
            help_ = "name more judges under `panel`, or ask for fewer; 0 is more than half"
            raise refused(what, help_, "panel_rule", "quorum")
        words = (UNGRADED, *self.draws())
        if (tie := self.panel_rule.tie) and tie not in words:
            close, all_ = did_you_mean(tie, list(words)), f"a draw can mean {', '.join(words)}"
            help_ = f"{close} — {all_}" if close else all_
            raise refused(f"`tie`: '{tie}' is no outcome of {self.protocol}", help_, "panel_rule", "tie")
        self._judges_fit()
        return self

    def _triggers(self) -> set[str]:
        """What `escalate.when` can ever see of this grader."""
        found = {"ungraded"}
        found |= {"panel_disagrees"} if len(self.members) > 1 else set()
        return found | ({"swap_disagrees"} if self.repeats > 1 or self.turned() else set())

    def turned(self) -> bool:
        """Whether one question is asked in several orders."""
        return False

    def _judges_fit(self) -> None:
        """Each has a name of its own, and can answer in this protocol's form. Raises ValueError."""
        places: list[tuple[str | int, ...]] = (
            [("judge",)] if self.judge else [("panel", i) for i in range(len(self.panel))]
        )
        places += [("escalate", "to", i) for i in range(len(self.all_judges) - len(places))]
        seen: set[str] = set()
        for judge, at in zip(self.all_judges, places, strict=True):
            if judge.name in seen:
                raise refused(f"two judges are called {judge.name}", "give each a `name` of its own", *at)
            seen.add(judge.name)
            if judge.output == "tagged" and not self.fits_tagged():
                what = f"judge '{judge.name}' answers in tagged lines, which cannot hold the lists of this protocol"
                raise refused(what, "output: json, or schema where the provider has it", *at)

    def draws(self) -> Sequence[str]:
        """The outcomes that a draw of votes may be said to mean."""
        return self.menu

    @property
    def members(self) -> tuple[Judge, ...]:
        """Who judges first."""
        return self.panel or ((self.judge,) if self.judge else ())

    @property
    def all_judges(self) -> tuple[Judge, ...]:
        """Everybody who may be asked."""
        return (*self.members, *(self.escalate.to if self.escalate else ()))

    def fits_tagged(self) -> bool:
        """Whether tagged lines can hold this protocol's reply."""
        return True

    def judges(self) -> Mapping[str, Model]:
        """Every judge's model, by the judge's name."""
        return {j.name: j.model for j in self.all_judges}

    def judge_asks(self) -> Sequence[JudgeAsks]:
        """Each member, in every order, repeat and part."""
        return tuple(JudgeAsks(j.name, self.turns() * self.repeats, self.shown()) for j in self.members)

    def turns(self) -> float:
        """Calls about one work in one repeat: orders, rotations, criteria."""
        return 1

    def shown(self) -> int:
        """How many works one call shows."""
        return 1

    def judge_budget(self) -> JudgeBudget:
        """What they may use."""
        return JudgeBudget(self.budget.max_cost_usd, self.budget.max_calls)

    def is_substitute(self, role: str, returned: str) -> bool:
        """As the judge of that name says."""
        return any(j.substituted(returned) for j in self.all_judges if j.name == role)

    def is_cached(self, role: str) -> bool:
        """As the judge says; by itself where calls cost money."""
        named = [j for j in self.all_judges if j.name == role]
        return any(not j.model.simulated if j.cache is None else j.cache for j in named)

    def check(self, workspace: Path) -> Sequence[str]:
        """The sentinels can be read; judges' own parameters hold."""
        faults = [f"judge '{j.name}': {fault}" for j in self.all_judges for fault in j.model.check(workspace)]
        if not self.sentinels:
            return faults
        try:
            known, lines = every_sentinel(workspace, self.sentinels)
        except (UsageFault, ConfigError) as e:
            return [*faults, *check_lines(e, "sentinels", help=ROW)]
        odd = [f"sentinel '{r.id}': {why}" for r in known if (why := self.odd_sentinel(r))]
        more = [f"and {len(odd) - NAMED} more"] if len(odd) > NAMED else []
        faults += check_lines(ConfigError(lines), "sentinels", help=ROW) if lines else []
        return [*faults, *(placed(f"{self.sentinels}: {line}", "sentinels") for line in (*odd[:NAMED], *more))]

    def odd_sentinel(self, rehearsal: Rehearsal) -> str:
        """What this grader could never say of a sentinel, or what it lacks to be judged; nothing if it fits.

        Definitions share files of sentinels: one frozen for other criteria would stop every run as a changed judge.
        """
        expect = rehearsal.expect
        if not isinstance(expect, dict):
            words = self.words_of(rehearsal)
            return "" if str(expect) in words else f"expects '{expect}', and the verdict is one of {', '.join(words)}"
        if not expect:
            return "expects nothing: name at least one outcome"
        parts = self.parts_of(rehearsal)
        if strange := sorted(set(expect) - set(parts)):
            named = f"what is judged is {', '.join(list(parts)[:12])}" if parts else "it is judged as a whole"
            return f"expects something of '{strange[0]}', and {named}"
        wrong = next(((p, w) for p, w in expect.items() if str(w) not in parts[p]), None)
        return f"expects '{wrong[1]}' of '{wrong[0]}': one of {', '.join(parts[wrong[0]])}" if wrong else ""

    def words_of(self, rehearsal: Rehearsal) -> Sequence[str]:
        """The words that the verdict on it can come out as."""
        return self.menu

    def parts_of(self, rehearsal: Rehearsal) -> Mapping[str, Sequence[str]]:
        """What is judged apart in it, with the outcomes of each."""
        return {}

    def advice(self, workspace: Path, today: object) -> Sequence[str]:
        """Judges whose model may be another one tomorrow."""
        return unpinned(self.all_judges)

    def digest_files(self) -> Sequence[str]:
        """The sentinels."""
        return (self.sentinels,) if self.sentinels else ()

    def rehearsals(self, workspace: Path) -> Sequence[Rehearsal]:
        """The sentinels. Raises UsageFault, ConfigError."""
        return read_sentinels(workspace, self.sentinels) if self.sentinels else ()

    def made_controls(self) -> Mapping[str, int]:
        """How many of each kind."""
        return self.controls.counts()

    def least_agreement(self) -> float:
        """As said."""
        return self.sentinel_agreement if self.sentinels else 0.0

    def card(self, work: Work, about: str, said: Sequence[Judgement]) -> Card | NotGraded:
        """The question, the suite's own pieces and the work, as a judge sees them."""
        asked, sides = self.asked(about, said), self.sides(work)
        if not asked:
            return NotGraded("not_labelled", f"{self.protocol}: '{about or 'the whole'}' is nothing that people label")
        if isinstance(sides, NotGraded):
            return sides
        question = question_pieces(work.task, self.inputs, work.workspace)
        given = tuple((p.name, side_text([p], work.workspace)) for p in question)
        shown = tuple((who, side_text(pieces, work.workspace)) for who, pieces in sides)
        files = (seen_files(question), *(seen_files(pieces) for _, pieces in sides))
        return Card(asked, given, shown, self.menu, digest=work_digest(sides, asked), files=files)

    def sides(self, work: Work) -> Sequence[tuple[str, Sequence[Piece]]] | NotGraded:
        """The work by candidate, as it is shown to who judges it."""
        return [(work.bench.system, work_pieces(work, self.inputs, "", work.workspace))]

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """What a person is asked about this part; nothing where it cannot be labelled."""
        return self.instructions or "How good is it?" if not about else ""

    def audited(self, repeats: int, judge: BaseModel | None = None) -> Self:
        """Asked so many times, in every order that it has; of one judge, where one is given."""
        orders = {"orders": "both"} if "orders" in type(self).model_fields else {}
        alone = {"judge": judge, "panel": (), "escalate": None} if judge is not None else {}
        update = {"repeats": repeats, "controls": Controls(), "injection": "record", **orders, **alone}
        return self.model_copy(update=update)

    async def grade(self, work: Work) -> Verdict:
        """Judge, and again without what spoke to the judge."""
        early = self.before(work)
        if early is not None:
            return early
        sitting = Sitting(self, work)
        found = await self._decided(sitting)
        if isinstance(found, NotGraded) and self.on_ungraded == "fail_run" and work.bench.role == "score":
            work.bench.stop(f"'{work.bench.grader}' has no verdict on '{work.task.id}': {found.cause}")
        if self.injection == "record" or not sitting.attackers or isinstance(found, NotGraded):
            return _with(found, sitting)
        clean = await self._again(sitting, "all")
        if isinstance(clean, NotGraded) and (found.passed or sitting.attackers != {OWN}):
            why = f"no verdict without what speaks to the judge, and {found.label} with it: {clean.detail}"
            return _with(NotGraded(clean.cause, why), sitting)
        if _same(clean, found):
            return _with(found, sitting)
        own = await self._own_text_did_it(sitting, found)
        who = "its own text" if own else f"text of {' and '.join(sorted(sitting.attackers - {OWN}))}"
        sitting.notes.append(f"{who} that spoke to the judge had changed the verdict to {found.label}")
        if own and self.injection == "fail":
            clean = Grade(0.0, False, "injection", "it fails for that")
        return _with(clean, sitting, ("injection_effective",) if own else ())

    async def _again(self, sitting: Sitting, whose: Without) -> Verdict:
        """The verdict without what spoke to the judge."""
        again = sitting.without_orders(whose)
        verdict = await self._decided(again)
        sitting.heard += again.heard
        return verdict

    async def _own_text_did_it(self, sitting: Sitting, found: Grade) -> bool:
        """Whether the work under test itself changed the verdict, not an opponent that spoke to the judge too."""
        if len(sitting.attackers) == 1:
            return OWN in sitting.attackers
        return OWN in sitting.attackers and not _same(await self._again(sitting, "own"), found)

    def before(self, work: Work) -> Verdict | None:
        """A verdict that needs no judge: nothing was delivered."""
        delivered = bool(work.output.artifacts) and not (work.output.refused or work.output.abstained)
        return None if delivered and self.inputs.artifacts else no_answer(work.output)

    async def _decided(self, sitting: Sitting) -> Verdict:
        opinions = [await self.opinion(judge, sitting) for judge in self.members]
        joined = self.joined(opinions, self.panel_rule.quorum)
        escalate = self.escalate
        if escalate is not None and (why := _handed_on(escalate, opinions, joined)):
            if escalate.person:
                return NotGraded("needs_person", f"{why}: a person decides")
            joined = self.joined([await self.opinion(judge, sitting) for judge in escalate.to], quorum=0)
            sitting.notes.append(f"escalated: {why}")
        return self.verdict(joined, sitting)

    def joined(self, opinions: Sequence[Opinion], quorum: int) -> Opinion:
        """The opinion of several on everything any of them spoke about. A quorum of 0 is more than half of them."""
        if len(opinions) == 1:
            return opinions[0]
        names = dict.fromkeys(name for o in opinions for name in o)
        missing, tie = Outcome(None, "missing"), "" if self.panel_rule.tie == UNGRADED else self.panel_rule.tie
        return {n: vote([o.get(n, missing) for o in opinions], quorum or len(opinions) // 2 + 1, tie) for n in names}

    @abstractmethod
    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """What one judge makes of the work. Never raises for what the judge does."""

    @abstractmethod
    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """The opinion as a grade, or why there is none."""


def _handed_on(escalate: Escalate, opinions: Sequence[Opinion], joined: Opinion) -> str:
    """Why this goes to somebody else, or nothing."""
    values = [{n: o.value for n, o in opinion.items()} for opinion in opinions]
    if "ungraded" in escalate.when and any(o.value is None for o in joined.values()):
        return "no verdict"
    if "panel_disagrees" in escalate.when and any(v != values[0] for v in values):
        return "the panel is not of one mind"
    if "swap_disagrees" in escalate.when and any(o.contested for opinion in opinions for o in opinion.values()):
        return "the verdict changed with the order"
    return ""


def _same(clean: Verdict, found: Grade) -> bool:
    """Whether the verdict is the same without what spoke to the judge. Where there is none a failure stays one."""
    return isinstance(clean, NotGraded) or (clean.label, clean.passed) == (found.label, found.passed)


def _with(verdict: Verdict, sitting: Sitting, flags: tuple[str, ...] = ()) -> Verdict:
    """The verdict with what judging cost and what was seen."""
    usage = Usage()
    for judgement in sitting.heard:
        usage = usage + judgement.usage
    if isinstance(verdict, NotGraded):
        return NotGraded(verdict.cause, verdict.detail, usage)
    seen = tuple(f"injection_suspected: {f}" for f in sitting.spoken_to.get(OWN, ()))
    others = [f"{who} speaks to the judge ({', '.join(f)})" for who, f in sitting.spoken_to.items() if who != OWN]
    notes = "; ".join([verdict.explanation, *others, *sitting.notes])
    return msgspec.structs.replace(verdict, usage=usage, flags=(*verdict.flags, *seen, *flags), explanation=notes)


def spoke(judgements: Sequence[Judgement], outcome: str) -> Judgement:
    """Whose words stand for the verdict: the first that said so, else (a verdict made of several) the first heard."""
    heard = [j for j in judgements if j.status == "ok"]
    return next((j for j in heard if j.outcome == outcome), heard[0])


def ungraded(judgements: Sequence[Judgement], why: str = "") -> NotGraded:
    """No verdict, with the judge's first failure as the cause."""
    bad = next((j for j in judgements if j.status != "ok"), None)
    if bad is None:
        return NotGraded("judge_undecided", why)
    return NotGraded(f"judge_{bad.status}", "; ".join(w for w in (why, f"{bad.judge}: {bad.reason}") if w))
