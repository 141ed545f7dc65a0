"""Agents: what they asked, called and were refused, by the gateway's record; what they say of themselves, beside it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from harness.records.content import Json
from harness.report.agent_rows import CLAIMED, AgentRow, counted, read_agent_rows
from harness.report.evidence import Evidence
from harness.report.model import SystemReport
from harness.report.section import Section, Table
from harness.report.words import of, percent, short_rate, success_cost
from harness.store.manifest import SystemInfo

NAMED = ("agent", "release", "binary", "system_stable", "tools", "flags")
KINDS = ("shell", "read", "edit", "web", "agent", "other")


def agents(e: Evidence) -> Section:
    """Unavailable where no system ran an agent's program and no two systems share a model or a harness."""
    rows: dict[str, list[AgentRow]] = defaultdict(list)
    for row in read_agent_rows(e.folder):
        rows[row.system].append(row)
    mine = [(s, rows[s.name]) for s in e.systems if rows[s.name]]
    pairs = tuple(_pairs(e))
    if not mine and not pairs:
        why = "no system ran an agent's program behind the gateway, and no two share a model or a harness"
        return Section("agents", "agents and harnesses", why_not=why)
    tables = (_work(mine), _tokens(mine), _claims(mine), _fingerprints(mine)) if mine else ()
    return Section(
        "agents",
        "agents and harnesses",
        tables=(*tables, *pairs),
        notes=tuple(n for _, found in mine if (n := _moved(found))),
        methods=("agents: requests, tokens, tool calls and retries are counted by the gateway, never by the agent",)
        if mine
        else (),
        data={"systems": {s.name: _data(found) for s, found in mine}},
    )


def _work(mine: Sequence[tuple[SystemReport, list[AgentRow]]]) -> Table:
    header = (
        "system", "trials", "requests", "turns", "side, subagents", "tool calls", "retries absorbed", "refused",
        "failed requests", "ended by itself",
    )  # fmt: skip
    rows = []
    for s, found in mine:
        side = f"{_mean(found, _count('side_requests'))}, {_mean(found, _count('subagent_requests'))}"
        refused = sum((Counter(r.refused) for r in found), Counter[str]())
        done = sum(r.ended in ("done", "refusal") for r in found)
        rows.append(
            (
                s.name,
                f"{len(found):,}",
                _mean(found, _count("requests")),
                _mean(found, _count("turns")),
                side,
                _kinds(found),
                f"{int(sum(r.counts.get('retries_absorbed', 0) for r in found)):,}",
                ", ".join(f"{what} {n:,}" for what, n in sorted(refused.items())) or "none",
                f"{int(sum(r.counts.get('failed_requests', 0) for r in found)):,}",
                of(done, len(found)),
            )
        )
    note = "requests, turns and tool calls: mean per trial; the rest: sums over deciding attempts"
    return Table("what agents did, by the gateway's record", header, tuple(rows), (note,))


def _tokens(mine: Sequence[tuple[SystemReport, list[AgentRow]]]) -> Table:
    header = (
        "system",
        "input",
        "cache read",
        "cache write",
        "output",
        "reasoning",
        "cache share",
        "out/in",
        "$/success",
    )
    rows = []
    for s, found in mine:
        usage = [r.usage for r in found]
        read, wrote = sum(u.input_total for u in usage), sum(u.output_total for u in usage)
        rows.append(
            (
                s.name,
                _mean(found, lambda r: r.usage.input),
                _mean(found, lambda r: r.usage.cache_read),
                _mean(found, lambda r: r.usage.cache_write_short + r.usage.cache_write_long),
                _mean(found, lambda r: r.usage.output),
                _mean(found, lambda r: r.usage.reasoning),
                percent(sum(u.cache_read for u in usage) / read) if read else "no input",
                f"{wrote / read:.3f}" if read else "no input",
                success_cost(s.cost),
            )
        )
    return Table("tokens of a trial", header, tuple(rows), ("means over deciding attempts, in disjoint kinds",))


def _claims(mine: Sequence[tuple[SystemReport, list[AgentRow]]]) -> Table:
    header = ("system", *(word.replace("_", " ") for word in CLAIMED), "says success, and was not")
    rows = []
    for s, found in mine:
        cells = []
        for word in CLAIMED:
            both = [(r.claims[word], counted(r)[word]) for r in found if word in r.claims]
            said, counts = sum(a for a, _ in both), sum(b for _, b in both)
            cells.append(f"{_short(said)} / {_short(counts)}" if both else "says nothing")
        lied = sum(r.claims_success and (r.ended != "done" or r.passed is False) for r in found)
        claiming = sum(r.claims_success for r in found)
        rows.append((s.name, *cells, of(lied, claiming) if claiming else "says nothing"))
    note = "each cell: what the program says / what the gateway counted, over the attempts in which it says anything"
    return Table("the programs' own claims", header, tuple(rows), (note, "nothing is decided by them"))


