"""`swebench`: SWE-bench's own way to grade a patch, in clean boxes: apply, run the row's script, read the log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec
from pydantic import Field, PrivateAttr

from harness.api import (
    Box,
    Completed,
    Grade,
    Grader,
    GraderCase,
    Json,
    NotGraded,
    SandboxError,
    SandboxSpec,
    Verdict,
    Work,
)
from harness.graders._attempts import attempts_of
from harness.graders._diff import BadPatch, parse_diff
from harness.graders._protected import limited
from harness.graders._swe_apply import lay
from harness.toolkit.swebench import Decided, NoResult, Rules, decide, live_pytest, read_log
from harness.toolkit.swelogs import PARSERS

LOG_BYTES = 64 * 1024**2
"""Of the tests' output. A longer log would be cut in its middle and cannot be graded."""
SAID = 2000
PARSER_BOX = SandboxSpec(output_bytes=LOG_BYTES)
"""The default box, which has Python: images of other languages have none."""
_TERMINAL = re.compile(r"\x1B(?:[@-Z\\-_]|\[[0-?]*[ -/]*[@-~])|\r")
"""What SWE-bench-Live takes out of a log before it is parsed."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """What a patch comes to. Without `decided` the tests said nothing, and `label` and `detail` say why."""

    decided: Decided | None = None
    label: str = ""
    detail: str = ""


class SweBench(Grader):
    """Grades a patch as SWE-bench, SWE-bench-Live or SWE-bench Pro do; the source `swebench` writes its parameters.

    A clean box is made from the row's untouched image, the patch is applied in the benchmark's own way, and the row's
    script is run. The statuses of its tests are read from its output, as these benchmarks have it, so that a
    patch can print them: every grade is marked as weak, and `test_report` is the better grader for tasks of your own.
    Parsers that are programs run in another clean box, never on the host. A hang or a run without a result is a
    verdict about the work only if the gold patch resolves the task in the same way. The label is full, partial, no,
    empty_patch, patch_error, timeout or no_result.
    """

    version: ClassVar[str] = "2"
    needs_box: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Json]] = {
        "script": "true", "parser": "parse_log_pytest", "fail_to_pass": ["tests/test_a.py::test_a"]
    }  # fmt: skip
    cases: ClassVar[Sequence[GraderCase]] = (GraderCase("the work", True), GraderCase(None, False))

    script: str = ""
    """The shell script that lays down the hidden tests and runs them."""
    parser: str = ""
    """The log's parser, by the name of SWE-bench's registry, or `pytest` for SWE-bench-Live."""
    parser_code: str = ""
    """Or a Python program `LOG ERRORS RESULT` that writes `{"tests": [{"name", "status"}]}` into RESULT."""
    fail_to_pass: tuple[str, ...] = ()
    """Tests that the right patch mends."""
    pass_to_pass: tuple[str, ...] = ()
    """Tests that must go on passing."""
    rules: Rules = "official"
    """official | fail_only | live | pro: whose rules decide."""
    repo: str = "/testbed"
    """The repository in the image."""
    prepare: str = ""
    """Shell commands in the repository before the patch is applied."""
    test_patch: str = ""
    """SWE-bench-Live: the hidden tests, applied before the patch."""
    network: Literal["none", "open"] = "none"
    """`open` lets builds and tests fetch what they need; the work that is tested can then reach the network too."""
    timeout_s: float = Field(default=1800.0, gt=0)
    """The longest the tests may take, in seconds."""
    artifact: str = "patch"
    """The artifact that holds the patch."""

    _gold: dict[str, str] = PrivateAttr(default_factory=dict)

    def check(self, workspace: object) -> Sequence[str]:
        """Whether the parser is known and there is a test to decide by."""
        faults = []
        if self.parser and self.parser not in PARSERS and (self.parser, self.rules) != ("pytest", "live"):
            faults.append(f"no log parser is named '{self.parser}'")
        return faults

    def reads(self) -> Sequence[str]:
        """The artifact it grades."""
        return (self.artifact,)

    async def grade(self, work: Work) -> Verdict:
        """The verdict. Raises SandboxError."""
        spec = work.task.sandbox
        if spec is None:
            return NotGraded("requirement", "the task describes no box")
        if not self.script or not (self.parser or self.parser_code):
            return NotGraded("no_tests", "the row brings no script or no log parser")
        patch = work.artifact(self.artifact)
        if patch is None or not patch.strip():
            return Grade(0.0, False, "empty_patch", weak=True)
        return _told(await self._decided(work, spec, patch), patch, (*self.fail_to_pass, *self.pass_to_pass))

    async def examine(self, work: Work, patch: bytes | None, *, hash_seed: int = 0, backwards: bool = False) -> Verdict:
        """The verdict on any patch, also an empty one, None for the right one: for checks of the task itself.

        The row's script has an order of its own: `backwards` is not followed. Without a `hash_seed` Python draws one,
        as it does when work is graded. Raises SandboxError.
        """
        spec = work.task.sandbox
        if spec is None or not self.script or not (self.parser or self.parser_code):
            return NotGraded("no_tests", "the row brings no box, no script or no log parser")
        if hash_seed:
            spec = msgspec.structs.replace(spec, env={**spec.env, "PYTHONHASHSEED": str(hash_seed)})
        return await self._decided(work, spec, _gold_of(work) if patch is None else patch)

    async def _decided(self, work: Work, spec: SandboxSpec, patch: bytes) -> Verdict:
        found = await self._tried(work, spec, patch)
        if found.decided:
            return self._grade(found.decided, found.detail)
        if found.label == "patch_error":
            return Grade(0.0, False, found.label, found.detail, weak=True)
        gold = await self._gold_label(work, spec)
        if gold != "full":
            return NotGraded(
                "environment",
                f"{found.label}: {found.detail}; the gold patch comes to {gold or 'nothing: it is not there'}",
            )
        return Grade(0.0, False, found.label, found.detail, weak=True)

    def _grade(self, found: Decided, note: str) -> Grade:
        passed = found.resolution == "full"
        parts: dict[str, Json] = {
            "fail_to_pass": _part(found.f2p_passed, found.f2p_failed),
            "pass_to_pass": _part(found.p2p_passed, found.p2p_failed),
            "f2p_rate": round(found.f2p_rate, 4),
            "p2p_rate": round(found.p2p_rate, 4),
        }
        said = f"fail-to-pass {len(found.f2p_passed)} of {len(self.fail_to_pass)}"
        said += f", pass-to-pass {len(found.p2p_passed)} of {len(self.pass_to_pass)}{note and f'; {note}'}"
        return Grade(float(passed), passed, found.resolution, said, weak=True, parts=parts)

    async def _tried(self, work: Work, spec: SandboxSpec, patch: bytes) -> _Tried:
        """What a patch comes to, or why there is no result."""
        async with self._clean_box(work, spec) as box:
            await box.exec(["git", "config", "--global", "--add", "safe.directory", self.repo], timeout_s=60.0)
            if self.prepare:
                await box.exec(["bash", "-c", self.prepare], workdir=self.repo, timeout_s=600.0)
            laid = await lay(box, self.rules, self.repo, self.test_patch.encode("utf-8", "surrogatepass"), patch)
            if laid.trouble:
                return _Tried(label="patch_error", detail=laid.trouble)
            await box.write("/tmp/eval.sh", self.script.encode("utf-8", "surrogatepass"))
            ran = await box.exec(_COMMAND[self.rules], workdir=self.repo, timeout_s=self.timeout_s)
        if ran.timed_out:
            return _Tried(label="timeout", detail=f"the tests ran longer than {self.timeout_s:g} s")
        if ran.truncated:
            return _Tried(label="no_result", detail=f"the tests print more than {LOG_BYTES:,} bytes")
        try:
            statuses = await self._statuses(work, ran)
        except NoResult as e:
            met = [what for what, full in (("memory", ran.oom_killed), ("disk", ran.disk_full)) if full]
            why = f"{e}, and the tests ran out of {' and '.join(met)}" if met else str(e)
            tail = (ran.stdout + ran.stderr).decode("utf-8", "replace")[-SAID:]
            return _Tried(label="no_result", detail=f"{why}\n{tail}")
        return _Tried(decide(statuses, self.fail_to_pass, self.pass_to_pass, self.rules), detail=laid.note)

    def _clean_box(self, work: Work, spec: SandboxSpec) -> AbstractAsyncContextManager[Box]:
        """The untouched image: without the setup that took its history away, which the hidden tests may need."""
        longest = max(spec.command_timeout_s, self.timeout_s)
        return work.open_box(
            msgspec.structs.replace(spec, setup=(), files=(), network=self.network, services=(), healthcheck=None,
                                    output_bytes=LOG_BYTES, command_timeout_s=longest)
        )  # fmt: skip

    async def _statuses(self, work: Work, ran: Completed) -> Mapping[str, str]:
        """Statuses by test. Raises NoResult."""
        if self.rules == "live":
            log = _TERMINAL.sub("", ran.stdout.decode("utf-8", "ignore"))
            statuses = await self._parsed(work, log.encode(), b"") if self.parser_code else live_pytest(log)
        elif self.parser_code:
            statuses = await self._parsed(work, ran.stdout, ran.stderr)
        else:
            return read_log(ran.stdout.decode("utf-8", "replace"), self.parser)
        if not statuses:
            raise NoResult("the log names no test")
        return statuses

    async def _parsed(self, work: Work, out: bytes, errors: bytes) -> Mapping[str, str]:
        """What the row's own parser says of the log, in a box that holds nothing else. Raises NoResult.

        A test that is named twice has passed if it passed once: the official program looks for that alone.
        """
        async with work.open_box(PARSER_BOX) as box:
            for name, data in (("log", out), ("errors", errors), ("parser.py", self.parser_code.encode())):
                await box.write(f"/tmp/parse/{name}", data)
            script = "exec python3 parser.py log errors result.json"
            parsed = await box.exec(["sh", "-c", script], workdir="/tmp/parse", timeout_s=600.0)
            try:
                data = await box.read("/tmp/parse/result.json")
            except (FileNotFoundError, SandboxError) as e:
                said = parsed.stderr.decode("utf-8", "replace")[-SAID:]
                raise NoResult(f"the row's parser wrote no result (exit {parsed.exit_code}): {said}") from e
        try:
            found = msgspec.json.decode(data, type=_Parsed)
        except msgspec.MsgspecError as e:
            raise NoResult(f"the row's parser wrote what cannot be read: {e}") from e
        statuses: dict[str, str] = {}
        for test in found.tests:
            if statuses.get(test.name) != "PASSED":
                statuses[test.name] = test.status
        return statuses

    async def _gold_label(self, work: Work, spec: SandboxSpec) -> str:
        """What the gold patch comes to, once per task; empty when there is none."""
        gold = _gold_of(work)
        if not gold.strip():
            return ""
        key = f"{work.task.id} {work.task.digest}"
        if key not in self._gold:
            found = await self._tried(work, spec, gold)
            self._gold[key] = found.decided.resolution if found.decided else f"{found.label} ({found.detail})"
        return self._gold[key]


_COMMAND: Mapping[Rules, Sequence[str]] = {
    "official": ("bash", "-c", "bash /tmp/eval.sh 2>&1"),
    "fail_only": ("bash", "-c", "bash /tmp/eval.sh 2>&1"),
    "live": ("bash", "-i", "/tmp/eval.sh"),
    "pro": ("bash", "/tmp/eval.sh"),
}
"""Live's commands are given to an interactive shell, which reads what the image's set-up left in `.bashrc`. Pro's
parsers are given errors apart."""


def _gold_of(work: Work) -> bytes:
    """The right patch; nothing where there is none."""
    reference = work.task.reference
    gold = reference.get("patch") if isinstance(reference, dict) else None
    return gold.encode() if isinstance(gold, str) else b""


def _part(passed: Sequence[str], failed: Sequence[str]) -> dict[str, Json]:
    """Counts, and what failed by name: as `test_report` has it."""
    named = {test: "failed" for test in failed}
    return {"passed": len(passed), "of": len(passed) + len(failed), **({"failed": named} if named else {})}


def _told(verdict: Verdict, patch: bytes, ids: Sequence[str]) -> Verdict:
    """The verdict with what the patch says that it tries: here what is printed is believed."""
    if not isinstance(verdict, Grade):
        return verdict
    try:
        flags = attempts_of(parse_diff(patch), ids)
    except BadPatch:
        return verdict
    return msgspec.structs.replace(verdict, flags=limited([*verdict.flags, *flags]))


class _Test(msgspec.Struct):
    name: str
    status: str


class _Parsed(msgspec.Struct):
    tests: list[_Test]
