"""What work looks like: its length and its formatting, for the record of biases; and cutting both sides alike."""

from __future__ import annotations

import re

_HEADING = re.compile(r"^#{1,6} ", re.M)
_LIST = re.compile(r"^\s*(?:[-*+]|\d+[.)]) ", re.M)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")


def style_of(text: str) -> tuple[int, int, int]:
    """Headings, list entries and bold words: the three that Arena-Hard controls for besides length."""
    return len(_HEADING.findall(text)), len(_LIST.findall(text)), len(_BOLD.findall(text))


def cut_to(text: str, most: int) -> str:
    """The text, or its two ends with a note of how much is missing between them."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}\n[{len(text) - most} characters left out here]\n{text[len(text) - (most - head) :]}"


def holds(quote: str, text: str) -> bool:
    """Whether a quote stands in a text: word for word, but for runs of whitespace, quotation marks and case.

    An empty quote stands nowhere: evidence that says nothing is none.
    """
    wanted = _folded(quote)
    return len(wanted) >= 3 and wanted in _folded(text)


def _folded(text: str) -> str:
    text = text.translate(_QUOTES).casefold()
    return " ".join(text.split()).strip(" .…\"'")


_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "–": "-", "—": "-", "\u00a0": " "})
