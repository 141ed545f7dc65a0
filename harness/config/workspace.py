"""Where things are: the workspace, a suite's file, a run's folder. Cheap to import; every command starts here."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from harness.errors import UsageFault

MARK = "tasks"
"""The folder that makes a folder a workspace."""
QUARANTINE = "quarantine.yaml"
"""The file beside suite.yaml with tasks that failed their QA (`harness.config.quarantine`)."""
QUARANTINED = "quarantined"
"""The tag of such a task, in lists, filters, reports and records."""


def find_workspace(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` (default: the current one) that holds `tasks/`.

    The environment's HARNESS_WORKSPACE wins when `start` is None. Raises UsageFault.
    """
    if start is None and (named := os.environ.get("HARNESS_WORKSPACE")):
        path = Path(named).expanduser()
        if not (path / MARK).is_dir():
            raise UsageFault(f"HARNESS_WORKSPACE names '{named}', which has no {MARK}/ folder", help=_help())
        return path.resolve()
    here = (start or Path.cwd()).expanduser().resolve()
    if not here.is_dir():
        raise UsageFault(f"no such folder: {start}", help=_help())
    for folder in (here, *here.parents):
        if (folder / MARK).is_dir():
            return folder
    raise UsageFault(f"no workspace: neither '{here}' nor any folder above it has a {MARK}/ folder", help=_help())


def find_suite(workspace: Path, name: str) -> Path:
    """A suite's file: `mine` is tasks/mine/suite.yaml; a path (to the file or its folder) is taken as it is.

    A path is looked up from the workspace, then from the current folder. Raises UsageFault naming what there is.
    """
    named = workspace / MARK / name / "suite.yaml"
    if name and named.is_file():
        return named
    if name.endswith((".yaml", ".yml")) or "/" in name:
        for base in (workspace, Path.cwd()):
            path = base / name
            path = path / "suite.yaml" if path.is_dir() else path
            if path.is_file():
                return _inside(workspace, path)
    there = suite_names(workspace)
    hints = [_close(name, there), f"suites: {', '.join(there)}" if there else "this workspace has no suite yet"]
    if "/" not in name and not name.endswith((".yaml", ".yml")):
        hints.append(f"make one: harness new suite {name or 'NAME'}")
    raise UsageFault(f"no suite '{name}'", help=" — ".join(h for h in hints if h))


def _inside(workspace: Path, path: Path) -> Path:
    """The suite's file by its place in the workspace, which the run's manifest records."""
    for spelled in (Path(os.path.normpath(path.absolute())), path.resolve()):
        if spelled.is_relative_to(workspace):
            return spelled
    raise UsageFault(
        f"the suite {path} is outside the workspace {workspace}", help="name its workspace with --workspace DIR"
    )


def suite_names(workspace: Path) -> list[str]:
    """The names `find_suite` knows, sorted: folders of tasks/ with a suite.yaml (nested ones as `a/b`)."""
    root = workspace / MARK
    return sorted(p.parent.relative_to(root).as_posix() for p in root.rglob("suite.yaml") if p.parent != root)


def find_run(workspace: Path, name: str | None = None) -> Path:
    """A run's folder: a path, a folder name in runs/, a unique prefix of one, or the newest (None, `latest`).

    Raises UsageFault when there is none or several.
    """
    names = run_names(workspace)
    runs = workspace / "runs"
    if name in (None, "", "latest"):
        if not names:
            raise UsageFault("this workspace has no run yet", help="make one: harness run --suite NAME")
        return runs / names[-1]
    assert name is not None
    for path in (Path(name).expanduser(), workspace / name):
        if path.is_dir() and is_run(path):
            return path.resolve()
    fits = [n for n in names if n.startswith(name)]
    if name in names or len(fits) == 1:
        return runs / (name if name in names else fits[0])
    if fits:
        raise UsageFault(f"'{name}' is the start of {len(fits)} runs: {', '.join(fits)}", help="write more of the name")
    hints = [_close(name, names), f"newest runs: {', '.join(names[-5:])}" if names else "there is no run yet"]
    raise UsageFault(f"no run '{name}'", help=" — ".join(h for h in hints if h))


def is_run_name(workspace: Path, name: str) -> bool:
    """Whether a word names a run and can be nothing else: `latest`, or a run's whole name."""
    return name == "latest" or name in run_names(workspace)


def run_names(workspace: Path) -> list[str]:
    """Folders of runs/ that are runs, oldest first: by the second in their names, and within one by their manifests."""
    runs = workspace / "runs"
    if not runs.is_dir():
        return []
    names = [p.name for p in runs.iterdir() if p.is_dir() and is_run(p)]
    seconds = Counter(n.partition("-")[0] for n in names)

    def made(name: str) -> tuple[str, int, str]:
        second = name.partition("-")[0]
        return second, (runs / name / "manifest.json").stat().st_mtime_ns if seconds[second] > 1 else 0, name

    return sorted(names, key=made)


def is_run(path: Path) -> bool:
    """Whether a folder is a run folder: it has a manifest."""
    return (path / "manifest.json").is_file()


def _close(word: str, options: list[str]) -> str:
    from harness.plugins.loader import did_you_mean  # loads pydantic: only on the way to an error

    return did_you_mean(word, options)


def _help() -> str:
    return "go into one, name one with --workspace DIR, or make one here: harness new suite mine"
