"""What programs said on a terminal, made plain and short for a message."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;:<=>?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[ -/]*[0-~])")
"""Control sequences and operating system commands of terminals (ECMA-48, 5.4 and 8.3.89), and two-character escapes."""


def plain(text: str) -> str:
    """Without terminal escapes; of a line drawn over with carriage returns its last state; no control characters."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in _ESCAPE.sub("", text).split("\n")]
    return "\n".join("".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in lines)


def last_words(text: str, limit: int = 300) -> str:
    """The last lines that fit, whole but for the middle of a line that is longer than half of what there is."""
    kept: list[str] = []
    for line in reversed(text.strip().splitlines()):
        short = _without_middle(line, limit // 2)
        if kept and len(short) + sum(len(one) + 1 for one in kept) > limit:
            break
        kept.append(short)
    return "\n".join(reversed(kept))


def _without_middle(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    end = (limit - 1) // 2
    return f"{line[: limit - 1 - end]}…{line[len(line) - end :]}"


def ends_of(text: str, limit: int = 300) -> str:
    """The first line and the last whole lines, plain: what a message of many lines is about, and how it ended."""
    text = plain(text).strip()
    first, _, rest = text.partition("\n")
    if len(text) <= limit or not rest:
        return text[:limit]
    first = first[: limit // 2]
    last = last_words(rest, limit - len(first) - 3)
    return f"{first}\n…\n{last}" if len(last) < len(rest.strip()) else f"{first}\n{last}"
