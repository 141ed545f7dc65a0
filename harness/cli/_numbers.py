"""Numbers and times on the command line: refused with the word that was given and what was expected."""

from __future__ import annotations

import argparse
import math
from datetime import UTC, datetime, timedelta


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


def hours(word: str) -> timedelta:
    """`36h`, `2d`, `90m`."""
    units = {"d": 86400.0, "h": 3600.0, "m": 60.0}
    number, unit = word[:-1], word[-1:]
    if unit not in units or not number.replace(".", "", 1).isdigit() or float(number) <= 0:
        raise argparse.ArgumentTypeError(f"'{word}' is no time: write 36h, 2d or 90m")
    return timedelta(seconds=float(number) * units[unit])


def moment(word: str) -> datetime:
    """A time in ISO 8601, UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{word}' is no time in ISO 8601, such as 2026-01-31T02:17Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def level(word: str) -> float:
    """A one-sided level: from 0.5 on the two bounds of an interval would cross, and anything be excluded."""
    try:
        number = float(word)
    except ValueError:
        number = 0.0
    if not 0 < number < 0.5:
        raise argparse.ArgumentTypeError(f"'{word}' is not a level above 0 and under 0.5, such as 0.05")
    return number


def share(word: str) -> float:
    """A probability above 0 and under 1."""
    try:
        number = float(word)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"'{word}' is not between 0 and 1")
    return number
