"""The model calls of an earlier run, from its `transcripts.jsonl`, by the content of the request or of the answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import Place, UsageFault
from harness.records.content import (
    File,
    Json,
    Message,
    Reasoning,
    Request,
    Response,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from harness.records.exchange import Exchange
from harness.records.task import digest_of
from harness.records.transcript import Transcript, full_messages
from harness.toolkit.wire.requests import neutral_messages

TRANSCRIPTS = "transcripts.jsonl"


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded call and where it was made."""

    where: str
    request: Request
    response: Response


def load_calls(
    run: Path, shown_as: str, system: str, role: str, key_of: Callable[[Request], str]
) -> dict[str, list[Recorded]]:
    """The calls of a run by the key of their requests, in the order epoch, task, system, call.

    Agents' requests through the gateway are calls too.

    Only the last attempt of each trial counts. A torn last line is left out. Raises UsageFault when the folder holds
    no transcripts or a line of them is damaged.
    """
    last: dict[tuple[int, str, str], Transcript] = {}
    for transcript in _transcripts(run / TRANSCRIPTS, f"{shown_as}/{TRANSCRIPTS}"):
        if system and transcript.system != system:
            continue
        key = (transcript.epoch, transcript.task, transcript.system)
        if key not in last or last[key].attempt <= transcript.attempt:
            last[key] = transcript
    calls: dict[str, list[Recorded]] = {}
    for key in sorted(last):
        for call in _calls(last[key], role):
            calls.setdefault(key_of(call.request), []).append(call)
    return calls


def request_digest(request: Request) -> str:
    """Digest of what a provider is sent; `label` and `cache` are the harness's own and do not count."""
    return digest_of(
        request.messages,
        request.system,
        request.tools,
        request.tool_choice,
        request.max_output_tokens,
        request.stop,
        request.json_schema,
    )


def conversation_digest(request: Request) -> str:
    """Digest of how a conversation began and of what the model said in it so far.

    Numbers and ids of the opening do not count, nor ids of calls and what tools returned: an agent's requests hold
    dates, times and process ids that no second run repeats.
    """
    opening = next((m for m in request.messages if m.role == "user"), None)
    words = "".join(p.text for p in opening.parts if isinstance(p, Text)) if opening else ""
    said: list[Json] = []
    for message in request.messages:
        if message.role == "assistant":
            said += [_said(p) for p in message.parts if isinstance(p, Text | ToolCall)]
    return digest_of(_VARIES.sub("", words), bool(request.tools), said)


_VARIES = re.compile(
    r"\b[0-9a-fA-F]{8,}\b|[0-9]+|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b|\b[A-Z][a-z]+(?= ,? ?\d{4})"
)


def _said(part: Text | ToolCall) -> Json:
    return part.text.strip() if isinstance(part, Text) else [part.name, part.arguments]


def nearest(request: Request, calls: Mapping[str, Sequence[Recorded]], at_most: int = 2000) -> str:
    """Which recorded call is most like the request, and in what they differ: one sentence."""
    text = _flat(request)
    best: Recorded | None = None
    score = (-1, -1)
    for found in list(calls.values())[:at_most]:
        recorded = found[0].request
        same = (-len(_differences(request, recorded)), _shared(text, _flat(recorded)))
        if best is None or same > score:
            best, score = found[0], same
    if best is None:
        return "the run has no recorded calls"
    parts = _differences(request, best.request)
    if "messages" not in parts:
        return f"nearest: {best.where}, which differs in {', '.join(parts)}"
    at = score[1]
    return (
        f"nearest: {best.where}, which differs in {', '.join(parts)}; messages differ from character {at + 1}: "
        f"{_flat(best.request)[at : at + 40]!r} was recorded, {text[at : at + 40]!r} was asked"
    )


def _transcripts(path: Path, shown_as: str) -> Iterator[Transcript]:
    decoder = msgspec.json.Decoder(Transcript)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield decoder.decode(line)
                except msgspec.DecodeError as e:
                    if not line.endswith(b"\n"):
                        return
                    raise UsageFault(f"damaged transcript: {e}", place=Place(shown_as, number, 1)) from e
    except OSError as e:
        raise UsageFault(
            f"cannot read {shown_as}: {e.strerror}",
            help="'run' names a run folder, such as runs/20260101T000000Z-mine-1",
        ) from e


def _calls(transcript: Transcript, role: str) -> Iterator[Recorded]:
    trial = f"task {transcript.task}, system {transcript.system}, epoch {transcript.epoch}"
    for number, (event, messages) in enumerate(full_messages(transcript.events), 1):
        if not role or event.role == role:
            request = msgspec.structs.replace(event.request, messages=messages)
            yield Recorded(f"call {number} of {trial}", request, event.response)
    yield from _exchanges(transcript, role, trial)


def _exchanges(transcript: Transcript, role: str, trial: str) -> Iterator[Recorded]:
    """Whole answers to an agent's requests, their conversations put together from the stored parts."""
    parts: dict[str, Json] = {}
    exchanges = [e for e in transcript.events if isinstance(e, Exchange)]
    for number, exchange in enumerate(exchanges, 1):
        parts |= exchange.parts
        if exchange.response is None or exchange.cut or exchange.trouble or (role and exchange.role != role):
            continue
        items = [parts[d] for d in exchange.messages if d in parts]
        tools = tuple(Tool(name, "", {}) for name in exchange.tool_names)
        request = Request(neutral_messages(exchange.dialect, items), tools=tools)
        yield Recorded(f"request {number} of {trial}", request, exchange.response)


def _differences(a: Request, b: Request) -> list[str]:
    names = ("messages", "system", "tools", "tool_choice", "max_output_tokens", "stop", "json_schema")
    return [n for n in names if getattr(a, n) != getattr(b, n)]


def _shared(a: str, b: str) -> int:
    """How many first characters are the same; by halving, since texts can be long."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _flat(request: Request) -> str:
    return "\n".join(_flat_message(m) for m in request.messages)


def _flat_message(message: Message) -> str:
    said: list[Json] = [message.role + ":"]
    for part in message.parts:
        match part:
            case Text():
                said.append(part.text)
            case File():
                said.append(f"[{part.name} {part.sha256[:8]}]")
            case ToolCall():
                said.append(f"[{part.name} {part.arguments}]")
            case ToolResult():
                said.append(part.content)
            case Reasoning():
                pass
    return " ".join(said)
