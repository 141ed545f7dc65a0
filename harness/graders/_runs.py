"""One run of tests in one clean box: the order of things in here is what makes a verdict hard to forge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import msgspec

from harness.api import Box, SandboxError, SandboxSpec
from harness.graders._canary import Canary
from harness.graders._clean import Applied, apply_patch, archive_of, fetch, kill_all, private_folder, tail_of
from harness.graders._runners import Place, Profile, boot_files
from harness.toolkit.attempts import met_by, still_running
from harness.toolkit.testreports.read import Format, read_report
from harness.toolkit.testreports.record import MAX_BYTES, BadReport, CaseResult, Report, merged, report_of

COMMAND_ID = "command"
"""The one test that a `command` without a report is."""
OUTPUT = '"$@" >"$0" 2>&1'
STDOUT = '"$@" >"$0"'
HOME_ENV = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "CI": "1", "LANG": "C.UTF-8", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a run that does not depend on whose patch is graded.

    `hidden` are the files laid down last, from `root`; `test_patch` is applied before them and `patched` are its files
    of tests. `gold_side` is what the gold patch does to protected files. `files` are what the runner is given. `canary`
    makes one for hidden files. `argv` replaces the profile's command.
    """

    spec: SandboxSpec
    root: str
    profile: Profile
    hidden: Mapping[str, bytes]
    files: Sequence[str]
    canary: Callable[[Mapping[str, bytes]], Canary]
    timeout_s: float
    patched: Sequence[str] = ()
    test_patch: bytes = b""
    gold_side: bytes = b""
    build: str = ""
    argv: Sequence[str] = ()
    format: Format = "junit"
    report: str = ""
    is_command: bool = False
    user: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    ini: Mapping[str, str] = field(default_factory=dict)
    python: str = "python3"
    autoload: bool = False
    paths: Sequence[str] = ()
    options: Sequence[str] = ()
    backwards: bool = False


NO_CANARY = Canary()


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to. `report` is None when there was none that can be read; `trouble` says why.

    `met` are flags: limits that were met, processes that were left.
    """

    report: Report | None = None
    exit_code: int = 0
    timed_out: bool = False
    exhausted: str = ""
    trouble: str = ""
    tail: str = ""
    applied: Applied = Applied(True)
    canary: Canary = NO_CANARY
    met: Sequence[str] = ()


class CannotGrade(Exception):
    """The task, not the work, is what failed: its own files do not go in."""


def box_spec(spec: SandboxSpec, timeout_s: float) -> SandboxSpec:
    """The task's box without a way out, and with time enough for one command."""
    network = "internal" if spec.services else "none"
    longest = max(spec.command_timeout_s, timeout_s)
    return msgspec.structs.replace(spec, network=network, command_timeout_s=longest)


async def run_tests(opened: AbstractAsyncContextManager[Box], plan: Plan, patch: bytes) -> Run:
    """Apply, build, lay down the tests, run them, stop the box, read the report. Raises SandboxError, CannotGrade."""
    async with opened as box:
        private = private_folder()
        folders = {private[1:]: 0o755, f"{private[1:]}/out": 0o1777, f"{private[1:]}/home": 0o1777}
        boot = {f"{private[1:]}/{name}": data for name, data in boot_files(plan.ini).items()}
        await box.put_archive("/", archive_of(boot, folders=folders))
        if patch:
            applied = await apply_patch(box, plan.root, private, "work.patch", patch)
            if not applied.ok:
                return Run(applied=applied)
        else:
            applied = Applied(True)
        for name, own in (("gold.patch", plan.gold_side), ("test.patch", plan.test_patch)):
            if own and not (done := await apply_patch(box, plan.root, private, name, own)).ok:
                raise CannotGrade(f"the task's own {name} does not apply: {done.said[-500:]}")
        if plan.build and (failed := await _build(box, plan)):
            return failed
        hidden = {**await _read(box, plan), **plan.hidden}
        canary = plan.canary(hidden)
        if files := {**hidden, **canary.files}:
            await box.put_archive(plan.root, archive_of(files))
        place = Place(plan.root, private, f"{private}/out/report", _given(plan, canary),
                      plan.python, plan.autoload, plan.paths, plan.options, plan.backwards)  # fmt: skip
        run, met = await _run(box, plan, place)
        return replace(run, applied=applied, canary=canary, met=met)


