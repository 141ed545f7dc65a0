"""Reading `agents.lock` of a workspace, and proving that an installed layer is what it was and what is fixed there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec

from harness.errors import Place, UsageFault
from harness.records.task import digest_of
from harness.toolkit.agent_layers import Layer, LayerSource, root_of
from harness.toolkit.layer_tree import sha256_of, state_of, tree_of

NAME = "agents.lock"
OF_THE_MACHINE = ("machine", "debian")


class Locked(msgspec.Struct, frozen=True, omit_defaults=True):
    """One agent as a workspace has fixed it, for one platform."""

    agent: str
    platform: str
    tree: str
    binary: str
    sources: tuple[LayerSource, ...] = ()


class LockFile(msgspec.Struct, frozen=True):
    """The file. Entries are sorted, so that it changes only where something changed."""

    version: int = 1
    agents: tuple[Locked, ...] = ()


def read_lock(workspace: Path) -> LockFile:
    """The workspace's lock; empty when there is none. Raises UsageFault when it cannot be read."""
    path = workspace / NAME
    if not path.is_file():
        return LockFile()
    try:
        found = msgspec.json.decode(path.read_bytes(), type=LockFile)
    except msgspec.MsgspecError as e:
        raise UsageFault(f"{NAME} cannot be read: {e}", place=Place(NAME), help="restore it, or remove it") from e
    if found.version > 1:
        raise UsageFault(f"{NAME} is from a newer version of harness", place=Place(NAME))
    return found


def locked(workspace: Path, agent: str, platform: str) -> Locked | None:
    """What the workspace has fixed for an agent, if it has."""
    return next((one for one in read_lock(workspace).agents if (one.agent, one.platform) == (agent, platform)), None)


def is_same(fixed: Locked, layer: Layer) -> bool:
    """Whether a layer is what was fixed. The loader is this machine's own and may be of another release of musl."""
    if fixed.tree == layer.tree:
        return True
    loose = any(source.registry in OF_THE_MACHINE for source in layer.sources)
    return loose and fixed.binary == layer.binary and _exact(fixed.sources) == _exact(layer.sources)


def _exact(sources: tuple[LayerSource, ...]) -> list[LayerSource]:
    return [source for source in sources if source.registry not in OF_THE_MACHINE]


def identity_of(layer: Layer) -> str:
    """What a layer is wherever it was built: its content, or program and packages where a loader is the machine's."""
    if any(source.registry in OF_THE_MACHINE for source in layer.sources):
        return digest_of([layer.binary, [[s.package, s.version, s.integrity] for s in _exact(layer.sources)]])
    return layer.tree


def changed(folder: Path, layer: Layer) -> str:
    """How an installed layer differs from its manifest, or nothing. Reads all of it, once in a process."""
    root = root_of(folder)
    if not root.is_dir():
        return "its folder is gone"
    tree, binary = _content(root, layer.entry[0], state_of(root))
    if tree != layer.tree:
        return f"its content changed: {tree[:12]}, expected {layer.tree[:12]}"
    return "" if binary == layer.binary else f"its manifest changed: the program is {binary[:12]}"


def not_as_fixed(workspace: Path, layer: Layer) -> str:
    """How a layer differs from what the workspace has fixed, or nothing. Raises UsageFault for an unreadable lock."""
    fixed = locked(workspace, layer.spec, layer.platform)
    if fixed is None or is_same(fixed, layer):
        return ""
    return f"{NAME} has fixed {fixed.tree[:12]}, this is {layer.tree[:12]}"


@lru_cache(maxsize=64)
def _content(root: Path, entry: str, state: str) -> tuple[str, str]:
    """The digests of a layer and of its program. `state` is what makes an earlier answer void."""
    tree, program = tree_of(root).digest, root / entry
    return tree, sha256_of(program) if program.is_file() else tree
