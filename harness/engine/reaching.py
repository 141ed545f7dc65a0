"""What the work reached for that it was not given, and what it ran into: told in flags, no verdict's business.

A box has no network, no history, no key and no hidden test in it, and limits on everything; so an attempt gets nowhere.
That it was made is worth knowing all the same. Commands and their output are searched for the words of such attempts
(reference/swe.md 4); a program that hides them is not seen, and honest work may be flagged: a flag says what happened,
not why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.plugins.contracts import Box
from harness.records.transcript import Command, Event
from harness.toolkit.attempts import REACHES, brief, met_in, one_of_each, still_running

RAN_OUT = {"oom killed": "memory", "disk full": "disk", "pids full": "processes", "truncated": "output"}
"""What the notes of a command say ran out."""


def reached(events: Iterable[Event]) -> tuple[str, ...]:
    """Flags, one of each kind, with the first command that shows it."""
    return tuple(one_of_each(_told(events)))


async def left_running(box: Box, events: Sequence[Event]) -> tuple[str, ...]:
    """A flag when processes go on after the work was declared done. They are dead before anything is collected."""
    if not any(isinstance(event, Command) for event in events):
        return ()
    return await still_running(box)


def _told(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        if not isinstance(event, Command):
            continue
        said = " ".join(event.argv)
        for what, words in REACHES.items():
            if found := words.search(said):
                yield f"reached_for: {what} ({brief(found[0])})"
        for flag in met_in(f"{event.stdout}\n{event.stderr}"):
            yield f"{flag} ({brief(said)})"
        for note, what in RAN_OUT.items():
            if note in event.note:
                yield f"ran_out_of: {what} ({brief(said)})"
