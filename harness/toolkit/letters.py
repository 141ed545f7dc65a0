"""Option letters of many scripts, and how a text names them.

A letter's meaning is a set of option numbers (from 0): Cyrillic `Б` is the second letter of its alphabet, but `В`
looks like the second Latin letter and is the third Cyrillic one. Where two of the set are on the menu, nobody guesses.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal

Alphabet = Literal["latin", "cyrillic", "greek", "arabic", "hebrew"]
"""The letters shown to the system, where they are not Latin: settles look-alikes by alphabetical order."""

LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORDERS: dict[str, str] = {
    "cyrillic": "АБВГДЕЖЗИК", "greek": "ΑΒΓΔΕΖΗΘΙΚ", "arabic": "أبجدهوزحطي", "hebrew": "אבגדהוזחטי",
}  # fmt: skip
_OTHER_ORDERS: tuple[str, ...] = (
    "ابجدهوزحطي", "কখগঘঙ", "অবডঢ", "कखगघङ", "अबसद", "アイウエオ", "甲乙丙丁戊", "가나다라마", "ㄱㄴㄷㄹㅁ", "กขคงจ",
)  # fmt: skip
_LOOKS: dict[str, str] = {
    "А": "A", "В": "B", "С": "C", "Е": "E", "Н": "H", "І": "I", "Ј": "J", "К": "K",  # Cyrillic
    "Α": "A", "Β": "B", "Ε": "E", "Η": "H", "Ι": "I", "Κ": "K", "Ζ": "Z", "Ϲ": "C",  # Greek
}  # fmt: skip


@cache
def meanings(alphabet: Alphabet) -> dict[str, frozenset[int]]:
    """Which option numbers a letter can mean, upper case, after NFKC."""
    if alphabet != "latin":
        shown = {letter: frozenset({i}) for i, letter in enumerate(_ORDERS[alphabet])}
        if alphabet == "arabic":
            shown["ا"] = frozenset({0})
        return shown
    table: dict[str, set[int]] = {letter: {i} for i, letter in enumerate(LATIN)}
    for order in (*_ORDERS.values(), *_OTHER_ORDERS):
        for i, letter in enumerate(order):
            table.setdefault(letter, set()).add(i)
    for letter, latin in _LOOKS.items():
        table.setdefault(letter, set()).add(LATIN.index(latin))
    return {letter: frozenset(options) for letter, options in table.items()}


def plain(text: str) -> str:
    """Full-width, circled and bracketed letters as plain ones; emphasis and LaTeX around letters removed."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_FILLED))
        text = "".join([c for c in text if unicodedata.category(c) != "Cf" and c not in "\ufe0e\ufe0f"])
    if "\\" in text:
        text = _LATEX.sub(r"\1", _LATEX.sub(r"\1", text))
    return _EMPHASIS.sub("", text).strip()


_FILLED = {0x1F170 + i: LATIN[i] for i in range(26)} | {0x1F150 + i: LATIN[i] for i in range(26)}
_FILLED |= {0x1F130 + i: LATIN[i] for i in range(26)} | {0x2776 + i: str(i + 1) for i in range(9)}
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathsf|boxed|fbox|textit|operatorname)\s*\{([^{}]{0,200})\}")
_EMPHASIS = re.compile(r"[*`$]+|(?<!\w)__?(?=\w)|(?<=\w)__?(?!\w)|\\[()\[\]]")


@cache
def letter_class(alphabet: Alphabet, digits: bool) -> str:
    """The inside of a regular expression's character class: letters in both cases, and digits where they count."""
    letters = "".join(meanings(alphabet))
    lower = "".join(c.lower() for c in letters if len(c.lower()) == 1 and c.lower() != c)
    return letters + lower + ("1-9" if digits else "")
