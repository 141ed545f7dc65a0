"""A judge against people's labels: agreement beside its baselines, and the score corrected by the valid design."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.records.label import UNSURE, Label
from harness.report.judges_calls import GOOD, PAIR, Calls
from harness.report.judges_items import Item, Judged, judged_items
from harness.report.judges_model import Figure, figure
from harness.report.judges_pairs import SEED
from harness.stats.agreement import Table, ac1, alpha, confusion, constant, kappa, majority, table_of
from harness.stats.corrected import Labelled, Passes, ppi, rogan_gladen
from harness.stats.intervals import Codes, Estimate, Numbers
from harness.stats.shares import bootstrap, share

Design = Literal["run_sample", "external"]
WORTHY = ("pairwise", "reference", "rubric", "claims")
"""Protocols whose outcomes are worth something to the work; the others have agreement only."""
CEILING_FROM = 30
"""Doubly labelled items under which the human ceiling is only rough (judge.md 3.3)."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Labels beside verdicts: outcome codes into `words`, worths, weights, clusters; and how many fell away."""

    words: tuple[str, ...]
    judge: Codes
    person: Codes
    f: Numbers
    y: Numbers
    weight: Numbers
    cluster: Codes
    unsure: int
    unsettled: int
    not_judged: int

    def __len__(self) -> int:
        """Items with a label and a verdict."""
        return len(self.judge)


def match(found: dict[Item, Judged], labels: Iterable[Label]) -> tuple[Matched, dict[Item, list[Label]]]:
    """Labels of people put together by item, by majority; a draw of people is unsettled and left out."""
    people: dict[Item, list[Label]] = {}
    unsure = unsettled = absent = 0
    for label in labels:
        if label.label == UNSURE:
            unsure += 1
        else:
            people.setdefault(label.item, []).append(label)
    rows: list[tuple[str, str, Judged, float]] = []
    for item, said in sorted(people.items()):
        votes = sorted({x.label for x in said})
        best = majority(np.array([votes.index(x.label) for x in said], dtype=np.int64))
        if best is None:
            unsettled += 1
        elif item not in found:
            absent += 1
        else:
            rows.append((found[item].outcome, votes[best], found[item], said[0].inclusion_prob))
    order = [*PAIR] if all(w in PAIR for r in rows for w in r[:2]) else sorted({w for r in rows for w in r[:2]})
    matched = Matched(
        words=tuple(order),
        judge=np.array([order.index(r[0]) for r in rows], dtype=np.int64),
        person=np.array([order.index(r[1]) for r in rows], dtype=np.int64),
        f=np.array([r[2].worth for r in rows], dtype=np.float64),
        y=np.array([GOOD.get(r[1], np.nan) for r in rows], dtype=np.float64),
        weight=np.array([1 / r[3] for r in rows], dtype=np.float64),
        cluster=np.array([r[2].cluster for r in rows], dtype=np.int64),
        unsure=unsure,
        unsettled=unsettled,
        not_judged=absent,
    )
    return matched, people


def agreement_figures(m: Matched, people: dict[Item, list[Label]]) -> tuple[Figure, ...]:
    """Agreement, kappa, AC1, alpha, sensitivity and specificity, with the constant judge and people beside them."""
    n = (len(m), "labels")
    if len(m) < 2:
        why = f"{len(m)} labelled items have a verdict"
        return (figure("kappa", "kappa with people", Estimate(float("nan"), None, why), n),)
    k = len(m.words)

    def of(statistic: Callable[[Table], float]) -> Callable[[Codes], float]:
        return lambda rows: statistic(table_of(m.judge[rows], m.person[rows], k))

    def measured(name: str, title: str, statistic: Callable[[Codes], float], note: str = "") -> Figure:
        value = statistic(np.arange(len(m), dtype=np.int64))
        drawn = bootstrap(statistic, m.cluster, SEED) if value == value else None
        why = "one label only: nothing to agree on by chance" if value != value else "" if drawn else "too few families"
        return figure(name, title, Estimate(value, drawn, why), n, note)

    pairwise = m.words == PAIR
    same = (m.judge == m.person).astype(np.float64)
    return (
        figure(
            "agreement",
            "agreement with people",
            share(same, m.cluster),
            n,
            f"a constant judge: {constant(m.person):.2f}",
        ),
        measured("kappa", "kappa with people", of(kappa)),
        *(
            [measured("kappa_linear", "  kappa, a tie half wrong", of(lambda t: kappa(t, "linear")))]
            if pairwise
            else []
        ),
        measured("ac1", "  Gwet's AC1", of(ac1), "praises a judge that fails nothing; read beside kappa"),
        measured(
            "alpha", "  Krippendorff's alpha", lambda r: alpha(np.stack((m.judge[r], m.person[r])).astype(np.float64))
        ),
        *_rates(m),
        _ceiling(people),
    )


