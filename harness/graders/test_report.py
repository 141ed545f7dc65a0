"""`test_report`: a change to a repository is graded by tests it never saw, in a box it never had."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from harness.api import Grade, Grader, GraderCase, Json, NotGraded, SandboxError, Verdict, Work
from harness.graders._attempts import attempts_of
from harness.graders._clean import nothing_done
from harness.graders._diff import BadPatch, parse_diff
from harness.graders._plan import gold_parts, guard_of, make_plan, said_of
from harness.graders._protected import limited, shown, sift
from harness.graders._runners import Runner, profile
from harness.graders._runs import CannotGrade, Plan, Run, run_tests
from harness.graders._verdicts import (
    Doubt,
    Semantics,
    Wanted,
    counted_tests,
    doubt_of,
    failed_keeps,
    grade_of,
    is_weak,
    missing_tests,
    not_run,
)
from harness.toolkit.said import last_words
from harness.toolkit.testreports.read import Format
from harness.toolkit.testreports.record import Status

EXAMPLE_PATCH = b"""\
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
"""


class CanaryTest(BaseModel):
    """A test that must be reported as failed, for runners that have none of their own here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str
    """The file it is laid down as, from the root of the tree; `{name}` becomes its random name."""
    text: str
    """The file's text, with `{name}` where the test's name goes."""


