"""What an agent did, by the gateway's record: never by its exit code, its "success" or its own counting.

`main` exchanges are those of the agent itself; `side` ones are without tools where the agent has tools (titles,
summaries, checks of a topic), `sub` ones are of subagents.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.api import Exchange, Json, ToolCall
from harness.records.task import digest_of

_SHELL = re.compile(r"bash|shell|exec|command|terminal", re.IGNORECASE)
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("web", re.compile(r"web|fetch|browser|http", re.IGNORECASE)),
    ("agent", re.compile(r"agent|task|delegate", re.IGNORECASE)),
    ("edit", re.compile(r"edit|write|patch|replace|insert|create", re.IGNORECASE)),
    ("read", re.compile(r"read|view|glob|grep|search|ls|list|find", re.IGNORECASE)),
    ("shell", _SHELL),
)
OTHER = "other"
CODE, _INSIDE = "exec", re.compile(r"\btools\.(\w+) *\(")
_DATES = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?\S*)?"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? \w+ \d{1,2},? \d{4}"
)
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True)
class Record:
    """The exchanges of one attempt, told apart."""

    main: Sequence[Exchange]
    side: Sequence[Exchange]
    sub: Sequence[Exchange]

    @property
    def everything(self) -> list[Exchange]:
        """All of them, in order."""
        return sorted((*self.main, *self.side, *self.sub), key=lambda e: e.at)

    @property
    def last(self) -> Exchange | None:
        """The last exchange of the agent itself."""
        return self.main[-1] if self.main else None

    @property
    def ended_by_itself(self) -> bool:
        """Whether the model's last word to the agent was a whole answer that asks for no tool."""
        last = self.last
        response = last.response if last is not None and last.answered else None
        return response is not None and response.stop in ("end", "stop_sequence") and not response.tool_calls

    @property
    def refused(self) -> bool:
        """Whether the model refused to work on."""
        last = self.last
        return last is not None and last.response is not None and last.response.stop == "refusal"

    @property
    def cut(self) -> bool:
        """Whether the last answer was cut by the limit of output tokens."""
        last = self.last
        return last is not None and last.response is not None and last.response.stop == "max_tokens"

    @property
    def text(self) -> str | None:
        """The last words of the agent's model that are words; None when it never said any."""
        said = (e.response.text for e in reversed(self.main) if e.response is not None and e.answered)
        return next((text for text in said if text.strip()), None)


def read_record(exchanges: Sequence[Exchange]) -> Record:
    """Tell exchanges with a model apart. Counting tokens and unknown paths are left out.

    The agent's own tools are those of its richest request; a request with none of them (a title, a search that the
    provider runs) is beside the work.
    """
    asked = [e for e in exchanges if e.asked and "count" not in e.path.lower()]
    own = [e for e in asked if not e.agent]
    richest = max((e.tool_names for e in own), key=len, default=())
    tools = set(richest)
    main = [e for e in own if tools.intersection(e.tool_names)] if tools else own
    kept = {id(e) for e in main}
    return Record(main, [e for e in own if id(e) not in kept], [e for e in asked if e.agent])


def measures(record: Record) -> dict[str, Json]:
    """Counts over all exchanges, for `Output.metrics`: only numbers and words that any agent has."""
    every = record.everything
    calls = Counter(n for e in every if e.response is not None for c in e.response.tool_calls for n in names_of(c))
    refused = Counter(word for e in every for word in e.refused)
    kinds: Counter[str] = Counter()
    for name, n in calls.items():
        kinds[kind_of(name)] += n
    return {
        "requests": len(every),
        "turns": sum(1 for e in record.main if e.answered),
        "subagent_requests": len(record.sub),
        "side_requests": sum(1 for e in record.side if not e.limit),  # one that a limit ended is not read for its tools
        "tool_calls": dict(sorted(kinds.items())),
        "tools_called": dict(sorted(calls.items())),
        "retries_absorbed": sum(len(e.retries) for e in every),
        "failed_requests": sum(1 for e in every if e.status >= 400),
        "cut_streams": sum(1 for e in every if e.cut),
        "refused": dict(sorted(refused.items())),
        "models_asked": sorted({e.asked for e in every if e.asked}),
        "first_byte_s": _median([e.first_byte for e in record.main if e.first_byte is not None]),
        "gateway_s": round(sum(e.seconds - e.waited for e in every), 3),
    }


def names_of(call: ToolCall) -> list[str]:
    """The tools of a call: those that a program calls which the model wrote (Codex's code mode), else the one."""
    written = call.arguments if call.name == CODE and isinstance(call.arguments, str) else ""
    return [f"{CODE}.{name}" for name in _INSIDE.findall(written)] or [call.name]


def kind_of(tool: str) -> str:
    """shell, read, edit, web, agent or other, by a tool's name as any CLI spells it."""
    bare = tool.rpartition(".")[2]
    return next((kind for kind, named in _KINDS if named.search(bare)), OTHER)


def wrapping(record: Record) -> dict[str, Json]:
    """What the agent wrapped around the task, as its first own request has it: part of the fingerprint.

    `system` is the digest as sent, `system_stable` that of the same text without dates and random ids, which some
    agents put into it: the second is what tells two harnesses apart.
    """
    first = next((e for e in record.main if e.system_digest or e.tools_digest), None)
    if first is None:
        return {}
    said = [first.parts.get(part, part) for part in first.system]
    said += [m for part in first.messages if _is_systems(m := first.parts.get(part))]
    text = [_stable(str(_without_ids(one))) for one in said]
    return {
        "system": first.system_digest,
        "system_stable": digest_of(text),
        "tools": first.tools_digest,
        "tool_names": sorted(first.tool_names),
        "client": first.client,
        "betas": sorted(first.betas),
        "settings": sorted(first.settings),
        "first_request_bytes": first.bytes_in,
    }


def _is_systems(message: Json) -> bool:
    """Codex has its system prompt in messages of the role developer."""
    return isinstance(message, dict) and message.get("role") in ("system", "developer")


def _without_ids(message: Json) -> Json:
    return {k: v for k, v in message.items() if k != "id"} if isinstance(message, dict) else message


def _stable(text: str) -> str:
    return _UUID.sub("UUID", _DATES.sub("DATE", text))


def _median(numbers: Sequence[float]) -> float | None:
    ordered = sorted(numbers)
    return round(ordered[len(ordered) // 2], 4) if ordered else None
