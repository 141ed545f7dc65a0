"""Where two agents that were run differ: release, binary, prompt, tools, flags, by what each attempt recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.report.agent_rows import AgentRow, read_agent_rows
from harness.report.comparison import Comparison

WORDS: Mapping[str, str] = {
    "agent": "agent",
    "release": "release",
    "binary": "binary",
    "system_stable": "system prompt",
    "tools": "tool schemas",
    "flags": "flags",
    "project_instructions": "project instructions",
    "web_tools": "web tools",
    "client": "client",
}
"""What is compared. The system prompt is taken without dates and random ids."""
MOVED = "the harness has the same digest on both sides, and what it ran was not the same: see what differs"


def with_fingerprints(c: Comparison, a: Path | None, b: Path | None) -> Comparison:
    """The comparison, with what differs between the agents among what differs between the systems.

    `a` and `b` are run folders; a baseline holds no fingerprints. Raises StoreError.
    """
    if a is None or b is None:
        return c
    found = differences(_of(a, c.a.system), _of(b, c.b.system))
    if not found:
        return c
    identity = replace(c.identity, system=(*c.identity.system, *found))
    return replace(c, identity=identity, notes=(*c.notes, MOVED) if c.identity.same_system else c.notes)


def differences(a: Sequence[AgentRow], b: Sequence[AgentRow]) -> tuple[str, ...]:
    """`what: a -> b` lines; nothing where either side ran no agent."""
    if not a or not b:
        return ()
    found = []
    for word, said in WORDS.items():
        one, other = _usual(a, word), _usual(b, word)
        if one != other:
            found.append(f"{said}: {one} -> {other}")
    return (*found, *_tools(a, b))


def _tools(a: Sequence[AgentRow], b: Sequence[AgentRow]) -> list[str]:
    """Tools by name that only one side offered its model."""
    one, other = ({str(t) for r in rows for t in r.fingerprint.get("tool_names") or ()} for rows in (a, b))
    gone, new = sorted(one - other), sorted(other - one)
    return [f"tools: only a: {', '.join(gone) or 'none'} -> only b: {', '.join(new) or 'none'}"] if gone or new else []


def _of(run: Path, system: str) -> list[AgentRow]:
    return [row for row in read_agent_rows(run) if row.system == system]


def _usual(rows: Sequence[AgentRow], word: str) -> str:
    """The value of most attempts, and how many others there were."""
    values = Counter(str(r.fingerprint[word]) for r in rows if word in r.fingerprint)
    if not values:
        return "not recorded"
    first = sorted(values.items(), key=lambda one: (-one[1], one[0]))[0][0][:40]
    return first if len(values) == 1 else f"{first} (and {len(values) - 1} other)"