class TestReport(Grader):
    """The work's patch is applied in a clean box, hidden tests are laid down, and the runner's report decides.

    Changes to protected files (tests, runner configuration, CI, what Python or the runner would load by itself) do not
    count and are flagged. Copies of hidden tests that must fail are added. The box is stopped before
    its report is read. Passed when every fail-to-pass and pass-to-pass test passes; labels: resolved, partial, failed,
    no_tests, timeout, patch_error, empty_patch, tampered, passes_visible_fails_hidden.
    """

    __test__: ClassVar[bool] = False

    runner: Runner = "pytest"
    """Which test runner: decides its start, its report, its exit codes, its canary and what is protected. `tap`,
    `junit` and `command` are for runners of your own and need `command`."""
    command: str | tuple[str, ...] = ()
    """What to run instead: words, or a text for `sh -c`. `{report}` is the path of the report, `{root}` the tree;
    the word `{files}` becomes the test files."""
    report: str = ""
    """Where the runner writes its report when it has its own place, from the tree's root; globs such as
    `target/surefire-reports/TEST-*.xml` are allowed."""
    format: Format | None = None
    """The report's format, when it is not the runner's usual one. `pytest_log` and `django_log` read terminal output:
    such grades are weak."""
    tests: str | dict[str, str] = ""
    """Hidden tests: a workspace folder laid over the tree, or texts by path."""
    test_patch: str = ""
    """Hidden tests as a diff: its text, or a workspace file."""
    fail_to_pass: tuple[str, ...] = ()
    """Ids of tests that fail before and must pass after. With no list at all, every test of the hidden files counts.
    A task's reference may say this, `pass_to_pass`, `visible`, `tests` and `test_patch` as well."""
    pass_to_pass: tuple[str, ...] = ()
    """Ids of tests that pass before and must go on passing."""
    visible: tuple[str, ...] = ()
    """Ids of tests that the work could see: run and told apart, they never decide."""
    semantics: Semantics = "own"
    """own: `pass`, or skipped or failed as expected where the right patch's own run says the same; official:
    SWE-bench's (a skipped pass-to-pass test is no regression, a missing one is); strict: only `pass` counts; live: only
    an explicit failure of a pass-to-pass test counts; fail_only: only explicit failures count."""
    artifact: str = "patch"
    """The artifact that holds the work's diff."""
    root: str = ""
    """The tree in the box. Empty: where the artifact was collected, else the box's working folder."""
    protected: tuple[str, ...] = ()
    """More globs whose files the work may not change, besides the runner's own."""
    allow: tuple[str, ...] = ()
    """Globs whose files the work may change although they are protected."""
    gold: str = ""
    """A workspace file with the right patch. Empty: `patch` of the task's reference."""
    build: str = ""
    """A shell command that builds the work, run before any hidden test is in the box."""
    timeout_s: float = Field(default=900.0, gt=0, allow_inf_nan=False)
    """Seconds for the build, and again for the tests."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the build and the tests."""
    user: str = ""
    """Who runs the tests: a user of the image, `box` for the box's own. Empty: nobody, where the runner need not write
    into the tree (pytest, unittest, jest, vitest, node), else the box's own."""
    python: str = "python3"
    """The interpreter of pytest and unittest."""
    ini: dict[str, str] = Field(default_factory=dict)
    """pytest's configuration: ours, the tree's own is not read."""
    plugins: bool = False
    """Let pytest load every installed plugin. Otherwise only those named in `options` by `-p`."""
    paths: tuple[str, ...] = ()
    """Folders put on Python's path besides the root, such as `src`."""
    options: tuple[str, ...] = ()
    """More arguments for the runner."""
    canary: bool | CanaryTest = True
    """The test that must fail: the runner's own, one of yours, or none (such grades are weak). They are weak too where
    the tested program can itself say how its tests went: `ctest`, `tap`; `cargo`, `nextest`, `go` where a test that
    counts is in a program without a copy of a test that must fail; `node` where a file has none."""
    count: int | None = Field(default=None, ge=1)
    """How many results a whole run has, canaries apart; any other number is tampering."""
    rerun: bool = True
    """Run failed pass-to-pass tests once more before charging a regression; told as a flag."""

    version = "4"
    needs_box = True
    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {
        "tests": {"tests/test_add.py": "from calc import add\n\ndef test_add():\n    assert add(1, 2) == 3\n"},
        "fail_to_pass": ["tests/test_add.py::test_add"],
    }
    cases = (
        GraderCase(None, True, None, dict(example), artifacts={"patch": EXAMPLE_PATCH}),
        GraderCase(None, False, None, dict(example)),
    )

    _gold: dict[str, Right] = PrivateAttr(default_factory=dict)
    _lock: asyncio.Lock | None = PrivateAttr(default=None)

    def check(self, workspace: Path) -> Sequence[str]:
        """Files that are absent, and parameters that do not go together."""
        faults = [f for f in said_of(self, None, workspace).faults if not f.startswith("there is nothing to run")]
        if self.runner in ("tap", "junit", "command") and not self.command:
            faults.append(f"runner '{self.runner}' needs a command")
        both = sorted(set(self.fail_to_pass) & set(self.pass_to_pass))
        return [*faults, *(f"'{id}' is in fail_to_pass and in pass_to_pass" for id in both[:5])]

    def digest_files(self) -> Sequence[str]:
        """Hidden tests and the right patch."""
        named = (self.tests if isinstance(self.tests, str) else "", self.gold, self.test_patch)
        return tuple(name for name in named if name and "\n" not in name)

    def reads(self) -> Sequence[str]:
        """The artifact it grades."""
        return (self.artifact,)

    async def grade(self, work: Work) -> Verdict:
        """The verdict on the work's patch. Raises SandboxError."""
        if missing := nothing_done(work.output):
            return missing
        patch = work.artifact(self.artifact)
        if patch is None or not patch.strip():
            return Grade(0.0, False, "empty_patch", "there is no change to grade")
        return await self.examine(work, patch)

    async def examine(self, work: Work, patch: bytes | None, *, hash_seed: int = 0, backwards: bool = False) -> Verdict:
        """The verdict on any patch, also an empty one, None for the right one: for checks of the task itself.

        A verdict is given with hash seed 0 and tests in their order; others show what depends on them. Raises
        SandboxError.
        """
        said = said_of(self, work.task.reference, work.workspace)
        if said.faults:
            return NotGraded("bad_reference", "; ".join(said.faults))
        if work.task.sandbox is None:
            raise SandboxError("spec", "test_report needs a task with a sandbox")
        guard = guard_of(self, said)
        gold, gold_side = gold_parts(said, guard)
        patch = said.gold if patch is None else patch
        try:
            sifted = sift(parse_diff(patch), guard)
        except BadPatch as e:
            return Grade(0.0, False, "patch_error", f"the patch is no diff: {e}")
        if not sifted.kept and not sifted.dropped and patch.strip():
            return Grade(0.0, False, "patch_error", "the patch is no diff: no file is in it")
        plan = make_plan(self, work.task, work.task.sandbox, said, gold_side)
        plan = replace(plan, env={"PYTHONHASHSEED": str(hash_seed), **plan.env}, backwards=backwards)
        lists = said.lists
        hidden = {*lists["fail_to_pass"], *lists["pass_to_pass"]} - {*lists["visible"]}
        flags = [*sifted.flags, *attempts_of(sifted.kept, hidden)]
        wanted = Wanted(lists["fail_to_pass"], lists["pass_to_pass"], lists["visible"], self.semantics)
        try:
            return await self._verdict(Trial(work, plan, wanted, gold), sifted.patch(), flags)
        except CannotGrade as e:
            return NotGraded("bad_reference", str(e))

    async def _verdict(self, trial: Trial, patch: bytes, flags: list[str]) -> Verdict:
        run = await trial.run(patch)
        flags += run.met
        if not run.applied.ok:
            why = f"the patch does not apply: {run.applied.said[-500:]}"
            return Grade(0.0, False, "patch_error", why, flags=limited(flags))
        if "already" in run.applied.how:
            flags.append("patch_was_there_already")
        if doubt := self._doubt(run):
            return await self._doubtful(trial, doubt, run, flags)
        excused = await self._excused(trial, run)
        if isinstance(excused, NotGraded):
            return excused
        trial = excused
        if self.rerun and (again := failed_keeps(run, trial.wanted)):
            run = await self._once_more(trial, patch, run, again, flags)
        grade = grade_of(run, trial.wanted, flags)
        if grade.passed and trial.gold and profile(self.runner).believes:
            right = await self._right(trial)
            if not right.trouble and (doubt := missing_tests(run, right.tests)):
                return await self._doubtful(trial, doubt, run, flags)
        weak = is_weak(profile(self.runner), trial.plan.format, run, trial.wanted, trial.plan.files)
        return msgspec.structs.replace(grade, weak=weak)

    async def _excused(self, trial: Trial, run: Run) -> Trial | NotGraded:
        """The trial, with the tests excused that the right patch's run skips too. Only where the run asks for it."""
        odd = not_run(run, trial.wanted)
        if self.semantics != "own" or not odd or not trial.gold:
            return trial
        right = await self._right(trial)
        if right.trouble and grade_of(run, replace(trial.wanted, excused=odd), ()).passed:
            return NotGraded("environment", f"tests were skipped; and with the right patch: {right.trouble}")
        return replace(trial, wanted=replace(trial.wanted, excused=odd & right.skipped))

    def _doubt(self, run: Run) -> Doubt | None:
        return doubt_of(run, profile(self.runner), self.count)

    async def _doubtful(self, trial: Trial, doubt: Doubt, run: Run, flags: list[str]) -> Verdict:
        """A run that cannot be believed is held against the work only if the right patch's can."""
        if trial.gold:
            right = await self._right(trial)
            if right.trouble:
                absent = right.trouble == absent_runner(run.tail)
                why = right.trouble if absent else f"{doubt.why}; and with the right patch: {right.trouble}"
                return NotGraded("environment", why)
        elif not doubt.forged:
            said = absent_runner(run.tail) or _with_words(doubt.why, run.tail)
            return NotGraded("environment", f"{said}; there is no right patch to tell whose fault it is")
        label = "tampered" if doubt.forged else "timeout" if doubt.word == "timeout" else "failed"
        told = doubt.word if doubt.word.startswith(("canary", "timeout", "out_of")) else f"{doubt.word}: {doubt.why}"
        why = _with_words(doubt.why, run.tail)
        return Grade(0.0, False, label, why, flags=limited([told[:200], *flags]))

    async def _right(self, trial: Trial) -> Right:
        """What the right patch's own run said. Run once per task and image."""
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if trial.key not in self._gold:
                run = await trial.run(trial.gold)
                odd = not_run(run, trial.wanted)
                trouble = self._trouble_of(run, replace(trial.wanted, excused=odd))
                self._gold[trial.key] = Right(trouble, odd if not trouble else frozenset(), counted_tests(run))
            return self._gold[trial.key]

    def _trouble_of(self, run: Run, wanted: Wanted) -> str:
        if not run.applied.ok:
            return f"it does not apply: {run.applied.said[-300:]}"
        if doubt := self._doubt(run):
            return absent_runner(run.tail) or _with_words(doubt.why, run.tail)
        grade = grade_of(run, wanted, ())
        return "" if grade.passed else grade.explanation

    async def _once_more(self, trial: Trial, patch: bytes, run: Run, ids: Sequence[str], flags: list[str]) -> Run:
        """The run, with the second result of these tests where the second run can be believed."""
        second = await trial.run(patch)
        if run.report is None or second.report is None or self._doubt(second):
            return run
        mended = {id: r for id in ids if (r := second.report.results.get(id)) and r.status == "pass"}
        flags += [f"rerun_passed: {shown(id)}" for id in mended] or [f"rerun_failed: {len(ids)} pass-to-pass"]
        return replace(run, report=replace(run.report, results={**run.report.results, **mended}))


