"""CLIs made of many packages: a locked set of npm or Python packages, installed whole into a layer.

The set for the version a release was tested with is shipped (`harness/agents/locks/`). For any other version it is
resolved when the layer is built, and kept in the layer as `lock`, so that the layer says exactly what is in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.agents import npm
from harness.agents.faults import NoSuchVersion, Unreachable
from harness.agents.recipes import Recipe
from harness.errors import UsageFault
from harness.toolkit.agent_layers import LayerSource

LOCKS = Path(__file__).with_name("locks")
KEPT_LOCK = "lock"
INSTALL_S = 1800
PYTHON = "3.11"
_NONE_FITS = re.compile(r"satisfies the requirement ([^\s=]+)==(\S+) \(from versions: ([^)]*)\)")
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
ARM_PLATFORMS = tuple(name.replace("x86_64", "aarch64") for name in PLATFORMS)


def install_node(recipe: Recipe, version: str, root: Path) -> list[LayerSource]:
    """Install a package of the npm registry with its dependencies, without running any install script."""
    found = shutil.which("npm")
    if found is None:
        raise UsageFault(
            f"{recipe.name} is made of many npm packages: building its layer needs npm on this machine",
            help="install npm, or build the layer where npm is and copy its folder (`harness agent list`)",
        )
    lock = shipped_lock(recipe, version)
    project = {"name": "layer", "version": "1.0.0", "private": True, "dependencies": {recipe.package: version}}
    (root / "package.json").write_text(json.dumps(project))
    if lock is not None:
        (root / "package-lock.json").write_text(lock.read_text())
    else:
        if version not in (there := npm.versions(recipe.package)):
            raise NoSuchVersion(recipe.package, version, there)
        flags = ["--package-lock-only", "--omit-lockfile-registry-resolved"]
        _run([found, "install", *flags, *NPM_FLAGS], root, recipe.package)
    kept = (root / "package-lock.json").read_text()
    # not `npm ci`: it refuses a set whose optional packages, which are left out anyway, are not all to be had
    _run([found, "install", *NPM_FLAGS], root, recipe.package)
    (root / "package-lock.json").unlink()
    (root / KEPT_LOCK).write_text(kept)
    (root / "node_modules" / ".package-lock.json").unlink(missing_ok=True)
    return [
        LayerSource("npm", name.rpartition("node_modules/")[2], str(entry["version"]), str(entry["integrity"]))
        for name, entry in sorted(json.loads(kept)["packages"].items())
        if name and "integrity" in entry and (root / name).is_dir()
    ]


NPM_FLAGS = ("--ignore-scripts", "--omit=dev", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")


def install_python(recipe: Recipe, version: str, arch: str, root: Path) -> list[LayerSource]:
    """Install wheels for Python 3.11 into `site`, by hash; the image brings the interpreter."""
    lock = shipped_lock(recipe, version)
    platforms = PLATFORMS if arch == "x64" else ARM_PLATFORMS
    wanted = ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    wanted += [word for name in platforms for word in ("--platform", name)]
    if lock is None:
        text = resolve_python((f"{recipe.package}=={version}", *recipe.extra), wanted, root)
        pins = (_pinned(line) for line in text.splitlines())
        found = [one.version for one in pins if one.package.replace("_", "-") == recipe.package]
        if found != [version]:  # `0.86.*` is none
            raise NoSuchVersion(recipe.package, version, found)
    else:
        text = lock.read_text()
    (root / KEPT_LOCK).write_text(text)
    target = ["--target", str(root / "site"), "--no-deps", "--require-hashes", "-r", str(root / KEPT_LOCK)]
    _run([*PIP, "install", *wanted, "--no-compile", *target], root, recipe.package)
    _forget_the_builder(root / "site")
    return [_pinned(line) for line in text.splitlines() if " --hash=" in line]


def _forget_the_builder(site: Path) -> None:
    """Leave only what the wheels hold, so that every machine builds the same layer.

    pip adds scripts that begin with the path of its own interpreter, and notes of how it was asked.
    """
    shutil.rmtree(site / "bin", ignore_errors=True)
    for told in site.glob("*.dist-info"):
        for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
            (told / name).unlink(missing_ok=True)


def _pinned(line: str) -> LayerSource:
    what, _, hash = line.partition(" --hash=")
    name, _, at = what.partition("==")
    return LayerSource("pypi", name, at, hash)


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def resolve_python(requirements: Sequence[str], flags: Sequence[str], scratch: Path) -> str:
    """A locked set, one `name==version --hash=sha256:...` a line, by name."""
    report = scratch / "report.json"
    words = ["--dry-run", "--ignore-installed", "--report", str(report), "--target", str(scratch / "site")]
    _run([*PIP, "install", *words, *flags, *requirements], scratch, requirements[0])
    found = json.loads(report.read_text())
    report.unlink()
    lines = [
        f"{one['metadata']['name'].lower()}=={one['metadata']['version']} "
        f"--hash=sha256:{one['download_info']['archive_info']['hashes']['sha256']}"
        for one in found["install"]
    ]
    return "\n".join(sorted(lines)) + "\n"


def shipped_lock(recipe: Recipe, version: str) -> Path | None:
    """The set that comes with this release, if it has one for this version."""
    path = LOCKS / f"{recipe.name}-{version}.{'json' if recipe.how == 'node' else 'txt'}"
    return path if path.is_file() else None


def _run(words: Sequence[str], folder: Path, what: str) -> None:
    """Run npm or pip. Raises NoSuchVersion or Unreachable with its last words."""
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            env={**os.environ, "PIP_NO_INPUT": "1"},
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unreachable(what, str(e)) from e
    if done.returncode == 0:
        return
    if found := _NONE_FITS.search(done.stderr):
        name, version, there = found.groups()
        if there == "none":  # pip says so as well when nobody answers
            raise Unreachable(
                name, "no version of it is to be had: the index of packages is silent or does not have it"
            )
        raise NoSuchVersion(name, version, there.split(", "))
    said = [line.removeprefix("npm error").strip() for line in (done.stderr or done.stdout).splitlines()]
    lines = [line for line in said if line and "://" not in line and "complete log" not in line]
    raise Unreachable(what, "; ".join(lines[:2]) or f"it ended with {done.returncode}")
