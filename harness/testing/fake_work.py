"""A `Work` without an engine: what a grader's own tests need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import SandboxError
from harness.plugins.contracts import Bench, Box, ModelClient
from harness.records.content import Json
from harness.records.outcome import Output
from harness.records.task import SandboxSpec, Task
from harness.records.transcript import Transcript


@dataclass
class FakeWork:
    """Delivered work to grade. `boxes` holds boxes by image; asking for another one raises SandboxError."""

    task: Task
    output: Output
    choice_order: Sequence[int] = ()
    workspace: Path = field(default_factory=Path)
    models: Mapping[str, ModelClient] = field(default_factory=dict)
    events: Transcript | None = None
    bench: Bench = field(default_factory=Bench)
    boxes: Mapping[str, AbstractAsyncContextManager[Box]] = field(default_factory=dict)

    def artifact(self, name: str) -> bytes | None:
        """The bytes of an artifact of the output."""
        return next((a.data for a in self.output.artifacts if a.name == name), None)

    def transcript(self) -> Transcript:
        """The transcript given at the start. Raises LookupError when none was given."""
        if self.events is None:
            raise LookupError("this FakeWork was made without a transcript: give it as `events`")
        return self.events

    def open_box(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Box]:
        """The box given for this image. Raises SandboxError when there is none."""
        if spec.image not in self.boxes:
            raise SandboxError("engine", f"this FakeWork has no box for image '{spec.image}'")
        return self.boxes[spec.image]


def fake_work(
    answer: str | None,
    reference: Json = None,
    *,
    choices: Sequence[str] = (),
    choice_order: Sequence[int] = (),
    answers: Sequence[str] = (),
    workspace: Path | None = None,
) -> FakeWork:
    """Work with this answer to a task with this reference."""
    task = Task(id="fake", prompt="a made-up task", reference=reference, choices=tuple(choices))
    output = Output(answer=answer, answers=tuple(answers))
    return FakeWork(task, output, tuple(choice_order), workspace or Path())
