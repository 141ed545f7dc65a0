"""How an agent used its tools where that could not work: told in flags, no verdict's business.

    unknown_tool        a call of a tool that was not offered
    bad_arguments       a call whose arguments are no JSON object, or lack what the tool's schema requires
    command_not_found   a command with a program that the box does not have, in the shell's own words
    repeated_failure    the same call three times in a row or more, with nothing done in between, and all failed

Read from the transcript alone: the model's calls and their results, of our agents and of programs at the gateway alike;
where the model writes its commands as text, from the commands. A program that keeps exit codes from its model and tells
them in its events (opencode) has them in a note. A flag has how often, and the first such call.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from harness.records.content import Json, Message, Tool, ToolResult
from harness.records.exchange import Exchange
from harness.records.transcript import EXIT_CODES, Command, Event, ModelCall, Note
from harness.toolkit.attempts import brief
from harness.toolkit.shell import asked_by_agent, shown
from harness.toolkit.wire.requests import neutral_messages, neutral_request

IN_A_ROW = 3
"""So often the same call must fail before it is told: once more after a failure is a fair try."""
NOT_FOUND = 127
"""POSIX: the exit code of a shell whose command was not found."""
SEARCHED = 20_000
"""Characters of a result that are searched, from its beginning."""
_NOT_FOUND = re.compile(
    r"^[^\n]{0,200}?\w: (?:line )?(?:\d{1,6}: )?(?P<sh>[\w.+/@-]{1,100}): (?:command )?not found\s*$"
    r"|^[^\n]{0,200}?\bcommand not found: (?P<zsh>[\w.+/@-]{1,100})\s*$",
    re.MULTILINE,
)
"""bash, dash, busybox; zsh."""
_EXIT = re.compile(
    r"^\W{0,3}(?:process )?(?:exit(?:ed)?[ _]?(?:with )?(?:code|status)?|return_?code)[\"']?[:= ]{1,3}(-?\d{1,10})\b",
    re.IGNORECASE | re.MULTILINE,
)
_ERROR = re.compile(r"\s*\{\s*\"error\"")


Offered = Mapping[str, Mapping[str, Json]]
"""The schemas of the tools there were, by name; empty for one without."""


@dataclass(slots=True)
class Tried:
    """A call, or a command that was written as text."""

    name: str
    arguments: dict[str, Json] | str
    offered: Offered = field(default_factory=dict)
    result: str = ""
    failed: bool = False
    code: int | None = None

    @property
    def words(self) -> str:
        """The arguments as text."""
        given = self.arguments
        return given if isinstance(given, str) else msgspec.json.encode(given, order="sorted").decode()


def misused(events: Sequence[Event]) -> tuple[str, ...]:
    """The flags of an attempt, one of each kind."""
    tried = _calls(events) or _commands(events)
    found: dict[str, list[str]] = defaultdict(list)
    for one in tried:
        for kind, what in _faults(one):
            found[kind].append(what)
    for again in _failed_runs(tried):
        found["repeated_failure"] += [_named(again[0])] * len(again)
    return tuple(f"{kind}: {len(found[kind])} ({brief(found[kind][0])})" for kind in sorted(found))


def _faults(one: Tried) -> Iterator[tuple[str, str]]:
    bare = one.name.rpartition(".")[2]  # a name space before it
    if one.offered and one.name not in one.offered and bare not in one.offered:
        yield "unknown_tool", one.name
    schema = one.offered.get(one.name, {})
    if schema and isinstance(one.arguments, str):
        yield "bad_arguments", f"{one.name}: {one.arguments}"
    elif schema and isinstance(one.arguments, dict):
        needed = schema.get("required")
        lacking = [k for k in needed if k not in one.arguments] if isinstance(needed, list) else []
        if lacking:
            yield "bad_arguments", f"{one.name}: without {', '.join(map(str, lacking))}"
    if program := _missing(one):
        yield "command_not_found", program


def _missing(one: Tried) -> str:
    """The program of the command that the shell did not find.

    By its words, or by its exit code alone: Qwen Code now and then loses what a command that fails at once has said.
    """
    found = (said["sh"] or said["zsh"] for said in _NOT_FOUND.finditer(one.result[:SEARCHED]))
    named = next((program for program in found if program in one.words), "")  # else a file that was shown says so
    return named or (_first_word(one.arguments) if one.code == NOT_FOUND else "")


def _first_word(arguments: dict[str, Json] | str) -> str:
    given = arguments if isinstance(arguments, str) else next((v for v in arguments.values() if isinstance(v, str)), "")
    return (given.split() or [""])[0]


def _failed_runs(tried: Iterable[Tried]) -> Iterator[list[Tried]]:
    """The same call again and again, each time in vain."""
    for (_, _, failed), group in groupby(tried, key=lambda t: (t.name, t.words, t.failed)):
        again = list(group)
        if failed and len(again) >= IN_A_ROW:
            yield again


def _named(one: Tried) -> str:
    return f"{one.name} {one.words}".strip()


def _commands(events: Iterable[Event]) -> list[Tried]:
    """What was run for a model that has no tools."""
    found = []
    asked = False
    for event in events:
        asked = asked or isinstance(event, ModelCall)
        if isinstance(event, Command) and asked and asked_by_agent(event.argv):
            said = f"{event.stdout}\n{event.stderr}"
            code = event.exit_code
            found.append(Tried("", shown(event.argv), result=said, failed=code not in (0, None), code=code))
    return found


def _calls(events: Iterable[Event]) -> list[Tried]:
    """Every call of a tool, with its result where there is one."""
    found: list[Tried] = []
    open_calls: dict[str, list[Tried]] = defaultdict(list)
    parts: dict[str, Json] = {}
    known: dict[tuple[str, ...], Offered] = {}
    offered: Offered
    codes = _noted(events)
    for event in events:
        if isinstance(event, ModelCall):
            told, asked = event.request.messages, event.response.tool_calls
            offered = _schemas(event.request.tools) if asked else {}
        elif isinstance(event, Exchange):
            parts |= event.parts
            told, asked = _told(event), event.response.tool_calls if event.response is not None else ()
            if asked and event.tools not in known:
                known[event.tools] = _offered(event, parts)
            offered = known.get(event.tools, {})
        else:
            continue
        for result in (p for m in told for p in m.parts if isinstance(p, ToolResult)):
            if waiting := open_calls.get(result.id):  # what is sent again, or left out since, was taken before
                one = waiting.pop(0)
                one.result = _plain(result.content)
                one.code = codes.get(result.id, _code(result, one.result))
                one.failed = result.is_error or _is_error(result) or one.code not in (0, None) or bool(_missing(one))
        for call in asked:
            one = Tried(call.name, call.arguments, offered)
            found.append(one)
            open_calls[call.id].append(one)
    return found


def _noted(events: Iterable[Event]) -> Mapping[str, int]:
    """Exit codes by the ids of calls, from a harness's note."""
    found: dict[str, int] = {}
    for event in events:
        if isinstance(event, Note) and event.kind == EXIT_CODES and isinstance(event.data, dict):
            found |= {call: code for call, code in event.data.items() if isinstance(code, int)}
    return found


