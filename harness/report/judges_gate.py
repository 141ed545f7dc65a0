"""Is the judge valid? Data sheets against thresholds; separate from every gate on systems, exit code 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.config.judge_gate import JudgePolicy
from harness.report.judges_model import Check, Figure, JudgeSheet, State, Validity
from harness.report.words import many

PROOFS = frozenset({"swap_consistency_min", "sentinel_agreement_min", "kappa_min"})
"""Checks that a judge which never looks at the work cannot pass. One that always says the same passes all the others:
it is never without a verdict, perfectly stable, moved by no text, and if it says *no*, empty phrases do not win."""
UNPROVEN = "nothing was measured that a judge which always says the same would fail: sentinels, labels or both orders"
TURNED = ("swap_consistency", "rotation_consistency")


def judged_valid(sheet: JudgeSheet, policy: JudgePolicy) -> JudgeSheet:
    """The sheet with its checks, validity and reasons."""
    checks = _checks(sheet, policy)
    proofs = PROOFS - {"sentinel_agreement_min"} if sheet.sentinels_alike else PROOFS
    proven = any(c.state == "ok" and c.name in proofs for c in checks)
    failed = [c for c in checks if c.state == "failed"]
    open_ = [c for c in checks if c.state == "inconclusive"]
    open_ += [c for c in checks if c.state == "not_measured" and c.name in policy.model_fields_set]
    if failed:
        validity: Validity = "invalid"
    elif open_ or not proven:
        validity = "inconclusive"
    else:
        validity = "valid"
    reasons = tuple(f"{c.name}: {c.reason}" for c in failed or open_)
    if validity == "inconclusive" and not reasons:
        reasons = (UNPROVEN,)
    return replace(sheet, checks=tuple(checks), validity=validity, reasons=reasons)


def worst(sheets: Sequence[JudgeSheet]) -> Validity:
    """The validity of all of them together; without a sheet there is no judge to doubt."""
    found = {s.validity for s in sheets}
    return "invalid" if "invalid" in found else "inconclusive" if "inconclusive" in found else "valid"


def _checks(sheet: JudgeSheet, policy: JudgePolicy) -> list[Check]:
    least = policy.min_pairs
    turned = "rotation_consistency" if sheet.protocol == "select" else "swap_consistency"
    found = [
        _at_least(sheet, "swap_consistency_min", policy.swap_consistency_min, turned, least),
        _position(sheet, policy),
        _stable(sheet, policy),
        _at_most(sheet, "ungraded_max", policy.ungraded_max, "ungraded"),
        _count(sheet, "null_answer_wins_max", policy.null_answer_wins_max, "control_null_answers"),
        _count(sheet, "injection_effective_max", policy.injection_effective_max, "injection_effective"),
        _sentinels(sheet, policy),
        _at_least(sheet, "kappa_min", policy.kappa_min, "kappa", least),
    ]
    return [c for c in found if c is not None]


def _absent(name: str, limit: float, f: Figure | None) -> Check:
    why = (f.why_not if f else "") or "no such control was judged"
    return Check(name, "not_measured", limit, why)


def _at_least(sheet: JudgeSheet, name: str, limit: float | None, key: str, least: int) -> Check | None:
    """The lower end reaches it: ok. The value is under it, or all of the interval: failed. Else: not known yet."""
    if limit is None:
        return None
    f = sheet.figure(key)
    if f is None:
        return None  # this kind of judge has no such figure
    if f.value is None:
        return _absent(name, limit, f)
    said = f"{f.value:.2f} of {many(f.n, f.unit.removesuffix('s'))}"
    if f.interval is None:
        return Check(name, "inconclusive", limit, f"{said}: {f.why_not}")
    said += f" [{f.interval.low:.2f}, {f.interval.high:.2f}]"
    if key in TURNED and sheet.only_ties:
        return Check(name, "inconclusive", limit, f"{said}: no information, every verdict is a tie")
    enough = f.n >= least
    state: State = "ok"
    if f.interval.high < limit or (enough and f.value < limit):
        state, said = "failed", f"{said} is under {limit:g}"
    elif not enough:
        state, said = "inconclusive", f"{said}: {least} are needed"
    elif f.interval.low < limit:
        state, said = "inconclusive", f"{said}: the interval reaches under {limit:g}; more are needed"
    return Check(name, state, limit, said)


def _stable(sheet: JudgeSheet, policy: JudgePolicy) -> Check | None:
    """Repeats where there are some. The default is no threshold of a judge with one repeat, or with few that agree.

    Else measuring a little more would make a judge that was valid an unproven one. Few that do not agree still fail it.
    """
    name = "repetition_stability_min"
    f = sheet.figure("repetition_stability")
    named = name in policy.model_fields_set
    if (f is None or f.value is None) and not named:
        return None
    check = _at_least(sheet, name, policy.repetition_stability_min, "repetition_stability", policy.min_pairs)
    few = f is not None and f.n < policy.min_pairs
    return None if check is not None and few and not named and check.state == "inconclusive" else check


def _position(sheet: JudgeSheet, policy: JudgePolicy) -> Check | None:
    name, limit = "position_effect_equiv", policy.position_effect_equiv
    if limit is None:
        return None
    f = sheet.figure("position_effect")
    if f is None or sheet.position is None:
        return None
    if f.value is None:
        return _absent(name, limit, f)
    span = f" [{f.interval.low:+.2f}, {f.interval.high:+.2f}]" if f.interval else ""
    words = f"order blind, its 90% interval is within {limit:g}" if sheet.position == "order_blind" else sheet.position
    said = f"{f.value:+.2f}{span} of {many(f.n, f.unit.removesuffix('s'))}: {words}"
    states: dict[str, State] = {"order_blind": "ok", "biased": "failed", "inconclusive": "inconclusive"}
    state = states[sheet.position]
    if state == "ok" and f.n < policy.min_pairs:
        return Check(name, "inconclusive", limit, f"{said}, but {policy.min_pairs} are needed")
    return Check(name, state, limit, said)


def _at_most(sheet: JudgeSheet, name: str, limit: float | None, key: str) -> Check | None:
    f = sheet.figure(key)
    if limit is None:
        return None
    if f is None or f.value is None:
        return _absent(name, limit, f)
    causes = ", ".join(f"{c.name} {c.n}" for c in sheet.ungraded)
    said = f"{f.value:.1%} of {f.n:,}" + (f" ({causes})" if causes else "")
    state: State = "failed" if f.value > limit else "ok"
    return Check(name, state, limit, said)


def _count(sheet: JudgeSheet, name: str, limit: int | None, key: str) -> Check | None:
    f = sheet.figure(key)
    if limit is None:
        return None
    if f is None or f.value is None:
        return _absent(name, limit, f)
    n = round(f.value * f.n)
    state: State = "failed" if n > limit else "ok"
    return Check(name, state, limit, f"{n} of {f.n}")


def _sentinels(sheet: JudgeSheet, policy: JudgePolicy) -> Check | None:
    name, limit = "sentinel_agreement_min", policy.sentinel_agreement_min
    if limit is None:
        return None
    f = sheet.figure("sentinel_agreement")
    if f is None or f.value is None:
        return _absent(name, limit, f)
    state: State = "ok" if f.value >= limit else "failed"
    return Check(name, state, limit, f"{f.value:.2f} of {many(f.n, 'sentinel')}")
