"""What a task must keep from the system under test: the answer's lines, hidden tests and their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.suite import BoundGrader
from harness.qa.diffs import FileChange, read_diff
from harness.records.content import Json, Text
from harness.records.task import Task

MIN_LINE = 20
"""Shorter lines stand in unrelated files too (reference/swe.md 4.2)."""
MIN_WORDS = 10
"""Letters and digits a line must have; else it is a rule or a bracket."""
MAX_LINES = 60
"""Of each kind; the longest are kept, they say most."""
MAX_HIDDEN_BYTES = 4 * 1024**2
TEST_FILE = re.compile(r"(^|/)(tests?|__tests__|spec)/|(^|/)test_|[._-](test|spec)s?\.|conftest\.py$")
IMPORT = re.compile(r"(from [\w.]+ )?import [\w., ]+$|if __name__ == ")
_LAST_NAME = re.compile(r"([A-Za-z_]\w*)(?:\[.*\])?\W*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Material:
    """The hidden side of a task.

    `gold` are the files of the right patch without its tests; `answer` the lines of the answer worth looking for;
    `hidden` the texts of hidden test files by path in the tree; `root` is the tree in the box, where there is one.
    """

    gold: tuple[FileChange, ...] = ()
    answer: tuple[str, ...] = ()
    hidden: Mapping[str, str] = field(default_factory=dict)
    test_patch: tuple[FileChange, ...] = ()
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    runner: str = ""
    listed: bool = False
    root: str = ""

    @property
    def hidden_lines(self) -> tuple[str, ...]:
        """Lines of hidden tests worth looking for."""
        texts = [line for text in self.hidden.values() for line in text.splitlines()]
        return telling([*texts, *(line for file in self.test_patch for line in file.added)])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of fail-to-pass tests, as functions are called, of at least eight letters."""
        found = (m[1] for id in self.fail_to_pass if (m := _LAST_NAME.search(id)))
        return tuple(dict.fromkeys(name for name in found if len(name) >= 8))[:MAX_LINES]


def material_of(task: Task, graders: Sequence[BoundGrader], workspace: Path) -> Material:
    """From the task's reference and its graders' parameters; a grader's word beats the reference's."""
    said: dict[str, Json] = dict(task.reference) if isinstance(task.reference, dict) else {}
    hidden: dict[str, str] = {}
    code = task.sandbox is not None
    for bound in graders:
        params = bound.grader.model_dump(mode="json")
        said |= {name: value for name, value in params.items() if value and name in _SAID}
        if any(name in params for name in _HIDING):
            code = True
            hidden |= _files(bound.grader.digest_files(), workspace)
    hidden |= _texts(said.get("tests")) | _texts(said.get("verifier"))
    patch = _text(said.get("gold"), workspace) or _text(said.get("patch"), workspace)
    changed = tuple(read_diff(patch))
    gold = tuple(f for f in changed if not TEST_FILE.search(f.path))
    return Material(
        gold=gold,
        answer=_answer(task.reference, gold) if code else (),
        hidden={p: t for p, t in hidden.items() if t != patch},
        test_patch=tuple(read_diff(_text(said.get("test_patch"), workspace))),
        fail_to_pass=_ids(said.get("fail_to_pass")),
        pass_to_pass=_ids(said.get("pass_to_pass")),
        runner=str(said.get("runner") or ""),
        listed=any(hasattr(b.grader, "fail_to_pass") for b in graders),
        root=_root(task),
    )


_HIDING = ("tests", "verifier")
_SAID = ("tests", "verifier", "test_patch", "gold", "fail_to_pass", "pass_to_pass", "runner")


def telling(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines long enough to be somebody's own, each once, the longest first. An import is everybody's."""
    stripped = dict.fromkeys(line.strip() for line in lines)
    own = [line for line in stripped if not IMPORT.match(line)]
    long = [line for line in own if len(line) >= MIN_LINE and sum(c.isalnum() for c in line) >= MIN_WORDS]
    return tuple(sorted(long, key=len, reverse=True)[:MAX_LINES])


def prompt_text(task: Task) -> str:
    """The words of a prompt, its choices left out."""
    if isinstance(task.prompt, str):
        return task.prompt
    return "\n".join(part.text for part in task.prompt if isinstance(part, Text))


def _answer(reference: Json, gold: Sequence[FileChange]) -> tuple[str, ...]:
    """What a leak would show: the patch's new lines that the patch itself does not show as old, or the solution's."""
    if gold:
        old = {line.strip() for file in gold for line in (*file.removed, *file.context)}
        return telling(line for file in gold for line in file.added if line.strip() not in old)
    if isinstance(reference, str) and "\n" in reference:
        return telling(reference.splitlines())
    if isinstance(reference, dict):
        script, files = reference.get("script"), reference.get("files")
        texts = [script] if isinstance(script, str) else list(files.values()) if isinstance(files, dict) else []
        return telling(line for text in texts if isinstance(text, str) for line in text.splitlines())
    return ()


def _root(task: Task) -> str:
    """The tree that is worked on: where the patch is collected, else where the repository is laid."""
    if task.sandbox is None:
        return ""
    collected = next((c.path for c in task.collect if c.what == "patch" and c.path), "")
    return collected or (task.sandbox.repo.dest if task.sandbox.repo else "") or task.sandbox.workdir


def _files(names: Sequence[str], workspace: Path) -> dict[str, str]:
    """Texts of workspace files and folders, by their path in the folder, up to a size."""
    found: dict[str, str] = {}
    room = MAX_HIDDEN_BYTES
    for name in names:
        place = workspace / name
        paths = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
        for path in paths:
            if not path.is_file() or path.stat().st_size > room or "__pycache__" in path.parts:
                continue
            data = path.read_bytes()
            room -= len(data)
            if b"\0" not in data[:4096]:
                key = path.relative_to(place).as_posix() if place.is_dir() else path.name
                found[key] = data.decode("utf-8", "replace")
    return found


def _texts(value: Json) -> dict[str, str]:
    return {k: v for k, v in value.items() if isinstance(v, str)} if isinstance(value, dict) else {}


def _text(value: Json, workspace: Path) -> str:
    """A text as it stands, or the workspace file that it names."""
    if not isinstance(value, str) or not value:
        return ""
    if "\n" in value:
        return value
    place = workspace / value
    return place.read_text("utf-8", "replace") if place.is_file() else ""


def _ids(value: Json) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id for id in value if isinstance(id, str))) if isinstance(value, list) else ()
