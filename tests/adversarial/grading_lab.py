"""A small repository in a real box, and what a grader needs to grade changes to it."""

from __future__ import annotations

import asyncio
import difflib
import shutil
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from harness.api import (
    Artifact,
    Box,
    Grade,
    Grader,
    Json,
    ModelClient,
    Output,
    Purpose,
    SandboxSpec,
    Task,
    Transcript,
    Verdict,
)  # fmt: skip
from harness.records.task import Collect
from harness.sandboxes.docker import Docker

T = TypeVar("T")
ROOT = "/work/repo"
LIBRARIES = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")

TREE: dict[str, str] = {
    "calc/__init__.py": "",
    "calc/core.py": 'def add(a, b):\n    """The sum."""\n    return a - b\n\n\ndef double(a):\n    return 2 * a\n',
    "calc/extra.py": "NAME = 'extra'\n",
    "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef two():\n    return 2\n",
    "tests/test_double.py": "from calc.core import double\n\n\ndef test_double(two):\n    assert double(two) == 4\n",
    "pyproject.toml": '[project]\nname = "calc"\nversion = "1"\n',
    "README.md": "# calc\n",
}
HIDDEN = {
    "tests/test_add.py": (
        "import pytest\n\nfrom calc.core import add\n\n\ndef test_small(two):\n    assert add(two, 1) == 3\n\n\n"
        '@pytest.mark.parametrize("a", [1, 10, 100])\ndef test_many(a):\n    assert add(a, 5) == a + 5\n'
    ),
}
FAIL_TO_PASS = ["tests/test_add.py::test_small", *(f"tests/test_add.py::test_many[{a}]" for a in (1, 10, 100))]
PASS_TO_PASS = ["tests/test_double.py::test_double"]
FIX = {"calc/core.py": TREE["calc/core.py"].replace("a - b", "a + b")}

DOCKERFILE = f"""FROM harness-base:bookworm
COPY site /usr/lib/python3/dist-packages
RUN useradd --uid 1000 --user-group --create-home agent && install -d -o agent -g agent /work
COPY --chown=agent:agent repo {ROOT}
USER agent
WORKDIR {ROOT}
RUN git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm base
"""


def change(files: Mapping[str, str | None], tree: Mapping[str, str] = TREE) -> bytes:
    """The diff from the tree to these contents; None removes a file."""
    out: list[str] = []
    for path, text in files.items():
        before = tree.get(path)
        if text is None or before == text:
            if before is not None and text is None:
                out += [f"diff --git a/{path} b/{path}\n", "deleted file mode 100644\n"]
                out += difflib.unified_diff(before.splitlines(True), [], f"a/{path}", "/dev/null")
            continue
        out.append(f"diff --git a/{path} b/{path}\n")
        if before is None:
            out.append("new file mode 100644\n")
        old = "/dev/null" if before is None else f"a/{path}"
        lines = difflib.unified_diff((before or "").splitlines(True), text.splitlines(True), old, f"b/{path}")
        out += [line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines]
    return "".join(out).encode()


@dataclass
class EngineWork:
    """Work that is graded in real boxes."""

    task: Task
    output: Output
    sandbox: Docker
    workspace: Path
    choice_order: tuple[int, ...] = ()
    models: Mapping[str, ModelClient] = field(default_factory=dict)
    opened: int = 0

    def artifact(self, name: str) -> bytes | None:
        return next((a.data for a in self.output.artifacts if a.name == name), None)

    def transcript(self) -> Transcript:
        raise LookupError("there is none here")

    def open_box(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Box]:
        self.opened += 1
        return self.sandbox.open(spec, Purpose("adversarial", self.task.id, self.workspace))


@dataclass
class Lab:
    """A workspace with an image that has the tree and pytest."""

    workspace: Path

    @property
    def spec(self) -> SandboxSpec:
        return SandboxSpec(dockerfile="lab", memory=512 * 1024**2, pids=128, disk=256 * 1024**2)

    def task(self, reference: Json = None) -> Task:
        if reference is None:
            reference = {"patch": change(FIX).decode()}
        collect = (Collect("patch", "patch", ROOT),)
        return Task(id="calc", prompt="mend add", reference=reference, sandbox=self.spec, collect=collect)

    def grade(self, grader: Grader, task: Task | None = None, **artifacts: bytes) -> Grade:
        """The grade of these artifacts; anything but a grade fails the test."""
        verdict = self.verdict(grader, task, **artifacts)
        assert isinstance(verdict, Grade), verdict
        return verdict

    def verdict(
        self, grader: Grader, task: Task | None = None, answer: str | None = None, **artifacts: bytes
    ) -> Verdict:
        output = Output(answer=answer, artifacts=tuple(Artifact(n, d) for n, d in artifacts.items()))
        return self.run(lambda docker: grader.grade(EngineWork(task or self.task(), output, docker, self.workspace)))

    def run(self, work: Callable[[Docker], Coroutine[Any, Any, T]]) -> T:
        """Run with an engine of its own, closed afterwards."""

        async def whole() -> T:
            docker = Docker()
            try:
                return await work(docker)
            finally:
                await docker.aclose()

        return asyncio.run(whole())


def make_lab(workspace: Path) -> Lab:
    """Write the image's context."""
    context = workspace / "lab"
    (context / "site").mkdir(parents=True)
    for name in LIBRARIES:
        found = find_spec(name)
        assert found is not None and found.origin is not None, name
        if not found.origin.endswith("__init__.py"):
            shutil.copy(found.origin, context / "site")
            continue
        source = Path(found.origin).parent
        shutil.copytree(source, context / "site" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in TREE.items():
        place = context / "repo" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (context / "Dockerfile").write_text(DOCKERFILE)
    return Lab(workspace)
