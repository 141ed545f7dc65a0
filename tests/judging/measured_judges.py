"""Judges of planted bias for the measurement: each reads the rendered prompt, and chance is a hash of what it read.

The question says which case it is; of even cases the work that says `alpha` is the better one, of odd ones `beta`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from harness.api import Model, ModelClient, Request, Response, Text, Usage
from harness.toolkit.judging.seen import Seen, read_prompt

NONCE = re.compile("[0-9a-f]{8,}")
"""What a prompt has that is new in each run: marks and tokens."""


class Biased(Model):
    """A judge with one planted bias."""

    simulated: ClassVar[bool] = True
    name: str = "biased"
    """A name."""
    rule: str = "oracle"
    """Which bias."""
    strength: float = 0.0
    """How strong it is."""
    other: float = 0.0
    """A second number."""

    @property
    def provider(self) -> str:
        """Never priced."""
        return "scripted"

    def open(self, workspace: Path) -> ModelClient:
        """A client."""
        return BiasedClient(self)


class BiasedClient:
    """Answers by the rule."""

    def __init__(self, model: Biased) -> None:
        self.model = model

    async def generate(self, request: Request) -> Response:
        """A reply in the form."""
        seen, m = read_prompt(request), self.model
        u = share(request.label + NONCE.sub("", seen.whole))  # the same in every run: chance fails no test
        said = RULES[m.rule](seen, m, u)
        text = said if said.startswith("{") else json.dumps(
            {"reason": "by rule", "extracted": "", "quotes": [], "quote": "", "verdict": said, "token": seen.token}
        )  # fmt: skip
        return Response((Text(text),), "end", Usage(input=100, output=20, calls=1), m.name)

    async def aclose(self) -> None:
        """Nothing is open."""


def share(text: str) -> float:
    """A number in [0, 1) that a text decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def case_of(seen: Seen) -> int:
    """The number of the case that is asked about."""
    found = re.search(r"Case (\d+)", seen.whole)
    assert found is not None, "the question did not reach the judge"
    return int(found[1])


def _names(seen: Seen) -> list[str]:
    assert len(seen.answers) == 2, "two answers are shown"
    return list(seen.answers)


def _better(seen: Seen) -> str:
    word = "alpha" if case_of(seen) % 2 == 0 else "beta"
    return next(n for n, text in seen.answers.items() if word in text)


def _worse(seen: Seen) -> str:
    return next(n for n in _names(seen) if n != _better(seen))


def _longer(seen: Seen) -> str:
    return max(seen.answers, key=lambda n: len(seen.answers[n]))


def _half(seen: Seen, m: Biased, u: float) -> str:
    """A win in one order, a tie in the other."""
    return _names(seen)[0] if "alpha" in seen.answers[_names(seen)[0]] else "tie"


def _noisy_reference(seen: Seen, m: Biased, u: float) -> str:
    """Right with `strength` on work that passes, with `other` on work that fails."""
    passes = share(f"truth {case_of(seen)} {seen.answers['']}") < 0.7
    return ("correct" if u < m.strength else "incorrect") if passes else ("incorrect" if u < m.other else "correct")


RULES: dict[str, Callable[[Seen, Biased, float], str]] = {
    "oracle": lambda seen, m, u: _better(seen),
    "first": lambda seen, m, u: _names(seen)[0],
    "second": lambda seen, m, u: _names(seen)[1],
    "label_a": lambda seen, m, u: "A",
    "coin": lambda seen, m, u: _names(seen)[0] if u < m.strength else _names(seen)[1],
    "per_call": lambda seen, m, u: _names(seen)[0] if u < m.strength else _better(seen),
    "per_item": lambda seen, m, u: _names(seen)[0] if case_of(seen) % 10 < 10 * m.strength else _better(seen),
    "noisy": lambda seen, m, u: _worse(seen) if u < m.strength else _better(seen),
    "half": _half,
    "tie": lambda seen, m, u: "tie",
    "longer": lambda seen, m, u: _longer(seen),
    "kin": lambda seen, m, u: next(n for n, t in seen.answers.items() if ("alpha" in t) == (case_of(seen) % 10 < 8)),
    "halves": lambda seen, m, u: _better(seen),
    "yes": lambda seen, m, u: "correct",
    "reference": _noisy_reference,
}
