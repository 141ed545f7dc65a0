"""`judgements.jsonl` as the full report needs it: what judges said of the claims and steps of each work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import StoreError

JUDGEMENTS = "judgements.jsonl"
SUPPORTED = "supported"
CLAIM_WORDS = (SUPPORTED, "contradicted", "not_found")
"""What a judge of claims says of one claim; anything else, or how the work was split, is no verdict."""
CLEAN = "clean"
"""What a judge of steps says when no step is wrong; else the index of the first wrong one, from 0."""
DISPUTED = "disputed"

TrialKey = tuple[str, str, int]
"""(system, task, epoch)."""


@dataclass(frozen=True, slots=True)
class JudgedPart:
    """One verdict of a judge on a claim, or on all steps of a work; `outcome` is its word."""

    protocol: str
    judge: str
    model: str
    grader: str
    trial: TrialKey
    about: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements that scored and came out readable, sorted; `lost` counts those that did not."""

    parts: tuple[JudgedPart, ...]
    lost: int

    def of(self, protocol: str) -> list[JudgedPart]:
        """Those of one protocol: `claims` or `steps`."""
        return [p for p in self.parts if p.protocol == protocol]

    def claims(self) -> dict[TrialKey, list[str]]:
        """For each trial the verdict on each claim: what most of its judges said, else `disputed`."""
        found: dict[TrialKey, list[str]] = defaultdict(list)
        for (trial, _, _), words in _votes(self.of("claims")):
            found[trial].append(_majority(words))
        return dict(found)

    def first_wrong(self) -> dict[TrialKey, str]:
        """For each trial the first wrong step that most of its judges named, `clean` or `disputed`."""
        return {trial: _majority(words) for (trial, _, _), words in _votes(self.of("steps"))}


def _votes(parts: Iterable[JudgedPart]) -> list[tuple[tuple[TrialKey, str, str], list[str]]]:
    found: dict[tuple[TrialKey, str, str], list[str]] = defaultdict(list)
    for p in parts:
        found[p.trial, p.grader, p.about].append(p.outcome)
    return sorted(found.items())


def _majority(words: list[str]) -> str:
    word, n = Counter(words).most_common(1)[0]
    return word if 2 * n > len(words) else DISPUTED


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
    outcome: str = ""


def read_judged(folder: Path) -> Judged:
    """Verdicts on claims and steps; nothing without a file. Raises StoreError on a damaged line."""
    parts, lost = [], 0
    for line in _lines(folder):
        if line.role != "score" or line.protocol not in ("claims", "steps"):
            continue
        if line.status != "ok":
            lost += 1
        elif _is_verdict(line):
            trial = (line.system, line.task, line.epoch)
            parts.append(
                JudgedPart(line.protocol, line.judge, line.model, line.grader, trial, line.about, line.outcome)
            )
    parts.sort(key=lambda p: (p.protocol, p.trial, p.grader, p.about, p.judge, p.outcome))
    return Judged(tuple(parts), lost)


def _is_verdict(line: _Line) -> bool:
    if line.protocol == "claims":
        return line.outcome in CLAIM_WORDS
    return not line.about and (line.outcome == CLEAN or line.outcome.isdigit())


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
