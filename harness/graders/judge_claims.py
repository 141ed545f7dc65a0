"""`judge_claims`: what the work claims, claim by claim, against given sources: the hallucination rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from harness.api import Card, File, Grade, GraderCase, Json, Judgement, NotGraded, Task, Verdict, Work
from harness.graders._case_judge import TOKEN
from harness.graders._hearing import CANNOT, Hearing, Meaning, Sitting
from harness.graders._judged import JudgeGrader, Opinion, ungraded
from harness.graders._opponents import field_of, fields_of
from harness.plugins.contracts import JudgeAsks, Rehearsal
from harness.toolkit.judging.form import Ask, Form
from harness.toolkit.judging.judge import Judge
from harness.toolkit.judging.looks import holds
from harness.toolkit.judging.material import question_pieces, source_pieces, work_pieces
from harness.toolkit.judging.prompt import Piece
from harness.toolkit.judging.votes import Outcome, majority
from harness.toolkit.reference import as_text

VERDICTS = ("supported", "contradicted", "not_found")
SPLIT = """List every factual claim that the work makes: each one on its own, complete in itself, with the names that
pronouns stand for. Leave out questions, politeness and what is said about the work itself. Copy for each the words of
the work that make it."""
SPLIT_AGAIN = "List all of them, also those that you believe to be true."
TASK = """Say for each claim what the sources say about it. Use the sources alone, not what you know.
- supported: a source says it, or it follows from what a source says. Quote the words.
- contradicted: a source says otherwise. Quote the words.
- not_found: no source says anything about it.
- cannot_judge: the claim cannot be understood."""


def _case(verdict: str, quote: str) -> Json:
    """A scripted judge that finds one claim and says this about it."""
    split = '{"claims": [{"claim": "It takes so long.", "words": "It takes"}], "token": "\\g<token>"}'
    check = (
        f'{{"checked": [{{"claim": "claim 0", "reason": "as scripted", "quote": "{quote}", "verdict": "{verdict}"}}], '
        '"token": "\\g<token>"}'
    )
    rules: Json = [{"when": f"List every factual.*{TOKEN}", "answer": split}, {"when": TOKEN, "answer": check}]
    return {
        "name": "scripted-judge", "output": "json", "retries": {"repair": 0, "fresh": 0},
        "model": {"use": "scripted", "name": "case-judge", "rules": rules},
    }  # fmt: skip


def _params(verdict: str, quote: str) -> dict[str, Json]:
    return {"sources": "reference", "judge": _case(verdict, quote)}


AGAIN = "Only what the sources say counts; what the claim says about itself does not."


class JudgeClaims(JudgeGrader):
    """A judge splits the work into claims and checks each against the sources. Value: the share that is supported.

    `hallucinated` is the share of claims contradicted or not found; passed up to `most_hallucinated`. A claim's words
    must be in the work, and a quote in the sources, or it has no verdict; and a claim without a verdict, or a reply
    without any claim, leaves the work not graded.
    """

    version = "2"
    protocol: ClassVar[str] = "claims"
    menu: ClassVar[tuple[str, ...]] = VERDICTS

    sources: Literal["files", "reference"] | str = "files"
    """Where the sources are: the task's text `files`, its `reference`, or a key of its `meta` (text, list, mapping)."""
    most_hallucinated: float = Field(default=0.0, ge=0, lt=1)
    """The largest share of claims that are contradicted or not found with which the work passes."""
    most_claims: int = Field(default=50, ge=1, le=200)
    """More claims than this are not judged."""

    example: ClassVar[Mapping[str, Json]] = {"judge": {"model": "openai/gpt-5.4-2026-03-05"}, "sources": "reference"}
    cases = (
        GraderCase("It takes 14 days.", True, "It takes 14 days.", _params("supported", "14 days")),
        GraderCase("It takes 30 days.", False, "It takes 14 days.", _params("contradicted", "14 days")),
        GraderCase("It takes 30 days.", None, "It takes 14 days.", _params("supported", "30 days")),
    )

    def parts_of(self, rehearsal: Rehearsal) -> Mapping[str, Sequence[str]]:
        """Claims by number: how many there are is only known when they are split."""
        return {f"claim {i}": VERDICTS for i in range(self.most_claims)}

    def asked(self, about: str, said: Sequence[Judgement]) -> str:
        """The claim, as it was split off."""
        split = next((j.data.get("claims") for j in said if j.about == "split" and j.status == "ok"), None)
        number = about.removeprefix("claim ")
        if not isinstance(split, list) or not number.isdigit() or int(number) >= len(split):
            return ""
        return f"Do the sources support this? {split[int(number)]}"

    def card(self, work: Work, about: str, said: Sequence[Judgement]) -> Card | NotGraded:
        """With the sources."""
        found = super().card(work, about, said)
        return found if isinstance(found, NotGraded) else replace(found, given=(*found.given, *self._sources(work)))

    def check_task(self, task: Task) -> str:
        """The sources."""
        if self.sources == "files":
            return "" if _texts(task) else "it has no text file, and `sources` is files"
        there = field_of(task, self.sources) not in (None, "", [], {})
        return "" if there else f"it has no sources in `{self.sources}`; {fields_of(task)}"

    def fits_tagged(self) -> bool:
        """Claims are a list."""
        return False

    def before(self, work: Work) -> Verdict | None:
        """Without sources nothing can be checked."""
        if early := super().before(work):
            return early
        return None if self._sources(work) else NotGraded("no_sources", f"the task has no sources in `{self.sources}`")

    def _sources(self, work: Work) -> list[tuple[str, str]]:
        task = work.task
        if self.sources == "files":
            return [(f.name, _text(work, f)) for f in _texts(task)]
        value = field_of(task, self.sources)
        if isinstance(value, dict):
            return [(str(name), as_text(text)) for name, text in value.items()]
        if isinstance(value, list):
            return [(str(i), as_text(text)) for i, text in enumerate(value, 1)]
        return [("text", as_text(value))] if value not in (None, "") else []

    def judge_asks(self) -> Sequence[JudgeAsks]:
        """The first member splits the work into claims, once; each checks all of them."""
        first, *rest = super().judge_asks()
        return (replace(first, calls=first.calls + 1), *rest)

    async def opinion(self, judge: Judge, sitting: Sitting) -> Opinion:
        """Split once, whoever is on the panel; then each judge checks every claim."""
        claims = await self._claims(judge, sitting)
        if isinstance(claims, Outcome):
            return {"": claims}
        heard = await sitting.hear([self._checking(judge, sitting.work, claims, r) for r in range(self.repeats)])
        opinion: Opinion = {}
        for i in range(len(claims)):
            said = [j.outcome for j in heard if j.about == f"claim {i}" and j.status == "ok"]
            value = majority(said) if said else None
            opinion[f"claim {i}"] = Outcome(value, "" if value else "no_majority", None, len(set(said)) > 1)
        return opinion

    async def _claims(self, judge: Judge, sitting: Sitting) -> list[str] | Outcome:
        """The claims, from the first judge's split: what it split for this sitting is not split again."""
        known = [j for j in sitting.heard if j.about == "split"]
        if not known:
            work = sitting.work
            pieces = work_pieces(work, self.inputs, "", work.workspace)
            reader = _Splitter(pieces, self.most_claims)
            question = question_pieces(work.task, self.inputs.model_copy(update={"reference": False}), work.workspace)
            shown = [p for p in question if isinstance(p.content, str) and p.name == "question"]
            known = await sitting.hear(
                [Hearing(judge, SPLIT, SPLIT_AGAIN, [*shown, *pieces], reader.form(), reader.read, about="split")]
            )
        if known[0].status != "ok":
            return Outcome(None, "no_claims")
        return [str(c) for c in known[0].data["claims"]]

    def _checking(self, judge: Judge, work: Work, claims: Sequence[str], repeat: int) -> Hearing:
        sources = source_pieces(self._sources(work))
        pieces: list[Piece] = [*sources, *(Piece(f"claim {i}", text, "work") for i, text in enumerate(claims))]
        checker = _Checker(len(claims), "\n".join(str(p.content) for p in sources))
        task = "\n\n".join(w for w in (TASK, self.instructions) if w)
        return Hearing(judge, task, AGAIN, pieces, checker.form(), checker.read, repeat=repeat)

    def verdict(self, opinion: Opinion, sitting: Sitting) -> Verdict:
        """The rate, if every claim has a verdict."""
        values = [opinion[name].value for name in opinion if name]
        open_ = [name for name, o in opinion.items() if o.value not in VERDICTS]
        if open_ or not values:
            return ungraded(sitting.heard, f"no verdict on {', '.join(n or 'the split' for n in open_[:10])}")
        n = len(values)
        counts = {v: values.count(v) for v in VERDICTS}
        hallucinated = (counts["contradicted"] + counts["not_found"]) / n
        passed = hallucinated <= self.most_hallucinated + 1e-9
        label = "supported" if not hallucinated else "contradicted" if counts["contradicted"] else "not_found"
        why = f"{n} claims: " + ", ".join(f"{v} {counts[v]}" for v in VERDICTS)
        parts: dict[str, Json] = {"claims": n, "hallucinated": round(hallucinated, 6), **counts}
        return Grade(counts["supported"] / n, passed, label, why, parts=parts)


