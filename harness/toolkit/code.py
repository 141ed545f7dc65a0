"""The program in an answer."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([\w+#.-]*)")
_NAMES: dict[str, tuple[str, ...]] = {
    "python": ("python", "py", "python3"),
    "node": ("javascript", "js", "node", "mjs"),
    "bash": ("bash", "sh", "shell"),
}


def code_of(text: str, language: str) -> str:
    """The last fenced block of this language, else the last block, else the whole text when it has no fence.

    The last is what a system that thinks aloud settles on.
    """
    text = text.replace("\r\n", "\n")
    if "```" not in text and "~~~" not in text:
        return text
    blocks = list(_blocks(text.split("\n")))
    if not blocks:
        return text
    names = _NAMES.get(language, (language,))
    of_language = [code for tag, code in blocks if tag in names]
    return (of_language or [code for _, code in blocks])[-1]


def _blocks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """(tag, code) of every closed fence, in the time of one look at each line: answers are not to be trusted."""
    closing: dict[str, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        if line.startswith(("```", "~~~")):
            closing[line.rstrip(" \t")].append(at)
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        ends = closing.get(opened[1], []) if opened else []
        later = bisect_right(ends, at)
        if opened is None or later == len(ends):
            at += 1
            continue
        code = lines[at + 1 : ends[later]]
        yield opened[2].lower(), "\n".join([*code, ""]) if code else ""
        at = ends[later] + 1
