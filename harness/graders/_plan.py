"""What a task and its grader say together, as one plan that every run of its tests follows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from harness.api import Json, SandboxSpec, Task
from harness.graders import _protected as protected
from harness.graders._canary import Canary, make_canary
from harness.graders._clean import read_files, tree_root
from harness.graders._diff import BadPatch, parse_diff
from harness.graders._protected import Guard
from harness.graders._runners import Runner, profile
from harness.graders._runs import Plan, box_spec

if TYPE_CHECKING:
    from harness.graders.test_report import TestReport

LISTS = ("fail_to_pass", "pass_to_pass", "visible")
_TEST_FILE: Mapping[Runner, re.Pattern[str]] = {
    "pytest": re.compile(r"(?:^|/)(?:test[^/]*|[^/]*_tests?|tests)\.py$"),
    "unittest": re.compile(r"(?:^|/)(?:test[^/]*|[^/]*_tests?|tests)\.py$"),
    "go": re.compile(r"_test\.go$"),
    "jest": re.compile(r"\.(?:test|spec)\.\w+$|(?:^|/)__tests__/.*\.\w+$"),
    "vitest": re.compile(r"\.(?:test|spec)\.\w+$"),
    "node": re.compile(r"(?:\.test|-test|_test)\.[cm]?[jt]s$|(?:^|/)test/.*\.[cm]?js$|(?:^|/)test-[^/]*\.[cm]?js$"),
}
"""What each runner takes for a file of tests; helpers and configuration beside them are only laid down."""


@dataclass(frozen=True, slots=True)
class Said:
    """Tests and lists, from the grader's parameters or the task's reference. `patched` are the test patch's paths."""

    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hidden: Mapping[str, bytes] = field(default_factory=dict)
    test_patch: bytes = b""
    patched: tuple[str, ...] = ()
    gold: bytes = b""
    faults: tuple[str, ...] = ()

    def files(self, runner: Runner) -> list[str]:
        """Files of tests that the runner is given, in order, each once."""
        looks = _TEST_FILE.get(runner)
        if looks is None:
            return []
        own = [path for path in (*self.hidden, *self.patched) if looks.search(path)]
        of_ids = [_file_of(runner, id) for ids in self.lists.values() for id in ids]
        return list(dict.fromkeys([*own, *(path for path in of_ids if path)]))


def said_of(grader: TestReport, reference: Json, workspace: Path) -> Said:
    """What is to be run. A parameter that is given beats the reference. Never raises: faults are in the result."""
    from_task = reference if isinstance(reference, dict) else {}
    faults: list[str] = []
    lists: dict[str, tuple[str, ...]] = {}
    for name in LISTS:
        value = getattr(grader, name) or from_task.get(name) or ()
        if not isinstance(value, list | tuple) or not all(isinstance(id, str) for id in value):
            faults.append(f"`{name}` is not a list of test ids")
            value = ()
        lists[name] = tuple(dict.fromkeys(value))
    hidden, fault = _hidden(grader.tests or from_task.get("tests") or {}, workspace)
    faults += fault
    test_patch, fault = _diff_text(grader.test_patch or from_task.get("test_patch") or "", workspace, "test_patch")
    faults += fault
    gold, fault = _diff_text(grader.gold or from_task.get("patch") or "", workspace, "gold patch")
    faults += fault
    patched: tuple[str, ...] = ()
    try:
        patched = tuple(p for f in parse_diff(test_patch) for p in f.paths)
        parse_diff(gold)
    except BadPatch as e:
        faults.append(f"the task's own patch is no diff: {e}")
    if not faults and not (hidden or test_patch or any(lists.values()) or grader.command):
        faults.append("there is nothing to run: no tests, no test_patch, no list of ids and no command")
    return Said(lists, hidden, test_patch, patched, gold, tuple(faults))


def guard_of(grader: TestReport, said: Said) -> Guard:
    """What the work may not touch."""
    shape = profile(grader.runner)
    reports = tuple(r for r in (grader.report, shape.report) if r)
    globs = (*shape.protected, *protected.CI, *grader.protected, *reports)
    return Guard(globs, grader.allow, frozenset((*said.hidden, *said.patched)))


