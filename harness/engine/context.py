"""The SolveContext a harness is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.engine.attempt_state import AttemptState
from harness.engine.calls import MeteredClient
from harness.engine.doors import Way
from harness.engine.present import Shown
from harness.engine.recording import RecordingBox
from harness.engine.services import Services
from harness.errors import MissingRequirement, ModelError, UsageFault
from harness.plugins.contracts import Box, Gateway, ModelClient
from harness.records.content import File, Json
from harness.records.outcome import Output
from harness.records.task import Limits, TaskView
from harness.toolkit.reference import shown_reference


class Context:
    """One attempt as its harness sees it. Commands in the box go into the transcript.

    Delegates share the attempt's limits, record and box.
    """

    __slots__ = (
        "_services", "_shown", "_state", "_way", "box", "epoch", "gateway", "limits", "models", "reference", "seed",
        "workspace",
    )  # fmt: skip

    def __init__(
        self, system: str, shown: Shown, services: Services, state: AttemptState, box: Box | None, way: Way | None
    ) -> None:
        described = services.suite.systems[system]
        self._services = services
        self._state = state
        self._shown = shown
        self.models: Mapping[str, ModelClient] = {
            role: MeteredClient(services.open_model(model), role, state) for role, model in described.models.items()
        }
        self.box: Box | None = box if box is None or isinstance(box, RecordingBox) else RecordingBox(box, state)
        self._way = way
        self.gateway: Gateway | None = None
        if way is not None and described.harness.uses_gateway:
            self.gateway = way.gateway(services, described.models, boxed=box is not None)
        self.limits: Limits = state.limits
        self.workspace: Path = services.suite.workspace
        self.epoch = state.epoch
        self.seed = state.seed
        self.reference: Json = shown_reference(shown.task, shown.order) if described.harness.privileged else None

    @property
    def lost(self) -> ModelError | None:
        """What a model behind the gateway failed of for good."""
        return self._way.lost if self._way is not None else None

    async def delegate(self, system: str, task: TaskView) -> Output:
        """Solve with another system of the suite, inside this attempt."""
        if system not in self._services.suite.systems:
            raise UsageFault(f"no system '{system}' to delegate to")
        harness = self._services.suite.systems[system].harness
        if harness.needs_box and self.box is None:
            raise MissingRequirement("sandbox", f"{system} works in a box and the task describes none")
        self._state.note("delegate", system)
        return await harness.solve(task, Context(system, self._shown, self._services, self._state, self.box, self._way))

    def note(self, kind: str, text: str = "", data: Json = None) -> None:
        """Write into the transcript."""
        self._state.note(kind, text, data)

    def save(self, output: Output) -> None:
        """Leave behind what there is so far."""
        self._state.saved = output

    def read_file(self, file: File) -> bytes:
        """A file's bytes, checked against the digest taken when the suite was loaded."""
        data = (self.workspace / file.path).read_bytes()
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise UsageFault(f"{file.path} changed since the run began", help="start a new run")
        return data
