"""The gate's policy: `gates.yaml` beside the suite, another file named by `gate:`, or written there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.config.boxes import Time
from harness.config.document import Document, read_document
from harness.config.faults import Spot, YamlSpot, checked, describe
from harness.config.judge_gate import JudgePolicy
from harness.config.schema import Spec
from harness.errors import ConfigError, Fault, UsageFault

GATES = "gates.yaml"
"""The policy file beside suite.yaml where the suite names no other."""

Failing = Literal[
    "REGRESSION", "WORSE", "LIMIT", "CRITICAL", "MUST_PASS", "COST", "LATENCY", "QUARANTINE", "INCONCLUSIVE"
]
DEFAULT_FAILING: tuple[Failing, ...] = (
    "REGRESSION", "WORSE", "LIMIT", "CRITICAL", "MUST_PASS", "COST", "LATENCY", "QUARANTINE",
)  # fmt: skip
Share = Annotated[float, Field(gt=0, lt=1)]
Level = Annotated[float, Field(gt=0, lt=0.5)]


@dataclass(frozen=True)
class _Or:
    """In the JSON Schema, a plain value is allowed too."""

    kind: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> Any:
        return {"anyOf": [{"type": self.kind}, handler(core_schema)]}


class MetricGate(Spec):
    """One metric that decides."""

    margin: Share | None = None
    """The loss against the baseline that is a regression, in the metric's own units (0.05 is five points)."""
    direction: Literal["up", "down"] | None = None
    """Which way is better; known for all but `grader.*`, which are `up` unless this says otherwise."""
    min: Annotated[float, Field(ge=0, le=1)] | None = None
    """The least that is enough, whatever the baseline had: fails when the upper bound is below."""
    max: Annotated[float, Field(ge=0, le=1)] | None = None
    """The most that is allowed, whatever the baseline had: fails when the lower bound is above."""

    @model_validator(mode="after")
    def _something(self) -> MetricGate:
        if self.margin is None and self.min is None and self.max is None:
            raise ValueError("say at least one of margin, min and max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


def _margin(value: object) -> object:
    return {"margin": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def _one_task(value: object) -> object:
    return {"task": value} if isinstance(value, str) else value


class MustPass(Spec):
    """Tasks that must pass in every run. A plain name is enough: then more than half of its epochs must."""

    task: Annotated[str, Field(min_length=1)]
    """A task's id, or a glob over ids."""
    passes: Annotated[int, Field(ge=1)] | None = None
    """How many epochs must pass; more than half of those planned, if absent."""
    of: Annotated[int, Field(ge=1)] | None = None
    """Of how many: a run with fewer epochs cannot decide it, and of more epochs the same share must pass. A suite with
    fewer is a fault."""

    @model_validator(mode="after")
    def _possible(self) -> MustPass:
        if self.of is not None and (self.passes is None or self.passes > self.of):
            raise ValueError("`of` is the number of epochs of which `passes` must pass: passes: 2, of: 3")
        return self


class CriticalErrors(Spec):
    """Errors that a grader called critical."""

    max: Annotated[int, Field(ge=0)] = 0
    """How many trials with one are allowed."""


class CostGate(Spec):
    """What a success may cost."""

    max_ratio: Annotated[float, Field(gt=0)] | None = None
    """Times the baseline's cost per success: fails when the lower bound of the ratio is above."""
    max_usd: Annotated[float, Field(gt=0)] | None = None
    """US dollars per success: fails when its lower bound is above."""


class LatencyGate(Spec):
    """How much slower it may get."""

    max_ratio: Annotated[float, Field(gt=0)]
    """Times the baseline's working time (geometric mean over tasks): fails when the lower bound is above."""


class P95Gate(Spec):
    """A limit for the slow tail."""

    max: Time
    """The most that the 95th percentile of the tasks' working times may be: fails when its lower bound is above."""


def _most_time(value: object) -> object:
    return {"max": value} if isinstance(value, str | int | float) and not isinstance(value, bool) else value


class GateFile(Spec):
    """When a run is good enough."""

    baseline: str | dict[str, str] | None = None
    """The baseline's name, or one by system; `<suite>-<system>` if absent."""
    systems: list[str] = Field(default_factory=list)
    """The systems that must pass, with a baseline or without. If absent, those with a baseline; while none has one, all
    of the run, by the rules that need none."""
    alpha: Level = 0.05
    """The chance of a false alarm over all metrics, and of a false OK at the margin. Under 0.5."""
    cluster: Literal["family", "task"] = "family"
    """What varies together."""
    metrics: dict[str, Annotated[MetricGate, BeforeValidator(_margin), _Or("number")]] = Field(
        default_factory=lambda: {"pass_rate": MetricGate(margin=0.05)}
    )
    """What decides, usually one to three metrics; a plain number is the margin."""
    must_pass: list[Annotated[MustPass, BeforeValidator(_one_task), _Or("string")]] = Field(default_factory=list)
    """Tasks that must pass."""
    critical_errors: CriticalErrors | None = CriticalErrors()
    """Critical errors; none is allowed unless this says otherwise."""
    cost_per_success: CostGate | None = None
    """Money."""
    latency: LatencyGate | None = None
    """Time against the baseline."""
    latency_p95: Annotated[P95Gate, BeforeValidator(_most_time), _Or("string")] | None = None
    """The slow tail; a plain time is the most it may be."""
    coverage: Share | None = None
    """The share of planned trials that must be graded; the suite's floor, if absent."""
    judge_gate: JudgePolicy | None = None
    """When a judge counts as valid; the suite's `judge_gate:`, if absent. An invalid judge makes the run invalid."""
    quarantine: str | None = None
    """The quarantine file; `quarantine.yaml` beside the suite, if absent."""
    quarantine_max: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The share of tasks that may be under quarantine."""
    same_system: bool = False
    """Whether a changed harness or model makes the run not comparable: for watching one system over time."""
    subset: bool = False
    """Whether a run of a part of the suite may be gated, on that part."""
    max_age: Time | None = None
    """How long ago the run may have been started: `36h`, `2d`. An older one is INVALID: it says nothing of today, and a
    schedule that died would stay green."""
    max_age_days: Annotated[int, Field(ge=1)] | None = None
    """How old the baseline's newest night may be."""
    fail_on: list[Failing] = Field(default_factory=lambda: list(DEFAULT_FAILING))
    """What fails (exit 1), and with INCONCLUSIVE also what cannot be told (exit 4)."""

    @property
    def needs_baseline(self) -> bool:
        """Whether anything is compared with a baseline."""
        ratio = self.cost_per_success is not None and self.cost_per_success.max_ratio is not None
        return ratio or self.latency is not None or any(m.margin is not None for m in self.metrics.values())

    @property
    def asks_for_baseline(self) -> bool:
        """Whether somebody wrote a rule that compares with a baseline: the default margin is not written."""
        of_it = {"baseline", "latency", "max_age_days", "same_system"} & self.model_fields_set
        return bool(of_it) or (self.needs_baseline and bool({"metrics", "cost_per_success"} & self.model_fields_set))


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy, and where its words stand; `shown` is its file (empty: the defaults)."""

    file: GateFile
    spot: Spot
    shown: str = ""


def load_policy(path: Path, shown: str) -> Policy:
    """A policy file. Raises ConfigError with every fault."""
    document = read_document(path, shown)
    return _checked(document, YamlSpot(document), document.data)


def suite_policy(workspace: Path, suite: Path) -> Policy:
    """What a suite's file says about its gate, gates.yaml beside it, or the defaults. Raises ConfigError."""
    shown = suite.relative_to(workspace).as_posix() if suite.is_relative_to(workspace) else str(suite)
    document = read_document(suite, shown) if suite.is_file() else Document(shown)
    gate = document.data.get("gate") if isinstance(document.data, dict) else None
    spot = YamlSpot(document, ("gate",))
    if isinstance(gate, dict):
        return _checked(document, spot, gate)
    if isinstance(gate, str):
        for base in (suite.parent, workspace):
            if (base / gate).is_file():
                return load_policy(base / gate, _shown(base / gate, workspace))
        raise ConfigError(
            [spot.fault(f"no such file: {gate}", (), "it is looked up beside the suite, then from the workspace")]
        )
    if (suite.parent / GATES).is_file():
        return load_policy(suite.parent / GATES, _shown(suite.parent / GATES, workspace))
    return Policy(GateFile(), YamlSpot(Document(shown)))


def _shown(path: Path, workspace: Path) -> str:
    return path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


def _checked(document: Document, spot: YamlSpot, data: object) -> Policy:
    faults: list[Fault] = []
    file = None
    if isinstance(data, dict):
        file = checked(GateFile, data, spot, faults, {})
    elif not document.faults:
        faults.append(spot.fault(f"a gate is a mapping, found {describe(data)}"))
    if file is None or faults or document.faults:
        raise ConfigError([*document.faults, *faults])
    return Policy(file, spot, document.shown)


def policy_file(path: Path) -> Policy:
    """A policy named on the command line. Raises UsageFault, ConfigError."""
    if not path.is_file():
        raise UsageFault(f"no policy file '{path}'")
    return load_policy(path, str(path))
