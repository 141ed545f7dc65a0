"""One grading by judges: hearings asked for, read, recorded. The only place where a judge is called.

A hearing is one question about the work in one presentation (order, repeat, criterion). Whatever comes of it is one
`Judgement`, handed to the engine; the protocols only say what to ask and what the reply means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from string import ascii_uppercase
from time import time
from typing import Literal, Protocol

import msgspec

from harness.api import Json, Judgement, NotGraded, Reply, Work
from harness.records.judgement import JudgementStatus
from harness.records.task import digest_of
from harness.toolkit.judging.ask import Asked, Said, ask
from harness.toolkit.judging.detect import cleaned, injection_flags
from harness.toolkit.judging.form import PARSER, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.looks import style_of
from harness.toolkit.judging.material import cut_alike, sendable, work_digest
from harness.toolkit.judging.prompt import TEMPLATE, Piece, derive, render, seed_of
from harness.toolkit.prompt import prompt_text

AT_ONCE = 8
"""Hearings of one grading in flight; the provider's lane bounds them across the run."""
OWN = ""
"""The work under test among the candidates whose text speaks to a judge."""
Without = Literal["", "own", "all"]
"""Whose text is judged without what spoke to the judge: nobody's, that of the work under test, or everybody's."""
CANNOT = "cannot_judge"
"""Offered in every form: a judge that cannot say is heard as such, and that is no verdict."""


class Protocolled(Protocol):
    """What a sitting needs of its grader."""

    @property
    def protocol(self) -> str:
        """pairwise, rubric, ..."""
        ...

    @property
    def too_long(self) -> str:
        """error or cut."""
        ...

    def sides(self, work: Work) -> Sequence[tuple[str, Sequence[Piece]]] | NotGraded:
        """The work by candidate."""
        ...

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """What a person would be asked about this part; nothing where it cannot be labelled."""
        ...

    def model_dump(self, *, mode: str = ..., exclude: set[str] | None = ...) -> dict[str, Json]:
        """Its parameters."""
        ...


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reply means in this protocol. A `status` other than ok says that it cannot be believed, and `reason` why.

    `outcome` is said of the work under test; `slot` is the place the verdict names, None for a tie or without places.
    """

    verdict: str = ""
    outcome: str = ""
    slot: int | None = None
    level: int | None = None
    reason: str = ""
    evidence: tuple[str, ...] = ()
    confidence: float | None = None
    status: JudgementStatus = "ok"
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hearing:
    """One question. `slots` are the candidates in the order shown, `labels` what each is called there, and `mine` is
    the label of the work under test, where there are several.

    `read` makes a meaning of a reply that fits the form; several for a batch, by what each is about. `expect` is the
    outcome that the task itself knows to be right.
    """

    judge: Judge
    task: str
    again: str
    pieces: Sequence[Piece]
    form: Form
    read: Callable[[Mapping[str, Json]], Meaning | Mapping[str, Meaning]]
    order: int = 0
    repeat: int = 0
    about: str = ""
    slots: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    opponent: str = ""
    expect: str = ""
    mine: str = ""

    def whose(self, piece: Piece) -> str | None:
        """The candidate whose text this is: OWN, a name, or None for the suite's own material."""
        if not piece.side or not isinstance(piece.content, str):
            return None
        if piece.side == self.mine or piece.side not in self.labels:
            return OWN
        return self.slots[self.labels.index(piece.side)]