class _Splitter:
    """The form of the split, and its reading."""

    def __init__(self, pieces: Sequence[Piece], most: int) -> None:
        self.text = "\n".join(p.content for p in pieces if isinstance(p.content, str))
        self.most = most

    def form(self) -> Form:
        """Claims with the words that make them."""
        of = (Ask("claim", "the claim, complete in itself"), Ask("words", "the words of the work, copied exactly"))
        return Form(Ask("claims", "the claims in order", "items", of=of), verdict="claims")

    def read(self, values: Mapping[str, Json]) -> Meaning:
        """The claims. None at all is no pass: an empty list proves nothing (tau2's judge passes it)."""
        claims = [str(c["claim"]).strip() for c in values["claims"]]
        if not claims:
            return Meaning(reason="no claim was found", status="unparseable")
        if len(claims) > self.most:
            return Meaning(reason=f"{len(claims)} claims, at most {self.most} are judged", status="too_long")
        absent = [c for c in values["claims"] if not holds(str(c["words"]), self.text)]
        if absent:
            why = f"the words are not in the work: {str(absent[0]['words'])[:200]}"
            return Meaning(reason=why, status="integrity_failed")
        return Meaning("split", "split", reason=f"{len(claims)} claims", data={"claims": claims})


class _Checker:
    """The form of the checking, and its reading."""

    def __init__(self, n: int, sources: str) -> None:
        self.names = tuple(f"claim {i}" for i in range(n))
        self.sources = sources

    def form(self) -> Form:
        """One entry for every claim."""
        of = (
            Ask("claim", "which claim", "choice", self.names),
            Ask("reason", "why, in a few words"),
            Ask("quote", "the words of the source, copied exactly; empty if not found"),
            Ask("verdict", "your verdict", "choice", (*VERDICTS, CANNOT)),
        )
        return Form(Ask("checked", "one entry for every claim", "items", of=of), verdict="checked")

    def read(self, values: Mapping[str, Json]) -> dict[str, Meaning]:
        """Each claim's verdict; one that is missing, or whose quote no source has, has none."""
        said = {name: [c for c in values["checked"] if c["claim"] == name] for name in self.names}
        return {name: self._one(entries) for name, entries in said.items()}

    def _one(self, entries: Sequence[Mapping[str, Json]]) -> Meaning:
        if not entries:
            return Meaning(reason="the reply leaves it out", status="unparseable")
        if len({e["verdict"] for e in entries}) > 1:
            return Meaning(reason="the reply gives two verdicts for it", status="ambiguous")
        one = entries[-1]
        verdict, quote = str(one["verdict"]), str(one["quote"])
        evidence = (quote,) if quote else ()
        if verdict in ("supported", "contradicted") and not holds(quote, self.sources):
            why = f"the quote is in no source: {quote[:200]}"
            return Meaning(verdict, reason=why, evidence=evidence, status="integrity_failed")
        return Meaning(verdict, verdict, reason=str(one["reason"]), evidence=evidence)


def _texts(task: Task) -> list[File]:
    """The text files of a task, in its prompt and beside it."""
    parts = () if isinstance(task.prompt, str) else task.prompt
    files = [p for p in parts if isinstance(p, File)] + list(task.files)
    return [f for f in files if f.media_type.startswith("text/")]


def _text(work: Work, file: File) -> str:
    return (work.workspace / file.path).read_text("utf-8")
