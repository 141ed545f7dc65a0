"""Boxes of a run: whether they are to be had, their images made before the clock starts, and one way to open them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.errors import MissingRequirement, SandboxError
from harness.plugins.contracts import Box, Mount, Purpose, Sandbox
from harness.records.task import Collect, SandboxSpec, Task

PER_CORE = 2
"""Trials in flight with a box, for each core. An engine starts no more containers a second with more than two
(reference/swe.md 7.5); twice as many keep the cores busy while agents wait for models."""
BUILDS = 2
"""Images made at the same time."""
NO_PLUGIN = "the task needs a box and no sandbox plugin is installed"
DEFAULT_IMAGE = SandboxSpec().image

BARE_MEMORY, BARE_PIDS, BARE_DISK, BARE_OUTPUT, BARE_S = 1024**3, 64, 2 * 1024**3, 16 * 1024**2, 600.0
LASTING = ("image", "spec", "files", "user")
"""Faults of a SandboxError that another try would meet again."""

log = logging.getLogger("harness.run")


@dataclass(slots=True)
class Boxes:
    """Opens every box of a run. `unavailable` says why there are none; `notices` are lines for the person watching,
    `doing` is what goes on before the first trial.

    A trial whose task has a box is one of at most `most` in flight and opens its boxes one inside the other; boxes
    that graders of other trials ask for share `most` places of their own.
    """

    sandbox: Sandbox | None
    workspace: Path
    run: str = ""
    most: int = 0
    unavailable: str = ""
    notices: list[str] = field(default_factory=list)
    doing: str = ""
    _places: asyncio.Semaphore | None = None
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.most = self.most or PER_CORE * (os.cpu_count() or 1)

    async def prepare(self, tasks: Sequence[Task]) -> None:
        """Find the engine, remove what dead processes left on it, and make the images of these tasks.

        What cannot be made is told once; opening it raises the reason.
        """
        specs = specs_of(tasks)
        if not specs or self.sandbox is None:
            return
        self.unavailable = await self.sandbox.available()
        if self.unavailable:
            self._tell(f"tasks with a box are skipped: {self.unavailable}")
            return
        await self._make_images(self.sandbox, specs)

    async def _make_images(self, sandbox: Sandbox, specs: Sequence[SandboxSpec]) -> None:
        """A few at a time, counted as they are there: the first run of a suite builds for minutes."""
        places, made = asyncio.Semaphore(BUILDS), 0

        async def one(spec: SandboxSpec) -> None:
            nonlocal made
            async with places:
                await sandbox.warm([spec], self.workspace)
            made += 1
            self.doing = f"making images for boxes, {made} of {len(specs)}"

        self.doing = f"making images for boxes, 0 of {len(specs)}"
        try:
            await asyncio.gather(*(one(spec) for spec in specs))
        finally:
            self.doing = ""

    @asynccontextmanager
    async def open(
        self,
        spec: SandboxSpec,
        trial: str,
        *,
        in_trial: bool = True,
        mounts: Sequence[Mount] = (),
        door: Path | None = None,
    ) -> AsyncIterator[Box]:
        """A box that is gone when the context ends. Raises MissingRequirement, SandboxError.

        `in_trial` says that the trial is counted among those with a box already; `mounts` and `door` are those of
        `Purpose`.
        """
        if self.sandbox is None:
            raise MissingRequirement("sandbox", NO_PLUGIN)
        if self.unavailable:
            raise MissingRequirement("engine", self.unavailable)
        if self._places is None:
            self._places = asyncio.Semaphore(self.most)
        async with nullcontext() if in_trial else self._places:
            try:
                async with self.sandbox.open(
                    spec, Purpose(self.run, trial, self.workspace, tuple(mounts), door)
                ) as box:
                    yield box
            except SandboxError as e:
                if e.fault in LASTING:
                    self._tell(str(e), trial.partition("@")[0])
                raise

    async def aclose(self) -> None:
        """Remove what could not be removed before, and close the connection."""
        if self.sandbox is not None:
            await self.sandbox.aclose()

    def _tell(self, message: str, task: str = "") -> None:
        """Tell a thing once, with the first task that met it."""
        if message not in self._told:
            self._told.add(message)
            line = f"task '{task}': {message}" if task else message
            self.notices.append(line)
            log.warning("%s", line)


@asynccontextmanager
async def noted(opening: AbstractAsyncContextManager[Box], what_for: str, images: dict[str, str]) -> AsyncIterator[Box]:
    """A box, with the digests of its image and of its services' written down under what it is for."""
    async with opening as box:
        _note(images, what_for, box.image_digest)
        services: Mapping[str, str] = getattr(box, "service_images", {})
        for name, digest in services.items():
            _note(images, f"{what_for}: {name}", digest)
        yield box


def _note(images: dict[str, str], key: str, digest: str) -> None:
    """Another digest than the one that is known has a number."""
    at, n = key, 1
    while images.setdefault(at, digest) != digest:
        n += 1
        at = f"{key} {n}"


def specs_of(tasks: Iterable[Task]) -> list[SandboxSpec]:
    """Every box these tasks may need, once: their own, and those of the probes they collect with."""
    found: dict[str, SandboxSpec] = {}
    for task in tasks:
        if task.sandbox is None:
            continue
        wanted = [task.sandbox, *(SandboxSpec(image=image) for c in task.collect if (image := probe_image(c)))]
        for spec in wanted:
            found.setdefault(repr(spec), spec)
    return list(found.values())


def bare(spec: SandboxSpec) -> SandboxSpec:
    """A box of the same image to compare files in: without services, network and the task's environment."""
    return msgspec.structs.replace(
        spec,
        services=(),
        network="none",
        healthcheck=None,
        env={},
        memory=max(spec.memory, BARE_MEMORY),
        pids=max(spec.pids, BARE_PIDS),
        disk=max(spec.disk, BARE_DISK),
        output_bytes=BARE_OUTPUT,
        command_timeout_s=max(spec.command_timeout_s, BARE_S),
    )


def probe_image(collect: Collect) -> str:
    """The image in which a probe runs beside the box; empty for what is no probe."""
    if collect.what not in ("http", "sql", "command"):
        return ""
    return str(collect.options.get("image") or DEFAULT_IMAGE)
