"""10 Robustness: whether asking the same in another way changes what comes of it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from harness.report.columns import Columns
from harness.report.evidence import Evidence
from harness.report.section import Figure, Section, Series, Table
from harness.report.slices import VARIANT
from harness.report.words import many
from harness.stats.intervals import Estimate
from harness.stats.variants import paired_difference

HOW = f"no task is tagged `{VARIANT}AXIS:TASK`; tag paraphrases and other variants of a task with its id"


def robustness(e: Evidence) -> Section:
    """Unavailable when no variant is in the run."""
    pairs, lost = _pairs(e)
    if not pairs:
        why = f"{many(len(lost), 'variant')} without their original in this run" if lost else HOW
        return Section("robustness", "robustness", why_not=why)
    rows, series, data = [], [], {}
    axes = sorted(pairs)
    for name, ok in zip(e.names, e.graded, strict=True):
        rates = _rates(ok, len(e.rows.tasks))
        found = {axis: _difference(e, rates, pairs[axis]) for axis in axes}
        rows += [
            (f"{name}, {axis}", f"{n:,}", f"{changed:,}", _points(est)) for axis, (est, n, changed) in found.items()
        ]
        shown = [est for est, n, _ in found.values() if n]
        if len(shown) == len(axes):
            nan = float("nan")
            series.append(
                Series(
                    name,
                    tuple(x.value for x in shown),
                    (),
                    tuple(x.interval.low if x.interval else nan for x in shown),
                    tuple(x.interval.high if x.interval else nan for x in shown),
                )
            )
        data[name] = {
            axis: {"pairs": n, "changed": changed, "difference": est.value if n else None}
            for axis, (est, n, changed) in found.items()
        }
    notes = ["difference: pass rate of the variant minus that of its original, in points; 0 is robust"]
    if lost:
        notes.append(f"without their original in this run: {', '.join(lost[:10])}")
    title = "variants against their originals: paired differences"
    table = Table(title, ("system and axis", "pairs", "of these changed", "difference 95%"), tuple(rows), tuple(notes))
    figure = Figure(
        "ranges", "Variant minus original, with 95 % intervals", "difference in pass rate", "", tuple(series),
        tuple(axes), share_x=True,
    )  # fmt: skip
    return Section(
        "robustness",
        "robustness",
        tables=(table,),
        figures=(figure,) if series else (),
        methods=("paired differences with two pseudo-pairs, clustered by family (Bonett and Price 2012)",),
        data={"systems": data},
    )


def _pairs(e: Evidence) -> tuple[dict[str, list[tuple[int, int]]], list[str]]:
    """By axis the codes of (variant, original), and variants whose original is not in the run."""
    code = {t: i for i, t in enumerate(e.rows.tasks)}
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    lost = []
    for i, about in enumerate(e.rows.about):
        for tag in about.tags:
            if tag.startswith(VARIANT):
                axis, _, original = tag.removeprefix(VARIANT).partition(":")
                if original in code and code[original] != i:
                    found[axis].append((i, code[original]))
                else:
                    lost.append(e.rows.tasks[i])
    return dict(found), lost


def _rates(ok: Columns, tasks: int) -> np.ndarray:
    n = np.bincount(ok.codes("task"), minlength=tasks)
    won = np.bincount(ok.codes("task"), weights=ok.column["passed"], minlength=tasks)
    return np.where(n > 0, won / np.maximum(n, 1), np.nan)


def _difference(e: Evidence, rates: np.ndarray, pairs: list[tuple[int, int]]) -> tuple[Estimate, int, int]:
    """Variants of one original are one pair: their mean against it."""
    by_original: dict[int, list[float]] = defaultdict(list)
    for variant, original in pairs:
        if not np.isnan(rates[variant]) and not np.isnan(rates[original]):
            by_original[original].append(float(rates[variant] - rates[original]))
    originals = sorted(by_original)
    d = np.array([float(np.mean(by_original[o])) for o in originals])
    family = e.family[np.array(originals, dtype=np.int64)] if originals else np.zeros(0, dtype=np.int64)
    return paired_difference(d, family), len(d), int((d != 0).sum())


def _points(e: Estimate) -> str:
    if np.isnan(e.value):
        return e.why_not
    span = (
        f" [{100 * e.interval.low:+.1f}, {100 * e.interval.high:+.1f}]"
        if e.interval
        else f" (no interval: {e.why_not})"
    )
    return f"{100 * e.value:+.1f}{span}"
