"""Text made comparable. The exact rules, with their traps, are in docs/reference/graders-normalisation.md.

Every function here is pure, never raises on any `str`, and is idempotent: normalising twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from typing import Literal

Ignored = Literal["case", "punctuation", "whitespace", "articles", "accents"]
"""What a comparison may overlook. `punctuation` and `articles` overlook runs of whitespace too."""

EVERYTHING: tuple[Ignored, ...] = ("case", "punctuation", "whitespace", "articles")
"""What mode `normalised` overlooks. Accents stay: they tell words apart in most languages."""

_ORDER: tuple[Ignored, ...] = ("case", "accents", "punctuation", "articles", "whitespace")
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_SUPERSCRIPT = re.compile(f"[{_SUPERSCRIPTS}]+")
_FROM_SUPERSCRIPT = str.maketrans(_SUPERSCRIPTS, "0123456789+-")
_VULGAR_AFTER_DIGIT = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞↉])")
_TYPOGRAPHIC = str.maketrans({
    **dict.fromkeys("‘’‚‛ʼ＇", "'"), **dict.fromkeys("“”„‟«»＂", '"'), **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    "⁄": "/", "∕": "/", "…": "...",
})  # fmt: skip
_PUNCTUATION = re.compile(
    r"""
    (?<=[0-9])[.,:/](?=[0-9])        # kept: inside a number, a time, a fraction
    | (?<![\w.])\.(?=[0-9])          # kept: .5
    | (?<![\w-])-(?=\.?[0-9])        # kept: a minus sign
    | (?<=[0-9])\ ?%                 # kept: percent
    | (['`]|(?<=[^\W\d_])\.)         # 1, dropped: apostrophes, dots of abbreviations
    | ([^\w\s$€£¥₹+<>=^])            # 2, becomes a space: the rest
    | (_)                            # 3, becomes a space
    """,
    re.VERBOSE,
)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def canonical(text: str) -> str:
    """Unicode NFKC with three guards, invisible characters dropped, outer whitespace stripped.

    The guards: `10²` becomes `10^2` and not `102`, `3½` becomes `3 1/2` and not `31/2`, and typographic quotes and
    dashes become their ASCII forms.
    """
    if text.isascii():
        return text.strip()
    text = _SUPERSCRIPT.sub(lambda m: "^" + m[0].translate(_FROM_SUPERSCRIPT), text)
    text = _VULGAR_AFTER_DIGIT.sub(" ", text)
    text = unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHIC)
    if not text.isascii():
        text = "".join([c for c in text if unicodedata.category(c) not in ("Cf", "Cs")])
        text = unicodedata.normalize("NFKC", text)
    return text.strip()


@cache
def normaliser(ignore: frozenset[Ignored]) -> Callable[[str], str]:
    """The function that makes texts comparable when `ignore` is overlooked. Made once per set."""
    steps = [_STEPS[name] for name in _ORDER if name in ignore]

    def once(text: str) -> str:
        text = canonical(text)
        for step in steps:
            text = step(text)
        return text

    def normalise(text: str) -> str:
        if text.isascii():
            return once(text)
        for _ in range(6):  # folding and composing can feed each other: go on until nothing changes
            done = once(text)
            if done == text:
                break
            text = done
        return text

    return normalise


@lru_cache(maxsize=8192)
def normal_reference(text: str, ignore: frozenset[Ignored]) -> str:
    """A normalised reference, remembered: the same reference meets every system and epoch."""
    return normaliser(ignore)(text)


def ignore_set(ignore: Iterable[Ignored]) -> frozenset[Ignored]:
    """The key for `normaliser`."""
    return frozenset(ignore)


def excerpt(text: str, limit: int = 160) -> str:
    """Text for an explanation or for `extracted`: short, and always encodable as UTF-8."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else canonical(text.casefold())


def _strip_accents(text: str) -> str:
    if text.isascii():
        return text
    bare = "".join([c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn"])
    return unicodedata.normalize("NFC", bare) or text


def _strip_punctuation(text: str) -> str:
    if text.isalnum():
        return text
    return _collapse(_PUNCTUATION.sub(_replace_mark, text)) or text


def _replace_mark(m: re.Match[str]) -> str:
    if m.lastindex is None:
        return m[0].strip()
    return "" if m.lastindex == 1 else " "


def _strip_articles(text: str) -> str:
    return _collapse(_ARTICLES.sub(" ", text)) or text


def _collapse(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


_STEPS: dict[Ignored, Callable[[str], str]] = {
    "case": _fold,
    "accents": _strip_accents,
    "punctuation": _strip_punctuation,
    "articles": _strip_articles,
    "whitespace": _collapse,
}
