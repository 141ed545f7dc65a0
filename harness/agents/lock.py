"""`agents.lock` in the workspace: which agent at which version, made of which packages, with which content."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.agents.recipes import RECIPES
from harness.errors import Place, RunInvalid, UsageFault
from harness.toolkit.agent_layers import Layer, LayerSource

NAME = "agents.lock"
FEW = 5


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


def write_lock(workspace: Path, layer: Layer) -> bool:
    """Put a layer into the lock; whether that changed the file."""
    before = read_lock(workspace)
    entry = Locked(layer.spec, layer.platform, layer.tree, layer.binary, _told(layer))
    others = [one for one in before.agents if (one.agent, one.platform) != (entry.agent, entry.platform)]
    after = LockFile(1, tuple(sorted((*others, entry), key=lambda one: (one.agent, one.platform))))
    if after == before:
        return False
    text = msgspec.json.format(msgspec.json.encode(after), indent=2)
    (workspace / NAME).write_bytes(text + b"\n")
    return True


def _told(layer: Layer) -> tuple[LayerSource, ...]:
    """The packages an agent is named by. Of a set of a hundred the lock in the layer tells the rest, and `tree` all."""
    if len(layer.sources) <= FEW:
        return layer.sources
    own = RECIPES[layer.name].package if layer.name in RECIPES else layer.name
    return tuple(s for s in layer.sources if s.package in (own, own.lower()) or s.package.startswith("node-linux"))


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


OF_THE_MACHINE = ("machine", "debian")


def check_against_lock(workspace: Path, layer: Layer) -> None:
    """Raises RunInvalid when a layer is not the one that the workspace has fixed."""
    fixed = locked(workspace, layer.spec, layer.platform)
    if fixed is None or is_same(fixed, layer):
        return
    before = {(s.package, s.version): s.integrity for s in fixed.sources}
    differs = [s for s in layer.sources if before.get((s.package, s.version)) != s.integrity]
    shown = "; ".join(f"{s.package}@{s.version} is {s.integrity}" for s in differs[:2]) or f"content {layer.tree[:12]}"
    raise RunInvalid(
        f"checksum mismatch: {layer.spec} ({layer.platform}) is not what {NAME} has fixed: {shown}",
        help=f"nothing was installed; to fix the new one, remove its entry from {NAME} and install again",
    )
