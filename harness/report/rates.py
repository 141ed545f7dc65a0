"""From trials to task means, and from task means to rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.report.columns import About
from harness.report.model import Rate
from harness.stats.intervals import SOME_FAMILIES, Codes, Numbers, generalisation, replication


@dataclass(frozen=True, slots=True)
class TaskMeans:
    """One row per task that has a graded trial: its code, mean score, variance over epochs, graded epochs."""

    task: Codes
    mean: Numbers
    within: Numbers
    epochs: Codes

    def where(self, mask: NDArray[np.bool_]) -> TaskMeans:
        """Only these tasks."""
        return TaskMeans(self.task[mask], self.mean[mask], self.within[mask], self.epochs[mask])


def task_means(task: Codes, score: Numbers) -> TaskMeans:
    """Trials (their task codes and scores) as task means. The sample variance of a single epoch is 0 and unused."""
    codes, at, epochs = np.unique(task, return_inverse=True, return_counts=True)
    mean = np.bincount(at, weights=score, minlength=len(codes)) / epochs
    squares = np.bincount(at, weights=(score - mean[at]) ** 2, minlength=len(codes))
    return TaskMeans(codes, mean, squares / np.maximum(epochs - 1, 1), epochs.astype(np.int64))


def family_codes(about: Sequence[About]) -> Codes:
    """A code per task; a task without a family is a family of its own."""
    known: dict[str, int] = {}
    codes = []
    for i, a in enumerate(about):
        codes.append(known.setdefault(f"f{a.family}" if a.family else f"t{i}", len(known)))
    return np.array(codes, dtype=np.int64)


def rate(means: TaskMeans, family: Codes) -> Rate:
    """The mean over tasks, equally weighted, with both intervals. `family` has a code for every task code."""
    n = len(means.task)
    if n == 0:
        return Rate(None, 0, 0, 0, None, "no trial was graded", None)
    _, own = np.unique(family[means.task], return_inverse=True)
    own = own.astype(np.int64)
    groups = int(own.max()) + 1
    wide = generalisation(means.mean, own)
    narrow = replication(means.mean, means.within, means.epochs)
    notes = []
    if wide.interval and groups < SOME_FAMILIES:
        notes.append(f"only {groups} {'tasks' if groups == n else 'families'}: the interval is rough")
    if (means.epochs == 1).all():
        notes.append("one epoch: the run-again interval is an upper bound")
    trials = int(means.epochs.sum())
    return Rate(wide.value, n, trials, groups, wide.interval, wide.why_not, narrow.interval, tuple(notes))
