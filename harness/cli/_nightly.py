"""The steps of a night. Each step can be done again: what is settled is not asked, paid for or counted twice."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from harness.cli._night_confirm import alarms_of_tonight, confirm_step
from harness.cli._night_out import publish_night
from harness.cli._night_run import Tonight, night_run, run_of_tonight
from harness.cli._night_watch import gate_step, sentinel_step, trend_step
from harness.cli._out import plugins_aside, say
from harness.cli._run_gate import check_policy
from harness.config.load import load_suite
from harness.config.suite import Suite
from harness.config.workspace import find_run, run_names, suite_names
from harness.engine.canary import Checked, pin, pinned_path, replay, scripted
from harness.errors import Exit, HarnessError, StoreError
from harness.report.nightly import NightResult, Step, state_of
from harness.store.history import Canary, Rung, append_history, history_path, read_history
from harness.store.lock import LOCK, Lock
from harness.store.read import read_manifest

NIGHTS = "nightly"
"""Folder of the nights' outputs, in `runs/`."""


def tonight(workspace: Path, night: str, now: datetime, args: argparse.Namespace) -> int:
    """The whole night. Raises StoreError when another process is at the same one, ConfigError for a faulty suite."""
    with plugins_aside():
        suite = _overridden(load_suite(workspace, args.suite), args)
    check_policy(suite)
    folder = workspace / "runs" / NIGHTS / f"{suite.name}-{night}"
    folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(folder)
    try:
        return _steps(Tonight(workspace, suite, night, now, folder, args))
    finally:
        lock.release()


def _overridden(suite: Suite, args: argparse.Namespace) -> Suite:
    changes = {
        "epochs": args.epochs,
        "budget_usd": args.budget_usd if args.budget_usd is not None else suite.nightly.budget_usd,
        "concurrency": args.concurrency,
        "boxes": args.boxes,
    }
    return replace(suite, **{name: value for name, value in changes.items() if value is not None})


def _steps(at: Tonight) -> int:
    steps = [
        _guarded("replay", lambda: _canary(at, "replay", lambda: _replay(at))),
        _guarded("sandbox", lambda: _canary(at, "sandbox", lambda: _scripted(at))),
    ]
    try:
        code, run = night_run(at)
    except HarnessError as e:
        if e.exit_code == Exit.USAGE:
            raise
        return _without_run(at, steps, e)
    if code == Exit.INTERRUPTED:
        return code
    path = at.workspace / "runs" / run
    steps += [_guarded("sentinels", lambda: sentinel_step(at.suite, path)), _run_step(path, code)]
    steps.append(_guarded("gate", lambda: gate_step(at.suite, path, at.now)))
    steps.append(_guarded("trend", lambda: trend_step(at.workspace, at.suite, at.folder, at.now, at.args.replicates)))
    if at.suite.nightly.confirm and steps[-1].state == "failed" and (alarms := alarms_of_tonight(at, run)):
        steps.append(_guarded("confirm", lambda: confirm_step(at, alarms)))
    return publish_night(at.workspace, at.folder, path, _result(at, run, steps), as_json=at.args.json)


def _without_run(at: Tonight, steps: list[Step], e: HarnessError) -> int:
    """A night that could not run (another suite than it began with, a full disk) is told like any other."""
    print(e.render(), file=sys.stderr)
    made = run_of_tonight(at)
    steps.append(Step("run", state_of(e.exit_code), str(e), (e.fault.help,) if e.fault.help else ()))
    result = _result(at, made.name if made else "", steps)
    return publish_night(at.workspace, at.folder, made, result, as_json=at.args.json)


def _result(at: Tonight, run: str, steps: list[Step]) -> NightResult:
    from harness.report.nightly import VERDICTS, exit_code_of

    code = exit_code_of(steps)
    return NightResult(
        suite=at.suite.name, night=at.night, run=run, exit_code=int(code), verdict=VERDICTS[code], steps=tuple(steps),
        files={},
    )  # fmt: skip


