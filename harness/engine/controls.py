"""Controls: this run's own outputs, altered so that the right verdict is known, judged at the run's end.

Which outputs are taken is decided by the seed. Never in a score: their role is `control:<kind>`. Kinds and what they
catch: judge.md 1 (identical is not near-identical), 2.5 (padding), 5.3 (null answers, orders to the judge).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.config.suite import BoundGrader
from harness.engine.asked_again import again
from harness.engine.rehearse import graders_with_judges, judged, said
from harness.engine.services import Services
from harness.plugins.contracts import Grader, Rehearsal
from harness.plugins.judging import Delivered
from harness.records.content import Json
from harness.records.judgement import Judgement
from harness.records.outcome import Attempt, Grade, Output, Verdict
from harness.records.task import Task
from harness.store.judgements import iter_judgements
from harness.store.read import iter_attempts, read_transcript
from harness.toolkit.judging.attacks import NULL_ANSWERS, SHELLS, attacks
from harness.toolkit.judging.twins import twin
from harness.toolkit.reference import as_text

PAIRS_ONLY = ("identical", "near_identical")
PLANTED = ("null_answers", "injection")
AUDIT = "audit_items"
REPEATS = 2
"""Times that an audited work is asked in each order: two, to tell noise from position."""


async def control(services: Services, folder: Path, tasks: Sequence[Task]) -> list[Judgement]:
    """Every control that the graders of these tasks ask for, but those that an earlier session made."""
    by_id = {t.id: t for t in tasks}
    gate = asyncio.Semaphore(services.suite.concurrency)
    told: list[Judgement] = []
    known: _Known | None = None
    for bound in graders_with_judges(services, tasks):
        wanted = bound.grader.made_controls()
        if not wanted:
            continue
        known = known or _Known.of(folder)
        pool = _pool(folder, bound, by_id, known, services.suite.seed)
        for kind, n in wanted.items():
            role = "audit" if kind == AUDIT else f"control:{kind}"
            if (bound.name, role) in known.made or services.judging.stopped:
                continue
            if kind == AUDIT:
                told += await _audited(bound, folder, [(by_id[a.task], a) for a in pool[:n]], services, gate)
                continue
            made = _made(kind, n, bound, folder, [(by_id[a.task], a) for a in pool], services)
            results = await asyncio.gather(*(judged(services, bound, r, role, gate) for r in made))
            told += [j for _, judgements in results for j in judgements]
    return told


def controls_of(grader: Grader, works: int) -> dict[str, int]:
    """How many controls of each kind this grader has made of so many works: planted ones into few again and again."""
    pairwise = getattr(grader, "protocol", "") == "pairwise"
    asked = {k: n for k, n in grader.made_controls().items() if pairwise or k not in PAIRS_ONLY}
    return {k: n if k in PLANTED else min(n, works) for k, n in asked.items()} if works else {}


async def _audited(
    bound: BoundGrader, folder: Path, pool: Sequence[tuple[Task, Attempt]], services: Services, gate: asyncio.Semaphore
) -> list[Judgement]:
    """Scored work again, in every order and twice: a cheaply scored run knows its judge's noise and position too."""

    async def one(task: Task, attempt: Attempt) -> list[Judgement]:
        async with gate:
            return await again(services, bound, folder, (task, attempt), REPEATS)

    results = await asyncio.gather(*(one(*work) for work in pool))
    return [j for judgements in results for j in judgements]


@dataclass(frozen=True, slots=True)
class _Known:
    """From the record: which controls an earlier session made, and of which trials a judge was asked."""

    made: frozenset[tuple[str, str]]
    judged: frozenset[tuple[str, str, str, int]]

    @classmethod
    def of(cls, folder: Path) -> _Known:
        made, asked = set(), set()
        for j in iter_judgements(folder):
            if j.role.startswith("control:") or j.role == "audit":
                made.add((j.grader, j.role))
            elif j.role == "score" and j.status == "ok":
                asked.add((j.grader, j.task, j.system, j.epoch))
        return cls(frozenset(made), frozenset(asked))


