"""What a plugin is, as JSON: for digests and for the record. Keys and other secrets are never in it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.plugins.contracts import Plugin
from harness.records.content import Json
from harness.records.task import digest_of

WORKSPACE_MODULE = "harness_workspace_"
"""How the loader's made-up names of workspace modules begin."""


def plugin_digest(plugin: Plugin, workspace: Path) -> str:
    """Digest of class, version, parameters but `not_in_digest`, nested plugins, workspace source, files, programs."""
    return digest_of(_identity(plugin, workspace))


def parameters(plugin: Plugin, uses: Mapping[int, str]) -> dict[str, Json]:
    """All parameters with defaults filled in; `uses` names plugins by `id()` as the user wrote them."""
    return {
        **({"use": uses[id(plugin)]} if id(plugin) in uses else {}),
        **{n: _jsonable(getattr(plugin, n), lambda p: parameters(p, uses)) for n in type(plugin).model_fields},
    }


def nested(plugin: Plugin) -> list[Plugin]:
    """Every plugin inside this one's parameters, itself left out."""
    found: list[Plugin] = []

    def note(inner: Plugin) -> Json:
        found.append(inner)
        found.extend(nested(inner))
        return None

    for name in type(plugin).model_fields:
        _jsonable(getattr(plugin, name), note)
    return found


def _identity(plugin: Plugin, workspace: Path) -> Json:
    cls = type(plugin)
    programs = plugin.programs()
    named = [base for base in cls.__mro__ if base.__module__.startswith(WORKSPACE_MODULE)]
    return {
        "class": [cls.__qualname__ if named else f"{cls.__module__}.{cls.__qualname__}", cls.version],
        "source": sorted({_source(base) for base in named}),
        "params": {
            n: _jsonable(getattr(plugin, n), lambda p: _identity(p, workspace))
            for n in cls.model_fields
            if n not in cls.not_in_digest
        },
        "files": {name: _file(workspace / name) for name in sorted(plugin.digest_files())},
        **({"programs": dict(sorted(programs.items()))} if programs else {}),
    }


def _source(cls: type) -> str:
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return _file(Path(path)) if path else ""


def _file(path: Path) -> str:
    """A file by its content; a folder by its files' names and contents; nothing for what is not there."""
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file())
        return digest_of({p.relative_to(path).as_posix(): _file(p) for p in inside})
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _jsonable(value: Any, plugin: Any) -> Json:
    if isinstance(value, Plugin):
        return plugin(value)
    if isinstance(value, BaseModel):
        return {n: _jsonable(getattr(value, n), plugin) for n in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v, plugin) for k, v in value.items()}
    if isinstance(value, Set):
        return sorted((_jsonable(v, plugin) for v in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_jsonable(v, plugin) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
