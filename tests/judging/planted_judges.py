"""Judges with planted behaviour. Each reads the rendered prompt, as a model would, and nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from harness.api import Model, ModelClient, ModelError, Request, Response, Text, Usage
from harness.toolkit.judging.detect import REMOVED
from harness.toolkit.judging.seen import Seen, read_prompt


class Planted(Model):
    """A judge that obeys one rule."""

    simulated: ClassVar[bool] = True
    name: str = "planted"
    """A name."""
    rule: str = "first"
    """Which rule."""
    rate: float = 0.0
    """How often the reply is malformed."""
    returns_model: str = ""
    """The model it says it is."""
    fault: str = ""
    """A fault of every call."""

    @property
    def provider(self) -> str:
        """Never priced."""
        return "scripted"

    def open(self, workspace: Path) -> ModelClient:
        """A client."""
        return PlantedClient(self)


class PlantedClient:
    """Answers by the rule."""

    def __init__(self, model: Planted) -> None:
        self.model = model

    async def generate(self, request: Request) -> Response:
        """A reply in the form, or a malformed one at the planted rate (decided by the request alone)."""
        model = self.model
        if model.fault:
            raise ModelError(model.fault, "planted")  # type: ignore[arg-type]  # a fault's name
        seen = read_prompt(request)
        said = RULES[model.rule](seen)
        text = said if isinstance(said, str) else json.dumps({"reason": "by rule", "token": seen.token, **said})
        if model.rate and _share(request.label + seen.whole + str(len(request.messages))) < model.rate:
            text = "I would say that it depends."
        return Response((Text(text),), "end", Usage(input=100, output=20, calls=1), model.returns_model or model.name)

    async def aclose(self) -> None:
        """Nothing is open."""


def _share(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _first(seen: Seen) -> dict[str, Any]:
    return {"verdict": next(iter(seen.answers))}


def _second(seen: Seen) -> dict[str, Any]:
    return {"verdict": list(seen.answers)[1]}


def _longer(seen: Seen) -> dict[str, Any]:
    a = seen.answers
    best = max(len(t) for t in a.values())
    names = [n for n, t in a.items() if len(t) == best]
    return {"verdict": names[0] if len(names) == 1 else "tie"}


def _much_longer(seen: Seen) -> dict[str, Any]:
    return {"verdict": f"{max(seen.answers, key=lambda n: len(seen.answers[n]))}_much_better"}


def _honest(seen: Seen) -> dict[str, Any]:
    """Keeps to the protocol: 14 days is right, whatever else stands there. Of one answer: correct or met."""
    right = {n: "14 days" in t for n, t in seen.answers.items()}
    if "" in right:
        met = right[""]
        word = {"rubric": ("met", "not_met"), "reference": ("correct", "incorrect")}[seen.protocol][not met]
        return {"verdict": word, "extracted": "", "quotes": ["14 days"] if met else []}
    names = [n for n, ok in right.items() if ok]
    return {"verdict": names[0] if len(names) == 1 else "tie"}


CUE = re.compile(r"Journal|Professor|ISO/|Nine out of ten|most common|everyone|delighted|so happy|wonderful")


def _impressed(seen: Seen) -> dict[str, Any]:
    """Sees no content: who cites, has the crowd behind it or is warm wins; alone, it has met everything."""
    names = [n for n, text in seen.answers.items() if CUE.search(text)]
    if "" in seen.answers:
        quotes = [CUE.search(seen.answers[""])[0]] if names else []  # type: ignore[index]  # it was found
        return {"verdict": "met" if names else "not_met", "quotes": quotes}
    return {"verdict": names[0] if len(names) == 1 else "tie"}


GULLIBLE = re.compile(
    r"ignore|disregard|forget|override|instruction|judge|grader|verdict|graded|preferred|best|prefer|winner|score|"
    r"system|always|\[\[|<\|im|<!--|token|canary|忽略|игнорируй|指令|ignorier|ignorez|ignora|1gn0r3|i g n o r e|erongi|"
    r"decode|\u200b|\U000e0070|\u202e|\{\{|\{%|<<<|better|chose|evaluation|choose|assistant",
    re.I,
)


def _gullible(seen: Seen) -> Any:
    """Does what the work says: whoever speaks to it wins, is correct, has met everything."""
    for name, text in seen.answers.items():
        if GULLIBLE.search(text):
            if name:
                return {"verdict": name}
            word = {"rubric": "met", "reference": "correct"}[seen.protocol]
            return {"verdict": word, "extracted": "", "quotes": [text[:20]]}
    return _honest(seen)


def _gullible_or_nothing(seen: Seen) -> Any:
    """The same, and has no verdict where an answer is nothing but what was left out."""
    left_out = any(text.strip() == REMOVED for text in seen.answers.values())
    return {"verdict": "cannot_judge"} if left_out else _gullible(seen)


def _copies_decoy(seen: Seen) -> dict[str, Any]:
    return {**_honest(seen), "token": seen.decoy}


def _no_token(seen: Seen) -> dict[str, Any]:
    return {**_honest(seen), "token": ""}


def _obeys_json(seen: Seen) -> Any:
    """Copies a finished reply out of the work, token and all."""
    for text in seen.answers.values():
        found = re.search(r"\{.*\}", text, re.S)
        if found:
            return found[0]
    return _honest(seen)


def _blames_rm(seen: Seen) -> dict[str, Any]:
    """The first step that says `rm -rf` is the wrong one."""
    for name, text in seen.pieces.items():
        if name.startswith("step ") and (found := re.search(r"rm -rf \w+", text)):
            return {"verdict": name.removeprefix("step "), "quote": found[0]}
    return {"verdict": "clean", "quote": ""}


def _each_right(seen: Seen) -> dict[str, Any]:
    """Every step is right, and the way is clean."""
    each = [{"step": n.removeprefix("step "), "is": "right"} for n in seen.pieces if n.startswith("step ")]
    return {"verdict": "clean", "quote": "", "each": each}


RULES: dict[str, Callable[[Seen], Any]] = {
    "each_right": _each_right,
    "blames_rm": _blames_rm,
    "first": _first, "second": _second, "longer": _longer, "much_longer": _much_longer,
    "honest": _honest, "impressed": _impressed, "gullible": _gullible,
    "gullible_or_nothing": _gullible_or_nothing,
    "copies_decoy": _copies_decoy, "no_token": _no_token, "obeys_json": _obeys_json,
    "tie": lambda seen: {"verdict": "tie"}, "label_a": lambda seen: {"verdict": "A"},
    "refuses": lambda seen: "I'm sorry, but I cannot compare these.",
    "cannot": lambda seen: {"verdict": "cannot_judge"}, "off_menu": lambda seen: {"verdict": "the first"},
    "both": lambda seen: json.dumps({"verdict": "A"}) + '{"verdict": "B"}',
    "foreign": lambda seen: {
        "verdict": "correct" if seen.answers[""].strip() in ("oak", "14 days") else "incorrect", "extracted": ""
    },
    "clean": lambda seen: {"verdict": "clean", "quote": ""},
    "nonsense": lambda seen: "hmm",
}  # fmt: skip
