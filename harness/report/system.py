"""One system's part of the report."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from harness.records.content import Usage
from harness.records.outcome import IS_OPPONENT
from harness.report.columns import STATUSES, Columns
from harness.report.model import Cost, Count, Coverage, SystemReport, Times, Verification
from harness.report.rates import TaskMeans, rate, task_means
from harness.stats.intervals import Codes, Estimate, bounds, cost_per_success, quantile
from harness.store.manifest import Manifest, SystemInfo

GRADED, UNGRADABLE, INFRA = (STATUSES.index(s) for s in ("graded", "ungradable", "infra_error"))
BAD_VALUE = "bad_value"
"""Cause of a trial whose line says *graded* and holds no verdict, or a value outside [0, 1]."""
Mask = NDArray[np.bool_]


def deciding(rows: Columns) -> Mask:
    """Which rows decide their trial: of its final attempts the one with the highest number."""
    n = len(rows)
    if n == 0:
        return np.zeros(0, dtype=bool)
    key = np.stack([rows.column[c] for c in ("task", "system", "epoch")])
    starts = np.concatenate(([True], (key[:, 1:] != key[:, :-1]).any(axis=0)))
    trial = np.cumsum(starts) - 1
    last = np.full(trial[-1] + 1, -1, dtype=np.int64)
    final = np.flatnonzero(rows.column["final"])
    last[trial[final]] = final  # rows are sorted by attempt, and later assignments win
    mask = np.zeros(n, dtype=bool)
    mask[last[last >= 0]] = True
    return mask


def graded(rows: Columns) -> Mask:
    """Rows with a verdict: passed or not, and a value in [0, 1]."""
    value = rows.column["value"]
    mask: Mask = (rows.column["status"] == GRADED) & ~np.isnan(rows.column["passed"]) & (value >= 0) & (value <= 1)
    return mask


def pass_means(decided: Columns) -> TaskMeans:
    """Pass rates by task of the deciding rows."""
    ok = decided.where(graded(decided))
    return task_means(ok.codes("task"), ok.column["passed"])


def system_report(info: SystemInfo, manifest: Manifest, rows: Columns, family: Codes) -> SystemReport:
    """Everything about one system; `rows` are its attempts, `family` a code per task."""
    decides = deciding(rows)
    decided, ok = rows.where(decides), rows.where(decides & graded(rows))
    failed = rows.where(~decides | (rows.column["status"] == INFRA))
    usage = _usage(rows)
    values = ok.where(~np.isnan(ok.column["value"]))
    fractional = bool(np.any((values.column["value"] != 0) & (values.column["value"] != 1)))
    return SystemReport(
        name=info.name,
        harness=info.harness,
        models=tuple(f"{role}={model}" for role, model in sorted(info.models.items())),
        simulated=info.simulated,
        privileged=info.privileged,
        stored=info.stored,
        coverage=_coverage(manifest, rows, decided, ok),
        passed=rate(pass_means(decided), family),
        mean_value=rate(task_means(values.codes("task"), values.column["value"]), family) if fractional else None,
        cost=_cost(info, rows, ok, failed, usage, family),
        tokens=tuple(Count(n, getattr(usage, n)) for n in _TOKENS),
        cache_share=usage.cache_read / usage.input_total if usage.input_total else None,
        out_per_in=usage.output_total / usage.input_total if usage.input_total else None,
        times=_times(rows, decided),
        turns=int(decided.column["turns"].sum()),
        retries=int(rows.column["retries"].sum()),
        limits=_limits(decided),
        verification=_verification(ok),
        failed_attempts=len(failed),
        failed_causes=_causes(failed),
    )


_TOKENS = ("input", "cache_read", "cache_write_short", "cache_write_long", "output", "reasoning")


def _usage(rows: Columns) -> Usage:
    sums = {n: float(rows.column[n].sum()) for n in Usage.__struct_fields__}
    return Usage(**{n: v if n == "cost_usd" else int(v) for n, v in sums.items()})  # type: ignore[arg-type]  # by name


def _coverage(manifest: Manifest, rows: Columns, decided: Columns, ok: Columns) -> Coverage:
    planned = manifest.n_tasks * manifest.epochs
    keys = np.unique(np.stack([rows.column["task"], rows.column["epoch"]]), axis=1)
    attempted, n_graded = keys.shape[1], len(ok)
    missing = Counter({c.name: c.n for c in _causes(decided.where(~graded(decided)))})
    if unfinished := attempted - len(decided):
        missing["unfinished"] = unfinished
    if planned > attempted:
        missing["not run"] = planned - attempted
    passed = int(ok.column["passed"].sum())
    worst_to_best = bounds(passed, n_graded, max(planned, attempted))
    overlooked = sum(missing[skipped_for(lack)] for lack in (*manifest.may_lack, SAID_SKIP)) + missing[OPPONENTS]
    return Coverage(planned, attempted, n_graded, _counts(missing), worst_to_best, overlooked)


OPPONENTS = f"ungradable: {IS_OPPONENT}"
"""What trials are counted under that others are compared with, and that nobody judged."""
SAID_SKIP = "unsupported"
"""The cause of trials whose task says `skip`."""


def skipped_for(lack: str) -> str:
    """What trials that lack a requirement are counted under."""
    return f"skipped: {lack}"


def _causes(rows: Columns) -> tuple[Count, ...]:
    found: Counter[str] = Counter()
    bad = (rows.column["status"] == GRADED) & ~graded(rows)
    each = zip(rows.codes("status").tolist(), rows.codes("cause").tolist(), bad.tolist(), strict=True)
    for status, cause, unsound in each:
        word = BAD_VALUE if unsound else rows.causes[cause]
        found[f"{STATUSES[status]}: {word}" if word else STATUSES[status]] += 1
    return _counts(found)


def _counts(found: Counter[str]) -> tuple[Count, ...]:
    return tuple(Count(n, k) for n, k in sorted(found.items(), key=lambda x: (-x[1], x[0])))


def _cost(info: SystemInfo, rows: Columns, ok: Columns, failed: Columns, usage: Usage, family: Codes) -> Cost:
    kind = _cost_kind(info, usage)
    codes, at = np.unique(rows.codes("task"), return_inverse=True)
    cost = np.bincount(at, weights=rows.column["cost_usd"], minlength=len(codes)).astype(np.float64)
    success = np.zeros(len(codes))
    np.add.at(success, np.searchsorted(codes, ok.codes("task")), ok.column["passed"])
    if kind in ("exact", "lower_bound"):
        own = np.unique(family[codes], return_inverse=True)[1].astype(np.int64)
        ratio = cost_per_success(cost, success, own)
        if kind == "lower_bound":
            ratio = Estimate(ratio.value, None, f"{usage.unpriced} of {usage.calls} calls have no price")
        elif usage.cached:
            ratio = Estimate(ratio.value, None, f"{usage.cached} of {usage.calls} calls came from the call cache")
    else:
        ratio = Estimate(float("nan"), None, kind)
    judge = rows.column
    return Cost(
        kind=kind,
        total=usage.cost_usd,
        failed_attempts=float(failed.column["cost_usd"].sum()),
        calls=usage.calls,
        unpriced=usage.unpriced,
        estimated=usage.estimated,
        per_success=ratio,
        successes=int(success.sum()),
        judge_total=float(judge["judge_cost"].sum()),
        judge_calls=int(judge["judge_calls"].sum()),
        judge_unpriced=int(judge["judge_unpriced"].sum()),
        cached=usage.cached,
    )


def _cost_kind(info: SystemInfo, usage: Usage) -> str:
    if info.simulated:
        return "simulated"
    if usage.calls == 0 and usage.cost_usd == 0:
        return "none"
    if usage.unpriced == 0:
        return "exact"
    return "lower_bound" if usage.cost_usd > 0 else "unpriced"


def _times(rows: Columns, decided: Columns) -> Times:
    worked = decided.where(np.isin(decided.column["status"], (GRADED, UNGRADABLE)))
    fresh = worked.where(worked.column["cached"] == 0)
    means = task_means(fresh.codes("task"), fresh.column["working"])
    time_limit = fresh.limits.index("time") if "time" in fresh.limits else -1
    cut = np.unique(fresh.column["task"][fresh.column["limit"] == time_limit])
    n = len(means.task)
    return Times(
        tasks=n,
        p50=quantile(means.mean, 0.5),
        p95=quantile(means.mean, 0.95),
        censored=len(cut) / n if n else 0.0,
        waiting_s=float(rows.column["waiting"].sum()),
        cached_trials=len(worked) - len(fresh),
    )


def _limits(decided: Columns) -> tuple[Count, ...]:
    hits = Counter(decided.limits[code] for code in decided.codes("limit").tolist())
    del hits[""]
    return _counts(hits)


def _verification(ok: Columns) -> Verification | None:
    seen = ok.where(np.nan_to_num(ok.column["verify_rounds"]) > 0)
    if not len(seen):
        return None
    passed = seen.column["passed"] == 1
    unresolved = seen.column["verify_unresolved"] > 0
    return Verification(
        trials=len(seen),
        failed_first=int((seen.column["verify_failed_first"] > 0).sum()),
        unresolved=int(unresolved.sum()),
        false_alarm=int((unresolved & passed).sum()),
        missed=int((~unresolved & ~passed).sum()),
    )
