"""Which runs may become a baseline: consecutive valid nights on one fingerprint, and never the best of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from harness.errors import GateFailed, HarnessError, NotComparable, RunInvalid, StoreError, UsageFault
from harness.report.baseline import Baseline, BaselineTask, made_of, measured_of
from harness.report.compare import compare
from harness.report.comparison import BAD, Comparison, Options
from harness.report.identity import identify
from harness.report.measured import Measured, measure
from harness.report.measured import pool as pooled
from harness.report.trials import read_trials
from harness.store.manifest import Manifest
from harness.store.read import read_manifest

SKEW = timedelta(minutes=10)
"""Clocks of machines may differ by this much."""
MOST_NIGHTS = 30
"""More nights than this tell little more, and hide a slide in their mean."""
FREE_CHOICE = 10
"""A pool of so many nights may leave more out than it has; a smaller one that does could be the best of several."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run on the fingerprint of the newest one; `why_not` says why it is no valid night (empty: it is)."""

    path: Path
    created: str
    night: Measured
    why_not: str


def candidates(runs: Path, newest: Path, system: str) -> list[Candidate]:
    """Every run under `runs` on the fingerprint of `newest`, oldest first, valid or not. Raises HarnessError."""
    trials = read_trials(newest)
    wanted, reference = trials.manifest, measure(trials, system)
    found = [_candidate(newest, wanted, reference, reference)]
    for folder in sorted(p.parent for p in runs.glob("*/manifest.json")):
        if folder.resolve() == newest.resolve():
            continue
        try:
            manifest = read_manifest(folder)
        except StoreError:
            continue
        if not _alike(manifest, wanted, system):
            continue
        try:
            night = measure(read_trials(folder), system)
        except StoreError as e:
            found.append(Candidate(folder, manifest.created, reference, f"cannot be read: {e}"))
            continue
        found.append(_candidate(folder, manifest, night, reference))
    found.sort(key=lambda c: (_moment(c.created), c.path.name))
    return _once(found)


def _alike(manifest: Manifest, wanted: Manifest, system: str) -> bool:
    """The cheap look: suite, plan, and this system as it was. The digests of the trials are compared afterwards."""
    here, there = ([s for s in m.systems if s.name == system] for m in (manifest, wanted))
    same = bool(here) and (here[0].harness_digest, here[0].model_digest) == (
        there[0].harness_digest,
        there[0].model_digest,
    )
    return same and manifest.suite == wanted.suite and manifest.tasks_digest == wanted.tasks_digest


def _candidate(path: Path, manifest: Manifest, night: Measured, reference: Measured) -> Candidate:
    why = ""
    t = night.totals
    if manifest.confirms:
        why = f"made to see the alarm of {manifest.confirms} again"
    elif not t.graded:
        why = "nothing was graded"
    elif night.coverage < manifest.coverage_floor:
        why = f"coverage {t.graded:,}/{t.counted:,} is under the floor of {manifest.coverage_floor:.1%}"
    elif t.cached:
        why = f"{t.cached:,} calls came from the call cache: nothing new was measured"
    elif identity := identify(night, reference, allow_subset=False).why:
        why = f"another fingerprint: {'; '.join(identity)}"
    else:
        try:
            _moment(manifest.created)
        except HarnessError as e:
            why = str(e)
    return Candidate(path, manifest.created, night, why)


def _not_ahead(c: Candidate, now: datetime) -> Candidate:
    """A night that is still to come is none: its age, and so its end, would be wrong."""
    if c.why_not or _moment(c.created) - now <= SKEW:
        return c
    return replace(c, why_not=f"made after now ({now:%Y-%m-%dT%H:%MZ}): a clock is wrong")


def _moment(created: str) -> datetime:
    try:
        at = datetime.fromisoformat(created)
    except ValueError as e:
        raise UsageFault(f"the time '{created}' of a run cannot be read") from e
    if at.tzinfo is None:
        raise UsageFault(f"the time '{created}' of a run has no zone")
    return at