def _fingerprints(mine: Sequence[tuple[SystemReport, list[AgentRow]]]) -> Table:
    header = ("system", "agent", "release", "binary", "system prompt", "tools", "flags", "first request")
    rows = []
    for s, found in mine:
        cells = []
        for word in NAMED:
            values = Counter(str(r.fingerprint[word]) for r in found if r.fingerprint.get(word))
            first = values.most_common(1)[0][0] if values else "not seen"
            first = first if word in ("agent", "release") else first[:12]
            cells.append(first if len(values) < 2 else f"{first} and {len(values) - 1} more")
        sizes = [float(n) for r in found if isinstance(n := r.fingerprint.get("first_request_bytes"), int)]
        rows.append((s.name, *cells, f"{max(sizes) / 1024:.0f} KB" if sizes else "not seen"))
    note = "system prompt: digest without dates and random ids; `harness compare` shows where two runs differ"
    return Table("fingerprints", header, tuple(rows), (note,))


def _moved(found: Sequence[AgentRow]) -> str:
    """A harness that was not the same throughout its own run."""
    moved = []
    for word in ("release", "binary", "tools", "system_stable", "flags"):
        values = {str(r.fingerprint.get(word)) for r in found if r.fingerprint.get(word)}
        if len(values) > 1:
            moved.append(f"{word} ({len(values)} values)")
    return f"{found[0].system}: the harness changed during the run: {', '.join(moved)}" if moved else ""


def _pairs(e: Evidence) -> list[Table]:
    """Same model, other harness; same harness, other model."""
    infos = {s.name: s for s in e.manifest.systems}
    reports = {s.name: s for s in e.systems}
    tables = []
    for title, key, other in (
        ("same model, other harness", _models, lambda s: s.harness),
        ("same harness, other model", lambda s: s.harness, _models),
    ):
        groups: dict[str, list[SystemInfo]] = defaultdict(list)
        for info in infos.values():
            if info.models:
                groups[key(info)].append(info)
        for shared, members in sorted(groups.items()):
            if len({other(s) for s in members}) > 1:
                tables.append(_pair(f"{title}: {shared}", [(other(s), reports[s.name]) for s in members]))
    return tables


def _pair(title: str, members: Sequence[tuple[str, SystemReport]]) -> Table:
    header = ("system", "by", "pass rate", "$/success", "tokens per success", "turns, all attempts")
    rows = []
    for by, s in members:
        tokens = sum(c.n for c in s.tokens)
        cost = success_cost(s.cost)
        rows.append((s.name, by, short_rate(s.passed), cost, _per_success(tokens, s.cost.successes), f"{s.turns:,}"))
    note = "rates side by side; whether they differ: `harness compare --systems`"
    return Table(title, header, tuple(rows), (note,))


def _per_success(tokens: int, successes: int) -> str:
    if not tokens:
        return "no tokens"
    return f"{tokens / successes:,.0f}" if successes else f">= {tokens:,}, no success"


def _models(info: SystemInfo) -> str:
    return ", ".join(sorted(set(info.models.values())))


def _count(word: str) -> Callable[[AgentRow], float]:
    return lambda row: row.counts.get(word, 0.0)


def _mean(rows: Sequence[AgentRow], of_row: Callable[[AgentRow], float]) -> str:
    return _short(sum(of_row(r) for r in rows) / len(rows))


def _short(n: float) -> str:
    return f"{n:,.0f}" if n >= 100 or n == int(n) else f"{n:.3g}"


def _kinds(rows: Sequence[AgentRow]) -> str:
    totals = sum((Counter(r.tools) for r in rows), Counter[str]())
    said = [f"{kind} {_short(totals[kind] / len(rows))}" for kind in KINDS if totals[kind]]
    return ", ".join(said) or "none"


def _data(found: Sequence[AgentRow]) -> dict[str, Json]:
    tools = sum((Counter(r.tools) for r in found), Counter[str]())
    refused = sum((Counter(r.refused) for r in found), Counter[str]())
    words = ("requests", "turns", "side_requests", "subagent_requests", "retries_absorbed", "failed_requests")
    return {
        "trials": len(found),
        **{word: int(sum(r.counts.get(word, 0) for r in found)) for word in words},
        "tool_calls": dict(sorted(tools.items())),
        "refused": dict(sorted(refused.items())),
        "fingerprints": [
            {word: r.fingerprint.get(word) for word in NAMED}
            for r in {str([r.fingerprint.get(w) for w in NAMED]): r for r in found}.values()
        ],
    }
