"""Small repositories for real test runners: what is hidden, the right patch, and works that forge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grading_lab import ROOT, Lab, change

from harness.api import SandboxSpec, Task
from harness.graders.test_report import TestReport
from harness.records.task import Collect

DOCKERFILE = """FROM harness-runners-{kind}:bookworm
RUN useradd --uid 1000 --user-group --create-home agent && install -d -o agent -g agent /work
COPY --chown=agent:agent repo {root}
USER agent
WORKDIR {root}
ENV HOME=/home/agent
RUN git init -q -b main && git add -A && git -c user.name=a -c user.email=a@b commit -qm base{warm}
"""


@dataclass(frozen=True)
class Project:
    """A repository whose `add` subtracts, and whose `double` is right and has a visible test.

    `source` is the file that is mended: `wrong` becomes `right`. `forged` are whole other texts of it, by what they
    try; `told` says the label of each where it is not `tampered`. `honest` are other wrong texts: all are `failed`.
    `hides` is a text that is wrong and leaves out the test that tells.
    """

    name: str
    kind: str
    tree: Mapping[str, str]
    hidden: Mapping[str, str]
    source: str
    wrong: str
    right: str
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    forged: Mapping[str, str]
    honest: Mapping[str, str]
    told: Mapping[str, str] = field(default_factory=dict)
    grader: Mapping[str, Any] = field(default_factory=dict)
    warm: str = ""
    hides: str = ""

    @property
    def gold(self) -> bytes:
        """The right patch."""
        return self.patch(self.tree[self.source].replace(self.wrong, self.right))

    def patch(self, text: str) -> bytes:
        """The diff that gives the source this text."""
        return change({self.source: text}, self.tree)

    def test_report(self, **more: Any) -> TestReport:
        """The grader of its hidden tests."""
        said: dict[str, Any] = {
            "tests": dict(self.hidden), "fail_to_pass": self.fail_to_pass, "pass_to_pass": self.pass_to_pass,
            "timeout_s": 240, **self.grader, **more,
        }  # fmt: skip
        return TestReport(**said)

    def task(self) -> Task:
        """The task, with the right patch as its reference."""
        spec = SandboxSpec(dockerfile=self.name, memory=2 * 1024**3, pids=512, disk=1024**3)
        collect = (Collect("patch", "patch", ROOT),)
        return Task(id=self.name, prompt="mend add", reference={"patch": self.gold.decode()}, sandbox=spec,
                    collect=collect)  # fmt: skip


def lay(project: Project, workspace: Path) -> Lab:
    """Write the image's context into the workspace."""
    context = workspace / project.name
    for path, text in project.tree.items():
        place = context / "repo" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    warm = f"\nRUN {project.warm}" if project.warm else ""
    (context / "Dockerfile").write_text(DOCKERFILE.format(kind=project.kind, root=ROOT, warm=warm))
    return Lab(workspace)