def _plain(content: str) -> str:
    """The text of a result; of one in JSON (Gemini's, mini-swe-agent's) its strings."""
    if not content.lstrip().startswith("{"):
        return content
    try:
        return "\n".join(_strings(msgspec.json.decode(content)))
    except msgspec.DecodeError:
        return content


def _strings(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def _code(result: ToolResult, plain: str) -> int | None:
    """The exit code that the words tell."""
    told = _EXIT.search(plain[:SEARCHED]) or _EXIT.search(result.content[:SEARCHED])
    return int(told[1]) if told else None


def _is_error(result: ToolResult) -> bool:
    return _ERROR.match(result.content) is not None


def _schemas(tools: Iterable[Tool]) -> dict[str, Mapping[str, Json]]:
    return {t.name: t.schema for t in tools}


def _offered(event: Exchange, parts: Mapping[str, Json]) -> Offered:
    """The tools of a request: all by name, and the schemas of those that have one."""
    listed = [parts[digest] for digest in event.tools if digest in parts]
    with_schemas = _schemas(neutral_request(event.dialect, {"tools": listed}).tools)
    return {**{name: {} for name in event.tool_names}, **with_schemas}


def _told(event: Exchange) -> tuple[Message, ...]:
    """The messages that are new in a request."""
    new = [event.parts[digest] for digest in event.messages if digest in event.parts]
    return neutral_messages(event.dialect, new) if new else ()
