"""Regular expressions on text that nobody has seen before: compiled once, and stopped when they run away."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import re

QUICK_S = 0.05
"""A search that takes longer than this leaves the event loop and goes on in a thread."""
LIMIT_S = 2.0
"""A search that takes longer than this is given up."""


class PatternTooSlow(Exception):
    """The pattern did not come to an end on this text within `LIMIT_S` seconds."""


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """The compiled pattern of the `regex` library, which can be timed; multi-line. Raises ValueError with the cause."""
    import regex

    try:
        return regex.compile(pattern, regex.MULTILINE)
    except (regex.error, ValueError, RecursionError, OverflowError) as e:
        raise ValueError(f"'{pattern}' is no regular expression: {e}") from e


def pattern_fault(pattern: str) -> str:
    """What is wrong with a pattern, or nothing."""
    try:
        compiled(pattern)
    except ValueError as e:
        return str(e)
    return ""


async def last_match(pattern: str, text: str, *, whole: bool = False) -> re.Match[str] | None:
    """The last match of a pattern (the only one with `whole`). Raises ValueError, PatternTooSlow."""
    try:
        return _search(pattern, text, whole, QUICK_S)
    except TimeoutError:
        pass
    try:
        return await asyncio.to_thread(_search, pattern, text, whole, LIMIT_S)
    except TimeoutError as e:
        raise PatternTooSlow(f"'{pattern}' did not end within {LIMIT_S:g} s") from e


def _search(pattern: str, text: str, whole: bool, limit_s: float) -> re.Match[str] | None:
    import time

    end = time.monotonic() + limit_s
    expression = compiled(pattern)
    if whole:
        return cast("re.Match[str] | None", expression.fullmatch(text, timeout=limit_s, concurrent=True))
    last: re.Match[str] | None = None
    for found in expression.finditer(text, timeout=limit_s, concurrent=True):
        last = found
        if time.monotonic() > end:
            raise TimeoutError
    return last