async def _read(box: Box, plan: Plan) -> dict[str, bytes]:
    """The test patch's files as it made them."""
    found: dict[str, bytes] = {}
    for path in plan.patched:
        try:
            found[path] = await box.read(f"{plan.root}/{path}")
        except FileNotFoundError:  # the test patch removes it
            continue
    return found


def _given(plan: Plan, canary: Canary) -> list[str]:
    """The runner's files, the canary's own last. With none the runner looks for tests itself."""
    files = [*plan.files, *canary.new_files] if plan.files else []
    return files[::-1] if plan.backwards else files


async def _build(box: Box, plan: Plan) -> Run | None:
    """Build the work before any test is in the box, and end what it started. None when it went well."""
    done = await box.exec(["sh", "-c", plan.build], timeout_s=plan.timeout_s, workdir=plan.root, env=plan.env)
    await kill_all(box)
    if done.exit_code == 0 and not done.timed_out:
        return None
    why = "the build took too long" if done.timed_out else f"the build ended with exit code {done.exit_code}"
    return Run(None, done.exit_code, done.timed_out, _exhausted(done.oom_killed, done.disk_full), why,
               tail_of(done.stdout, done.stderr), met=tuple(met_by(done)))  # fmt: skip


async def _run(box: Box, plan: Plan, place: Place) -> tuple[Run, Sequence[str]]:
    """The tests' run in a box that is stopped then, and flags of what they met and left."""
    own = place.report
    argv = _argv(plan, place)
    if plan.report:
        await _clear(box, plan)
    if plan.profile.stdout or plan.format in ("pytest_log", "django_log"):
        both = plan.format not in ("tap", "go")
        argv = ["sh", "-c", OUTPUT if both else STDOUT, own, *argv]
    home = {"HOME": f"{place.private}/home"} if plan.user else {}
    env = {**HOME_ENV, **home, **plan.env}
    done = await box.exec(argv, timeout_s=plan.timeout_s, workdir=plan.root, env=env, user=plan.user)
    met = (*met_by(done), *await still_running(box))
    await box.stop()
    tail = tail_of(done.stdout, done.stderr)
    exhausted = _exhausted(done.oom_killed, done.disk_full)
    if plan.is_command:
        ok = done.exit_code == 0 and not done.timed_out
        single = report_of([CaseResult(COMMAND_ID, "pass" if ok else "fail")])
        return Run(None if done.timed_out else single, done.exit_code, done.timed_out, exhausted, "", tail), met
    found, trouble = await _report(box, plan, plan.report or own)
    return Run(found, done.exit_code, done.timed_out, exhausted, trouble, tail), met


def _argv(plan: Plan, place: Place) -> list[str]:
    if not plan.argv:
        return plan.profile.argv(place)
    said: list[str] = []
    for word in plan.argv:
        if word == "{files}":
            said += place.files
        else:
            said.append(word.replace("{report}", place.report).replace("{root}", place.root))
    return said


async def _clear(box: Box, plan: Plan) -> None:
    """Remove reports that were there before: in the image, or left by the build."""
    script = 'cd "$0" && for file in $1; do rm -rf -- "$file"; done'
    await box.exec(["sh", "-c", script, plan.root, plan.report], timeout_s=60, workdir="/")


async def _report(box: Box, plan: Plan, path: str) -> tuple[Report | None, str]:
    """The report of a stopped box, or why there is none."""
    try:
        files = await fetch(box, plan.root, path, MAX_BYTES)
    except SandboxError as e:
        if e.fault not in ("path", "too_big"):
            raise
        return None, str(e)
    if not files:
        return None, "the runner wrote no report"
    try:
        reports = [read_report(plan.format, data, plan.root) for data in files.values()]
        whole = reports[0] if len(reports) == 1 else merged(reports)
    except BadReport as e:
        return None, f"the report cannot be read: {e}"
    return (None, "the report ends early") if whole.truncated else (whole, "")


def _exhausted(oom: bool, disk: bool) -> str:
    return "memory" if oom else "disk" if disk else ""
