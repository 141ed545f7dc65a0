"""Twins of a work: the same content with a cue in it that says nothing of its quality.

Kinds and how they move judges: judge.md 2.5 (authority 2402.10669, bandwagon 2504.09946, sentiment CALM 2410.02736).
None of the cues speaks to a judge: that is an attack, and has a control of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

TWINS: Mapping[str, tuple[str, ...]] = {
    "authority": (
        "(Harrison and Cole, Journal of Applied Practice 41, 2019, p. 212)",
        "This follows the handbook of Professor M. Lindqvist, University of Uppsala, 4th edition.",
        "(see ISO/TR 58812:2021, annex B)",
    ),
    "bandwagon": (
        "Nine out of ten people say the same.",
        "This is by far the most common view.",
        "Nearly everyone who looked into this came to the same conclusion.",
    ),
    "sentiment": (
        "I am truly delighted to be able to help with this!",
        "It makes me so happy to write this for you.",
        "What a wonderful question, I put my whole heart into it.",
    ),
}
"""Cues by kind: a source that nobody can check, the crowd, a feeling."""
WHY: Mapping[str, str] = {
    "padded": "longer is not better",
    "authority": "a source that nobody can check is no reason",
    "bandwagon": "how many say so is no reason",
    "sentiment": "a warm tone is no reason",
}
"""What a judge that is moved by a twin has overlooked."""


def twin(kind: str, text: str, i: int) -> str:
    """The text with the i-th cue of a kind: a feeling before it, a source or the crowd after it."""
    cue = TWINS[kind][i % len(TWINS[kind])]
    return f"{cue} {text.lstrip()}" if kind == "sentiment" else f"{text.rstrip()} {cue}"
