"""Scores of each system against each opponent. Together they are a mixture that nobody asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.report.judges_calls import Calls
from harness.report.judges_items import Item
from harness.report.judges_model import Figure
from harness.report.judges_other import rate_figures
from harness.report.judges_pairs import complete_pairs, score_figures, single_pairs
from harness.stats.swap import Rule

Side = tuple[str, str]
"""(system, opponent); no opponent where work is judged alone."""
SHOWN = ("win_rate", "wins", "wins_plus_ties", "good_rate")
MIXED = "all systems and opponents together: a mixture; each by itself below"


def side_of(item: Item) -> Side:
    """Whose work an item is, and against whom."""
    return (item[1], item[3])


def apart(calls: Calls, protocol: str, rule: Rule) -> tuple[Figure, ...]:
    """The score of each system against each opponent, `wins:SYSTEM:OPPONENT`; nothing where there is only one.

    `calls` are those that score. Intervals cluster by family as those of the whole do.
    """
    found: list[Figure] = []
    for side, rows in _sides(calls):
        whole = (
            score_figures(complete_pairs(rows)[0], rule, single_pairs(rows))
            if protocol == "pairwise"
            else rate_figures(rows, protocol)
        )
        found += [of_side(f, side) for f in whole if f.name in SHOWN]
    return tuple(found)


def of_side(f: Figure, side: Side) -> Figure:
    """The figure as that of one system against one opponent."""
    return replace(f, name=":".join((f.name, *filter(None, side))), title=f"{said(side)}: {f.title.strip()}")


def said(side: Side) -> str:
    """`careful against expert`."""
    return " against ".join(filter(None, side))


def mixed(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
    """Scores of all sides together, each with the note that it is a mixture."""
    return tuple(replace(f, note="; ".join(filter(None, (f.note, MIXED)))) for f in figures)


def _sides(calls: Calls) -> Iterator[tuple[Side, Calls]]:
    """The rows of each system against each opponent, in the order of their names; none where there is only one."""
    key = np.stack([calls.column["system"], calls.column["opponent"]], axis=1)
    every = np.unique(key, axis=0)
    if len(every) < 2:
        return
    words = calls.names.words()
    for system, opponent in sorted(every.tolist(), key=lambda c: (words[c[0]], words[c[1]])):
        yield (words[system], words[opponent]), calls.where((key == (system, opponent)).all(axis=1))
