"""The judges of a run folder: its judgements, the labels kept in it, the thresholds its suite named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import ValidationError

from harness.config.judge_gate import JudgePolicy
from harness.errors import Exit, StoreError
from harness.records.label import Label
from harness.report.judges import About, Elsewhere, judge_report
from harness.report.judges_labels import Design
from harness.report.judges_model import JudgeReport
from harness.report.judges_rubric import rubrics_of
from harness.report.model import Report
from harness.stats.swap import Rule
from harness.store.judgements import JUDGEMENTS, iter_judgements
from harness.store.labels import LABELS, read_labels
from harness.store.manifest import INFORMS, Manifest
from harness.toolkit.judging.judge import family_named


def read_judges(path: Path, manifest: Manifest, beside: Beside | None = None) -> JudgeReport | None:
    """What the run says of its judges; None where no judge was asked. Raises StoreError, ConfigError."""
    if not (path / JUDGEMENTS).is_file():
        return None
    beside = beside or Beside()
    kept = read_labels(path / LABELS, f"{path.name}/{LABELS}") if (path / LABELS).is_file() else []
    about = About(
        run=manifest.run,
        labels=kept if beside.labels is None else beside.labels,
        rules=rules_of(manifest),
        families=families_of(manifest),
        elsewhere=beside.elsewhere,
        informs=informing(manifest),
        design=beside.design or manifest.design,
        rubrics=rubrics_of(manifest),
    )
    asked = (j for j in iter_judgements(path) if not beside.graders or j.grader in beside.graders)
    found = judge_report(asked, beside.policy or policy_of(manifest), about)
    return found if found.sheets else None


@dataclass(frozen=True, slots=True)
class Beside:
    """What is not of the run: other labels than those kept in it, another policy, what judges said in other runs,
    another design than its suite's; `graders` of which alone is told, all if empty.
    """

    labels: Sequence[Label] | None = None
    policy: JudgePolicy | None = None
    elsewhere: Elsewhere = field(default_factory=dict)
    design: Design | Literal["auto"] | None = None
    graders: Sequence[str] = ()


def families_of(manifest: Manifest) -> dict[str, str]:
    """The family of each system's model; simulated ones have none, and neither has a system of several."""
    found = {}
    for system in manifest.systems:
        kin = {family_named(lane) for lane in system.models.values()}
        if len(kin) == 1 and not system.simulated and not system.stored:
            found[system.name] = kin.pop()
    return found


def informing(manifest: Manifest) -> frozenset[str]:
    """Graders that decide no task of the run: their judges may be invalid, and the run is not."""
    return frozenset(n for n, config in manifest.graders.items() if isinstance(config, dict) and config.get(INFORMS))


def why_invalid(report: JudgeReport | None) -> tuple[str, ...]:
    """Why the run is not valid on account of its judges."""
    return tuple(f"judge {reason}" for reason in report.reasons) if report else ()


def exit_code_of(report: Report, *, strict: bool) -> Exit:
    """The run's exit code; under `--strict` a judge that is not proven valid is 4, where all else is well."""
    judges = report.judges
    unproven = judges is not None and judges.validity == "inconclusive"
    return Exit.INCONCLUSIVE if strict and unproven and report.exit_code == Exit.OK else report.exit_code


def policy_of(manifest: Manifest) -> JudgePolicy:
    """The thresholds that the run's suite named. Raises StoreError."""
    try:
        return JudgePolicy.model_validate(manifest.judge_gate)
    except ValidationError as e:
        raise StoreError(f"the judge gate of run {manifest.run} cannot be read: {e}") from e


def rules_of(manifest: Manifest) -> dict[str, Rule]:
    """How each grader puts two orders together, as its configuration in the manifest says."""
    found: dict[str, Rule] = {}
    for name, config in manifest.graders.items():
        said = cast(dict[str, Any], config).get("aggregate") if isinstance(config, dict) else None
        if said in get_args(Rule):
            found[name] = cast(Rule, said)
    return found
