"""A judge against people's labels: agreement beside its baselines, and the score corrected by the valid design."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from harness.records.label import UNSURE, Label
from harness.report.judges_apart import Side, mixed, of_side, side_of
from harness.report.judges_calls import GOOD, PAIR, Calls, short_digest
from harness.report.judges_items import Item, Judged, judged_items
from harness.report.judges_model import Figure, figure
from harness.report.judges_pairs import SEED
from harness.stats.agreement import Table, ac1, alpha, confusion, constant, kappa, majority, table_of
from harness.stats.corrected import Corrected, Labelled, Passes, ppi, rogan_gladen
from harness.stats.corrected import confusion as confusion_corrected
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
    other_text: int

    def __len__(self) -> int:
        """Items with a label and a verdict."""
        return len(self.judge)


Key = tuple[str, Item]
"""The run that an item is of, empty for the run that is reported on, and the item."""


def match(known: Mapping[Key, Judged], labels: Iterable[tuple[Key, Label]]) -> tuple[Matched, dict[Key, list[Label]]]:
    """Labels of people put together by item, by majority; a draw of people is unsettled and left out."""
    people: dict[Key, list[Label]] = {}
    unsure = unsettled = absent = other_text = 0
    for key, label in labels:
        if key in known and _of_other_text(label, known[key]):
            other_text += 1
        elif label.label == UNSURE:
            unsure += 1
        else:
            people.setdefault(key, []).append(label)
    rows: list[tuple[str, str, Judged, float]] = []
    for key, said in sorted(people.items()):
        votes = sorted({x.label for x in said})
        best = majority(np.array([votes.index(x.label) for x in said], dtype=np.int64))
        if best is None:
            unsettled += 1
        elif key not in known:
            absent += 1
        else:
            rows.append((known[key].outcome, votes[best], known[key], said[0].inclusion_prob))
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
        other_text=other_text,
    )
    return matched, people


def _of_other_text(label: Label, judged: Judged) -> bool:
    """Whether a person was shown another text, or asked another question, than the judge: then it says nothing here."""
    return bool(label.work and judged.work) and short_digest(label.work) != judged.work


def agreement_figures(m: Matched, people: dict[Key, list[Label]]) -> tuple[Figure, ...]:
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
        measured("kappa", "kappa with people", of(kappa), _whole_table(m)),
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


MOST_WORDS = 5
"""Outcomes up to which the whole table is told."""


def _whole_table(m: Matched) -> str:
    """The judge's words by people's, where there are more than two and not too many: `win 10/2/0`, ..."""
    if not 2 < len(m.words) <= MOST_WORDS:
        return ""
    table = table_of(m.judge, m.person, len(m.words)).astype(int)
    rows = ", ".join(f"{w} {'/'.join(map(str, row))}" for w, row in zip(m.words, table.tolist(), strict=True))
    return f"judge by people's {'/'.join(m.words)}: {rows}"


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


def _ceiling(people: dict[Key, list[Label]]) -> Figure:
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
    title, why_two = "score corrected by labels", ""
    known = [j for j in found.values() if j.worth == j.worth]
    if not len(m) or np.isnan(m.y).any() or not known:
        why = "uncalibrated: no labels" if not len(m) else "labels of this kind have no worth to correct"
        return figure("corrected", title, Estimate(float("nan"), None, why), (len(m), "labels"))
    if design == "external":
        made = _by_classes(known, m) if m.words == PAIR else None
        if made is not None and made.estimate.interval is not None:
            return figure("corrected", title, made.estimate, (len(m), "labels"), made.design)
        if made is not None:
            title, why_two = "wins corrected by labels", f"ties counted as no win: {made.estimate.why_not}"
        passed = float(np.mean([j.worth > 0.5 for j in known]))
        judge, person = m.f > 0.5, m.y > 0.5
        rates = Passes(
            int((judge & person).sum()), int(person.sum()), int((~judge & ~person).sum()), int((~person).sum())
        )
        made = rogan_gladen(passed, len(known), rates)
        made = replace(made, note="; ".join(w for w in (why_two, made.note) if w))
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


def _by_classes(known: Sequence[Judged], m: Matched) -> Corrected:
    """Win, tie and loss each with its own error rates."""
    said = np.array([PAIR.index(j.outcome) for j in known], dtype=np.int64)
    counts = np.bincount(said, minlength=len(PAIR)).astype(np.int64)
    return confusion_corrected(counts, table_of(m.judge, m.person, len(PAIR)), np.array([GOOD[w] for w in PAIR]))


def _power(power: float | None) -> str:
    return f"the judge counts {power:.2f}" if power is not None else ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where labels may come from: this `run`, and what the same judge said in `others`, by run.

    `design` forces one correction; `auto` takes PPI++ for labels of this run and Rogan-Gladen for all others.
    """

    run: str = ""
    others: Mapping[str, Mapping[Item, Judged]] = field(default_factory=dict)
    design: Design | Literal["auto"] = "auto"


