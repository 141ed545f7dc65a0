"""The nights of a suite: what the history says, and the run folders it does not know yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.config.workspace import run_names
from harness.errors import StoreError
from harness.report.baseline import Baseline, baseline_names, read_baseline
from harness.report.nights import nights_of, nights_of_baseline
from harness.report.trend_model import LeftOut
from harness.store.history import History, Night, by_time, history_path, read_history
from harness.store.manifest import Manifest
from harness.store.read import ATTEMPTS, read_manifest


@dataclass(frozen=True, slots=True)
class Collected:
    """The whole history; of it `fresh`, which the history file does not have; and the runs that are no nights.

    `promoted` has the newest baseline of each system, where one was promoted.
    """

    history: History
    fresh: tuple[Night, ...]
    left_out: tuple[LeftOut, ...]
    promoted: dict[str, Baseline]


def collect(workspace: Path, suite: str) -> Collected:
    """Read what is there. A folder is read again only when its records grew since its line was written.

    Raises StoreError when the history itself is damaged; a damaged run folder is left out and named.
    """
    runs = workspace / "runs"
    history = read_history(history_path(runs, suite))
    known = {n.run: n.bytes for n in history.nights}
    fresh: list[Night] = []
    left_out: list[LeftOut] = []
    for name in run_names(workspace):
        try:
            manifest = read_manifest(runs / name)
            if manifest.suite != suite:
                continue
            if why := _no_night(manifest):
                left_out.append(LeftOut(name, why))
            elif why := _broken(manifest):
                left_out.append(LeftOut(name, why, broken=True))
            elif known.get(name, -1) != _size(runs / name):
                fresh += nights_of(runs / name)
        except StoreError as e:
            left_out.append(LeftOut(name, f"cannot be read: {e}", broken=f"-{suite}-" in name))
    again = {(n.run, n.system) for n in fresh}
    kept = [n for n in history.nights if (n.run, n.system) not in again]
    promoted = _promoted(workspace, suite)
    there = {(n.run, n.system) for n in (*kept, *fresh)}
    pooled = [n for b in promoted.values() for n in nights_of_baseline(b) if (n.run, n.system) not in there]
    whole = History(by_time([*kept, *fresh, *pooled]), history.canaries)
    return Collected(whole, tuple(fresh), tuple(left_out), promoted)


def _promoted(workspace: Path, suite: str) -> dict[str, Baseline]:
    """The baseline promoted last for each system of the suite. Raises StoreError for a damaged one."""
    found: dict[str, Baseline] = {}
    for name in baseline_names(workspace):
        b = read_baseline(workspace, name)
        if b.suite == suite and (b.system.name not in found or found[b.system.name].promoted < b.promoted):
            found[b.system.name] = b
    return found


def _no_night(manifest: Manifest) -> str:
    if manifest.regrade_of:
        return "the same work graded again"
    if manifest.confirms:
        return f"made to see the alarm of {manifest.confirms} again"
    if manifest.selection.task_ids is not None and not manifest.night:
        return "a selection of tasks"
    return ""


def _broken(manifest: Manifest) -> str:
    """Why a run that should be a night is none."""
    if manifest.n_trials == 0:
        return "nothing was planned"
    try:
        datetime.fromisoformat(manifest.created)
    except ValueError:
        return f"its time '{manifest.created}' cannot be read"
    return ""


def _size(path: Path) -> int:
    attempts = path / ATTEMPTS
    return attempts.stat().st_size if attempts.is_file() else 0
