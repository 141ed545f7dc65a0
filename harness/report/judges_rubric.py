"""The points of a rubric, by system: the mean over works, of scores that may lie under 0 where the rubric says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.records.content import Json
from harness.report.judges_calls import Calls
from harness.report.judges_items import Judged, judged_items
from harness.report.judges_model import Figure, figure
from harness.report.judges_pairs import SEED
from harness.stats.intervals import Estimate, Interval
from harness.stats.shares import bootstrap_mean
from harness.store.manifest import Manifest

PREFIX = "rubric_score"
Work = tuple[str, str, int]
"""(task, system, epoch)."""


@dataclass(frozen=True, slots=True)
class Rubric:
    """What each criterion counts, what failing it caps the whole at, and where scores are cut to [0, 1]."""

    points: Mapping[str, float]
    caps: Mapping[str, float] = field(default_factory=dict)
    clip: Literal["each", "run_mean"] = "each"

    def score(self, said: Mapping[str, str]) -> float | None:
        """Points met over positive points, capped; None where a criterion has no verdict."""
        if any(said.get(name) not in ("met", "not_met") for name in self.points):
            return None
        met = {name for name in self.points if said[name] == "met"}
        best = sum(p for p in self.points.values() if p > 0)
        raw = sum(self.points[name] for name in met) / best
        raw = min([raw, *(cap for name, cap in self.caps.items() if (name in met) != (self.points[name] > 0))])
        return raw if self.clip == "run_mean" else max(0.0, min(1.0, raw))


def rubrics_of(manifest: Manifest) -> dict[str, Rubric]:
    """The rubrics of a run, by grader, as its manifest tells their parameters."""
    found = {}
    for name, config in manifest.graders.items():
        said = config.get("criteria") if isinstance(config, dict) else None
        if isinstance(said, list) and said and isinstance(config, dict):
            rows: list[dict[str, Json]] = [c for c in said if isinstance(c, dict)]
            points = {str(c["id"]): float(str(c["points"])) for c in rows}
            caps = {str(c["id"]): float(str(g["cap"])) for c in rows if isinstance(g := c.get("gate"), dict)}
            found[name] = Rubric(points, caps, "run_mean" if config.get("clip") == "run_mean" else "each")
    return found


def rubric_figures(calls: Calls, rubric: Rubric | None) -> tuple[Figure, ...]:
    """The mean score of each system, as this judge's verdicts alone give it; works with an open criterion are none.

    With `clip: run_mean` only the mean and its interval are cut to [0, 1] (HealthBench; judge.md 1.2).
    """
    if rubric is None:
        return ()
    works: dict[Work, dict[str, Judged]] = {}
    for (task, system, epoch, _, about), judged in judged_items(calls, "rubric").items():
        works.setdefault((task, system, epoch), {})[about] = judged
    found: dict[str, list[tuple[float, int]]] = {}
    for (_, system, _), parts in sorted(works.items()):
        score = rubric.score({about: j.outcome for about, j in parts.items()})
        found.setdefault(system, [])
        if score is not None:
            found[system].append((score, next(iter(parts.values())).cluster))
    return tuple(_mean(system, scores, rubric) for system, scores in sorted(found.items()))


def _mean(system: str, scores: list[tuple[float, int]], rubric: Rubric) -> Figure:
    name, title, n = f"{PREFIX}:{system}", f"  points of {system}", (len(scores), "works")
    if not scores:
        return figure(name, title, Estimate(float("nan"), None, "no work has a verdict on every criterion"), n)
    x = np.array([s for s, _ in scores])
    cluster = np.array([c for _, c in scores], dtype=np.int64)
    raw = float(x.mean())
    drawn = bootstrap_mean(x, cluster, SEED) if float(np.ptp(x)) > 1e-12 else None
    why = "" if drawn else "one family of tasks only" if len(np.unique(cluster)) < 2 else "all scores are equal"
    note = ""
    if rubric.clip == "run_mean":
        below = int((x < 0).sum())
        note = f"cut as a mean only: {raw:.3f} uncut, {below} works under 0"
    interval = Interval(_cut(drawn.low), _cut(drawn.high)) if drawn else None
    return figure(name, title, Estimate(_cut(raw), interval, why), n, note)


def _cut(value: float) -> float:
    return max(0.0, min(1.0, value))
