"""`code_tests`: a program or a function is run on cases, and what comes out is compared outside its box."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import ClassVar, Literal

import msgspec
from pydantic import Field

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
    UsageFault,
    Verdict,
    Work,
)  # fmt: skip
from harness.graders._cases import Case, Compare, read_cases, returned, same_output, same_value
from harness.graders._clean import archive_of, nothing_done, private_folder, tail_of
from harness.graders._protected import limited
from harness.graders._runs import box_spec
from harness.toolkit.attempts import attempts_in, met_by, one_of_each
from harness.toolkit.code import code_of
from harness.toolkit.files import one_line
from harness.toolkit.normalise import excerpt

Came = Literal["pass", "wrong", "error", "timeout", "memory", "output", "disk"]
FIRST_UID = 20_000
START_S = 0.5
"""What starting a command in a box may take besides the program's own time."""
OUTPUT_BYTES = 4 * 1024**2
MAX_NAMED = 100
RUN: Mapping[str, tuple[str, ...]] = {
    "python": ("python3", "{program}"), "node": ("node", "{program}"), "bash": ("bash", "{program}"),
}  # fmt: skip
ENDING: Mapping[str, str] = {"python": "py", "node": "mjs", "bash": "sh"}
ALONE = '"$@"; code=$?; kill -9 -1 2>/dev/null; exit $code'
"""After the program everything its user left running is ended; the shell itself is not signalled."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one case went."""

    came: Came
    seconds: float
    said: str = ""


