"""What can be seen to be wrong with a spec without an engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.api import SandboxSpec

SERVICE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")
LEAST_MEMORY = 6 * 1024**2
"""The engine's own minimum."""


def faults_of(spec: SandboxSpec, workspace: Path) -> Iterator[str]:
    """Each fault in one line."""
    yield from _amounts(spec)
    yield from _places(spec, workspace)
    yield from _services(spec, workspace)
    for name in sorted(spec.options):
        yield f"sandbox docker has no option '{name}'"


def _amounts(spec: SandboxSpec) -> Iterator[str]:
    if spec.memory < LEAST_MEMORY:
        yield f"memory is {spec.memory} bytes: at least 6m is needed"
    if spec.cpus < 0.01:
        yield f"cpus is {spec.cpus:g}: at least 0.01 is needed"
    if spec.pids < 4:
        yield f"pids is {spec.pids}: a box needs at least 4 processes of its own"
    for name in ("disk", "output_bytes", "command_timeout_s"):
        if getattr(spec, name) <= 0:
            yield f"{name} is {getattr(spec, name):g}: it must be more than 0"


def _places(spec: SandboxSpec, workspace: Path) -> Iterator[str]:
    if spec.workdir and not PurePosixPath(spec.workdir).is_absolute():
        yield f"workdir '{spec.workdir}' is not an absolute path"
    if spec.dockerfile:
        yield from _dockerfile(spec.dockerfile, workspace)
        if spec.image != SandboxSpec().image:
            yield "image and dockerfile are both given: say one"
    for file in spec.files:
        if not (workspace / file.path).is_file():
            yield f"no such file: {file.path}"
        if PurePosixPath(file.name).is_absolute() or ".." in PurePosixPath(file.name).parts:
            yield f"file name '{file.name}' leads out of the working folder"


def _dockerfile(said: str, workspace: Path) -> Iterator[str]:
    path = (workspace / said).resolve()
    if not path.is_relative_to(workspace.resolve()):
        yield f"dockerfile '{said}' is outside the workspace"
    elif not (path / "Dockerfile" if path.is_dir() else path).is_file():
        yield f"no such Dockerfile: {said}"


def _services(spec: SandboxSpec, workspace: Path) -> Iterator[str]:
    if spec.services and spec.network == "none":
        yield "services need a network: say network: internal"
    seen: set[str] = set()
    for service in spec.services:
        if not SERVICE_NAME.fullmatch(service.name):
            yield f"service name '{service.name}' is not a host name (small letters, digits, -)"
        if service.name in seen or service.name == "box":
            yield f"service name '{service.name}' is taken"
        seen.add(service.name)
        if service.dockerfile:
            yield from (f"service '{service.name}': {fault}" for fault in _dockerfile(service.dockerfile, workspace))
        elif not service.image:
            yield f"service '{service.name}' has neither image nor dockerfile"
