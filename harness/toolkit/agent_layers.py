"""Agent layers: folders with an agent CLI, built once on this machine and mounted read-only into boxes at /opt/agent.

    ~/.cache/harness/agents/claude_code-2.1.329-linux-x64-musl-3f0c.../   manifest.json, root/ (what is mounted)

A layer is named by its content and never changed. `harness agent install` builds them (harness/agents); this module
finds and reads them, which is all that a harness needs.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from harness.records.content import Json

MOUNT = "/opt/agent"
MANIFEST = "manifest.json"
ROOT = "root"
ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_DIGITS = re.compile(r"\d+")


class LayerSource(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a layer was made of: a registry's package at an exact version, and its checksum in SRI form (`sha512-...`).

    `registry` is npm, pypi, debian or machine (a file that was there).
    """

    registry: str
    package: str
    version: str
    integrity: str


class Layer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A layer's manifest.

    `tree` is the digest of every path, mode and content below `root`; `binary` the SHA-256 of the program that is run
    (`entry`, relative to the mount). `needs` is what an image must have: bash, git, glibc>=2.17, python3.11, ...
    `smoke` tells of the run against a scripted model that ended the building; empty when there was no engine for it.
    """

    name: str
    version: str
    platform: str
    entry: tuple[str, ...]
    tree: str
    binary: str
    size: int
    sources: tuple[LayerSource, ...] = ()
    needs: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    built: str = ""
    smoke: dict[str, Json] = {}

    @property
    def spec(self) -> str:
        """`claude_code@2.1.329`."""
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> str:
        """Its folder's name in the store."""
        return f"{self.name}-{self.version}-{self.platform}-{self.tree[:12]}"


def layers_home() -> Path:
    """Where the layers of this user are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "harness" / "agents"


def this_platform() -> str:
    """`linux-x64` or `linux-arm64`: what boxes of this machine's engine run, whatever the machine itself runs."""
    machine = platform.machine().lower()
    return f"linux-{ARCHITECTURES.get(machine, machine or sys.platform)}"


def installed_layers(home: Path | None = None) -> list[tuple[Layer, Path]]:
    """Every whole layer with its folder, by name, newest version first. A folder without a manifest is none."""
    found = list(_read(home or layers_home()))
    return sorted(found, key=lambda one: (one[0].name, [-n for n in version_key(one[0].version)], one[0].platform))


def find_layer(name: str, version: str, home: Path | None = None) -> tuple[Layer, Path] | None:
    """The layer of an agent at an exact version for this machine, or None. The last one built counts."""
    mine = this_platform()
    fits = [
        (layer, path)
        for layer, path in installed_layers(home)
        if (layer.name, layer.version) == (name, version) and layer.platform.startswith(mine)
    ]
    return max(fits, key=lambda one: one[0].built, default=None)


def version_key(version: str) -> tuple[int, ...]:
    """A version's numbers, for sorting."""
    return tuple(int(n) for n in _DIGITS.findall(version))


def root_of(folder: Path) -> Path:
    """What is mounted of a layer's folder."""
    return folder / ROOT


def _read(home: Path) -> Iterator[tuple[Layer, Path]]:
    for path in sorted(home.glob(f"*/{MANIFEST}")) if home.is_dir() else ():
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Layer), path.parent
        except (OSError, msgspec.MsgspecError):
            continue


def known_versions(name: str, layers: Sequence[tuple[Layer, Path]]) -> list[str]:
    """Versions of an agent that are installed."""
    return [layer.version for layer, _ in layers if layer.name == name]
