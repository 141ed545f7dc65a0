"""What attempts say of the agents that made them: the gateway's counts, the programs' own claims, the fingerprints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.records.content import Json, Usage
from harness.store.lines import TrialKey, TryLine, keep_deciding
from harness.store.read import holds, iter_lines

CLAIMED = ("turns", "input_tokens", "output_tokens", "cache_read_tokens", "cost_usd")
"""What some programs count themselves and the gateway counts too."""

CACHE_IN_INPUT = ("codex_cli", "gemini_cli", "qwen_code")
"""Programs whose input has in it what came from the cache; Anthropic's leaves that out."""
THOUGHTS_APART = ("gemini_cli",)
"""Programs whose output leaves out reasoning (gemini_cli 0.61.0, `convertToStreamStats`: the candidates alone)."""


class _Output(msgspec.Struct, frozen=True):
    metrics: dict[str, Json] = {}
    declared_done: bool | None = None


class _Row(TryLine, frozen=True, gc=False):
    passed: bool | None = None
    turns: int = 0
    usage: Usage = Usage()
    output: _Output = _Output()


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One deciding attempt of an agent. `counts` and `claims` hold numbers alone, `fingerprint` words."""

    task: str
    system: str
    epoch: int
    passed: bool | None
    turns: int
    usage: Usage
    counts: dict[str, float]
    tools: dict[str, int]
    refused: dict[str, int]
    ended: str
    claims: dict[str, float]
    claims_success: bool
    fingerprint: dict[str, Json]


def read_agent_rows(run: Path) -> list[AgentRow]:
    """The deciding attempts with a fingerprint, by system, task and epoch. Raises StoreError on a damaged line."""
    last: dict[TrialKey, _Row] = {}
    if not holds(run, b'"fingerprint"'):
        return []
    for line in iter_lines(run, msgspec.json.Decoder(_Row)):
        keep_deciding(last, line)
    agents = [line for line in last.values() if isinstance(line.output.metrics.get("fingerprint"), dict)]
    return sorted(map(_row, agents), key=lambda r: (r.system, r.task, r.epoch))


def _row(row: _Row) -> AgentRow:
    metrics = row.output.metrics
    claims = metrics.get("claims")
    claims = claims if isinstance(claims, dict) else {}
    return AgentRow(
        task=row.task,
        system=row.system,
        epoch=row.epoch,
        passed=row.passed,
        turns=row.turns,
        usage=row.usage,
        counts=_numbers(metrics),
        tools={k: int(v) for k, v in _numbers(metrics.get("tool_calls")).items()},
        refused={k: int(v) for k, v in _numbers(metrics.get("refused")).items()},
        ended=str(metrics.get("ended", "")),
        claims=_numbers(claims),
        claims_success=claims.get("ended") in ("success", "turn.completed") and not claims.get("is_error"),
        fingerprint=dict(metrics["fingerprint"]),
    )


def _numbers(found: Json) -> dict[str, float]:
    if not isinstance(found, dict):
        return {}
    return {k: float(v) for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def counted(row: AgentRow) -> dict[str, float]:
    """The gateway's number for each thing that programs claim, in that program's sense of it."""
    u, agent = row.usage, row.fingerprint.get("agent")
    return {
        "turns": float(row.turns),
        "input_tokens": float(u.input_total if agent in CACHE_IN_INPUT else u.input),
        "output_tokens": float(u.output if agent in THOUGHTS_APART else u.output_total),
        "cache_read_tokens": float(u.cache_read),
        "cost_usd": u.cost_usd,
    }
