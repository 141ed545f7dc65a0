"""Results of QA by digest: a task that did not change is not proven again."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from harness.config.suite import BoundGrader, Suite
from harness.qa.findings import TaskCheck
from harness.qa.task import Options
from harness.records.task import Task, digest_of

FOLDER = Path(".harness") / "cache" / "check"
PROGRAM = Path(__file__).resolve().parents[1]
CODE = ("engine", "graders", "harnesses", "qa", "records", "sandboxes", "toolkit")
"""Packages of this program whose code decides what a check says of a task."""
NOT_OF_THE_TASK = ("place", "tags", "digest")


class CheckCache:
    """One JSON file per result. `on` False neither reads nor writes."""

    def __init__(self, workspace: Path, *, on: bool = True) -> None:
        self._folder = workspace / FOLDER
        self._on = on

    def get(self, digest: str) -> TaskCheck | None:
        """What was found out before, or None; a file that cannot be read counts as none."""
        path = self._folder / f"{digest}.json"
        if not self._on or not path.is_file():
            return None
        try:
            found = msgspec.json.decode(path.read_bytes(), type=TaskCheck)
        except (msgspec.DecodeError, OSError):
            return None
        return msgspec.structs.replace(found, cached=True)

    def put(self, digest: str, check: TaskCheck) -> None:
        """Keep a result. What was left unchecked is not kept: it may be possible next time."""
        if not self._on or any(f.level == "unchecked" for f in check.findings):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{digest}.tmp"
        temporary.write_bytes(msgspec.json.encode(check))
        temporary.replace(self._folder / f"{digest}.json")


@cache
def code_digest(program: Path = PROGRAM) -> str:
    """One digest over the names and contents of the source that checks and grades; read once a process, about 20 ms."""
    whole = hashlib.sha256()
    for path in sorted(path for package in CODE for path in (program / package).rglob("*.py")):
        whole.update(
            f"{path.relative_to(program).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return whole.hexdigest()[:16]


def check_digest(suite: Suite, task: Task, graders: list[BoundGrader], image: str, options: Options) -> str:
    """One digest over task, reference, graders, image, limits, options and this program's code."""
    fields = {k: v for k, v in msgspec.to_builtins(task).items() if k not in NOT_OF_THE_TASK}
    asked = [options.repeats, options.judges, options.cheats]
    limits = msgspec.to_builtins(suite.limits)
    return digest_of(code_digest(), fields, [b.digest for b in graders], image, limits, asked)
