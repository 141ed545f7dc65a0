"""Commands run in a clean container next to a box, to ask it something from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from harness.api import Purpose, SandboxSpec
from harness.sandboxes._box import STAY
from harness.sandboxes._context import Base
from harness.sandboxes._engine import Things
from harness.sandboxes._exec import Command, Finished, run
from harness.sandboxes._fence import fence_of
from harness.sandboxes._open import NO_DNS, Workshop, fences_for, limits_of, needs_fence
from harness.sandboxes._owner import labels_for
from harness.sandboxes._watch import Watch

OUTPUT_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Makes the neighbours of one box. `network` is the box's own, empty when it has none."""

    shop: Workshop
    spec: SandboxSpec
    purpose: Purpose
    container: str
    network: str

    async def run(
        self, argv: Sequence[str], *, image: str, timeout_s: float, stdin: bytes = b"", inside: bool = False
    ) -> Finished:
        """Run a command in a container of its own and remove that. Raises SandboxError."""
        engine = self.shop.engine
        base = await self.shop.images.get(self._spec_of(image), self.purpose.workspace)
        name = f"harness-{token_hex(6)}"
        things = Things((name, *((fence_of(name),) if needs_fence(self.shop, self.spec) else ())))
        engine.hold(things)
        try:
            fences = await fences_for(self.shop, self.spec, self.purpose, self.network)
            space = self.container if inside or not self.network else await fences.around(name, "")
            made = await engine.call(self._make, name, base, space)
            command = Command(argv, timeout_s, OUTPUT_BYTES, base.user or "0", stdin=stdin)
            return await run(engine, made, command, Watch(engine, made, 0))
        finally:
            await engine.release(things)

    def _spec_of(self, image: str) -> SandboxSpec:
        """An image by name; `service:NAME` is the image of one of the box's services."""
        for service in self.spec.services:
            if image == f"service:{service.name}":
                return service.box_spec()
        return SandboxSpec(image=image)

    def _make(self, name: str, image: Base, inside: str) -> str:
        """Create and start: in the namespace of another container, whose loopback it reaches then, or in its own."""
        api = self.shop.engine.api
        limits = limits_of(self.shop.engine, SandboxSpec())
        limits["network_mode"] = f"container:{inside}" if inside else None
        limits["dns"] = [NO_DNS] if self.spec.network == "internal" and not inside else None
        joins: Any = None
        if not inside:
            joins = api.create_networking_config({self.network: api.create_endpoint_config()})
        made = api.create_container(
            image.id,
            name=name,
            entrypoint=list(STAY[:1]),
            command=list(STAY[1:]),
            user="0",
            labels=labels_for(self.purpose),
            healthcheck={"test": ["NONE"]},
            host_config=api.create_host_config(**limits),
            networking_config=joins,
        )
        api.start(made["Id"])
        return str(made["Id"])
