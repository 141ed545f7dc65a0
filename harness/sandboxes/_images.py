"""The image of a box: found, pulled or built, once, whoever asks and however many ask at the same time."""

from __future__ import annotations

import fcntl
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.api import SandboxError, SandboxSpec
from harness.sandboxes._build import Recipe, build, find, pull
from harness.sandboxes._context import STAGE, Base, folder_recipe, layer_recipe, stage_recipe
from harness.sandboxes._engine import Engine
from harness.sandboxes._settle import let_go
from harness.toolkit.build_context import context_digest

LOCAL_BASE = "harness-base:bookworm"
"""Made by scripts/base-image: lets the default box be built without a registry."""

NO_BASE = f"{LOCAL_BASE} is not here: scripts/base-image makes it, without a registry too, and boxes start from it then"

Wanted = tuple[object, ...]


class Images:
    """Images of one engine. What was found once is not looked for again."""

    def __init__(self, engine: Engine, base: str = "") -> None:
        self._engine = engine
        self._base = base
        self._known: dict[Wanted, Base] = {}
        self._failed: dict[Wanted, str] = {}
        self._locks: dict[Wanted, threading.Lock] = defaultdict(threading.Lock)

    async def get(self, spec: SandboxSpec, workspace: Path) -> Base:
        """The image of a spec, made if need be. Raises SandboxError with the build's output.

        What does not build is tried once: who asks again is told the same.
        """
        wanted = _wanted(spec, workspace)
        known = self._known.get(wanted)
        if known is None:
            known = await let_go(lambda: self._engine.guarded(lambda: self._make(wanted, spec, workspace)))
        return known

    def forget(self) -> None:
        """Look for every image anew: one that was there is gone."""
        self._known.clear()

    def _make(self, wanted: Wanted, spec: SandboxSpec, workspace: Path) -> Base:
        with self._locks[wanted]:
            if wanted in self._failed:
                raise SandboxError("image", self._failed[wanted])
            if wanted not in self._known:
                try:
                    base = self._base_of(spec, workspace)
                    layer = layer_recipe(base, spec, workspace)
                    self._known[wanted] = self._built(layer) if layer else base
                except SandboxError as e:
                    if e.fault == "image":
                        self._failed[wanted] = str(e)
                    raise
            return self._known[wanted]

    def _base_of(self, spec: SandboxSpec, workspace: Path) -> Base:
        if spec.dockerfile:
            path = (workspace / spec.dockerfile).resolve()
            if not path.is_relative_to(workspace.resolve()):
                raise SandboxError("image", f"{spec.dockerfile} is outside the workspace")
            if spec.context and context_digest(path) not in ("", spec.context):
                raise SandboxError("files", f"{spec.dockerfile} or a file beside it changed since the run began")
            return self._built(folder_recipe(path, spec.dockerfile, *self._local_base()))
        if spec.image == STAGE:
            return self._default(workspace)
        return _base(pull(self._engine.api, spec.image))

    def _default(self, workspace: Path) -> Base:
        """The default box. What it starts from is pulled where scripts/base-image has not made it."""
        name, id = self._local_base()
        try:
            return self._built(stage_recipe(workspace, name, id))
        except SandboxError as e:
            if name or e.fault != "image":
                raise
            raise SandboxError("image", f"{e}\n{NO_BASE}") from e

    def _local_base(self) -> tuple[str, str]:
        """Name and id of the image that replaces `ARG BASE`; empty where it is not."""
        name = self._base or (LOCAL_BASE if find(self._engine.api, LOCAL_BASE) else "")
        return name, str(pull(self._engine.api, name)["Id"]) if name else ""

    def _built(self, recipe: Recipe) -> Base:
        api = self._engine.api
        found = find(api, recipe.tag)
        if found is None:
            with _machine_lock(recipe.key):
                found = find(api, recipe.tag) or find(api, build(api, recipe))
        if found is None:
            raise SandboxError("image", f"{recipe.what} was built and is gone")
        mark_used(recipe.key)
        return _base(found)


def _wanted(spec: SandboxSpec, workspace: Path) -> Wanted:
    files = tuple((f.name, f.path, f.sha256) for f in spec.files)
    return (
        str(workspace),
        spec.dockerfile,
        spec.context,
        spec.image,
        spec.user,
        spec.workdir,
        files,
        spec.setup,
        spec.repo,
    )


def _base(inspected: dict[str, Any]) -> Base:
    config = inspected.get("Config") or {}
    user = config.get("User") or ""
    return Base(
        str(inspected["Id"]), "" if user.partition(":")[0] in ("root", "0") else user, config.get("WorkingDir") or ""
    )


def mark_used(key: str, when: float | None = None) -> None:
    """Remember that a box was made of an image, now or at a Unix time; where that cannot be written it is forgotten."""
    with suppress(OSError):
        path = _file_of(key)
        path.touch()
        if when is not None:
            os.utime(path, (when, when))


def used_at(key: str) -> float:
    """When a box was last made of an image, as a Unix time; 0 if that is not known here."""
    try:
        return _file_of(key).stat().st_mtime
    except OSError:
        return 0.0


def forget_key(key: str) -> None:
    """Remove what is remembered of an image that is gone."""
    _file_of(key).unlink(missing_ok=True)


@contextmanager
def _machine_lock(key: str) -> Iterator[None]:
    """One build of a key at a time on this machine: other processes wait and then find the image."""
    path = _file_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _file_of(key: str) -> Path:
    """The file that is locked for an image's build and touched when it is used."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness" / "images" / f"{key}.lock"