def _once(found: Sequence[Candidate]) -> list[Candidate]:
    """A run and its regraded copies are one night: the newest of them stands for it."""
    origin: dict[str, str] = {}
    for c in found:
        origin[c.path.name] = read_manifest(c.path).regrade_of or c.path.name
    newest = {origin[c.path.name]: c.path.name for c in found}
    return [c for c in found if newest[origin[c.path.name]] == c.path.name]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a promotion. `chosen` are runs named by the user (empty: as many as may be pooled)."""

    name: str
    reason: str
    promoted: str
    expires: str = ""
    chosen: tuple[Path, ...] = ()
    nights: int = MOST_NIGHTS
    accept_regression: bool = False
    extend: bool = False


@dataclass(frozen=True, slots=True)
class Promotion:
    """The baseline that was made, the nights left out with their reasons, and how it stands to the old one."""

    baseline: Baseline
    left_out: tuple[tuple[str, str], ...]
    against_old: Comparison | None
    notes: tuple[str, ...]


def promote(found: Sequence[Candidate], wanted: Wanted, old: Baseline | None) -> Promotion:
    """Make a baseline of consecutive valid nights. Raises RunInvalid, UsageFault, GateFailed when it may not be."""
    if not wanted.reason.strip():
        raise UsageFault("a promotion needs a reason", help='--reason "new prompt, reviewed in #12"')
    held = {n.run for n in old.nights} if old else set()
    if wanted.extend:
        found = [c for c in found if c.path.name not in held]
    found = [_not_ahead(c, _moment(wanted.promoted)) for c in found]
    valid = [c for c in found if not c.why_not]
    pool = _chosen(found, valid, wanted, held)
    notes = []
    newest = pool[-1].night
    if (newest.system.stored or newest.system.simulated) and len(pool) > 1:
        notes.append("stored or scripted answers are the same every night: only the newest run is pooled")
        pool = pool[-1:]
    before = [c.night for c in pool[:-1]]
    reference = measured_of(old) if old else pooled(before, "the nights before it") if before else None
    against = _against(reference, newest, notes)
    # Without an old baseline the newest is one of the nights themselves: only what is beyond the margin stops it.
    refused = BAD if old else ("REGRESSION",)
    if against is not None and against.verdict in refused and not wanted.accept_regression:
        m = next(m for m in against.metrics if m.verdict in BAD)
        raise GateFailed(
            f"the newest run is worse than {against.a.label}: {m.name} {m.verdict}, "
            f"{100 * (m.difference or 0):+.1f} points [{100 * (m.low or 0):+.1f}, {100 * (m.high or 0):+.1f}]",
            help="find out why first; --accept-regression makes the loss the new normal, and says so in the file",
        )
    said = {"promoted": wanted.promoted, "reason": wanted.reason.strip(), "expires": wanted.expires}
    if against is not None and against.verdict in refused:
        said["reason"] += f" (accepted: {against.verdict} against {against.a.label})"
    made = made_of(wanted.name, [c.night for c in pool], [c.created for c in pool], said)
    if wanted.extend and old is not None:
        made = extended(old, made)
    kept = {c.path.name for c in pool}
    left = tuple((c.path.name, c.why_not or "not chosen") for c in found if c.path.name not in kept)
    return Promotion(made, left, against, tuple(notes))


def _chosen(found: Sequence[Candidate], valid: Sequence[Candidate], wanted: Wanted, held: set[str]) -> list[Candidate]:
    """The pool: the newest valid nights in a row."""
    if not valid:
        reasons = "; ".join(f"{c.path.name}: {c.why_not}" for c in found) or "there is no run that is not in it already"
        raise RunInvalid(f"no valid night to promote: {reasons}", help="a baseline is made of valid runs only")
    pool = _named(found, wanted) if wanted.chosen else list(valid[-wanted.nights :])
    named = {c.path.name for c in pool}
    first = next(i for i, c in enumerate(valid) if c.path.name in named)
    last = max(i for i, c in enumerate(valid) if c.path.name in named)
    if gaps := [c.path.name for c in valid[first:last] if c.path.name not in named]:
        raise UsageFault(
            f"the pool leaves out valid runs between its nights: {', '.join(gaps)}",
            help="a baseline is every valid night in a row; the best of several may not be promoted",
        )
    left = [c.path.name for c in (*valid[:first], *valid[last + 1 :]) if c.path.name not in held]
    if len(pool) < FREE_CHOICE and len(pool) <= len(left):
        raise UsageFault(
            f"{len(pool)} of {len(pool) + len(left)} valid nights on this fingerprint were chosen; left out: "
            f"{', '.join(left)}",
            help=f"take more than half of them in a row, or {FREE_CHOICE}: the best of several may not be promoted",
        )
    return pool


def _named(found: Sequence[Candidate], wanted: Wanted) -> list[Candidate]:
    by_path = {c.path.resolve(): c for c in found}
    pool = []
    for path in wanted.chosen:
        c = by_path.get(path.resolve())
        if c is None:
            raise NotComparable(
                f"{path.name} is on another fingerprint than the newest chosen run",
                help="a baseline pools nights of one system on one suite",
            )
        if c.why_not:
            raise RunInvalid(f"{path.name} is no valid night: {c.why_not}", help="leave it out, or resume it")
        pool.append(c)
    return sorted(pool, key=lambda c: (_moment(c.created), c.path.name))


def _against(old: Measured | None, newest: Measured, notes: list[str]) -> Comparison | None:
    if old is None or newest.runs[0] in old.runs:
        return None
    try:
        return compare(old, newest, Options(coverage=newest.origin.coverage_floor, allow_subset=False))
    except NotComparable as e:
        notes.append(f"the old baseline says nothing about this run: {e}")
        return None


def extended(old: Baseline, new: Baseline) -> Baseline:
    """The old pool with the new nights behind it. Raises NotComparable when they are not on one fingerprint."""
    identity = identify(measured_of(old), measured_of(new), allow_subset=False)
    if identity.why or not identity.same_system:
        raise NotComparable(
            f"'{old.name}' cannot be extended: {'; '.join(identity.why or identity.system)}",
            help="promote without --extend: a changed suite or system starts a new pool",
        )
    before, after = ({t.id: t for t in b.tasks} for b in (old, new))
    tasks = tuple(
        _joined(before.get(t), after.get(t), len(old.nights), len(new.nights)) for t in sorted({*before, *after})
    )
    return msgspec.structs.replace(new, nights=(*old.nights, *new.nights), tasks=tasks)


def _joined(old: BaselineTask | None, new: BaselineTask | None, n_old: int, n_new: int) -> BaselineTask:
    one = new or old
    assert one is not None
    sums: dict[str, tuple[float, float, float]] = {}
    for part in (old, new):
        for name, (n, total, squares) in (part.sums if part else {}).items():
            held = sums.get(name, (0.0, 0.0, 0.0))
            sums[name] = (held[0] + n, round(held[1] + total, 9), round(held[2] + squares, 9))
    return msgspec.structs.replace(
        one,
        planned=(old.planned if old else 0) + (new.planned if new else 0),
        graded=(*(old.graded if old else (0,) * n_old), *(new.graded if new else (0,) * n_new)),
        passed=(*(old.passed if old else (0.0,) * n_old), *(new.passed if new else (0.0,) * n_new)),
        time_limited=any(p.time_limited for p in (old, new) if p),
        sums=sums,
    )
