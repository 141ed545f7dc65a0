"""`judgements.jsonl` as the full report needs it: what judges said of the claims and steps of each work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import StoreError

JUDGEMENTS = "judgements.jsonl"


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """One verdict of a judge on a claim or a step; `outcome` is its word or the index of a step."""

    protocol: str
    judge: str
    model: str
    grader: str
    task: str
    system: str
    epoch: int
    about: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements that scored and came out readable, sorted; `lost` counts those that did not."""

    parts: tuple[JudgedPart, ...]
    lost: int


class _Line(msgspec.Struct, frozen=True, gc=False):
    """The fields of a Judgement that are read here."""

    grader: str
    protocol: str
    judge: str
    model: str
    status: str
    role: str = "score"
    task: str = ""
    system: str = ""
    epoch: int = 0
    about: str = ""
    verdict: str = ""
    outcome: str = ""


def read_judged(folder: Path) -> Judged:
    """Verdicts on claims and steps; nothing without a file. Raises StoreError on a damaged line."""
    parts, lost = [], 0
    for line in _lines(folder):
        if line.role != "score" or line.protocol not in ("claims", "steps"):
            continue
        if line.status != "ok":
            lost += 1
            continue
        parts.append(
            JudgedPart(
                line.protocol, line.judge, line.model, line.grader, line.task, line.system, line.epoch, line.about,
                line.outcome or line.verdict,
            )
        )  # fmt: skip
    parts.sort(key=lambda p: (p.protocol, p.system, p.task, p.epoch, p.grader, p.judge, p.about, p.outcome))
    return Judged(tuple(parts), lost)


def _lines(folder: Path) -> Iterator[_Line]:
    path = folder / JUDGEMENTS
    if not path.is_file():
        return
    decode = msgspec.json.Decoder(_Line).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise StoreError(f"{folder.name}/{JUDGEMENTS} line {number} is damaged: {e}") from e
