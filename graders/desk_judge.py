"""A SIMULATED judge: a few rules over the words of the prompt. It shows how judging works and measures nothing.

It reads the same prompt a model would read, and nothing else, so a prompt that lost a piece shows as a wrong verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness.api import Json, Model, ModelClient, Request, Response, Text, Usage
from harness.toolkit.judging.seen import Seen, read_prompt

QUOTED = re.compile(r'"([^"]+)"')
NUMBER = re.compile(r"\d+(?:[.:]\d+)*")
SUM = re.compile(r"(\d+(?:\.\d+)?)\s*([-+*x/])\s*(\d+(?:\.\d+)?)\s*=\s*(\d+(?:\.\d+)?)")
SMALL = frozenset(("the", "and", "for", "are", "was", "with", "this", "that", "from", "not", "you", "your"))


class DeskJudge(Model):
    """Counts what is asked for between quotation marks, compares numbers with sources, checks sums. Simulated."""

    version: ClassVar[str] = "2"
    simulated: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Json]] = {}

    name: str = "desk-rules"
    """What records call it."""

    @property
    def provider(self) -> str:
        """Never priced."""
        return "scripted"

    def open(self, workspace: Path) -> ModelClient:
        """A client that knows the rules below."""
        return Desk(self.name)


class Desk:
    """Reads a prompt, decides by rule, replies in the form."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, request: Request) -> Response:
        """The reply of the rule for this protocol."""
        seen = read_prompt(request)
        said = {**RULES[seen.protocol](seen), "token": seen.token}
        usage = Usage(input=len(seen.whole) // 4, output=len(str(said)) // 4, calls=1)
        return Response((Text(json.dumps(said)),), "end", usage, self.name)

    async def aclose(self) -> None:
        """Nothing is open."""


def rubric(seen: Seen) -> Json:
    """A criterion is met when one of the words that it puts between quotation marks is in the work."""
    wanted = QUOTED.findall(seen.task.rpartition("The criterion:")[2])
    answer = seen.answers.get("", "")
    found = [_as_written(answer, w) for w in wanted if w.casefold() in answer.casefold()]
    verdict = "met" if found else "not_met" if wanted else "cannot_judge"
    return {"reason": f"looked for {', '.join(wanted)}", "quotes": found[:1], "verdict": verdict}


def pairwise(seen: Seen) -> Json:
    """Whoever says more of what the question puts between quotation marks is better."""
    wanted = QUOTED.findall(seen.question)
    plain = {label: " ".join(text.casefold().split()) for label, text in seen.answers.items()}
    counts = {label: sum(w.casefold() in text for w in wanted) for label, text in plain.items()}
    best = max(counts.values())
    first = [label for label, n in counts.items() if n == best]
    verdict = first[0] if len(first) == 1 else "tie"
    return {
        "reason": ", ".join(f"{label} says {n} of {len(wanted)}" for label, n in counts.items()),
        "verdict": verdict,
    }


def reference(seen: Seen) -> Json:
    """Correct when the reference's words are all in the answer."""
    answer, gold = seen.answers.get("", "").casefold(), seen.pieces.get("reference", "").casefold()
    verdict = "correct" if set(_words(gold)) <= set(_words(answer)) else "incorrect"
    return {"extracted": answer[:80], "reason": "words compared", "verdict": verdict}


def steps(seen: Seen) -> Json:
    """The first sum that does not come out is the first wrong step."""
    for name, text in seen.pieces.items():
        for a, sign, b, said in SUM.findall(text.replace(",", "")):
            true = {"+": float(a) + float(b), "-": float(a) - float(b), "/": float(a) / (float(b) or 1)}
            if abs(true.get(sign, float(a) * float(b)) - float(said)) > 0.005 and name.startswith("step "):
                return {"reason": f"{a} {sign} {b} is not {said}", "quote": text, "verdict": name.removeprefix("step ")}
    return {"reason": "every sum comes out", "quote": "", "verdict": "clean"}


def claims(seen: Seen) -> Json:
    """Sentences are claims; a source that shares their words supports them if it has their numbers too."""
    if "List every factual claim" in seen.task:
        sentences = [s.strip() for s in re.split(r"(?<=[.!?])\s+", seen.answers.get("", "")) if s.strip()]
        return {"claims": [{"claim": s, "words": s} for s in sentences]}
    lines = [line for n, text in seen.pieces.items() if n.startswith("source") for line in _sentences(text)]
    checked = []
    for name, text in seen.pieces.items():
        if name.startswith("claim "):
            checked.append({"claim": name, **_checked(text, lines)})
    return {"checked": checked}


def _checked(claim: str, lines: list[str]) -> dict[str, Json]:
    words = set(_words(claim))
    near = max(lines, key=lambda line: len(words & set(_words(line))), default="")
    shared = words & set(_words(near))
    if len(shared) < 0.5 * len(words):
        return {"reason": "no source shares its words", "quote": "", "verdict": "not_found"}
    numbers, there = set(NUMBER.findall(claim)), set(NUMBER.findall(near))
    verdict = "supported" if numbers <= there else "contradicted"
    return {"reason": f"shares {len(shared)} words", "quote": near, "verdict": verdict}


def _sentences(text: str) -> list[str]:
    return [s.strip() for s in re.split(r"(?<=[.!?])\s+|\n", text) if s.strip()]


def _words(text: str) -> list[str]:
    found = re.findall(r"[a-zà-ÿ]{3,}", text.casefold())
    return [w.removesuffix("s") for w in found if w not in SMALL]


def _as_written(text: str, wanted: str) -> str:
    at = text.casefold().find(wanted.casefold())
    return text[at : at + len(wanted)]


RULES = {
    "rubric": rubric,
    "pairwise": pairwise,
    "select": pairwise,
    "reference": reference,
    "steps": steps,
    "claims": claims,
}
