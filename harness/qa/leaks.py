"""Whether what was found in an image is a leak of the answer or of the hidden tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil

from harness.qa.findings import Finding
from harness.qa.image import Hit, Image, Needles
from harness.qa.material import Material

COMMON = 3
"""A line in more files than this is anybody's, unless a file holds most of the others too."""
NAMED = 5


def leaks_found(image: Image, needles: Needles, material: Material) -> Iterator[Finding]:
    """Answer and hidden tests in the image. A line that the tree at base has is nobody's secret.

    A file leaks when it holds at least half of the lines looked for, and two of them where there are two.
    """
    root = material.root.rstrip("/")
    inside = {p: h for p, h in image.hits.items() if root and p.startswith(f"{root}/")}
    outside = {p: h for p, h in image.hits.items() if p not in inside}
    yield from _lines("answer", needles.answer, inside, outside)
    yield from _lines("hidden", needles.hidden, inside, outside)
    yield from _names(needles.names, inside, outside)
    if image.too_big:
        yield Finding("leak", "info", f"{len(image.too_big)} files are too big to be searched", image.too_big[0])


def _lines(kind: str, wanted: tuple[str, ...], inside: dict[str, Hit], outside: dict[str, Hit]) -> Iterator[Finding]:
    what = "the answer" if kind == "answer" else "the hidden tests"
    leaking = {p: len(found) for p, hit in inside.items() if _most(found := getattr(hit, kind), wanted, 2)}
    base: set[str] = set().union(*(getattr(h, kind) for p, h in inside.items() if p not in leaking))
    left = tuple(line for line in wanted if line not in base)
    spread = Counter(line for hit in outside.values() for line in getattr(hit, kind))
    single: dict[str, str] = {}
    for path, hit in outside.items():
        found = [line for line in left if line in getattr(hit, kind)]
        if found and (_most(found, left, 2) or (len(left) == 1 and spread[found[0]] <= COMMON)):
            leaking[path] = len(found)
        elif found and any(spread[line] <= COMMON for line in found):
            single[path] = next(line for line in found if spread[line] <= COMMON)
    for path, n in sorted(leaking.items())[:NAMED]:
        yield Finding("leak", "fail", f"{n} of {len(wanted)} lines of {what} are in the image", path)
    if len(leaking) > NAMED:
        yield Finding("leak", "fail", f"{what}: {len(leaking) - NAMED} more files")
    for path, line in sorted(single.items())[:NAMED]:
        yield Finding("leak", "warn", f"a line of {what} is in the image: {line[:100]}", path)


def _most(found: set[str] | list[str], wanted: tuple[str, ...], least: int) -> bool:
    return len(found) >= max(least, ceil(len(wanted) / 2))


def _names(names: tuple[str, ...], inside: dict[str, Hit], outside: dict[str, Hit]) -> Iterator[Finding]:
    """Names alone give no answer away, but say what will be tested."""
    in_tree = sorted(p for p, h in inside.items() if h.names and not h.hidden)
    if in_tree:
        found = sorted(set().union(*(inside[p].names for p in in_tree)))
        yield Finding("names", "warn", f"fail-to-pass tests are named in the tree: {', '.join(found[:5])}", in_tree[0])
    spread = Counter(name for hit in outside.values() for name in hit.names)
    rare = {name for name, n in spread.items() if n <= COMMON}
    for path in sorted(p for p, h in outside.items() if h.names & rare and not h.hidden)[:NAMED]:
        found = sorted(outside[path].names & rare)
        yield Finding("names", "warn", f"hidden tests are named in the image: {', '.join(found[:5])}", path)