class Sitting:
    """All hearings of one grader about one piece of work. `heard` is everything that was said, in a fixed order.

    `attackers` are the candidates whose text surely speaks to the judge, so that it can be judged without that.
    """

    def __init__(
        self, grader: Protocolled, work: Work, without: Without = "", before: Sequence[Judgement] = ()
    ) -> None:
        self.grader = grader
        self.work = work
        self.heard: list[Judgement] = []
        self.notes: list[str] = []
        self.without = without
        self._before = {(j.judge, j.about, j.order, j.repeat): j.outcome for j in before}
        bench = work.bench
        self.item = "|".join(
            (
                bench.grader,
                bench.role,
                work.task.id,
                bench.system,
                str(bench.epoch),
                *([bench.case] if bench.case else ()),
            )
        )
        self._flags: dict[str, tuple[str, ...]] = {}
        self._spoken: dict[str, set[str]] = {}
        self._asked = prompt_text(work.task.prompt)
        self.attackers: set[str] = set()
        self._sides: Sequence[tuple[str, Sequence[Piece]]] | NotGraded | None = None
        self._calibrations: dict[str, str] = {}

    @property
    def spoken_to(self) -> Mapping[str, tuple[str, ...]]:
        """What was seen that speaks to a judge, by candidate; an empty shell of an answer is no speech."""
        speech = {who: tuple(sorted(flags - {"null_answer"})) for who, flags in sorted(self._spoken.items())}
        return {who: flags for who, flags in speech.items() if flags}

    def without_orders(self, whose: Without = "all") -> Sitting:
        """The same work without what spoke to the judge, as a sitting of its own that is no score.

        What is expected of each of its judgements is the outcome it had before.
        """
        role, how = self.work.bench.role, "cleaned" if whose == "all" else f"cleaned_{whose}"
        role = f"{role}:{how}" if role.startswith("control:") else f"control:{how}"
        return Sitting(self.grader, _copy_with(self.work, role), whose, tuple(self.heard))

    def random(self, *what: str | int) -> Random:
        """Randomness of its own for one decision, the same again in every run with this seed."""
        return Random(seed_of(self.work.bench.seed, self.item, *what))

    def labels(self, n: int, *turn: str | int) -> tuple[str, ...]:
        """Neutral labels for n places, shuffled independently of the places."""
        names = list(ascii_uppercase[:n])
        self.random("labels", *turn).shuffle(names)
        return tuple(names)

    async def hear(self, hearings: Sequence[Hearing]) -> list[Judgement]:
        """Ask them all; the judgements in the order of the hearings, told to the engine in that order."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(hearing: Hearing) -> list[Judgement]:
            async with gate:
                return await self._one(hearing)

        if len(hearings) == 1:
            results = [await self._one(hearings[0])]
        else:
            results = await asyncio.gather(*(one(h) for h in hearings))
        told = [j for judgements in results for j in judgements]
        if self.work.bench.role in ("score", "audit"):
            told = self._digested(told)
        for judgement in told:
            self.work.bench.tell(judgement)
        self.heard += told
        return told

    def _digested(self, told: Sequence[Judgement]) -> list[Judgement]:
        """With the digest of what was judged, by which labels are held against it."""
        if self._sides is None:
            self._sides = self.grader.sides(self.work)
        if isinstance(self._sides, NotGraded):
            return list(told)
        said, known = [*self.heard, *told], dict[str, str]()
        for judgement in told:
            if judgement.about not in known:
                asked = self.grader.asked(judgement.about, said)
                known[judgement.about] = work_digest(self._sides, asked) if asked else ""
        return [msgspec.structs.replace(j, work=known[j.about]) for j in told]

    async def _one(self, hearing: Hearing) -> list[Judgement]:
        judge, bench = hearing.judge, self.work.bench
        pieces = [self._cleaned(_sound(p), hearing) for p in hearing.pieces]
        flags = self._seen(pieces, hearing)
        turn = f"{judge.name}.{hearing.about}.{hearing.order}.{hearing.repeat}"
        texts = [p.content for p in pieces if isinstance(p.content, str)]
        tokens = derive(bench.key, self.item, turn, (*texts, hearing.task, hearing.again))
        form = hearing.form.words(judge.output)
        prompt, cut = render(hearing.task, hearing.again, pieces, tokens, form), 0
        if prompt.size > judge.context and self.grader.too_long == "cut":
            pieces, cut = cut_alike(pieces, judge.context - (prompt.size - sum(map(len, texts))))
            prompt = render(hearing.task, hearing.again, pieces, tokens, form)
        if prompt.size > judge.context:
            said = Said(
                "too_long", fault=f"the prompt has {prompt.size:,} characters, the judge takes {judge.context:,}"
            )
        else:
            label = f"judge.{self.grader.protocol}.{bench.role}.{turn}"
            said = await ask(Asked(judge, self.work.models[judge.name], prompt, hearing.form), label)
        base = self._record(hearing, said, prompt.digest, pieces)
        own, data = flags.pop(OWN, ()), {**base.data, **({"cut": cut} if cut else {})}
        base = msgspec.structs.replace(base, flags=own, others_flags=flags, data=data)
        found = _meant(base, hearing, said, bench.expect if bench.expect is not None else hearing.expect or None)
        if not self.without:
            return found
        return [
            msgspec.structs.replace(j, expected=self._before.get((j.judge, j.about, j.order, j.repeat), ""))
            for j in found
        ]

    def _record(self, hearing: Hearing, said: Said, digest: str, pieces: Sequence[Piece]) -> Judgement:
        """Everything but the meaning."""
        judge, bench, task = hearing.judge, self.work.bench, self.work.task
        sides = _sides(pieces)
        return Judgement(
            grader=bench.grader, protocol=self.grader.protocol, judge=judge.name, model=judge.model.lane,
            family=judge.kin, model_returned=said.model, role=bench.role, task=task.id, task_family=task.family,
            system=bench.system, epoch=bench.epoch, attempt=bench.attempt, opponent=hearing.opponent,
            about=hearing.about, case=bench.case, order=hearing.order, repeat=hearing.repeat, slots=hearing.slots,
            labels=hearing.labels, status=said.status, reason=said.fault, canary_ok=said.canary_ok,
            replies=tuple(said.replies), prompt_digest=digest, template=TEMPLATE,
            schema_digest=digest_of(hearing.form.schema()), parser=PARSER, calibration=self._calibrated(judge),
            seed=seed_of(bench.seed, self.item, hearing.order, hearing.repeat),
            lengths=tuple(len(text) for text in sides), styles=tuple(style_of(text) for text in sides),
            usage=said.usage, cached=said.cached, seconds=round(said.seconds, 4), at=round(time(), 3),
            data={"own_family": True} if judge.kin in bench.kin else {},
        )  # fmt: skip

    def _calibrated(self, judge: Judge) -> str:
        known = self._calibrations.get(judge.name)
        if known is None:
            known = self._calibrations[judge.name] = _calibration(judge, self.grader)
        return known

    def _cleaned(self, piece: Piece, hearing: Hearing) -> Piece:
        whose = hearing.whose(piece)
        if not isinstance(piece.content, str) or whose is None or not self.without:
            return piece
        spared = self.without == "own" and whose != OWN
        return piece if spared else Piece(piece.name, cleaned(piece.content, self._asked), piece.side)

    def _seen(self, pieces: Sequence[Piece], hearing: Hearing) -> dict[str, tuple[str, ...]]:
        """Flags by candidate; the suite's own pieces are not looked at."""
        found: dict[str, set[str]] = {}
        for piece in pieces:
            whose = hearing.whose(piece)
            if whose is None or not isinstance(piece.content, str):
                continue
            known = self._flags.get(piece.content)
            if known is None:
                known = self._flags[piece.content] = injection_flags(piece.content, self._asked)
            if known:
                if cleaned(piece.content, self._asked) != piece.content:
                    self.attackers.add(whose)
                found.setdefault(whose, set()).update(known)
                self._spoken.setdefault(whose, set()).update(known)
        return {whose: tuple(sorted(flags)) for whose, flags in found.items()}


