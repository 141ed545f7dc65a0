"""`similarity`: how alike two texts look. Weak evidence: it knows nothing of meaning."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import ClassVar, Literal

from pydantic import Field

from harness.api import Grade, Grader, GraderCase, Json, Verdict, Work
from harness.toolkit.answers import bad_reference, no_answer, no_reference, not_found
from harness.toolkit.normalise import Ignored, excerpt, ignore_set, normaliser

Metric = Literal["sequence", "indel", "chrf", "bleu", "rouge1", "rouge2", "rougeL"]
_ROUGE_WORD = re.compile(r"[a-z0-9]+")
MAX_WORDS = 3000
"""For rougeL: its table of common words is quadratic (24 s for two texts of 10,000 words, measured)."""
INLINE_WORK = 250_000
"""Longer pairs (product of their lengths) are compared in a thread, so that other trials go on."""


class Similarity(Grader):
    """A similarity in [0, 1]; the best one of several references. Every grade is marked as weak evidence.

    sequence: difflib's ratio with its defaults (as OpenAI MRCR is scored); indel: 1 - insertions and deletions over
    both lengths (rapidfuzz); chrf and bleu: sentence level, from sacrebleu, divided by 100; rouge1, rouge2, rougeL:
    F1 of rouge-score without stemming, which reads words in Latin letters and digits only.
    """

    metric: Metric
    """sequence, indel, chrf, bleu, rouge1, rouge2 or rougeL."""
    threshold: float = Field(gt=0, le=1)
    """Smallest value that passes. There is no default: what is enough depends on the task; look at values first."""
    ignore: tuple[Ignored, ...] = ()
    """What is overlooked before comparing: case, punctuation, whitespace, articles, accents."""
    prefix_from: str = ""
    """Name of a `meta` value of the task that the answer must begin with; it is taken off both texts (MRCR)."""
    max_chars: int = Field(default=50_000, ge=1, le=1_000_000)
    """A longer answer fails with the label `too_long`: the measures are quadratic."""

    example: ClassVar[Mapping[str, Json]] = {"metric": "chrf", "threshold": 0.6}
    cases = (
        GraderCase("The cat sat on the mat.", True, "The cat sat on the mat", {"metric": "chrf", "threshold": 0.9}),
        GraderCase("Dogs bark.", False, "The cat sat on the mat", {"metric": "chrf", "threshold": 0.5}),
        GraderCase("a b c d", True, ["x", "a b c e"], {"metric": "sequence", "threshold": 0.8}),
        GraderCase("one two", False, "three four", {"metric": "rougeL", "threshold": 0.1}),
        GraderCase("anything", None, None, {"metric": "bleu", "threshold": 0.5}),
    )

    def check_reference(self, reference: Json) -> str:
        """A text or a list of texts, none blank."""
        if reference is None:
            return "similarity needs a reference text"
        each = reference if isinstance(reference, list) else [reference]
        if not each or not all(isinstance(r, str) and r.strip() for r in each):
            return "the reference must be a text or a list of texts, none empty"
        if self.metric.startswith("rouge") and not all(_ROUGE_WORD.search(r.lower()) for r in each):
            return f"{self.metric} reads Latin letters and digits only, and a reference has none"
        if self.metric == "rougeL" and any(_n_words(r) > MAX_WORDS for r in each):
            return f"rougeL takes references of up to {MAX_WORDS} words; use rouge1, chrf or bleu"
        return "" if all(len(r) <= 1_000_000 for r in each) else "a reference is longer than 1,000,000 characters"

    async def grade(self, work: Work) -> Verdict:
        """Measure against each reference; the highest value counts."""
        if missing := no_answer(work.output):
            return _weak(missing)
        reference = work.task.reference
        if reference is None:
            return no_reference()
        if fault := self.check_reference(reference):
            return bad_reference(fault)
        answer = work.output.answer or ""
        if len(answer) > self.max_chars:
            return _weak(not_found(f"the answer has {len(answer)} characters, more than {self.max_chars}", "too_long"))
        if self.metric == "rougeL" and _n_words(answer) > MAX_WORDS:
            return _weak(not_found(f"the answer has more than {MAX_WORDS} words, too many for rougeL", "too_long"))
        wanted: list[str] = reference if isinstance(reference, list) else [reference]
        if self.prefix_from:
            prefix = work.task.meta.get(self.prefix_from)
            if not isinstance(prefix, str) or not prefix:
                return bad_reference(f"the task has no text '{self.prefix_from}' in its meta")
            if not answer.startswith(prefix):
                return _weak(not_found(f"the answer does not begin with '{excerpt(prefix, 60)}'", "wrong"))
            answer, wanted = answer[len(prefix) :], [w.removeprefix(prefix) for w in wanted]
        value = await self._value(answer, wanted)
        passed = value >= self.threshold
        side = "at least" if passed else "below"
        why = f"{self.metric} {value:.3f}, {side} {self.threshold:g}; says nothing of meaning"
        return Grade(value, passed, "alike" if passed else "unlike", why, excerpt(answer), weak=True)

    async def _value(self, answer: str, wanted: list[str]) -> float:
        normalise = normaliser(ignore_set(self.ignore)) if self.ignore else str
        said, texts = _encodable(normalise(answer)), [_encodable(normalise(w)) for w in wanted]
        if len(said) * sum(map(len, texts)) <= INLINE_WORK:
            return _best(self.metric, said, texts)
        return await asyncio.to_thread(_best, self.metric, said, texts)


def _best(metric: Metric, said: str, texts: list[str]) -> float:
    measure = _measure(metric)
    return min(1.0, max(0.0, *(measure(said, t) for t in texts)))


def _n_words(text: str) -> int:
    return len(_ROUGE_WORD.findall(text.lower()))


def _weak(grade: Grade) -> Grade:
    return Grade(grade.value, grade.passed, grade.label, grade.explanation, grade.extracted, weak=True)


def _encodable(text: str) -> str:
    """Without lone surrogates, which native libraries refuse."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


@cache
def _measure(metric: Metric) -> Callable[[str, str], float]:
    """The measure of an answer (first) against a reference (second). Libraries are loaded here, once."""
    match metric:
        case "sequence":
            from difflib import SequenceMatcher

            return lambda said, wanted: SequenceMatcher(None, said, wanted).ratio()
        case "indel":
            from rapidfuzz.distance import Indel

            return Indel.normalized_similarity
        case "chrf" | "bleu":
            from sacrebleu.metrics.bleu import BLEU
            from sacrebleu.metrics.chrf import CHRF

            scorer = CHRF() if metric == "chrf" else BLEU(effective_order=True)
            return lambda said, wanted: float(scorer.sentence_score(said, [wanted]).score) / 100
        case _:
            from rouge_score.rouge_scorer import RougeScorer

            rouge = RougeScorer([metric], use_stemmer=False)
            return lambda said, wanted: float(rouge.score(wanted, said)[metric].fmeasure)
