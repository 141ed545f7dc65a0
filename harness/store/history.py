"""`runs/history/<suite>.jsonl`: one small line per night and system, which outlives the run folders it was made from.

Append-only. A later line about the same run and system replaces an earlier one (a run that was resumed). The file is
small enough for a git branch of its own: about 60 bytes a task, a night and a system.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import StoreError

HISTORY_FORMAT = 1
"""Version of a line. A line with a higher one is refused."""
HISTORY = Path("history")
"""Folder of the histories, in `runs/`."""


class TaskNight(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One task in one night: passed and graded epochs, and the digest of task, graders and image it rests on."""

    passed: int
    graded: int
    digest: str = ""


class Share(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """So many of so many."""

    hits: int
    n: int


class Night(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="night", tag_field="kind"):
    """One system in one run. Times are UTC, ISO 8601; money in US dollars; seconds of working time.

    `lacking` are trials skipped for what the machine may lack: no floor counts them. `p50_s` is the median over tasks;
    `output_tokens` per decided trial; `cost_usd` None where a call was not priced.
    `served` are the names providers returned, `prints` short digests of everything else that can change a result, by
    what it is. `judges` are sentinels judged right of all, by judge. `bytes` is the size of `attempts.jsonl` then.
    """

    format: int = HISTORY_FORMAT
    suite: str
    system: str
    run: str
    created: str
    night: str = ""
    planned: int
    lacking: int = 0
    graded: int
    floor: float
    epochs: int
    tasks: dict[str, TaskNight]
    cost_usd: float | None = None
    successes: int = 0
    p50_s: float | None = None
    refused: int = 0
    output_tokens: float | None = None
    served: tuple[str, ...] = ()
    prints: dict[str, str] = {}
    judges: dict[str, Share] = {}
    simulated: bool = False
    stored: bool = False
    privileged: bool = False
    bytes: int = 0

    @property
    def coverage(self) -> float:
        """Graded of planned trials, without those that may lack; 0 when there are none."""
        asked = self.planned - self.lacking
        return self.graded / asked if asked > 0 else 0.0

    @property
    def is_valid(self) -> bool:
        """Whether enough was graded to believe the night."""
        return self.graded > 0 and self.coverage >= self.floor


Rung = Literal["replay", "sandbox"]


class Canary(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag="canary", tag_field="kind"):
    """What a canary of a night said. `state` is `same`, `moved`, or `not measured` with its reason in `detail`."""

    format: int = HISTORY_FORMAT
    suite: str
    night: str
    at: str
    rung: Rung
    state: Literal["same", "moved", "not measured"]
    checked: int = 0
    differ: tuple[str, ...] = ()
    detail: str = ""


class History(msgspec.Struct, frozen=True):
    """Everything that is known of a suite's nights, in the order of their time."""

    nights: tuple[Night, ...] = ()
    canaries: tuple[Canary, ...] = ()


def history_path(runs: Path, suite: str) -> Path:
    """Where a suite's history is."""
    return runs / HISTORY / f"{suite}.jsonl"


class _Format(msgspec.Struct, gc=False):
    format: int = HISTORY_FORMAT


def read_history(path: Path) -> History:
    """The history; empty when there is no file. Raises StoreError with file and line when one cannot be read.

    A last line without its newline is being written just now, or torn: it is left out.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return History()
    except OSError as e:
        raise StoreError(f"cannot read {path.name}: {e.strerror}") from e
    decoder = msgspec.json.Decoder(Night | Canary)
    nights: dict[tuple[str, str], Night] = {}
    canaries: dict[tuple[str, str], Canary] = {}
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            if msgspec.json.decode(line, type=_Format).format > HISTORY_FORMAT:
                raise StoreError(
                    f"{path.name}:{number} is from a newer version of the program",
                    help="upgrade the program: pip install --upgrade eval-harness",
                )
            found = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise StoreError(
                f"{path.name}:{number} is damaged: {e}",
                help=f"no line is skipped silently; to go without it: sed -i {number}d {path}",
            ) from e
        if isinstance(found, Night):
            nights[found.run, found.system] = found
        else:
            canaries[found.night, found.rung] = found
    return History(by_time(nights.values()), tuple(sorted(canaries.values(), key=lambda c: (c.at, c.rung))))


def by_time(nights: Iterable[Night]) -> tuple[Night, ...]:
    """Sorted by when they were made."""
    return tuple(sorted(nights, key=lambda n: (n.created, n.run, n.system)))


def append_history(path: Path, lines: Sequence[Night | Canary]) -> None:
    """Add lines. A torn last line is cut first. Raises StoreError when it cannot be written."""
    if not lines:
        return
    encoded = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            _cut_torn(path, file.fileno())
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
    except OSError as e:
        raise StoreError(f"cannot write {path.name}: {e.strerror}", help="check the disk and its permissions") from e


def _cut_torn(path: Path, fd: int) -> None:
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.ftruncate(fd, whole)
