"""A run at a glance: its manifest, how far it got, how many trials passed. Rates with intervals are in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from harness.store.lines import TrialKey, TryLine, keep_deciding
from harness.store.manifest import Manifest, SystemInfo
from harness.store.read import ATTEMPTS, DECIDED, iter_lines, read_manifest

COUNT_BYTES = 48 * 1024**2
"""Bytes of `attempts.jsonl` that one list reads, newest runs first: more would take longer than 0.2 s."""


class _Brief(TryLine, frozen=True, gc=False):
    passed: bool | None = None


class RunSkimmer:
    """Looks at runs one after the other until its allowance of bytes is used up; then they are listed uncounted."""

    def __init__(self, allowance: int = COUNT_BYTES) -> None:
        self._left = allowance

    def skim(self, path: Path) -> dict[str, Any]:
        """One line of `harness list runs`. Raises StoreError when the folder cannot be read."""
        manifest = read_manifest(path)
        line: dict[str, Any] = {
            "run": path.name,
            "suite": manifest.suite,
            "created": manifest.created[:16].replace("T", " "),
            "systems": [s.name + _label(s) for s in manifest.systems],
            "trials": manifest.n_trials,
            "decided": None,
            "status": "not counted",
            "passed": [],
        }
        attempts = path / ATTEMPTS
        self._left -= attempts.stat().st_size if attempts.is_file() else 0
        return line | _counted(path, manifest) if self._left >= 0 else line


def _label(system: SystemInfo) -> str:
    said = [word for word in ("simulated", "stored") if getattr(system, word)]
    return f" ({', '.join(said)})" if said else ""


def _counted(path: Path, manifest: Manifest) -> dict[str, Any]:
    last: dict[TrialKey, _Brief] = {}
    if (path / ATTEMPTS).is_file():
        for line in iter_lines(path, msgspec.json.Decoder(_Brief)):
            keep_deciding(last, line)
    decided = sum(line.status in DECIDED for line in last.values())
    passed = []
    for system in manifest.systems:
        graded = [x.passed for x in last.values() if x.system == system.name and x.status == "graded"]
        passed.append(f"{system.name} {sum(map(bool, graded))}/{len(graded)}")
    whole = decided >= manifest.n_trials
    status = "complete" if whole else f"partial {decided}/{manifest.n_trials}"
    return {"decided": decided, "status": status, "passed": passed}
