"""Reading a run folder: no lock, no change, nothing but the files. Works while the run is still being written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from harness.errors import StoreError
from harness.records.outcome import Attempt, Status
from harness.records.transcript import Transcript
from harness.store.lines import CostPart, TrialKey, TryLine, contradiction
from harness.store.manifest import FORMAT, Manifest

MANIFEST = "manifest.json"
ATTEMPTS = "attempts.jsonl"
TRANSCRIPTS = "transcripts.jsonl"

DECIDED: frozenset[Status] = frozenset(("graded", "ungradable", "skipped"))
"""A trial whose last final line has one of these is not run again; `infra_error` is."""

Line = TypeVar("Line")


class _Format(msgspec.Struct):
    format: int


def read_manifest(path: Path) -> Manifest:
    """The manifest. Raises StoreError when `path` is no run folder, is damaged, or is from a newer version."""
    try:
        data = (path / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as e:
        help = "a run folder has a manifest.json; harness list shows the runs there are"
        raise StoreError(f"{path.name} is not a run folder", help=help) from e
    except OSError as e:
        raise StoreError(f"cannot read {path.name}: {e.strerror}") from e
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found > FORMAT:
            raise StoreError(
                f"{path.name} is from a newer version (format {found}, this program reads up to {FORMAT})",
                help="upgrade the program: pip install --upgrade eval-harness",
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise StoreError(f"the manifest of {path.name} is damaged: {e}", help="restore manifest.json") from e


def iter_attempts(path: Path) -> Iterator[Attempt]:
    """Every attempt in the order written. Raises StoreError naming the line when one is damaged.

    A last line without its newline is being written just now, or torn; it is left out, and `resume` mends it.
    """
    return iter_lines(path, msgspec.json.Decoder(Attempt))


def iter_lines(path: Path, decoder: msgspec.json.Decoder[Line]) -> Iterator[Line]:
    """`attempts.jsonl` read by any decoder: reports decode only the fields they need. Raises as iter_attempts."""
    decode = decoder.decode
    with open_attempts(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                found = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as e:
                raise StoreError(
                    f"{path.name}/{ATTEMPTS} line {number} is damaged: {e}",
                    help=f"no line is skipped silently; to go without it: sed -i {number}d {ATTEMPTS}",
                ) from e
            if why := contradiction(found):
                raise StoreError(
                    f"{path.name}/{ATTEMPTS} line {number} contradicts itself: {why}",
                    help=f"it was edited after it was written; to go without it: sed -i {number}d {ATTEMPTS}",
                )
            yield found


def open_attempts(path: Path) -> BinaryIO:
    """`attempts.jsonl` for reading. Raises StoreError."""
    try:
        return (path / ATTEMPTS).open("rb", buffering=1 << 18)
    except OSError as e:
        raise StoreError(f"cannot read {path.name}/{ATTEMPTS}: {e.strerror}") from e


def holds(path: Path, word: bytes) -> bool:
    """Whether these bytes stand anywhere in `attempts.jsonl`, without decoding it. Raises StoreError."""
    with open_attempts(path) as file:
        return any(word in line for line in file)


def read_transcript(path: Path, attempt: Attempt) -> Transcript:
    """The transcript an attempt points to. Raises StoreError when it is absent, damaged, or another attempt's."""
    name = f"{attempt.task} {attempt.system} epoch {attempt.epoch} attempt {attempt.attempt}"
    if attempt.transcript is None:
        raise StoreError(f"{name} has no transcript")
    offset, length = attempt.transcript
    try:
        with (path / TRANSCRIPTS).open("rb") as file:
            file.seek(offset)
            found = msgspec.json.decode(file.read(length), type=Transcript)
    except OSError as e:
        raise StoreError(f"cannot read {path.name}/{TRANSCRIPTS}: {e.strerror}") from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise StoreError(f"the transcript of {name} is damaged: {e}") from e
    if (found.task, found.system, found.epoch, found.attempt) != (
        attempt.task,
        attempt.system,
        attempt.epoch,
        attempt.attempt,
    ):
        raise StoreError(f"the transcript of {name} is not there: its place holds {found.task} {found.system}")
    return found


@dataclass(frozen=True, slots=True)
class Settled:
    """What a resumed run need not do again.

    `done` are decided trials; `tries` has the highest attempt number of every trial that was begun and is not decided.
    `cost_usd` is of all attempts, failed ones too, `judge_cost_usd` of their grading; `unpriced` counts the calls
    without a price, which make the costs lower bounds.
    """

    done: frozenset[TrialKey]
    tries: dict[TrialKey, int]
    cost_usd: float
    judge_cost_usd: float
    unpriced: int


class _Which(msgspec.Struct, frozen=True, gc=False):
    task: str
    system: str
    epoch: int
    attempt: int


def iter_attempts_of(path: Path) -> Iterator[tuple[str, str, int, int]]:
    """(task, system, epoch, attempt) of every recorded attempt. Raises as iter_attempts."""
    for line in iter_lines(path, msgspec.json.Decoder(_Which)):
        yield line.task, line.system, line.epoch, line.attempt


class _Brief(TryLine, frozen=True, gc=False):
    usage: CostPart = CostPart()
    judge_usage: CostPart = CostPart()


def settled(path: Path) -> Settled:
    """Read `attempts.jsonl` once, keeping a few dozen bytes per trial. Raises StoreError on a damaged line."""
    names: dict[str, str] = {}
    decided: dict[TrialKey, int] = {}
    tries: dict[TrialKey, int] = {}
    done: set[TrialKey] = set()
    cost = judge = 0.0
    unpriced = 0
    for line in iter_lines(path, msgspec.json.Decoder(_Brief)):
        key = (names.setdefault(line.task, line.task), names.setdefault(line.system, line.system), line.epoch)
        cost += line.usage.cost_usd
        judge += line.judge_usage.cost_usd
        unpriced += line.usage.unpriced + line.judge_usage.unpriced
        # As `keep_deciding`, with a number for each trial instead of its line.
        if line.final and line.attempt >= decided.get(key, 0):
            decided[key] = line.attempt
            if line.status in DECIDED:
                done.add(key)
            else:
                done.discard(key)
        tries[key] = max(tries.get(key, 0), line.attempt)
    begun = {key: tries[key] for key in tries if key not in done}
    return Settled(frozenset(done), begun, cost, judge, unpriced)
