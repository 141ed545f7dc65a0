"""A baseline: a pool of consecutive valid nights on one fingerprint, in one small file that is committed and reviewed.

`runs/baselines/<name>.json`. One task a line, so that a change reads as a diff; the same pool gives the same bytes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from harness.errors import HarnessError, StoreError, UsageFault
from harness.records.content import Json
from harness.records.outcome import Digests
from harness.records.task import Shape
from harness.report.columns import About
from harness.report.measured import PASS_RATE, Measured, Origin, Tally, Totals, pool
from harness.store.manifest import SystemInfo

FORMAT = 1
FOLDER = "baselines"
_DIGITS = 9
"""Decimals of stored sums: enough that no verdict moves, few enough that the file is the same everywhere."""


class BaselineTask(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One task. `graded` and `passed` have a number per night; `sums` per metric n, sum and sum of squares, pooled."""

    id: str
    family: str = ""
    shape: Shape = Shape()
    tags: tuple[str, ...] = ()
    digests: Digests = Digests()
    planned: int
    graded: tuple[int, ...]
    passed: tuple[float, ...]
    time_limited: bool = False
    sums: dict[str, tuple[float, float, float]] = {}
    images: dict[str, tuple[str, ...]] = {}


class BaselineNight(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One run of the pool. `created` is UTC, ISO 8601; `p50_s` the median of the tasks' mean working times."""

    run: str
    created: str
    totals: Totals
    p50_s: float | None = None
    coverage: float


class Baseline(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What later runs are compared with. `nights` are oldest first.

    `promoted` is when it was made, `reason` why, `expires` the last day it counts (empty: never). `calibration` is
    `harness trend`'s: thresholds by chart with their seed; a new promotion drops it.
    """

    format: int = FORMAT
    name: str
    suite: str
    system: SystemInfo
    origin: Origin = Origin()
    promoted: str
    reason: str
    expires: str = ""
    nights: tuple[BaselineNight, ...]
    tasks: tuple[BaselineTask, ...]
    calibration: dict[str, Json] = {}

    def is_over(self, now: datetime) -> bool:
        """Whether its last day is past."""
        return bool(self.expires) and self.expires < now.astimezone(UTC).date().isoformat()

    def age_days(self, now: datetime) -> float:
        """Days since its newest night."""
        return (now - datetime.fromisoformat(self.nights[-1].created)).total_seconds() / 86_400


class _Format(msgspec.Struct):
    format: int


def baseline_path(workspace: Path, name: str) -> Path:
    """Where a baseline of this name is. Raises UsageFault for what cannot name a file."""
    if not name or Path(name).name != name or name.startswith("."):
        raise UsageFault(f"'{name}' cannot name a baseline", help="a name is one file name without .json")
    return workspace / "runs" / FOLDER / f"{name}.json"


def baseline_names(workspace: Path) -> list[str]:
    """The baselines there are, sorted."""
    folder = workspace / "runs" / FOLDER
    return sorted(p.stem for p in folder.glob("*.json")) if folder.is_dir() else []


def read_baseline(workspace: Path, name: str) -> Baseline:
    """A baseline. Raises UsageFault when there is none, StoreError when it is damaged, empty or newer."""
    path = baseline_path(workspace, name)
    try:
        data = path.read_bytes()
    except FileNotFoundError as e:
        raise UsageFault(f"no baseline '{name}'", help=_which(workspace, name)) from e
    except OSError as e:
        raise StoreError(f"cannot read the baseline '{name}': {e.strerror}") from e
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found > FORMAT:
            raise StoreError(f"the baseline '{name}' is of format {found}; this program reads up to {FORMAT}")
        baseline = msgspec.json.decode(data, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise _damaged(name, str(e)) from e
    if fault := _fault_of(baseline):
        raise _damaged(name, fault)
    return baseline


def _damaged(name: str, why: str) -> StoreError:
    return StoreError(f"the baseline '{name}' is damaged: {why}", help="restore it from git, or promote anew")


def _fault_of(b: Baseline) -> str:
    """What the types cannot say: every task has a number per night, and none passed more than were graded."""
    if not b.nights or not b.tasks:
        return "it has no night or no task"
    ids = [t.id for t in b.tasks]
    if ids != sorted(set(ids)):
        return "its tasks are not sorted, or one is there twice"
    for night in b.nights:
        try:
            if datetime.fromisoformat(night.created).tzinfo is None:
                return f"the night {night.run} has a time without a zone"
        except ValueError:
            return f"the night {night.run} has no time that can be read"
    for t in b.tasks:
        if len(t.graded) != len(b.nights) or len(t.passed) != len(b.nights):
            return f"task '{t.id}' has {len(t.graded)} numbers for {len(b.nights)} nights"
        if any(not 0 <= p <= g for p, g in zip(t.passed, t.graded, strict=True)):
            return f"task '{t.id}' passed more often than it was graded"
        if not all(math.isfinite(v) for sums in t.sums.values() for v in sums):
            return f"task '{t.id}' has a sum that is no number"
    return ""


def _which(workspace: Path, name: str) -> str:
    from harness.plugins.loader import did_you_mean  # loads pydantic: only on the way to an error

    there = baseline_names(workspace)
    said = f"baselines: {', '.join(there)}" if there else f"there is none yet: harness baseline promote {name}"
    close = did_you_mean(name, there)
    return f"{close} — {said}" if close else said


def render_baseline(baseline: Baseline) -> bytes:
    """The file's bytes."""
    said = msgspec.to_builtins(msgspec.structs.replace(baseline, tasks=(), calibration={}))
    head = {"format": baseline.format, **said}
    lines = [f"{_json(k)}: {_json(v)}" for k, v in head.items() if k not in ("nights", "tasks")]
    lines.append(_listed("nights", baseline.nights))
    if baseline.calibration:
        lines.append(f'"calibration": {_json(baseline.calibration)}')
    lines.append(_listed("tasks", baseline.tasks))
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _listed(name: str, values: Sequence[msgspec.Struct]) -> str:
    return f'"{name}": [\n' + ",\n".join(_json(v) for v in values) + "\n]"


def _json(value: Json) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def write_baseline(workspace: Path, baseline: Baseline) -> Path:
    """Write the file so that readers see the old or the new one, never half. Raises StoreError."""
    path = baseline_path(workspace, baseline.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(render_baseline(baseline))
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write the baseline '{baseline.name}': {e.strerror}") from e
    return path


def made_of(name: str, nights: Sequence[Measured], created: Sequence[str], said: dict[str, str]) -> Baseline:
    """A baseline of these nights, oldest first; `created` has their times, `said` promoted, reason and expires.

    The caller has checked that they are valid, consecutive and on one fingerprint.
    """
    whole = pool(nights, name)
    where = {t: i for i, t in enumerate(whole.tasks)}
    graded, passed = np.zeros((2, len(nights), len(whole.tasks)))
    for row, night in enumerate(nights):
        at = [where[t] for t in night.tasks]
        graded[row, at] = night.tallies[PASS_RATE].n
        passed[row, at] = night.tallies[PASS_RATE].total
    limited = whole.time_limited if whole.time_limited is not None else np.zeros(len(whole.tasks), dtype=bool)
    tasks = tuple(
        BaselineTask(
            id=task,
            family=whole.about[i].family,
            shape=whole.about[i].shape,
            tags=whole.about[i].tags,
            digests=whole.digests[i],
            planned=int(whole.planned[i]),
            graded=tuple(int(v) for v in graded[:, i]),
            passed=tuple(float(v) for v in passed[:, i]),
            time_limited=bool(limited[i]),
            sums={n: _sums(t, i) for n, t in sorted(whole.tallies.items()) if t.n[i]},
            images={k: tuple(sorted(v)) for k, v in sorted(whole.images.get(task, {}).items())},
        )
        for i, task in enumerate(whole.tasks)
    )
    newest = nights[-1]
    return Baseline(
        name=name,
        suite=newest.suite,
        system=newest.system,
        promoted=said.get("promoted", ""),
        reason=said.get("reason", ""),
        expires=said.get("expires", ""),
        origin=newest.origin,
        nights=tuple(_night(m, at) for m, at in zip(nights, created, strict=True)),
        tasks=tasks,
    )


def _sums(tally: Tally, i: int) -> tuple[float, float, float]:
    return (float(tally.n[i]), round(float(tally.total[i]), _DIGITS), round(float(tally.squares[i]), _DIGITS))


def _night(m: Measured, created: str) -> BaselineNight:
    seconds = m.tallies["seconds"].mean
    seconds = seconds[~np.isnan(seconds)]
    p50 = round(float(np.median(seconds)), 4) if len(seconds) else None
    return BaselineNight(run=m.runs[0], created=created, totals=m.totals, p50_s=p50, coverage=round(m.coverage, 6))


_ALWAYS = (PASS_RATE, "cost", "log_seconds", "seconds", "tokens_in", "tokens_out")
"""Sums that every reader counts on. A file holds none of those that are nothing in all its tasks."""


def measured_of(baseline: Baseline) -> Measured:
    """The pool as one measured system. Raises HarnessError when it holds no night."""
    if not baseline.nights:
        raise HarnessError(f"the baseline '{baseline.name}' has no night")
    names = sorted({*_ALWAYS, *(n for t in baseline.tasks for n in t.sums)})
    totals = [n.totals for n in baseline.nights]
    sums = {f: sum(getattr(t, f) for t in totals) for f in Totals.__dataclass_fields__ if f != "models"}
    return Measured(
        label=f"baseline:{baseline.name}",
        suite=baseline.suite,
        system=baseline.system,
        runs=tuple(n.run for n in baseline.nights),
        tasks=tuple(t.id for t in baseline.tasks),
        about=tuple(About(t.family, t.shape, t.tags) for t in baseline.tasks),
        digests=tuple(t.digests for t in baseline.tasks),
        planned=np.array([float(t.planned) for t in baseline.tasks]),
        unseen=max(0, baseline.origin.n_tasks - len(baseline.tasks)),
        tallies={n: _tally_of(baseline.tasks, n) for n in names},
        totals=Totals(**sums, models=tuple(sorted({m for t in totals for m in t.models}))),
        origin=baseline.origin,
        time_limited=np.array([t.time_limited for t in baseline.tasks]),
        images={t.id: {k: frozenset(v) for k, v in t.images.items()} for t in baseline.tasks if t.images},
    )


def _tally_of(tasks: Sequence[BaselineTask], name: str) -> Tally:
    nothing = (0.0, 0.0, 0.0)
    rows = np.array([t.sums.get(name, nothing) for t in tasks], dtype=np.float64)
    return Tally(rows[:, 0], rows[:, 1], rows[:, 2])