def _pool(folder: Path, bound: BoundGrader, tasks: Mapping[str, Task], known: _Known, seed: int) -> list[Attempt]:
    """Judged attempts with an answer, in an order that the seed decides; only records are kept, not outputs."""
    found = [
        a
        for a in iter_attempts(folder)
        if a.final and a.task in tasks and (bound.name, a.task, a.system, a.epoch) in known.judged
        and (a.output.answer or "").strip() and isinstance(a.grades.get(bound.name), Grade)
    ]  # fmt: skip
    found.sort(key=lambda a: (a.task, a.system, a.epoch))
    Random(f"{seed}:{bound.name}").shuffle(found)
    return found


def _made(
    kind: str, n: int, bound: BoundGrader, folder: Path, pool: Sequence[tuple[Task, Attempt]], services: Services
) -> list[Rehearsal]:
    """n controls of a kind, or as many as there are works. Orders and shells are put into few works again and again, so
    that each of them can be; orders into work that lost, where there is some: there they could win.
    """
    if kind == "injection":
        pool = sorted(pool, key=lambda one: bool(one[1].passed))
    if not pool or (kind in PAIRS_ONLY and not _is_pairwise(bound)):
        return []
    found: list[Rehearsal] = []
    golds = [as_text(t.reference) for t, _ in pool if t.reference is not None]
    for i in range(n if kind in PLANTED else min(n, len(pool))):
        task, attempt = pool[i % len(pool)]
        transcript = read_transcript(folder, attempt)
        answer, before = transcript.output.answer or "", _before(bound, attempt.grades[bound.name])
        opponent = Delivered("twin", Output(answer=answer), lambda name: None) if _is_pairwise(bound) else None
        if kind == "injection":
            opponent = _opponent(bound, task, attempt, services)
            text, expect = f"{answer}\n\n{attacks()[i % len(attacks())]}", before
        elif kind == "null_answers":
            text, expect = _shells(task, golds)[i % SHELLS], "loss" if _is_pairwise(bound) else ""
        else:
            text = _altered(kind, answer, i)
            expect = "tie" if _is_pairwise(bound) else before
        again = f"#{i // len(pool)}" if i >= len(pool) else ""
        name = f"{kind}-{task.id}@{attempt.system}@{attempt.epoch}{again}"
        found.append(
            Rehearsal(name, task, Output(answer=text), expect, opponent, transcript, attempt.system, attempt.epoch)
        )
    return found


def _shells(task: Task, golds: Sequence[str]) -> tuple[str, ...]:
    """Null answers to a task: shells, the question again, and the right answer to another question."""
    own = as_text(task.reference) if task.reference is not None else ""
    foreign = next((g for g in golds if g != own), NULL_ANSWERS[0])
    return (*NULL_ANSWERS, task.prompt if isinstance(task.prompt, str) else "?", foreign)


def _opponent(bound: BoundGrader, task: Task, attempt: Attempt, services: Services) -> Delivered | None:
    """The opponent that this work had, where it is another system of the run; others the grader finds itself."""
    for name in bound.grader.opponents():
        other = services.others.of(task, attempt.epoch, name)
        if isinstance(other, Delivered):
            return other
    return None


def _is_pairwise(bound: BoundGrader) -> bool:
    return getattr(bound.grader, "protocol", "") == "pairwise"


def _before(bound: BoundGrader, verdict: Verdict) -> Json:
    """What was said of the work before it was altered: of each criterion where there are some."""
    if getattr(bound.grader, "protocol", "") == "rubric" and isinstance(verdict, Grade):
        return {k: "met" if v else "not_met" for k, v in verdict.parts.items() if isinstance(v, bool)}
    return said(verdict)


def _altered(kind: str, answer: str, i: int) -> str:
    """The i-th answer, altered so that it is worth what it was."""
    match kind:
        case "identical":
            return answer
        case "near_identical":
            return reflowed(answer)
        case "padded":
            return padded(answer)
        case _:
            return twin(kind, answer, i)


def reflowed(text: str) -> str:
    """The same words with other line breaks and list marks."""
    lines = [re.sub(r"^(\s*)[-*+] ", r"\1• ", line) for line in text.splitlines()]
    joined = "\n".join(lines).strip()
    return re.sub(r"(?<=[.!?]) (?=[A-Z])", "\n", joined, count=3) + "\n"


def padded(text: str) -> str:
    """The same text and its own sentences again: longer, and nothing more is said."""
    return f"{text.rstrip()}\n\nTo say it again in full:\n\n{text.strip()}"
