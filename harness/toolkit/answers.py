"""Finding the answer in what a system wrote, and the grades every grader gives in the same way."""

from __future__ import annotations

import re
from collections import deque

from harness.records.outcome import Grade, NotGraded, Output

ANSWER_WORDS: tuple[str, ...] = (
    "answer", "antwort", "réponse", "reponse", "respuesta", "resposta", "risposta", "antwoord", "ответ", "відповідь",
    "απάντηση", "الإجابة", "الاجابة", "إجابة", "الجواب", "جواب", "پاسخ", "תשובה", "उत्तर", "जवाब", "উত্তর", "答案",
    "答え", "解答", "回答", "정답", "답변", "답", "cevap", "yanıt", "odpowiedź", "odpověď", "svar", "vastaus", "válasz",
    "jawaban", "đáp án", "câu trả lời", "jibu", "ìdáhùn", "idahun", "คำตอบ", "răspuns", "odgovor",
)  # fmt: skip
"""`answer` in the languages of MMMLU and their neighbours."""

_ASCII_WORDS = tuple(w for w in ANSWER_WORDS if w.isascii())
_UNSPACED = ("答案", "解答", "回答", "答え", "정답", "답변", "คำตอบ")
_LINK = re.compile(
    r"s?(?:\s+(?:option|choice|letter|to\s+the\s+question))?[*_]*"
    r"(?:\s*(?:is|are|was|est|es|ist|lautet|è|é|to|equals|는|은|は|คือ)(?![^\W\d_])(?:\s*[:：=])?|\s*[:：=])[*_]*"
)
_LINK_UNSPACED = re.compile(r"\s*(?:是|为|為|は|는|은|คือ)")
_TAG = re.compile(r"<answer>([^<]*)</answer>", re.IGNORECASE)
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_MOST = 100  # only the last so many are looked at: bounds the work on hostile text
_HASHES = re.compile(r"(?<!#)#{4}(?!#)")
_LINE_END = re.compile(r"[\r\n]")


def declarations(text: str) -> list[str]:
    """What the text declares as its answer, in order: `Answer: x` to the end of its line, `#### x`, boxes, tags.

    A declaration with nothing after it takes the next line that is not empty.
    """
    found: list[tuple[int, str]] = _boxes(text) if "\\" in text else []
    found += [(m.start(), m[1].strip()) for m in deque(_TAG.finditer(text), _MOST)] if "<" in text else []
    for start, end in _markers(text):
        rest = text[end : end + 2000].lstrip(" \t*_")
        line = _LINE_END.split(rest.lstrip(), maxsplit=1)[0].strip() if rest else ""
        if line and not _BOXED.search(line) and not line.startswith("<answer>"):
            found.append((start, line))
    return [said for _, said in sorted(found, key=lambda f: f[0])]


def last_declaration(text: str) -> str | None:
    """The last declared answer, or None when nothing is declared."""
    found = declarations(text)
    return found[-1] if found else None


def last_line(text: str) -> str:
    """The last line with something on it."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def no_answer(output: Output) -> Grade | None:
    """The failed grade of an output that holds no answer: refused, abstained, absent or blank. Else None."""
    if output.refused:
        return Grade(0.0, False, "refused", "the system refused to answer")
    if output.abstained:
        return Grade(0.0, False, "abstained", "the system said that it does not know")
    if output.answer is None or not output.answer.strip():
        return Grade(0.0, False, "no_answer", "there is no answer")
    return None


def not_found(why: str, label: str = "no_answer") -> Grade:
    """The failed grade of a text in which no answer can be read. Nothing is ever guessed."""
    return Grade(0.0, False, label, why)


def no_reference() -> NotGraded:
    """A task without a reference cannot be graded by comparing."""
    return NotGraded("no_reference", "the task has no reference")


def bad_reference(why: str) -> NotGraded:
    """A reference that cannot be used is the suite's fault, never the system's."""
    return NotGraded("bad_reference", why)


def _markers(text: str) -> list[tuple[int, int]]:
    """Where an answer is announced: start and end of `Answer:`, `the answer is`, `####`, and so on."""
    ascii_only = text.isascii()
    lowered = text.lower()
    if len(lowered) != len(text):  # some letters grow in lower case, and places must stay the same
        lowered = "".join([low if len(low := c.lower()) == 1 else c for c in text])
    found = [(m.start(), m.end()) for m in deque(_HASHES.finditer(text), _MOST)] if "####" in text else []
    for word in _ASCII_WORDS if ascii_only else ANSWER_WORDS:
        at, looked = lowered.rfind(word), 0
        while at >= 0 and looked < _MOST:
            inside = at and lowered[at - 1].isalpha() and word not in _UNSPACED
            link = None if inside else _LINK.match(lowered, at + len(word))
            if link is None and word in _UNSPACED:
                link = _LINK_UNSPACED.match(lowered, at + len(word))
            if link:
                found.append((at, link.end()))
            at, looked = lowered.rfind(word, 0, at), looked + 1
    return found


def _boxes(text: str) -> list[tuple[int, str]]:
    """Every balanced `\\boxed{...}` with its place. Unbalanced ones are left out."""
    found: list[tuple[int, str]] = []
    for m in deque(_BOXED.finditer(text), _MOST):
        depth, i = 1, m.end()
        end = min(len(text), i + 4000)
        while i < end and depth:
            char = text[i]
            depth += (char == "{") - (char == "}")
            i += 2 if char == "\\" else 1
        if depth == 0:
            found.append((m.start(), text[m.end() : i - 1].strip()))
    return found