def _guarded(name: str, step: Callable[[], Step]) -> Step:
    """A step that cannot be made is told, and the others go on: a broken gate must not hide the trend."""
    try:
        return step()
    except HarnessError as e:
        state = state_of(e.exit_code) if e.exit_code != Exit.USAGE else "invalid"
        return Step(name, state, str(e), tuple(line for line in e.render().splitlines()[1:] if line.strip()))


def _canary(at: Tonight, rung: Rung, check: Callable[[], Checked]) -> Step:
    """A canary's step; what it said tonight already is kept, unless it could not be measured then."""
    path = history_path(at.workspace / "runs", at.suite.name)
    known = [c for c in read_history(path).canaries if (c.night, c.rung) == (at.night, rung)]
    if known and known[-1].state != "not measured" and not at.args.again:
        said = known[-1]
        found = Checked(said.state, said.checked, said.differ, said.detail)
    else:
        with plugins_aside():
            found = check()
        line = Canary(
            suite=at.suite.name, night=at.night, at=at.now.isoformat(timespec="seconds"), rung=rung, state=found.state,
            checked=found.checked, differ=found.differ, detail=found.detail,
        )  # fmt: skip
        if not known or msgspec.structs.replace(known[-1], at=line.at) != line:
            append_history(path, [line])
    words = {"same": "ok", "moved": "invalid", "not measured": "not measured"}
    return Step(rung, words[found.state], found.detail, found.differ[:10])  # type: ignore[arg-type]  # of these words


def _replay(at: Tonight) -> Checked:
    pinned = pinned_path(at.workspace / "runs", at.suite.name)
    if (pinned / "manifest.json").is_file():
        return replay(at.suite, pinned)
    earlier = _newest_before(at)
    if earlier is None:
        help = "harness nightly --pin RUN keeps some for every night"
        return Checked("not measured", detail=f"there is no stored work of an earlier night yet; {help}")
    scratch = at.folder / "replayed"
    shutil.rmtree(scratch, ignore_errors=True)
    pin(earlier, scratch)
    try:
        return replay(at.suite, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _newest_before(at: Tonight) -> Path | None:
    """The newest run of another night whose folder is here."""
    for name in reversed(run_names(at.workspace)):
        with contextlib.suppress(StoreError):
            manifest = read_manifest(at.workspace / "runs" / name)
            if manifest.suite == at.suite.name and manifest.night not in ("", at.night):
                return at.workspace / "runs" / name
    return None


def _scripted(at: Tonight) -> Checked:
    name = at.suite.nightly.canary
    if name not in suite_names(at.workspace):
        return Checked("not measured", detail=f"this workspace has no suite '{name}' of scripted agents")
    shutil.rmtree(at.folder / "canary", ignore_errors=True)
    return scripted(load_suite(at.workspace, name), at.folder, "canary")


def _run_step(path: Path, code: int) -> Step:
    from harness.report.build import build_report

    report = build_report(path)
    graded = sum(s.coverage.graded for s in report.systems)
    planned = sum(s.coverage.planned for s in report.systems)
    said = f"{graded} of {planned} trials graded"
    rates = [
        f"{s.name} {s.passed.value:.1%}" for s in report.systems if s.passed.value is not None and not s.privileged
    ]
    more = "; ".join(rates[:6])
    return Step("run", state_of(code), f"{said}; {more}" if more else said, tuple(report.invalid))


def pin_work(workspace: Path, args: argparse.Namespace) -> int:
    """`--pin RUN`: replace the suite's pinned work."""
    source = find_run(workspace, args.pin)
    suite = read_manifest(source).suite
    to = pinned_path(workspace / "runs", suite)
    fresh = to.parent / ".new"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        count = pin(source, fresh / suite)
        (fresh / suite / LOCK).unlink(missing_ok=True)  # says a process of this machine; the folder goes into git
        shutil.rmtree(to, ignore_errors=True)
        (fresh / suite).rename(to)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    say(f"pinned {count} attempts of {source.name} in {to.relative_to(workspace)}: commit this folder\n")
    return Exit.OK
