"""`manifest.json`: what a run is, written once when it starts."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.records.content import Json
from harness.records.task import Limits

FORMAT = 1
"""Version of the run folder's layout. A folder with a higher one is refused."""


INFORMS = "informative"
"""In a grader's entry: it decides no task of the run."""


class SystemInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A system as it was run.

    `simulated` models are not models, a `privileged` harness sees the reference, a `stored` one plays answers that
    were made earlier. `harness` is its name, `config` has its parameters.
    """

    name: str
    harness: str
    models: dict[str, str]
    harness_digest: str
    model_digest: str
    simulated: bool = False
    privileged: bool = False
    stored: bool = False
    config: dict[str, Json] = {}


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the command line chose from the suite, and the result: ids only when it is not everything."""

    filters: dict[str, Json] = {}
    tasks_in_suite: int = 0
    task_ids: tuple[str, ...] | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Identity, plan and environment of a run. Times are UTC, ISO 8601.

    `night` is the night that `harness nightly` made the run for: there is one run of each. `confirms` is the night
    whose alarm the run was made to see again: it is no night itself. `judge_gate` holds the suite's thresholds,
    `design` how it wants scores of judges corrected by labels. `allow_unpriced` says that models without a price were
    allowed under a budget, in words, when the run began.
    """

    format: int = FORMAT
    run: str
    suite: str
    suite_path: str
    suite_digest: str
    tasks_digest: str
    created: str
    systems: tuple[SystemInfo, ...]
    n_tasks: int
    epochs: int
    seed: int
    limits: Limits = Limits()
    budget_usd: float | None = None
    allow_unpriced: bool = False
    coverage_floor: float = 0.98
    may_lack: tuple[str, ...] = ()
    infra_retries: int = 1
    concurrency: int = 16
    cache: bool = False
    selection: Selection = Selection()
    sandbox: dict[str, Json] = {}
    graders: dict[str, Json] = {}
    judge_gate: dict[str, Json] = {}
    design: Literal["auto", "run_sample", "external"] = "auto"
    versions: dict[str, str] = {}
    host: dict[str, Json] = {}
    git: str = ""
    regrade_of: str = ""
    night: str = ""
    confirms: str = ""

    @property
    def n_trials(self) -> int:
        """Trials planned: tasks x systems x epochs."""
        return self.n_tasks * len(self.systems) * self.epochs