def label_figures(
    calls: Calls, protocol: str, labels: Sequence[Label], source: Source
) -> tuple[tuple[Figure, ...], str]:
    """All of it for one judge, and a line about labels that were left out. Dev labels are never reported on."""
    found = judged_items(calls, protocol)
    known: dict[Key, Judged] = {("", item): judged for item, judged in found.items()}
    known |= {(run, item): judged for run, items in source.others.items() for item, judged in items.items()}
    here = {"", source.run}
    usable = [x for x in labels if x.set == "report" and (x.run in here or x.run in source.others)]
    keyed = [(("" if x.run in here else x.run, x.item), x) for x in usable]
    m, people = match(known, keyed)
    left = [
        f"{n} {what}"
        for n, what in (
            (m.unsure, "unsure"),
            (m.unsettled, "on which people are split"),
            (m.not_judged, "without a verdict of the judge"),
            (m.other_text, "for another text or question than was judged"),
            (sum(x.set == "dev" for x in labels), "of the dev set"),
            (sum(x.set == "report" for x in labels) - len(usable), "of other runs: see `harness judge calibrate`"),
        )
        if n
    ]
    corrected = _corrections(found, known, keyed, source) if protocol in WORTHY else ()
    return (*agreement_figures(m, people), *corrected), f"labels left out: {', '.join(left)}" if left else ""


def _corrections(
    found: dict[Item, Judged], known: Mapping[Key, Judged], keyed: Sequence[tuple[Key, Label]], source: Source
) -> tuple[Figure, ...]:
    """By each design that the labels allow; where both do, both are shown."""
    drawn = [(k, x) for k, x in keyed if source.run and x.run == source.run and source.design != "external"]
    other = [(k, x) for k, x in keyed if (k, x) not in drawn] if source.design != "run_sample" else []
    sides = sorted({side_of(item) for item in found})
    made: list[Figure] = []
    if drawn or not other:
        whole = corrected_figure(found, match(known, drawn)[0], {k[1] for k, _ in drawn}, "run_sample")
        made += _by_side(whole, sides, lambda side: _of_run(found, known, drawn, side))
    if other:
        m, second = match(known, other)[0], bool(made)

        def by_others(items: dict[Item, Judged]) -> Figure:
            f = corrected_figure(items, m, set(), "external")
            return replace(f, name="corrected_external", title="corrected by other labels") if second else f

        made += _by_side(by_others(found), sides, lambda side: by_others(_of_side(found, side)), ALL_LABELS)
    return tuple(made)


ALL_LABELS = "error rates of all labels, also of other systems"


def _by_side(whole: Figure, sides: Sequence[Side], of_one: Callable[[Side], Figure], note: str = "") -> list[Figure]:
    """The score corrected, and where several systems or opponents are in it, of each by itself."""
    if len(sides) < 2 or whole.n == 0:
        return [whole]
    each = [of_side(of_one(side), side) for side in sides]
    return [*mixed((whole,)), *(replace(f, note="; ".join(w for w in (f.note, note) if w)) for f in each)]


def _of_run(
    found: dict[Item, Judged], known: Mapping[Key, Judged], drawn: Sequence[tuple[Key, Label]], side: Side
) -> Figure:
    """Of one side by its own labels: a part of a random draw is a random draw of that part."""
    own = [(k, x) for k, x in drawn if side_of(k[1]) == side]
    return corrected_figure(_of_side(found, side), match(known, own)[0], {k[1] for k, _ in own}, "run_sample")


def _of_side(found: dict[Item, Judged], side: Side) -> dict[Item, Judged]:
    return {item: judged for item, judged in found.items() if side_of(item) == side}