def _meant(base: Judgement, hearing: Hearing, said: Said, expect: Json) -> list[Judgement]:
    """The judgement with its meaning: one, or one for each part of a batch, whose cost stands on the first."""
    if said.status != "ok":
        return [msgspec.structs.replace(base, expected=_expected(expect, hearing.about))]
    meaning = hearing.read(said.values)
    if isinstance(meaning, Meaning):
        return [_one_meant(base, hearing.about, meaning, expect)]
    first = True
    found = []
    for about, one in meaning.items():
        rest = base if first else msgspec.structs.replace(base, usage=type(base.usage)(), replies=(), seconds=0.0)
        found.append(_one_meant(rest, about, one, expect))
        first = False
    return found


def _one_meant(base: Judgement, about: str, meaning: Meaning, expect: Json) -> Judgement:
    believed = meaning.status == "ok" and meaning.verdict != CANNOT
    status: JudgementStatus = "refused" if meaning.verdict == CANNOT else meaning.status
    return msgspec.structs.replace(
        base, about=about, status=status, verdict=meaning.verdict, outcome=meaning.outcome if believed else "",
        slot=meaning.slot if believed else None, level=meaning.level, reason=meaning.reason,
        evidence=meaning.evidence, confidence=meaning.confidence, expected=_expected(expect, about),
        replies=base.replies if status == "ok" or not base.replies
        else (*base.replies[:-1], Reply(status, base.replies[-1].raw)),
        data={**base.data, **meaning.data},
    )  # fmt: skip


def _expected(expect: Json, about: str) -> str:
    if isinstance(expect, dict):
        return str(expect.get(about, ""))
    return str(expect) if expect is not None and not about else ""


def _sound(piece: Piece) -> Piece:
    return Piece(piece.name, sendable(piece.content), piece.side) if isinstance(piece.content, str) else piece


def _sides(pieces: Sequence[Piece]) -> list[str]:
    """Each side's text in the order shown."""
    sides: dict[str, list[str]] = {}
    for piece in pieces:
        if piece.side:
            sides.setdefault(piece.side, []).append(piece.content if isinstance(piece.content, str) else "")
    return ["\n".join(texts) for texts in sides.values()]


def _calibration(judge: Judge, grader: Protocolled) -> str:
    """What a calibration holds for: judge, settings, words, form. Any change makes it another measurement."""
    cls = type(judge.model)
    own = grader.model_dump(mode="json", exclude=_NOT_ASKED)
    return digest_of(
        [cls.__qualname__, cls.version, judge.model.model_dump(mode="json"), judge.output],
        [type(grader).__qualname__, own, TEMPLATE, PARSER],
    )


_NOT_ASKED = {
    "judge", "panel", "panel_rule", "escalate", "budget", "controls", "sentinels", "sentinel_agreement", "opponent",
    "against", "repeats", "orders", "audit_share", "aggregate", "passes", "pass_from", "clip", "allow_self_judging",
    "injection", "on_ungraded", "refusals",
}  # fmt: skip
"""Parameters that change no prompt."""


def _copy_with(work: Work, role: str) -> Work:
    """The work with another role; everything else is shared."""
    return replace(work, bench=replace(work.bench, role=role))  # type: ignore[type-var]  # every Work is a dataclass
