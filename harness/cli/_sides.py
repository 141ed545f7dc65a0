"""What a command compares: runs by name, and `baseline:NAME`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageFault

if TYPE_CHECKING:
    from harness.report.measured import Measured
    from harness.report.trials import Trials

BASELINE = "baseline:"
LOOKED_AT = 20
"""So many of the newest runs are asked whether a word is the name of a system of theirs."""


def run_path(name: str | None, workspace: Path | None) -> Path:
    """A run's folder: a path to one, or what `find_run` knows. Raises UsageFault."""
    from harness.config.workspace import find_run, find_workspace, is_run

    if name and is_run(Path(name)):
        return Path(name)
    return find_run(find_workspace(workspace), name)


def read_side(name: str, workspace: Path | None) -> Trials | Measured:
    """A run as its trials, or a baseline as what was measured. Raises HarnessError."""
    if name.startswith(BASELINE):
        from harness.config.workspace import find_workspace
        from harness.report.baseline import measured_of, read_baseline

        return measured_of(read_baseline(find_workspace(workspace), name.removeprefix(BASELINE)))
    from harness.report.trials import read_trials

    try:
        return read_trials(run_path(name, workspace))
    except UsageFault as e:
        if help := _as_system(name, workspace):
            raise UsageFault(e.fault.what, help=help) from e
        raise


def _as_system(name: str, workspace: Path | None) -> str:
    """What to write instead, when the name of a system stands where a run's is expected; else nothing."""
    from harness.config.workspace import find_workspace, run_names
    from harness.errors import HarnessError
    from harness.store.read import read_manifest

    try:
        root = find_workspace(workspace)
        names = run_names(root)[: -LOOKED_AT - 1 : -1]
    except HarnessError:
        return ""
    for back, run in enumerate(names):
        with suppress(HarnessError):
            if name in [s.name for s in read_manifest(root / "runs" / run).systems]:
                which, said = ("", "the newest run") if not back else (f"{run} ", f"the run {run}")
                how = f"harness compare {which}--systems {name} OTHER"
                return f"'{name}' is a system of {said}; two systems of one run: {how}"
    return ""


def systems_of(side: Trials | Measured) -> list[str]:
    """The systems that a side has, in the order of its plan."""
    from harness.report.measured import Measured

    return [side.system.name] if isinstance(side, Measured) else [s.name for s in side.manifest.systems]


def folder_of(name: str, workspace: Path | None) -> Path | None:
    """The run's folder; a baseline has none."""
    return None if name.startswith(BASELINE) else run_path(name, workspace)


def measured_side(side: Trials | Measured, system: str) -> Measured:
    """One system of a side. Raises UsageFault when it has none of that name."""
    from harness.report.measured import Measured, measure

    if isinstance(side, Measured):
        if side.system.name != system:
            raise UsageFault(f"{side.label} is of the system '{side.system.name}', not '{system}'")
        return side
    return measure(side, system)


def pairs_of(a: Trials | Measured, b: Trials | Measured, systems: list[str]) -> list[tuple[str, str]]:
    """Which system of a with which of b: those named, those with the same name, or the only ones of both."""
    there_a, there_b = systems_of(a), systems_of(b)
    if len(systems) == 2:
        return [(systems[0], systems[1])]
    if systems:
        return [(systems[0], systems[0])]
    common = [s for s in there_a if s in there_b]
    if common:
        return [(s, s) for s in common]
    if len(there_a) == 1 == len(there_b):
        return [(there_a[0], there_b[0])]
    raise UsageFault(
        f"the two sides have no system of the same name: {', '.join(there_a)}; {', '.join(there_b)}",
        help="name one of each: --systems A B",
    )
