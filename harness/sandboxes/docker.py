"""Boxes as containers of Docker (engine 20.10 or newer) or Podman."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PrivateAttr, field_validator

from harness.api import NO_PURPOSE, Box, Held, Json, MissingRequirement, Purpose, Sandbox, SandboxError, SandboxSpec

if TYPE_CHECKING:
    from harness.sandboxes._open import Workshop

BUILDS = 2
MACHINES_OWN = (
    "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::/32",
)  # fmt: skip
"""Where clouds answer a machine about itself, with its keys: link-local (all of them), Alibaba, Azure, Oracle, and by
IPv6 AWS and Google."""


class Docker(Sandbox):
    """One container per trial, made from a cached image, with no network, no capabilities and limits on everything.

    Images are named by their content and built once. Containers, networks and volumes carry the run, the trial and the
    process that made them; what a killed process leaves behind is removed by the next one.
    """

    version = "1"
    example: ClassVar[Mapping[str, Json]] = {"base": "debian:bookworm-slim"}

    host: str = ""
    """The engine, as in DOCKER_HOST: `unix:///run/user/1000/podman/podman.sock`. Empty: DOCKER_HOST, or the default."""
    base: str = ""
    """The image that the default box is built on. Empty: harness-base:bookworm where the engine has it, else what the
    Dockerfile names."""
    engine_wait_s: float = 60.0
    """How long a trial waits for an engine that has answered before and is gone, in seconds."""

    keep_images_days: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    """How long a cached image is kept of which no box was made on this machine, in days. 0 keeps all."""

    refused: tuple[str, ...] = MACHINES_OWN
    """Networks that no box with `network: open` reaches, nor its services: where clouds answer a machine about itself.
    Names are asked for all the same (port 53). `[]` refuses nothing; with `10.0.0.0/8`, `172.16.0.0/12` and
    `192.168.0.0/16` the private ones are refused too, also the host's address, but not the box's own services."""

    _shop: Workshop | None = PrivateAttr(default=None)
    _reaped: bool = PrivateAttr(default=False)

    @field_validator("refused")
    @classmethod
    def _networks(cls, said: tuple[str, ...]) -> tuple[str, ...]:
        for word in said:
            try:
                ip_network(word)
            except ValueError as e:
                raise ValueError(f"'{word}' is no network such as 10.0.0.0/8 ({e})") from e
        return said

    def open(self, spec: SandboxSpec, purpose: Purpose = NO_PURPOSE) -> AbstractAsyncContextManager[Box]:
        """A box that is gone when the context ends. Raises MissingRequirement, SandboxError."""
        return self._open(spec, purpose)

    @asynccontextmanager
    async def _open(self, spec: SandboxSpec, purpose: Purpose) -> AsyncIterator[Box]:
        from harness.sandboxes._beside import Neighbours
        from harness.sandboxes._open import open_box

        if faults := self.check_spec(spec, purpose.workspace):
            raise SandboxError("spec", "; ".join(faults))
        shop = await self._ready()
        async with open_box(shop, spec, purpose) as box:
            box.neighbours = Neighbours(shop, spec, purpose, box.container, box.network).run
            yield box

    def check_spec(self, spec: SandboxSpec, workspace: Path) -> Sequence[str]:
        """Faults that need no engine to be seen."""
        from harness.sandboxes._spec import faults_of

        return tuple(faults_of(spec, workspace))

    async def available(self) -> str:
        """Why no box can be opened, or nothing."""
        try:
            await self._ready()
        except (MissingRequirement, SandboxError) as e:
            return str(e)
        return ""

    async def warm(self, specs: Iterable[SandboxSpec], workspace: Path = Path()) -> None:
        """Build and pull the images of these specs and their services, two at a time."""
        try:
            shop = await self._ready()
        except (MissingRequirement, SandboxError):
            return
        all_specs = [s for spec in specs for s in self._needed(spec)]
        places = asyncio.Semaphore(BUILDS)

        async def make(spec: SandboxSpec) -> None:
            async with places:
                with suppress(SandboxError):
                    await shop.images.get(spec, workspace)

        await asyncio.gather(*(make(spec) for spec in all_specs if not self.check_spec(spec, workspace)))

    def _needed(self, spec: SandboxSpec) -> Sequence[SandboxSpec]:
        """The spec of a box, of its services, and of their fences."""
        fence = (SandboxSpec(),) if spec.network == "open" and self.refused else ()
        return (spec, *(service.box_spec() for service in spec.services), *fence)

    async def held(self) -> Sequence[Held]:
        """Containers, networks, volumes and images of ours on the engine. Raises MissingRequirement, SandboxError."""
        from harness.sandboxes._reap import held

        engine = self._workshop().engine
        await engine.ready()
        return await engine.call(held, engine)

    async def prune(self, *, everything: bool = False, unused_days: float | None = None) -> Sequence[Held]:
        """Remove what dead processes left and old images; or everything, also what runs.

        Images are old after `unused_days`, else after `keep_images_days`. Raises MissingRequirement, SandboxError.
        """
        from harness.sandboxes._reap import prune, reap

        engine = self._workshop().engine
        await engine.ready()
        if everything:
            return await engine.call(prune, engine, await self.held())
        days = (self.keep_images_days or None) if unused_days is None else unused_days
        return await engine.call(reap, engine, days)

    async def aclose(self) -> None:
        """Remove what is left and close the connection."""
        if self._shop is not None:
            await self._shop.engine.aclose()

    async def _ready(self) -> Workshop:
        """The open engine; the first time, after removing what dead processes left on it."""
        shop = self._workshop()
        await shop.engine.ready()
        if not self._reaped:
            self._reaped = True
            await self.prune()
        return shop

    def _workshop(self) -> Workshop:
        from harness.sandboxes._engine import Engine
        from harness.sandboxes._images import Images
        from harness.sandboxes._open import Workshop

        if self._shop is None:
            engine = Engine(self.host, self.engine_wait_s)
            self._shop = Workshop(engine, Images(engine, self.base), self.refused)
        return self._shop
