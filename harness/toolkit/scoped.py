"""A context for a harness inside another: the same limits, record and box, other models."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.plugins.contracts import ModelClient, SolveContext
from harness.records.content import File, Json, Request, Response
from harness.records.outcome import Output
from harness.records.task import TaskView


class Scoped:
    """A SolveContext with its own `models`; all else is the outer one's. The reference does not pass."""

    __slots__ = ("_outer", "box", "epoch", "gateway", "limits", "models", "reference", "seed", "workspace")

    def __init__(self, outer: SolveContext, models: Mapping[str, ModelClient]) -> None:
        self._outer = outer
        self.models = models
        self.box = outer.box
        self.gateway = outer.gateway
        self.limits = outer.limits
        self.workspace = outer.workspace
        self.epoch = outer.epoch
        self.seed = outer.seed
        self.reference: Json = None

    async def delegate(self, system: str, task: TaskView) -> Output:
        """As the outer context does it."""
        return await self._outer.delegate(system, task)

    def note(self, kind: str, text: str = "", data: Json = None) -> None:
        """Into the same transcript."""
        self._outer.note(kind, text, data)

    def save(self, output: Output) -> None:
        """Into the same place."""
        self._outer.save(output)

    def read_file(self, file: File) -> bytes:
        """As the outer context does it."""
        return self._outer.read_file(file)


def in_round(ctx: SolveContext, number: int) -> SolveContext:
    """The context for the `number`th round of the same work, from 1: calls are labelled `solve.2` in round 2.

    Labels that have a number of their own keep it.
    """
    if number == 1:
        return Scoped(ctx, ctx.models)
    return Scoped(ctx, {role: _Labelled(client, number) for role, client in ctx.models.items()})


class _Labelled:
    """A client whose requests carry the round in their label."""

    __slots__ = ("_client", "_number")

    def __init__(self, client: ModelClient, number: int) -> None:
        self._client = client
        self._number = number

    async def generate(self, request: Request) -> Response:
        """The same call under its round's label."""
        _, dot, last = request.label.rpartition(".")
        if not (dot and last.isdigit()):
            request = msgspec.structs.replace(request, label=f"{request.label}.{self._number}")
        return await self._client.generate(request)

    async def aclose(self) -> None:
        """Does nothing: the run closes its clients."""
