"""Names for tests that must fail, made of the words that the hidden tests' own names are made of."""

from __future__ import annotations

import random
import re

WORDS = ("value", "empty", "order", "input", "range", "type", "state", "path", "limit", "names", "update", "default")
_NAME = re.compile(r"\btest_?([A-Za-z0-9_]{2,60})")
_CAMEL = re.compile(r"\bTest([A-Z][A-Za-z0-9_]{2,60})\(")
_TRIES = 200


def words_of(text: str) -> list[str]:
    """Words of the test names in a Python, Go or Rust file, and some common ones."""
    found = [w for m in _NAME.finditer(text) for w in m[1].split("_")]
    found += [w for m in _CAMEL.finditer(text) for w in re.findall(r"[A-Z][a-z]+", m[1])]
    own = {w.lower() for w in found if w.isalpha() and len(w) > 1}
    return sorted(own | set(WORDS))


def new_name(text: str, chance: random.Random) -> str:
    """`test_` and three words of the file's own test names, as no name in the text is."""
    words = words_of(text)
    for _ in range(_TRIES):
        name = "_".join(("test", *(chance.choice(words) for _ in range(3))))
        if name not in text:
            return name
    return "_".join(("test", *(chance.choice(words) for _ in range(6))))


def name_like(original: str, text: str, chance: random.Random) -> str:
    """A name that shares its beginning with a test's and sorts after it: runners by name run it later, never before."""
    words = words_of(text)
    parts = original.split("_")
    for _ in range(_TRIES):
        keep = chance.randrange(1, len(parts)) if len(parts) > 1 else 1
        name = "_".join((*parts[:keep], *(chance.choice(words) for _ in range(chance.choice((2, 3))))))
        if name > original and name not in text:
            return name
    return f"{original}_{new_name(text, chance).removeprefix('test_')}"


def title_like(titles: list[str], text: str, chance: random.Random) -> str:
    """A title of three to six words of other titles, as none in the text is."""
    words = sorted({w for title in titles for w in re.findall(r"[^\W_]{2,}", title)} | set(WORDS))
    for _ in range(_TRIES):
        title = " ".join(chance.choice(words) for _ in range(chance.randrange(3, 7)))
        if title not in text:
            return title
    return " ".join(chance.choice(words) for _ in range(9))
