"""A resolved suite: every plugin bound, every file found, every fault already told. What the engine runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.judge_gate import Calibration, JudgePolicy
from harness.config.schema import NightlySpec
from harness.plugins.contracts import Grader, Harness, Model, Sandbox
from harness.records.content import Json
from harness.records.task import Limits, Task


@dataclass(frozen=True, slots=True)
class System:
    """A harness with its models by role. `default` systems run when none is named.

    `harness_digest` covers the harness and what it delegates to; `model_digest` the models, names and settings.
    `config` is the system as written in YAML with defaults filled in: it goes into the manifest.
    """

    name: str
    harness: Harness
    models: Mapping[str, Model]
    limits: Limits
    default: bool
    harness_digest: str
    model_digest: str
    config: Mapping[str, Json]
    place: str = ""


@dataclass(frozen=True, slots=True)
class BoundGrader:
    """A grader under the name tasks use for it. `digest` covers class, version, parameters and files."""

    name: str
    grader: Grader
    digest: str
    config: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Suite:
    """Everything `run` needs. Tasks are in the order of the YAML; ids are unique.

    `budget_usd` None is no budget; `coverage_floor` is the share of trials that must be graded for a valid run,
    `may_lack` names requirements whose lack the floor overlooks;
    `infra_retries` is how often a trial is tried again after an infrastructure failure; `concurrency` is the number
    of trials in flight, `boxes` that of trials whose task has a box (None is twice the number of cores); `cache` turns
    the model-call cache on; `prices` is the overlay file, if there is one.
    `sandbox` makes the boxes; None where none is installed. `sandbox_config` is how it was written, defaults filled in.
    `gate` is what the suite says about its gate: a file, beside the suite or from the workspace, or a mapping;
    `judge_gate` when a judge of this suite counts as valid, and `calibration` by which labels it is measured.
    """

    name: str
    workspace: Path
    path: Path
    tasks: Sequence[Task]
    systems: Mapping[str, System]
    graders: Mapping[str, BoundGrader]
    epochs: int = 1
    limits: Limits = Limits()
    budget_usd: float | None = None
    coverage_floor: float = 0.98
    may_lack: Sequence[str] = ()
    infra_retries: int = 1
    concurrency: int = 16
    boxes: int | None = None
    sandbox: Sandbox | None = None
    sandbox_config: Mapping[str, Json] = field(default_factory=dict)
    seed: int = 0
    cache: bool = False
    prices: Path | None = None
    description: str = ""
    digest: str = ""
    notes: Sequence[str] = field(default=())
    gate: Json = None
    judge_gate: JudgePolicy = JudgePolicy()
    calibration: Calibration = Calibration()
    nightly: NightlySpec = field(default_factory=NightlySpec)
