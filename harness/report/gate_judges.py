"""The judges of a run as checks: a verdict may not rest on an instrument that was not shown to work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.config.judge_gate import JudgePolicy
from harness.records.judgement import Judgement
from harness.report.gate_model import Check
from harness.report.judges import About, judge_report


def judge_checks(
    judgements: Iterable[Judgement], policy: JudgePolicy, about: About, systems: Sequence[str]
) -> list[Check]:
    """A check per judge and grader for each gated system; none where no judge was asked. Raises StoreError.

    An invalid judge makes the run invalid (exit 3), whatever the systems did.
    """
    report = judge_report(judgements, policy, about)
    found = []
    for sheet in report.sheets:
        name = f"judge {sheet.judge} of {sheet.grader}"
        says = "; ".join(sheet.reasons) or "valid"
        for system in systems:
            if sheet.informs:
                found.append(Check(system, "JUDGE", name, "skipped", f"informs only, decides nothing: {says}"))
            elif sheet.validity == "invalid":
                found.append(Check(system, "JUDGE", name, "invalid", says))
            elif sheet.validity == "inconclusive":
                found.append(Check(system, "INCONCLUSIVE", name, "inconclusive", f"not shown to be valid: {says}"))
            else:
                found.append(Check(system, "JUDGE", name, "ok", says))
    return found
