"""From what a task file says about boxes to the records: sandbox, repository, services, what is collected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.config.boxes import WHAT, CollectSpec, HealthcheckSpec, RepoSpec, SandboxFields, ServiceSpec
from harness.config.faults import Spot
from harness.config.files import Finder
from harness.records.content import File, Json
from harness.records.task import Collect, Healthcheck, Repo, SandboxSpec, Service

Box = dict[str, Any]
"""Keyword arguments of a SandboxSpec, as far as they were said."""

_OTHER_NAMES = {"output": "output_bytes", "command_timeout": "command_timeout_s"}
_AS_THEY_ARE = ("image", "user", "network", "memory", "cpus", "pids", "disk", "env", "options")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|[^/@:]+@[^/:]+:")


class Files(Protocol):
    """Who finds the files that are named."""

    finder: Finder

    def files(self, entries: list[Any], spot: Spot, folder: Path) -> tuple[File, ...]:
        """The records of files."""
        ...


def said_in(spec: SandboxFields, spot: Spot, folder: Path, maker: Files) -> Box:
    """What was said, as a SandboxSpec has it. Files that are not there are told and left out."""
    box: Box = {}
    for name in spec.model_fields_set:
        value = getattr(spec, name)
        if name in _AS_THEY_ARE:
            box[name] = value
        elif name in _OTHER_NAMES:
            box[_OTHER_NAMES[name]] = value
        elif name == "setup":
            box[name] = tuple(value)
        elif name == "files":
            box[name] = maker.files(value, spot.at("files"), folder)
        elif name == "healthcheck":
            box[name] = _healthcheck(value)
        elif name == "services":
            box[name] = tuple(
                _service(service, s, spot.at("services").at(service), folder, maker.finder)
                for service, s in value.items()
            )
        elif name == "workdir":
            box[name] = value or ""
        elif name == "dockerfile":
            box[name], box["context"] = _dockerfile(value, folder, spot.at(name), maker.finder)
        elif name == "repo":
            box[name] = value and _repo(value, spot.at(name), folder, maker.finder)
    if box.get("dockerfile") and "image" in box:
        maker.finder.tell(spot.fault("both `image` and `dockerfile` are given", ("dockerfile",), "keep one", key=True))
    return box


def _dockerfile(said: str | None, folder: Path, spot: Spot, finder: Finder) -> tuple[str, str]:
    """Its path from the workspace, and the digest of what goes into its build; both empty for none."""
    found = finder.find(said, folder, spot, folder=True) if said else None
    return (found, finder.context(found)) if found else ("", "")


def merged_boxes(base: Box, over: Box) -> Box:
    """`over` on top of `base`, key by key; an image takes the place of a Dockerfile and the other way round."""
    kept = {k: v for k, v in base.items() if not ({k, *over} >= {"image", "dockerfile"})}
    if "dockerfile" not in kept:
        kept.pop("context", None)
    return {**kept, **over}


def sandbox_of(box: Mapping[str, Any] | None) -> SandboxSpec | None:
    """The record, or None for a task without a box."""
    return None if box is None else SandboxSpec(**box)


def collects(said: Mapping[str, CollectSpec | str]) -> tuple[Collect, ...]:
    """What is taken out of the box, in the order it was said."""
    return tuple(_collect(name, spec) for name, spec in said.items())


def _collect(name: str, spec: CollectSpec | str) -> Collect:
    if isinstance(spec, str):
        return Collect(name, "processes")
    what: Any = next(w for w in WHAT if getattr(spec, w) is not None)
    value = getattr(spec, what)
    path = value if isinstance(value, str) else ""
    options: dict[str, Json] = {}
    if what == "changes":
        options = {"roots": list(value)}
    elif what in ("http", "sql", "command"):
        options = value.model_dump()
    return Collect(name, what, path, tuple(spec.exclude), options, spec.max_size)


def _repo(spec: RepoSpec, spot: Spot, folder: Path, finder: Finder) -> Repo | None:
    source: str | None = spec.source
    if not _ADDRESS.match(spec.source):
        source = finder.find(spec.source, folder, spot.at("source"), folder=True)
    return Repo(source, spec.base, spec.dest) if source else None


def _healthcheck(said: str | HealthcheckSpec | None) -> Healthcheck | None:
    if said is None or isinstance(said, str):
        return Healthcheck(said) if said else None
    return Healthcheck(said.command, said.interval, said.timeout, said.wait)


def _service(name: str, spec: ServiceSpec, spot: Spot, folder: Path, finder: Finder) -> Service:
    built, context = _dockerfile(spec.dockerfile, folder, spot.at("dockerfile"), finder)
    command: Sequence[str] = spec.command
    healthy = _healthcheck(spec.healthcheck)
    return Service(name, spec.image, tuple(command), spec.env, healthy, spec.memory, built, context)