def _with_words(why: str, tail: str) -> str:
    return f"{why}; last words:\n{last_words(tail)}" if tail.strip() else why


def absent_runner(tail: str) -> str:
    """What to do about a runner that the image lacks, from the last words of its start; nothing for anything else."""
    found = _ABSENT.search(tail)
    if not found:
        return ""
    name = found[1] or found[2]
    how = f" (`RUN python3 -m pip install {name}` in its Dockerfile)" if found[1] else ""
    return f"{name} is not in the image: install it there{how}"


_ABSENT = re.compile(
    r"No module named '?(pytest)'?\s*\Z|"
    r"""exec: "([^"\n]+)": (?:executable file not found in \$PATH|stat [^\n]*: no such file)"""
)
"""The end of a Python start without pytest, and what runc says of a program that is not there."""


@dataclass(frozen=True, slots=True)
class Right:
    """The right patch's own run: its tests, those skipped or failed as expected, and what is wrong with it."""

    trouble: str
    skipped: frozenset[tuple[str, Status]]
    tests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trial:
    """One work under examination. `gold` is the right patch without its protected files, empty without one."""

    work: Work
    plan: Plan
    wanted: Wanted
    gold: bytes

    @property
    def key(self) -> str:
        """The same for the same task, box and lists."""
        plan = self.plan
        parts = (
            self.work.task.id,
            self.work.task.digest,
            plan.spec,
            plan.hidden,
            plan.test_patch,
            tuple(plan.env.items()),
            plan.backwards,
            self.wanted,
            self.gold,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    async def run(self, patch: bytes) -> Run:
        """One run in a clean box."""
        return await run_tests(self.work.open_box(self.plan.spec), self.plan, patch)