def gold_parts(said: Said, guard: Guard) -> tuple[bytes, bytes]:
    """The right patch apart: what counts as work, and its versions of protected files. Hidden tests are laid anyway."""
    main: list[bytes] = []
    side: list[bytes] = []
    for file in parse_diff(said.gold):
        if any(path in guard.files for path in file.paths):
            continue
        (side if any(guard.holds(path) for path in file.paths) else main).append(file.render())
    return b"".join(main), b"".join(side)


def make_plan(grader: TestReport, task: Task, spec: SandboxSpec, said: Said, gold_side: bytes) -> Plan:
    """The plan of every run of this task."""
    shape = profile(grader.runner)
    command = ("sh", "-c", grader.command) if isinstance(grader.command, str) and grader.command else grader.command
    return Plan(
        spec=box_spec(spec, grader.timeout_s),
        root=tree_root(task, grader.artifact, grader.root),
        profile=shape,
        hidden=said.hidden,
        patched=_seen_too(grader.runner, said),
        files=tuple(said.files(grader.runner)),
        canary=lambda hidden: _canary(grader, hidden, said.files(grader.runner)),
        timeout_s=grader.timeout_s,
        test_patch=said.test_patch,
        gold_side=gold_side,
        build=grader.build,
        argv=tuple(command),
        format=grader.format or shape.format,
        report=grader.report or shape.report,
        is_command=grader.runner == "command" and grader.format is None,
        user={"": shape.user, "box": ""}.get(grader.user, grader.user),
        env=grader.env,
        ini=grader.ini,
        python=grader.python,
        autoload=grader.plugins,
        paths=grader.paths,
        options=grader.options,
    )


def _seen_too(runner: Runner, said: Said) -> tuple[str, ...]:
    """Test files in the box that run: of the test patch and, where a file is a program of its own, those of ids."""
    files = [p for p in said.patched if p in said.files(runner)]
    if runner in ("jest", "vitest", "node"):
        files += said.files(runner)
    elif runner in ("cargo", "nextest"):
        files += [p for p in said.patched if p.endswith(".rs")]
        at = 0 if runner == "cargo" else 1
        of_ids = (id.split("::") for ids in said.lists.values() for id in ids)
        files += [f"tests/{parts[at]}.rs" for parts in of_ids if len(parts) > at + 1]
    return tuple(dict.fromkeys(path for path in files if path not in said.hidden))


def _canary(grader: TestReport, hidden: Mapping[str, bytes], files: Sequence[str]) -> Canary:
    language = profile(grader.runner).canary
    if not isinstance(grader.canary, bool):
        name = f"test_{token_hex(6)}"
        path, text = (said.replace("{name}", name) for said in (grader.canary.path, grader.canary.text))
        return Canary({path: text.encode()}, (name,))
    if not grader.canary or language is None:
        return Canary()
    return make_canary(language, hidden, files)


def _hidden(value: Json, workspace: Path) -> tuple[dict[str, bytes], list[str]]:
    """Hidden files by path from the tree's root: of a folder, or as texts."""
    if isinstance(value, str):
        try:
            return read_files(workspace, value), []
        except (ValueError, OSError) as e:
            return {}, [str(e)]
    if not isinstance(value, Mapping) or not all(isinstance(x, str) for pair in value.items() for x in pair):
        return {}, ["`tests` is neither a folder nor texts by path"]
    bad = [path for path in value if path.startswith("/") or ".." in path.split("/")]
    if bad:
        return {}, [f"`tests`: {path} is not a path in the tree" for path in bad]
    return {path: text.encode("utf-8", "surrogateescape") for path, text in value.items()}, []


def _diff_text(value: Json, workspace: Path, name: str) -> tuple[bytes, list[str]]:
    """A diff: its own text, or a workspace file's."""
    if not isinstance(value, str):
        return b"", [f"the {name} is not a text"]
    if not value or "\n" in value:
        return value.encode("utf-8", "surrogateescape"), []
    place = workspace / value
    return (place.read_bytes(), []) if place.is_file() else (b"", [f"no such file: {value}"])


def _file_of(runner: Runner, id: str) -> str:
    """The file a test id names, or nothing."""
    if runner == "pytest":
        file = id.partition("::")[0]
        return file if file.endswith(".py") else ""
    if runner in ("jest", "vitest"):
        return id.partition(" > ")[0]
    if runner == "unittest" and id.count(".") >= 2:
        return "/".join(id.split(".")[:-2]) + ".py"
    return ""
