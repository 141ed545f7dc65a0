"""Plain aligned tables for commands that list things: stable text, no colour, nothing imported."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the last one unpadded; cells with line breaks are put on one line."""
    flat = [[" ".join(cell.split()) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in flat) for i in range(len(header))]
    lines = []
    for row in flat:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(GAP.join(cells).rstrip())
    return "\n".join(lines)


def many(n: int, word: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def clip(text: str, width: int) -> str:
    """At most `width` characters, with a mark where it was cut."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
