"""Fenced blocks of an answer, found in one pass: answers are not to be trusted, and a pattern that looks for a whole
block takes the square of their length."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

_FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})[ \t]*([\w+#.-]*)")


def fenced_blocks(text: str, *, indented: bool = False) -> Iterator[tuple[str, str]]:
    """(tag, content) of every closed block, in order; the tag is the first word after the fence, in lower case.

    A fence ends at the next line that is the same fence alone; one that never ends is none. `indented` allows white
    space before fences, as in lists.
    """
    lines = text.split("\n")
    seen = [line.lstrip(" \t") for line in lines] if indented else lines
    closing: dict[str, list[int]] = defaultdict(list)
    for at, line in enumerate(seen):
        if line.startswith(("```", "~~~")):
            closing[line.rstrip(" \t\r")].append(at)
    at = 0
    while at < len(lines):
        opened = _FENCE.match(seen[at])
        ends = closing.get(opened[1], []) if opened else []
        later = bisect_right(ends, at)
        if opened is None or later == len(ends):
            at += 1
            continue
        content = lines[at + 1 : ends[later]]
        yield opened[2].lower(), "\n".join([*content, ""]) if content else ""
        at = ends[later] + 1
