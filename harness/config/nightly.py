"""What a suite says about its nights, read alone: a trend needs no task, no plugin and no reference."""

from __future__ import annotations

from pathlib import Path

from harness.config.document import read_document
from harness.config.faults import YamlSpot, checked
from harness.config.schema import NightlySpec
from harness.config.workspace import find_suite
from harness.errors import ConfigError, Fault, UsageFault


def nightly_of(workspace: Path, suite: str) -> NightlySpec:
    """The suite's `nightly:`, with defaults; all defaults where the suite is gone. Raises ConfigError with places."""
    try:
        path = find_suite(workspace, suite)
    except UsageFault:
        return NightlySpec()
    shown = path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)
    document = read_document(path, shown)
    data = document.data.get("nightly") if isinstance(document.data, dict) else None
    if data is None:
        return NightlySpec()
    spot = YamlSpot(document).at("nightly")
    faults: list[Fault] = []
    if not isinstance(data, dict):
        raise ConfigError([spot.fault("`nightly` is a mapping", (), "such as nightly: {control: small}")])
    found = checked(NightlySpec, data, spot, faults, {})
    if faults or found is None:
        raise ConfigError(faults)
    return found


def suite_name(workspace: Path, word: str) -> str:
    """The name of a suite that was said as a path; a plain name is itself, also when the suite is gone."""
    if "/" not in word and not word.endswith((".yaml", ".yml")):
        return word
    data = read_document(find_suite(workspace, word), word).data
    name = data.get("suite") if isinstance(data, dict) else None
    return name if isinstance(name, str) else word
