"""The judges of a run folder: its judgements, the labels kept in it, the thresholds its suite named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

from pydantic import ValidationError

from harness.config.judge_gate import JudgePolicy
from harness.errors import Exit, StoreError
from harness.records.label import Label
from harness.report.judges import About, judge_report
from harness.report.judges_model import JudgeReport
from harness.report.model import Report
from harness.stats.swap import Rule
from harness.store.judgements import JUDGEMENTS, iter_judgements
from harness.store.labels import LABELS, read_labels
from harness.store.manifest import Manifest


def read_judges(
    path: Path, manifest: Manifest, policy: JudgePolicy | None = None, labels: tuple[Label, ...] = ()
) -> JudgeReport | None:
    """What the run says of its judges; None where no judge was asked. Raises StoreError, ConfigError.

    `policy` instead of the one the suite named; `labels` beside those kept in the run folder.
    """
    if not (path / JUDGEMENTS).is_file():
        return None
    kept = tuple(read_labels(path / LABELS, f"{path.name}/{LABELS}")) if (path / LABELS).is_file() else ()
    about = About(run=manifest.run, labels=(*kept, *labels), rules=_rules(manifest))
    found = judge_report(iter_judgements(path), policy or _policy(manifest), about)
    return found if found.sheets else None


def why_invalid(report: JudgeReport | None) -> tuple[str, ...]:
    """Why the run is not valid on account of its judges."""
    return tuple(f"judge {reason}" for reason in report.reasons) if report else ()


def exit_code_of(report: Report, *, strict: bool) -> Exit:
    """The run's exit code; under `--strict` a judge that is not proven valid is 4, where all else is well."""
    judges = report.judges
    unproven = judges is not None and judges.validity == "inconclusive"
    return Exit.INCONCLUSIVE if strict and unproven and report.exit_code == Exit.OK else report.exit_code


def _policy(manifest: Manifest) -> JudgePolicy:
    try:
        return JudgePolicy.model_validate(manifest.judge_gate)
    except ValidationError as e:
        raise StoreError(f"the judge gate of run {manifest.run} cannot be read: {e}") from e


def _rules(manifest: Manifest) -> dict[str, Rule]:
    """How each grader puts two orders together, as its configuration in the manifest says."""
    found: dict[str, Rule] = {}
    for name, config in manifest.graders.items():
        said = cast(dict[str, Any], config).get("aggregate") if isinstance(config, dict) else None
        if said in get_args(Rule):
            found[name] = cast(Rule, said)
    return found
