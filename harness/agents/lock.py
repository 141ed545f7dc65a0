"""`agents.lock` in the workspace: which agent at which version, made of which packages, with which content."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.agents.recipes import RECIPES
from harness.errors import RunInvalid
from harness.toolkit.agent_layers import Layer, LayerSource
from harness.toolkit.layer_lock import NAME, Locked, LockFile, is_same, locked, read_lock

FEW = 5


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


def check_against_lock(workspace: Path, layer: Layer) -> None:
    """Raises RunInvalid when a layer is not the one that the workspace has fixed."""
    fixed = locked(workspace, layer.spec, layer.platform)
    if fixed is None or is_same(fixed, layer):
        return
    before = {(s.package, s.version): s.integrity for s in fixed.sources}
    differs = [s for s in layer.sources if before.get((s.package, s.version)) != s.integrity]
    shown = (
        "; ".join(f"{s.package}@{s.version} is {s.integrity}" for s in differs[:2])
        or f"its content is {layer.tree[:12]}, fixed is {fixed.tree[:12]}"
    )
    raise RunInvalid(
        f"checksum mismatch: {layer.spec} ({layer.platform}) is not what {NAME} has fixed: {shown}",
        help=f"nothing was installed; to fix the new one, remove its entry from {NAME} and install again",
    )
