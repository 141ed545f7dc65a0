"""Two measurements in, a comparison out: a pure function of what was measured.

identify -> paired plan -> coverage and bounds -> metrics (compare_metrics) -> Holm -> money and time -> flips, slices
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.errors import NotComparable
from harness.report.compare_metrics import Pair, adjusted, known_metrics, metric_result
from harness.report.comparison import Comparison, Flip, Options, Side, SliceResult
from harness.report.economy import economy
from harness.report.identity import Identity, family_of, identify
from harness.report.slices import parts_of
from harness.report.tallies import PASS_RATE, Measured, Tally
from harness.stats.intervals import bounds
from harness.stats.multiple import benjamini_hochberg
from harness.stats.paired import fisher, mcnemar, paired

MOST_FLIPS = 100
"""Flips that are kept; how many there are is said."""
SMALLEST_SLICE = 2


def compare(a: Measured, b: Measured, options: Options) -> Comparison:
    """B against A. Raises NotComparable when they may not be compared and `allow_mismatch` is not given.

    Raises UsageFault for a metric that neither side has.
    """
    identity = identify(a, b, allow_subset=options.allow_subset)
    if identity.why and not options.allow_mismatch:
        raise NotComparable(
            f"{_both(a, b)} are not comparable: {'; '.join(identity.why)}",
            help=_way_out(identity),
        )
    known_metrics(a, b, options.metrics)
    pair = pair_of(a, b, identity, options)
    if identity.why and not pair.common.any():
        raise NotComparable(
            f"{_both(a, b)} have no unchanged task in common: {'; '.join(identity.why)}",
            help="promote a new baseline, or compare runs of one suite",
        )
    invalid = _invalid(a, b, options)
    found = adjusted([metric_result(pair, spec, options) for spec in options.metrics], options, invalid=bool(invalid))
    flips, moved = _flips(pair)
    return Comparison(
        a=_side(a),
        b=_side(b),
        identity=identity,
        options=options,
        tasks=int(pair.common.sum()),
        invalid=invalid,
        nothing=not a.totals.attempts or not b.totals.attempts,
        metrics=tuple(found),
        economy=economy(pair, options.alpha) if pair.common.any() else None,
        flips=flips,
        moved=moved,
        slices=_slices(pair, options) if options.slices else (),
        missingness=_missingness(pair),
        notes=_notes(pair, identity, options),
    )


def _both(a: Measured, b: Measured) -> str:
    one_run = a.label == b.label
    return f"{a.system.name} and {b.system.name} of {a.label}" if one_run else f"{a.label} and {b.label}"


def _way_out(identity: Identity) -> str:
    if identity.changed or identity.only_b:
        return "--allow-mismatch compares the unchanged common tasks; a suite that changed wants a new baseline"
    return "--allow-mismatch compares the common tasks only"


def pair_of(a: Measured, b: Measured, identity: Identity, options: Options) -> Pair:
    """Both sides on one list of tasks: those in both plans that did not change and are not quarantined."""
    left_out = identity.left_out | options.quarantined
    tasks = tuple(sorted({*a.tasks, *b.tasks} - left_out))
    wide_a, wide_b = _aligned(a, tasks, b), _aligned(b, tasks, a)
    both = (wide_a.tallies[PASS_RATE].n > 0) & (wide_b.tallies[PASS_RATE].n > 0)
    return Pair(wide_a, wide_b, family_of(wide_b, by_family=options.by_family), both)


def _aligned(m: Measured, tasks: tuple[str, ...], other: Measured) -> Measured:
    """The measurement on these tasks; one that it has no line of counts as planned and not run."""
    if m.tasks == tasks:
        return m
    where = {t: i for i, t in enumerate(m.tasks)}
    there = {t: i for i, t in enumerate(other.tasks)}
    at = np.array([where.get(t, -1) for t in tasks], dtype=np.int64)
    known = at >= 0
    usual = float(m.planned.max(initial=0)) or float(m.origin.epochs)

    def spread(values: NDArray[np.float64], absent: float) -> NDArray[np.float64]:
        wide = np.full(len(tasks), absent)
        wide[known] = values[at[known]]
        return wide

    limited = np.zeros(len(tasks), dtype=bool)
    if m.time_limited is not None:
        limited[known] = m.time_limited[at[known]]
    return replace(
        m,
        tasks=tasks,
        about=tuple(m.about[i] if i >= 0 else other.about[there[t]] for t, i in zip(tasks, at.tolist(), strict=True)),
        digests=tuple(
            m.digests[i] if i >= 0 else other.digests[there[t]] for t, i in zip(tasks, at.tolist(), strict=True)
        ),
        planned=spread(m.planned, usual),
        tallies={
            name: Tally(spread(t.n, 0.0), spread(t.total, 0.0), spread(t.squares, 0.0)) for name, t in m.tallies.items()
        },
        time_limited=limited,
    )


def _invalid(a: Measured, b: Measured, options: Options) -> tuple[str, ...]:
    found = []
    for m in (a, b):
        t = m.totals
        if not t.planned or not t.attempts:
            found.append(f"{m.label} {m.system.name}: nothing ran")
        elif not t.graded:
            found.append(f"{m.label} {m.system.name}: nothing was graded (0 of {t.planned:,} trials)")
        elif m.coverage < options.coverage:
            found.append(
                f"{m.label} {m.system.name}: coverage {t.graded:,}/{t.counted:,} = {m.coverage:.1%} is under the floor "
                f"of {options.coverage:.1%}{resume_words(m)}"
            )
    return tuple(found)


def resume_words(m: Measured) -> str:
    """How a run that was not finished is made whole; nothing where it was, or for a pool of nights."""
    left = any(name in ("not run", "unfinished") for name, _ in m.missing)
    return f"; harness resume {m.runs[0]} finishes it" if left and len(m.runs) == 1 else ""


def _side(m: Measured) -> Side:
    t = m.totals
    return Side(
        label=m.label,
        system=m.system.name,
        runs=m.runs,
        planned=t.counted,
        graded=t.graded,
        coverage=m.coverage,
        missing=m.missing,
        bounds=bounds(round(t.passed), t.graded, t.counted),
        warnings=m.warnings,
    )


def _flips(pair: Pair) -> tuple[tuple[Flip, ...], int]:
    """Tasks whose rate moved, the surest first; Benjamini-Hochberg over all common tasks."""
    a, b = (m.tallies[PASS_RATE].take(pair.common) for m in (pair.a, pair.b))
    tasks = [t for t, used in zip(pair.a.tasks, pair.common.tolist(), strict=True) if used]
    p = fisher(a.total, a.n, b.total, b.n)
    q = benjamini_hochberg(p)
    d = b.mean - a.mean
    at = np.flatnonzero(np.abs(d) > 1e-12)
    order = sorted(at.tolist(), key=lambda i: (q[i], p[i], -abs(d[i]), tasks[i]))[:MOST_FLIPS]
    kept = tuple(
        Flip(
            tasks[i],
            float(a.total[i]),
            int(a.n[i]),
            float(b.total[i]),
            int(b.n[i]),
            float(d[i]),
            float(p[i]),
            float(q[i]),
        )
        for i in order
    )
    return kept, len(at)


def _slices(pair: Pair, options: Options) -> tuple[SliceResult, ...]:
    members: dict[tuple[str, str], list[int]] = {}
    for i, about in enumerate(pair.b.about):
        if pair.common[i]:
            named = [("family", about.family)] if about.family else []
            for part in (*parts_of(about), *named):
                members.setdefault(part, []).append(i)
    a, b = pair.a.tallies[PASS_RATE].mean, pair.b.tallies[PASS_RATE].mean
    found = []
    for (name, value), inside in sorted(members.items()):
        if len(inside) < SMALLEST_SLICE:
            continue
        at = np.array(inside)
        # Inside one family, the tasks are the units: what is asked is how this family did.
        family = at if name == "family" else pair.family[at]
        d = paired(b[at] - a[at], family, options.alpha)
        found.append(
            (
                SliceResult(
                    name, value, len(at), float(a[at].mean()), float(b[at].mean()), d.value, d.low, d.high, None
                ),
                d.p_two_sided,
            )
        )
    known = [i for i, (_, p) in enumerate(found) if p is not None]
    q = benjamini_hochberg(np.array([found[i][1] for i in known], dtype=np.float64))
    by_slice = dict(zip(known, q.tolist(), strict=True))
    return tuple(replace(s, q=by_slice.get(i)) for i, (s, _) in enumerate(found))


def _missingness(pair: Pair) -> float | None:
    """McNemar's mid-p on tasks of which something is missing on one side only; None when nothing is missing."""
    gone_a, gone_b = (m.planned > m.tallies[PASS_RATE].n for m in (pair.a, pair.b))
    if not gone_a.any() and not gone_b.any():
        return None
    return mcnemar(int((gone_a & ~gone_b).sum()), int((gone_b & ~gone_a).sum())).mid


def _notes(pair: Pair, identity: Identity, options: Options) -> tuple[str, ...]:
    found = list(identity.notes)
    if identity.why:
        found.append(f"compared in spite of: {'; '.join(identity.why)}")
    if held := sorted(options.quarantined & {*pair.a.tasks, *pair.b.tasks} | options.quarantined & identity.left_out):
        found.append(f"{len(held)} quarantined tasks are left out")
    for m in (pair.a, pair.b):
        found += [f"{m.label}: {w}" for w in m.warnings]
        if m.system.simulated:
            found.append(f"{m.label} {m.system.name} is simulated: no model was measured")
        if m.system.privileged:
            found.append(f"{m.label} {m.system.name} sees the reference: a ceiling, not a result")
    if pair.a.digests and not any(d.task for d in pair.a.digests):
        found.append("the runs hold no digests of their tasks: whether they are the same cannot be told")
    return tuple(dict.fromkeys(found))
