"""A night's runs: made, or gone on with; a run's manifest says which night it is of, so there is one of each."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from harness.cli._out import plugins_aside
from harness.cli.execute import execute_job, policy_of
from harness.cli.resume_cmd import resumed_job
from harness.config.suite import Suite, System
from harness.config.workspace import run_names
from harness.engine.again import refuse_changes, tasks_of
from harness.engine.prepare import make_manifest, named_secrets, preflight
from harness.engine.select import Filters, select_systems, select_tasks
from harness.engine.session import Job
from harness.errors import NotComparable, StoreError
from harness.prices import PriceBook
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest
from harness.store.read import Settled, read_manifest, settled

AFTER = timedelta(seconds=1)
"""A confirmation is of the night, and after its run."""


@dataclass(frozen=True, slots=True)
class Tonight:
    """What the steps share. `folder` is where the night's files go."""

    workspace: Path
    suite: Suite
    night: str
    now: datetime
    folder: Path
    args: argparse.Namespace


def night_run(at: Tonight) -> tuple[int, str]:
    """Make tonight's run, or go on with it. Returns its exit code and its name."""
    says = at.suite.nightly
    names = at.args.system or [*says.systems, *([says.control] if says.systems and says.control else [])]
    return _made_or_continued(at, run_of_tonight(at), list(dict.fromkeys(names)), confirms=False)


def confirmation_run(at: Tonight, systems: list[str]) -> tuple[int, str]:
    """The same night once more, with fresh epochs under another seed, for the systems that alarmed."""
    again = replace(at, suite=replace(at.suite, seed=at.suite.seed + 1), now=at.now + AFTER)
    return _made_or_continued(again, confirmation_of_tonight(at), systems, confirms=True)


def run_of_tonight(at: Tonight) -> Path | None:
    """Tonight's run, if it was begun."""
    return _newest(at, lambda m: m.night == at.night)


def confirmation_of_tonight(at: Tonight) -> Path | None:
    """The confirmation of tonight's alarm, if it was begun."""
    return _newest(at, lambda m: m.confirms == at.night)


def _newest(at: Tonight, wanted: Callable[[Manifest], bool]) -> Path | None:
    for name in reversed(run_names(at.workspace)):
        with contextlib.suppress(StoreError):
            manifest = read_manifest(at.workspace / "runs" / name)
            if manifest.suite == at.suite.name and wanted(manifest):
                return at.workspace / "runs" / name
    return None


def _made_or_continued(at: Tonight, made: Path | None, names: list[str], *, confirms: bool) -> tuple[int, str]:
    if made is None:
        folder, job = _new_job(at, names, confirms=confirms)
    else:
        before = settled(made) if (made / "attempts.jsonl").is_file() else None
        manifest = read_manifest(made)
        _refuse_another_suite(at, made, manifest, names)
        if before is not None and len(before.done) >= manifest.n_trials:
            from harness.report.build import build_report

            return build_report(made).exit_code, made.name
        folder = RunFolder.open(made)
        try:
            job = resumed_job(at.workspace, folder, at.args)
        except BaseException:
            folder.close()
            raise
    with contextlib.redirect_stdout(io.StringIO()):  # the report is a file of the night; its text would bury the rest
        code = execute_job(job, at.args)
    return code, folder.path.name


def _refuse_another_suite(at: Tonight, made: Path, manifest: Manifest, names: list[str]) -> None:
    """A complete run too is only this suite's while the suite is what it was. Raises NotComparable."""
    refuse_changes(made, at.suite, tasks_of(at.suite, manifest), "second start of this night")
    if manifest.confirms:
        return
    added = sorted(set(_systems(at, names)) - {s.name for s in manifest.systems})
    if added:
        raise NotComparable(
            f"since {manifest.run} began: {', '.join(added)} {'was' if len(added) == 1 else 'were'} added; "
            "a second start of this night would mix two measurements",
            help="take what was added into the next night, or start one more: --night NAME",
        )


def _systems(at: Tonight, names: list[str]) -> dict[str, System]:
    """The systems asked for, or the default ones; with the control."""
    systems = select_systems(at.suite, names)
    if (control := at.suite.nightly.control) in at.suite.systems:
        systems.setdefault(control, at.suite.systems[control])
    return systems


@plugins_aside()
def _new_job(at: Tonight, names: list[str], *, confirms: bool) -> tuple[RunFolder, Job]:
    suite = at.suite
    systems = select_systems(suite, names) if confirms else _systems(at, names)
    tasks, selection = select_tasks(suite, Filters(system=tuple(names), seed=suite.seed))
    prices = PriceBook.load(suite.prices)
    for warning in preflight(suite, systems, tasks, prices, at.args.allow_unpriced):
        print(f"warning: {warning}", file=sys.stderr)
    manifest = make_manifest(suite, tasks, systems, selection, prices, at.now)
    manifest = msgspec.structs.replace(manifest, **{"confirms" if confirms else "night": at.night})
    folder = RunFolder.create(suite.workspace / "runs", manifest, named_secrets(suite))
    nothing = Settled(frozenset(), {}, 0.0, 0.0, 0)
    return folder, Job(suite, folder, tasks, nothing, prices, policy_of(at.args))
