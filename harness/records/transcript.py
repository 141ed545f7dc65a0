"""What happened in an attempt, in order. Read by people and by process graders, never by reports."""

from __future__ import annotations

import msgspec

from harness.records.content import Json, Message, Request, Response
from harness.records.exchange import Exchange
from harness.records.outcome import Output


class ModelCall(msgspec.Struct, frozen=True, omit_defaults=True, tag="model", tag_field="event"):
    """One model call. `at` and `seconds` count from the attempt's start; `waited` is in no working time.

    To keep long conversations linear, `request.messages` holds only the messages after the first `same` ones, which
    equal the messages of the previous call with the same role plus its answer. `retries` lists failed tries.
    """

    role: str
    at: float
    seconds: float
    request: Request
    response: Response
    same: int = 0
    waited: float = 0.0
    retries: tuple[str, ...] = ()
    cached: bool = False


AT_A_TERMINAL = "at a terminal"
"""The note of a command that a person ran in the box."""


class Command(msgspec.Struct, frozen=True, omit_defaults=True, tag="command", tag_field="event"):
    """One command run in the box."""

    at: float
    seconds: float
    argv: tuple[str, ...]
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    note: str = ""


class Note(msgspec.Struct, frozen=True, omit_defaults=True, tag="note", tag_field="event"):
    """Anything else worth keeping: a plan, a finding, a limit, a failed call."""

    at: float
    kind: str
    text: str = ""
    data: Json = None


EXIT_CODES = "exit_codes"
"""The kind of the note with the exit codes of calls that failed, by their ids, in a program's own word."""

Event = ModelCall | Command | Note | Exchange


class Transcript(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of `transcripts.jsonl`: the whole output and every event of one attempt."""

    task: str
    system: str
    epoch: int
    attempt: int
    output: Output
    events: tuple[Event, ...] = ()


def full_messages(events: tuple[Event, ...]) -> list[tuple[ModelCall, tuple[Message, ...]]]:
    """Each model call with its messages made whole again."""
    whole: list[tuple[ModelCall, tuple[Message, ...]]] = []
    before: dict[str, tuple[Message, ...]] = {}
    for event in events:
        if isinstance(event, ModelCall):
            messages = before.get(event.role, ())[: event.same] + event.request.messages
            whole.append((event, messages))
            before[event.role] = (*messages, Message("assistant", event.response.parts))
    return whole
