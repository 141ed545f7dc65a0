"""Numbers on the command line: refused with the word that was given and what was expected."""

from __future__ import annotations

import argparse
import math


def whole(word: str) -> int:
    """A count: a whole number above 0."""
    if not (word.isascii() and word.isdigit()) or int(word) < 1:
        raise argparse.ArgumentTypeError(f"'{word}' is not a whole number above 0")
    return int(word)


def amount(word: str) -> float:
    """Dollars or seconds: a number from 0."""
    try:
        number = float(word)
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"'{word}' is not a number from 0")
    return number


def seed(word: str) -> int:
    """Any whole number."""
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{word}' is not a whole number") from None