class CodeTests(Grader):
    """The answer's code, or an artifact, run on cases in one clean box: a process and a user of its own for each.

    What must come out is never in the box, so the program cannot read it, and no verdict is made there that it could
    write. Value: the weighted share of the cases that pass. Passed from `threshold`; labels: right, partial, wrong,
    build_error, no_code, timeout, passes_visible_fails_hidden.
    """

    tests: tuple[Case, ...] | str
    """The cases, or a workspace file with them (JSON list or JSONL)."""
    function: str = ""
    """Python: call this function (or `Class.method`, of a new object) with each case's `args`. Empty: a program with
    standard input and output."""
    language: str = "python"
    """python, node, bash; for any other say `run` and `filename`."""
    run: tuple[str, ...] = ()
    """The program's command, with `{program}` where its file goes. Empty: the language's own."""
    build: tuple[str, ...] = ()
    """A command that builds it first, with `{program}`; it may write beside the program."""
    filename: str = ""
    """What the program's file is called. Empty: `program` with the language's ending."""
    artifact: str = ""
    """The artifact that holds the program. Empty: the answer, of which the last code block counts."""
    compare: Compare = "lines"
    """How outputs are compared: lines (whitespace at the ends of lines does not count), exact, tokens, numbers."""
    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Largest difference of numbers, absolute or relative: with `compare: numbers`, and of values returned."""
    time_s: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    """Seconds for each case."""
    memory_mb: int | None = Field(default=None, ge=16)
    """Memory of the box in MiB. None: what the task's sandbox has."""
    threshold: float = Field(default=1.0, gt=0, le=1)
    """Smallest value that passes."""

    version = "1"
    needs_box = True
    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {
        "tests": [{"stdin": "3 4\n", "stdout": "7\n"}, {"stdin": "1 1\n", "stdout": "2\n"}],
        "time_s": 2,
    }
    cases = (
        GraderCase("```python\nprint(sum(map(int, input().split())))\n```", True, None, dict(example)),
        GraderCase("print(7)", False, None, dict(example)),
        GraderCase("def f(a, b):\n    return [a, b]", True, None,
                   {"function": "f", "tests": [{"args": [1, 2], "returns": [1, 2]}]}),
    )  # fmt: skip

    def check(self, workspace: Path) -> Sequence[str]:
        """Cases that cannot be read, or that do not say what must come out."""
        faults: list[str] = []
        try:
            said = read_cases(self.tests, workspace)
        except UsageFault as e:
            return (one_line(e),)
        if not said:
            faults.append("there are no cases")
        for number, case in enumerate(said, 1):
            if not self.function and case.stdout is None:
                faults.append(f"case {case.name or number} does not say `stdout`")
            if self.function and "returns" not in case.model_fields_set:
                faults.append(f"case {case.name or number} does not say what `{self.function}` returns")
        if self.function and self.language != "python":
            faults.append("`function` is for python; give other languages a program with standard input and output")
        if not self.function and self.language not in RUN and not self.run:
            faults.append(f"language '{self.language}' needs `run`")
        return faults

    def digest_files(self) -> Sequence[str]:
        """The file of cases."""
        return (self.tests,) if isinstance(self.tests, str) else ()

    def reads(self) -> Sequence[str]:
        """The artifact with the program, if it is not the answer."""
        return (self.artifact,) if self.artifact else ()

    async def grade(self, work: Work) -> Verdict:
        """Run the program on every case. Raises SandboxError."""
        if missing := nothing_done(work.output):
            return missing
        if self.artifact:
            program = work.artifact(self.artifact) or b""
        else:
            program = code_of(work.output.answer or "", self.language).encode("utf-8", "replace")
        if not program.strip():
            return Grade(0.0, False, "no_code", "there is no program")
        try:
            tests = read_cases(self.tests, work.workspace)
        except UsageFault as e:
            return NotGraded("bad_reference", one_line(e))
        async with work.open_box(self._spec(work.task.sandbox or SandboxSpec())) as box:
            place = await self._lay(box, program)
            await self._can_run(box, place)
            if self.build and (failed := await self._build(box, place)):
                return failed
            met: list[str] = []
            results = [await self._one(box, place, case, number, met) for number, case in enumerate(tests)]
        grade = self._verdict(tests, results)
        told = one_of_each([*attempts_in(program.decode("utf-8", "replace"), "the program"), *met])
        return msgspec.structs.replace(grade, flags=limited([*grade.flags, *told]))

    def _spec(self, spec: SandboxSpec) -> SandboxSpec:
        memory = self.memory_mb * 1024**2 if self.memory_mb else spec.memory
        return msgspec.structs.replace(box_spec(spec, self.time_s), memory=memory, output_bytes=OUTPUT_BYTES)

    async def _lay(self, box: Box, program: bytes) -> str:
        """The program in a folder that only the builder can write; its path."""
        private = private_folder()
        name = PurePosixPath(self.filename or f"program.{ENDING.get(self.language, 'txt')}").name
        starter = (Path(__file__).parent / "_box_call.py").read_bytes()
        await box.put_archive("/", archive_of(
            {f"{private[1:]}/call.py": starter, f"{private[1:]}/src/{name}": program},
            folders={private[1:]: 0o755, f"{private[1:]}/src": 0o777 if self.build else 0o755},
        ))  # fmt: skip
        return f"{private}/src/{name}"

    async def _can_run(self, box: Box, place: str) -> None:
        """An interpreter that is not in the image is the task's fault."""
        first = (self.build or self._argv(place, Case(), ""))[0]
        if first == place or "{program}" in first:
            return
        found = await box.exec(["sh", "-c", 'command -v "$0"', first], timeout_s=30, workdir="/")
        if found.exit_code != 0:
            raise SandboxError("image", f"there is no '{first}' in the image")

    async def _build(self, box: Box, place: str) -> Grade | None:
        argv = [word.replace("{program}", place) for word in self.build]
        folder = str(PurePosixPath(place).parent)
        done = await box.exec(["sh", "-c", ALONE, "sh", *argv], workdir=folder, user=f"{FIRST_UID}:{FIRST_UID}")
        if done.exit_code == 0 and not done.timed_out:
            return None
        return Grade(0.0, False, "build_error", excerpt(tail_of(done.stdout, done.stderr) or "the build failed", 600))

    def _argv(self, place: str, case: Case, mark: str) -> list[str]:
        if self.function:
            starter = str(PurePosixPath(place).parent.parent / "call.py")
            return ["python3", "-s", starter, place, self.function, mark]
        run = self.run or RUN[self.language]
        return [*(word.replace("{program}", place) for word in run), *case.argv]

    async def _one(self, box: Box, place: str, case: Case, number: int, met: list[str]) -> Ran:
        """One case, as a user that no other case has. Adds to `met` what it ran out of."""
        mark, user = token_hex(8), str(FIRST_UID + 1 + number)
        argv = ["sh", "-c", ALONE, "sh", *self._argv(place, case, mark)]
        stdin = msgspec.json.encode(case.args) if self.function else case.stdin.encode()
        env = {"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}
        began = time.monotonic()
        done = await box.exec(
            argv, timeout_s=self.time_s + START_S, stdin=stdin, env=env, user=f"{user}:{user}", workdir="/tmp"
        )
        took = time.monotonic() - began
        met += met_by(done)
        return Ran(*self._came(done, case, mark, took))

    def _came(self, done: Completed, case: Case, mark: str, took: float) -> tuple[Came, float, str]:
        took = round(min(took, self.time_s + START_S), 3)
        if done.timed_out:
            return "timeout", took, f"no end within {self.time_s:g} s"
        used: Came | None = "memory" if done.oom_killed else "disk" if done.disk_full else None
        used = used or ("output" if done.truncated else None)
        if used:
            return used, took, f"too much {used}"
        if done.exit_code != case.exit_code:
            said = tail_of(b"", done.stderr)[-300:]
            return "error", took, f"exit code {done.exit_code}{f': {said}' if said else ''}"
        if self.function:
            there, value = returned(done.stdout, mark)
            if not there:
                return "error", took, "the function returned nothing that is JSON"
            same = same_value(value, case.returns, self.tolerance)
            return ("pass", took, "") if same else ("wrong", took, f"returned {excerpt(repr(value), 120)}")
        got = done.stdout.decode("utf-8", "replace")
        if same_output(got, case.stdout or "", self.compare, self.tolerance):
            return "pass", took, ""
        return "wrong", took, f"printed {excerpt(repr(got), 120)}"

    def _verdict(self, tests: Sequence[Case], results: Sequence[Ran]) -> Grade:
        ok = [r.came == "pass" for r in results]
        value = sum(c.weight for c, good in zip(tests, ok, strict=True) if good) / sum(c.weight for c in tests)
        passed = value >= self.threshold - 1e-12 and (self.threshold < 1 or all(ok))
        names = [c.name or str(i) for i, c in enumerate(tests, 1)]
        bad = [(n, r) for n, r in zip(names, results, strict=True) if r.came != "pass"]
        label = "right" if passed else "partial" if any(ok) else "wrong"
        if not passed and all(r.came == "timeout" for _, r in bad) and not any(ok):
            label = "timeout"
        seen = [good for c, good in zip(tests, ok, strict=True) if c.visible]
        if seen and all(seen) and not passed:
            label = "passes_visible_fails_hidden"
        why = f"{sum(ok)} of {len(ok)} cases"
        if bad:
            why += f"; {bad[0][0]}: {bad[0][1].came}, {bad[0][1].said}"
        listed: list[Json] = [
            {"name": excerpt(n, 80), "came": r.came, "seconds": r.seconds}
            for n, r in list(zip(names, results, strict=True))[:MAX_NAMED]
        ]
        parts: dict[str, Json] = {"passed": sum(ok), "of": len(ok), "cases": listed}
        if seen:
            parts["visible"] = {"passed": sum(seen), "of": len(seen)}
        used = {"memory", "output", "disk", "timeout"}
        flags = limited([f"{r.came}: case {n}" for n, r in bad if r.came in used])
        return Grade(min(value, 1.0), passed, label, excerpt(why, 600), flags=flags, parts=parts)
