"""What happened in an attempt, in order, for people: each step with its time, tokens, cost, words, commands, outputs.

A step is a model call. What the model had not seen before stands under it, then what it said, then the commands that
were run for it. Output that the next step shows as a tool's result is not shown twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from harness.cli._exchanges import exchange_lines
from harness.cli._part_text import cost_of, indented, line, part_text, tokens_of
from harness.records.content import Message, Usage
from harness.records.exchange import Exchange
from harness.records.transcript import Command, Event, ModelCall, Note
from harness.toolkit.shell import helper_of, readable, shown

RECOGNISED = 200
"""So many characters of an output are looked for in what the model was told of it."""


def trajectory(events: Sequence[Event]) -> Iterator[str]:
    """Every event as lines."""
    several = sum(isinstance(e, ModelCall | Exchange) for e in events) > 1
    step, so_far, roles, seen = 0, Usage(), set[str](), set[str]()
    for place, event in enumerate(events):
        if isinstance(event, ModelCall):
            step += 1
            so_far = so_far + event.response.usage
            yield from _step(event, f"step {step}, " if several else "", so_far, first=event.role not in roles)
            roles.add(event.role)
        elif isinstance(event, Exchange):
            step += 1
            yield from exchange_lines(event, f"step {step}, " if several else "", seen)
        elif isinstance(event, Command):
            yield from _command(event, told=_told_next(events, place))
        else:
            yield from _note(event)


def _step(call: ModelCall, number: str, so_far: Usage, *, first: bool) -> Iterator[str]:
    label = f" ({line(call.request.label)})" if call.request.label else ""
    waited = f", waited {call.waited:.2f}s" if call.waited else ""
    spent = cost_of(call.response.usage)
    total = f", {cost_of(so_far)} so far" if number and spent != cost_of(so_far) else ""
    model = line(call.response.model) or "model"
    yield (
        f"[{call.at:.2f}s +{call.seconds:.2f}s{waited}] {number}{call.role}{label}: {model}, "
        f"{tokens_of(call.response.usage)}, {spent}{total}{', from the call cache' if call.cached else ''}, "
        f"stopped: {call.response.stop}"
    )
    for failure in call.retries:
        yield f"    try failed: {line(failure)}"
    if call.request.system and (first or not call.same):
        yield from ("    system:", *indented(call.request.system, 6))
    new = call.request.messages
    if call.same and any(m.role == "assistant" for m in new):
        last = max(i for i, m in enumerate(new) if m.role == "assistant")
        new = new[last + 1 :]
        yield f"    [{last + 1} earlier messages were sent again, changed: `--json` has them as they were sent]"
    for message in (*new, Message("assistant", call.response.parts)):
        yield f"    {message.role}:"
        for part in message.parts:
            yield from indented(part_text(part), 6)


def _command(command: Command, *, told: str) -> Iterator[str]:
    code = "no exit code" if command.exit_code is None else f"exit {command.exit_code}"
    first, *rest = shown(command.argv).splitlines() or [""]
    yield f"[{command.at:.2f}s +{command.seconds:.2f}s] $ {first}{' ...' if rest else ''}  ({code})"
    if not told:
        yield from indented("\n".join(rest), 4)
    if told and helper_of(command.argv):
        return
    for output in (command.stdout, command.stderr):
        if output.strip() and (not told or readable(output.encode()).strip()[:RECOGNISED] not in told):
            yield from indented(output, 4)
    yield from indented(command.note, 4)


def _told_next(events: Sequence[Event], place: int) -> str:
    """What the next model call was told that it had not seen, or nothing."""
    following = next((e for e in events[place + 1 :] if isinstance(e, ModelCall)), None)
    if following is None:
        return ""
    return "\n".join(part_text(p) for m in following.request.messages if m.role == "user" for p in m.parts)


def _note(note: Note) -> Iterator[str]:
    data = "" if note.data is None else msgspec.json.encode(note.data).decode()
    first, *more = note.text.splitlines() or [""]
    yield f"[{note.at:.2f}s] {line(note.kind)}: {first}".rstrip()
    yield from (*indented("\n".join(more), 4), *indented(data, 4))
