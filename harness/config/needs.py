"""What a routed system must be, as YAML: for all tasks, and for some shapes otherwise.

needs: {min_success: 0.8, margin: 0.1}
shapes:
  - {when: {stakes: high}, min_success: 0.95, max_critical: 0.02, loss_per_failure: 40}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.config.document import read_document
from harness.config.faults import YamlSpot, checked, describe
from harness.errors import ConfigError, Fault, UsageFault

Share = Annotated[float, Field(gt=0, lt=1)]


class Needs(BaseModel):
    """Constraints on a system for some tasks. What is absent asks for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True)

    min_success: Share | None = None
    """The least pass rate; shown by a one-sided bound."""
    max_critical: Share | None = None
    """The largest share of tasks with a critical error; shown by the exact upper bound."""
    p95_s: Annotated[float, Field(gt=0)] | None = None
    """The longest working time of 95 % of the tasks, seconds; shown by an order-statistic bound, from 59 tasks on."""
    max_cost_per_success: Annotated[float, Field(gt=0)] | None = None
    """The most that a success may cost, US dollars; shown by the upper bound of its interval."""
    loss_per_failure: Annotated[float, Field(gt=0)] | None = None
    """What a failure costs you, US dollars. With it the cheapest is the one with the least cost + loss x failures."""
    margin: Share = 0.10
    """How much worse than the best still counts as no worse. Under 0.10 hardly any suite can show it."""


class When(BaseModel):
    """Shapes that a rule is for; what is absent is any."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    horizon: Literal["short", "medium", "long"] | None = None
    stakes: Literal["low", "high"] | None = None
    surface: str | None = None


class ShapeNeeds(Needs):
    """Needs of some shapes: these instead of the general ones, where they say something."""

    when: When
    """The shapes."""


class NeedsFile(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    needs: Needs = Needs()
    """For every task."""
    shapes: list[ShapeNeeds] = []
    """Of several that fit a shape, the last one wins."""


def read_needs(path: Path) -> NeedsFile:
    """The file. Raises UsageFault when it cannot be read, ConfigError with every fault and its place."""
    if not path.is_file():
        raise UsageFault(f"no such file: {path}", help="docs/how-to/route.md shows its form")
    document = read_document(path, str(path))
    faults: list[Fault] = list(document.faults)
    found: NeedsFile | None = None
    if isinstance(document.data, dict):
        found = checked(NeedsFile, document.data, YamlSpot(document), faults, {})
    elif not faults:
        faults.append(document.fault(f"a file of needs is a mapping, found {describe(document.data)}"))
    if faults or found is None:
        raise ConfigError(faults)
    return found


def needs_of(file: NeedsFile, shape: dict[str, str]) -> Needs:
    """The needs of one shape."""
    needs = file.needs
    for rule in file.shapes:
        if all(shape.get(name) == value for name, value in rule.when.model_dump(exclude_none=True).items()):
            said = {n: getattr(rule, n) for n in rule.model_fields_set - {"when"}}
            needs = needs.model_copy(update=said)
    return needs
