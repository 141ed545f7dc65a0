"""Names of installed plugins and their owners, from package metadata alone: no plugin and no contract is imported."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

GROUPS = {
    "source": "harness.sources",
    "harness": "harness.harnesses",
    "grader": "harness.graders",
    "model": "harness.models",
    "sandbox": "harness.sandboxes",
}
"""As `harness.plugins.contracts.GROUPS`, which costs an import of pydantic; a test holds them equal."""


def installed_points(kind: str) -> list[EntryPoint]:
    """Entry points of a kind by name; a name that two packages own is there twice."""
    unique = {(p.name, p.value): p for p in entry_points(group=GROUPS[kind])}
    return [unique[key] for key in sorted(unique)]


def installed_names(kind: str) -> Iterator[tuple[str, str, str]]:
    """(name, owner with version, `module:Class`) of each installed plugin of a kind."""
    for point in installed_points(kind):
        yield point.name, owner_of(point), point.value


def owner_of(point: EntryPoint) -> str:
    """`eval-harness 0.1.0`, or `unknown package`."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown package"