def _rates(m: Matched) -> tuple[Figure, ...]:
    if np.isnan(m.y).any():
        return ()
    found = confusion(m.f > 0.5, m.y > 0.5)
    passing, failing = found.both + found.person_only, found.neither + found.judge_only
    table = f"pass/fail table {found.both}/{found.judge_only}/{found.person_only}/{found.neither}"
    return (
        figure("sensitivity", "  passes what people pass", found.sensitivity, (passing, "labels"), table),
        figure("specificity", "  fails what people fail", found.specificity, (failing, "labels")),
    )


def _ceiling(people: dict[Item, list[Label]]) -> Figure:
    """How far people agree with each other: the most a judge can be asked for."""
    twice = [said for _, said in sorted(people.items()) if len({x.labeler for x in said}) > 1]
    agree = [
        float(
            np.mean([a.label == b.label for i, a in enumerate(said) for b in said[i + 1 :] if a.labeler != b.labeler])
        )
        for said in twice
    ]
    n = (len(twice), "items labelled twice")
    if not twice:
        none = Estimate(float("nan"), None, "no item was labelled by two people")
        return figure("human_ceiling", "people with each other", none, n)
    e = share(np.array(agree), np.arange(len(agree)))
    note = f"{CEILING_FROM} are needed" if len(twice) < CEILING_FROM else ""
    return figure("human_ceiling", "people with each other", e, n, note)


def corrected_figure(found: dict[Item, Judged], m: Matched, labelled: set[Item], design: Design) -> Figure:
    """The judge's score corrected by the labels. PPI++ for a sample of this run, Rogan-Gladen for other labels.

    Refused with its reason where it would mislead; a score without labels is `uncalibrated` (judge.md 3.2).
    """
    title = "score corrected by labels"
    known = [j for j in found.values() if j.worth == j.worth]
    if not len(m) or np.isnan(m.y).any() or not known:
        why = "uncalibrated: no labels" if not len(m) else "labels of this kind have no worth to correct"
        return figure("corrected", title, Estimate(float("nan"), None, why), (len(m), "labels"))
    if design == "external":
        passed = float(np.mean([j.worth > 0.5 for j in known]))
        judge, person = m.f > 0.5, m.y > 0.5
        rates = Passes(
            int((judge & person).sum()), int(person.sum()), int((~judge & ~person).sum()), int((~person).sum())
        )
        made = rogan_gladen(passed, len(known), rates)
    else:
        rest = [
            (j.worth, j.cluster) for item, j in sorted(found.items()) if item not in labelled and j.worth == j.worth
        ]
        clusters = np.array([c for _, c in rest], dtype=np.int64)
        alone = len(set(clusters.tolist())) == len(clusters) and len(set(m.cluster.tolist())) == len(m)
        made = ppi(
            Labelled(m.f, m.y, m.weight, m.cluster),
            np.array([w for w, _ in rest], dtype=np.float64),
            None if alone else clusters,
        )
    note = "; ".join(w for w in (made.design, made.note, _power(made.power)) if w)
    return figure("corrected", title, made.estimate, (len(m), "labels"), note)


def _power(power: float | None) -> str:
    return f"the judge counts {power:.2f}" if power is not None else ""


def label_figures(calls: Calls, protocol: str, labels: Sequence[Label], run: str) -> tuple[tuple[Figure, ...], str]:
    """All of it for one judge, and a line about labels that were left out. Dev labels are never reported on."""
    usable = [x for x in labels if x.set == "report"]
    found = judged_items(calls, protocol)
    m, people = match(found, usable)
    drawn_here = bool(usable) and all(x.run == run and run for x in usable)
    design: Design = "run_sample" if drawn_here else "external"
    corrected = [corrected_figure(found, m, {x.item for x in usable}, design)] if protocol in WORTHY else []
    dev = sum(x.set == "dev" for x in labels)
    left = [
        f"{n} {what}"
        for n, what in (
            (m.unsure, "unsure"),
            (m.unsettled, "on which people are split"),
            (m.not_judged, "without a verdict of the judge"),
            (dev, "of the dev set"),
        )
        if n
    ]
    return (*agreement_figures(m, people), *corrected), f"labels left out: {', '.join(left)}" if left else ""
