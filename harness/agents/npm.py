"""Packages of the npm registry: by `npm pack` where npm is, else by the registry's own HTTP; always checked.

The registry is the one this machine is set up for: npm's configuration, or `npm_config_registry` in the environment.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from harness.agents.faults import NO_NPM, NoSuchVersion, Unreachable, bad_checksum
from harness.errors import RunInvalid
from harness.toolkit.agent_layers import LayerSource

FETCH_S = 900.0
ASK_S = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A package's tarball on disk, its checksum already compared with the registry's."""

    file: Path
    source: LayerSource


def fetch(package: str, version: str, into: Path) -> Fetched:
    """Download one package. Raises NoSuchVersion, Unreachable, RunInvalid when its checksum is not the registry's."""
    integrity, address = _dist(package, version)
    if (npm := shutil.which("npm")) is not None:
        file = _pack(npm, package, version, into)
    else:
        file = into / f"{package.replace('/', '-').lstrip('@')}-{version}.tgz"
        _download(address, file)
    found = sri_of(file)
    if found != integrity:
        raise bad_checksum(f"{package}@{version}", integrity, found)
    return Fetched(file, LayerSource("npm", package, version, integrity))


def versions(package: str) -> list[str]:
    """Every version of a package, oldest first. Raises Unreachable, NoSuchVersion when there is no such package."""
    if (npm := shutil.which("npm")) is not None:
        said = _npm(npm, ["view", package, "versions", "--json"], package)
        found = json.loads(said or "[]")
        return [found] if isinstance(found, str) else [str(v) for v in found]
    return list(_get_json(f"{_registry(package)}{quote(package, safe='@')}", package)["versions"])


def unpack(file: Path, take: Mapping[str, str], drop: Sequence[str], into: Path) -> None:
    """Lay parts of a package down: `take` maps a folder or file of it to a place, `""` is the top.

    Only regular files are taken, by the `data` rules of tarfile: nothing leads out of `into`. Raises RunInvalid when
    the package has none of what is to be taken, which is another package than the recipe knows.
    """
    taken = dict.fromkeys(take, 0)
    with tarfile.open(file, "r:gz") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            inside = PurePosixPath(*name.parts[1:])
            for wanted, place in take.items():
                rest = _below(inside, wanted)
                if not member.isfile() or rest is None or any(_below(rest, d) is not None for d in drop):
                    continue
                target = PurePosixPath(place, rest) if str(rest) != "." else PurePosixPath(place)
                member = member.replace(name=str(target), mode=0o755 if member.mode & 0o100 else 0o644)
                tar.extract(member, into, filter="data")
                taken[wanted] += 1
    if empty := [wanted for wanted, n in taken.items() if not n]:
        raise RunInvalid(
            f"{file.name} holds no '{empty[0]}': it is laid out differently from the versions this release knows",
            help="install the version this release was tested with (`harness agent list`)",
        )


def sri_of(file: Path) -> str:
    """A file's checksum as registries write it: `sha512-` and base64."""
    with file.open("rb") as opened:
        return "sha512-" + base64.b64encode(hashlib.file_digest(opened, "sha512").digest()).decode()


def _below(path: PurePosixPath, folder: str) -> PurePosixPath | None:
    """The path from a folder (or file) on, or None when it is elsewhere."""
    return path.relative_to(folder) if path.is_relative_to(folder) else None


def _dist(package: str, version: str) -> tuple[str, str]:
    """The registry's checksum and address of one package. A tag or a range, which npm takes too, is no version."""
    if (npm := shutil.which("npm")) is not None:
        said = _npm(npm, ["view", f"{package}@{version}", "version", "dist", "--json"], package)
        found = json.loads(said) if said.strip() else {}
        found = found.get("dist") if isinstance(found, dict) and found.get("version") == version else {}
    else:
        found = _get_json(f"{_registry(package)}{quote(package, safe='@')}", package)["versions"].get(version, {})
        found = found.get("dist", {})
    if not found or not found.get("integrity"):
        raise NoSuchVersion(package, version, versions(package))
    return str(found["integrity"]), str(found["tarball"])


def _pack(npm: str, package: str, version: str, into: Path) -> Path:
    said = _npm(npm, ["pack", f"{package}@{version}", "--json", "--pack-destination", str(into)], package)
    found = json.loads(said)
    first = found[0] if isinstance(found, list) else next(iter(found.values()))
    return into / str(first["filename"]).replace("@", "").replace("/", "-")


def _npm(npm: str, words: Sequence[str], package: str) -> str:
    """Run npm; its standard output. A missing version or package is empty output; anything else Unreachable."""
    environment = {**os.environ, "NO_UPDATE_NOTIFIER": "1", "npm_config_fund": "false", "npm_config_audit": "false"}
    try:
        done = subprocess.run([npm, *words], capture_output=True, text=True, timeout=FETCH_S, env=environment)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unreachable(package, str(e)) from e
    if done.returncode and "E404" not in done.stderr and "ETARGET" not in done.stderr:
        if "EINVALIDTAGNAME" in done.stderr:
            return ""
        raise Unreachable(package, _last(done.stderr) or f"npm ended with {done.returncode}")
    if done.returncode and words[0] == "view" and "versions" in words:
        raise NoSuchVersion(package, "", [])
    return done.stdout if not done.returncode else ""


def _last(stderr: str) -> str:
    """What npm says is wrong: its lines without the advice and the log's name; addresses are left out."""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    told = [line for line in lines if line and "log" not in line and "://" not in line]
    return "; ".join(told[:2])


def _registry(package: str) -> str:
    """Where packages are, for a machine without npm. None is built in: it is a user's choice whom to ask."""
    address = next((v for k, v in os.environ.items() if k.lower() == "npm_config_registry" and v), "")
    if not address:
        raise Unreachable(package, "there is no npm on this machine, and npm_config_registry is not set", NO_NPM)
    return address.rstrip("/") + "/"


def _get_json(address: str, package: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(address, timeout=ASK_S) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as e:
        if e.code == 404:
            raise NoSuchVersion(package, "", []) from e
        raise Unreachable(package, f"the registry answered {e.code}") from e
    except (OSError, ValueError) as e:
        raise Unreachable(package, str(e)) from e


def _download(address: str, file: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=ASK_S) as answer, file.open("wb") as out:
            shutil.copyfileobj(answer, out, 1024**2)
    except OSError as e:
        raise Unreachable(file.name, str(e)) from e
