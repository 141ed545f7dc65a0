"""Figures of a judge that compares pairs: swap, position, label, length, style, own family, and the score itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.report.judges_calls import PAIR, Calls, Ints
from harness.report.judges_model import Figure, Split, figure
from harness.report.model import Count
from harness.stats.intervals import Codes, Estimate, Numbers
from harness.stats.shares import bootstrap, share
from harness.stats.style import controlled, length_control, length_ratio, longer_rate, style_ratio
from harness.stats.swap import (
    COIN_FORCED,
    COIN_TIES,
    Effect,
    Rule,
    Verdict,
    aggregate,
    classes,
    consistency,
    direction,
    effect,
    outcomes,
    position,
    position_share,
    scores,
    stability,
)

SEED = 20_240_607
"""Of all bootstraps and permutations in data sheets: the same records give the same sheet."""
MOST_SPLITS = 20
NO_DELTA = 0.10
"""The band of the position effect where the policy has none: it is still reported (judge.md 7.1)."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs with verdicts in both orders: counts of win, tie, loss by order, all and fresh ones, and what is compared.

    `first` is the row of `calls` that stands for each pair; `cluster` the family of its task.
    """

    calls: Calls
    ab: Ints
    ba: Ints
    fresh_ab: Ints
    fresh_ba: Ints
    first: Ints
    cluster: Codes

    def __len__(self) -> int:
        """Complete pairs."""
        return len(self.first)

    @property
    def repeated(self) -> bool:
        """Whether any order was asked more than once."""
        return bool(((self.ab.sum(axis=1) > 1) | (self.ba.sum(axis=1) > 1)).any())


def complete_pairs(calls: Calls) -> tuple[Pairs, int]:
    """Pairs complete in both orders, and how many are not: asked in both without a verdict in both, or without any.

    A pair that was asked in one order only, as `orders: audit` says, lacks nothing: `single_pairs` has it.
    """
    ok, tables, first, both_asked = _counted(calls)
    both = (tables[0].sum(axis=2) > 0).all(axis=0)
    every, fresh = tables[0][:, both], tables[1][:, both]
    whole = Pairs(ok, every[0], every[1], fresh[0], fresh[1], first[both], ok.column["family"][first[both]])
    return whole, int((~both & both_asked).sum()) + len(calls.units()[1]) - len(first)


def only_ties(calls: Calls) -> bool:
    """Whether there were verdicts between works, and every one of them was a tie: then no order could matter."""
    ok = calls.ok()
    between = ok.where(ok.column["width"] > 1)
    return len(between) > 0 and not (between.column["slot"] >= 0).any()


def _counted(calls: Calls) -> tuple[Calls, Ints, Ints, NDArray[np.bool_]]:
    """The calls with a verdict, their counts (fresh or not, order, pair, outcome), each pair's first row, and whether
    the pair was asked in both orders.
    """
    mask = calls.column["status"] == calls.names.of.get("ok", -1)
    ok = calls.where(mask)
    unit, first = ok.units()
    tables = np.zeros((2, 2, len(first), 3), dtype=np.int64)
    for k, code in enumerate([ok.names.of.get(n, -1) for n in PAIR]):
        for order in (0, 1):
            here = (ok.column["outcome"] == code) & (ok.column["order"] == order)
            for fresh in (0, 1):
                kept = here & (ok.column["cached"] == 0) if fresh else here
                tables[fresh, order, :, k] = np.bincount(unit[kept], minlength=len(first))
    every, units = calls.units()
    asked = np.zeros((len(units), 2), dtype=bool)
    asked[every, np.minimum(calls.column["order"], 1)] = True
    return ok, tables, first, asked[np.unique(every[mask])].all(axis=1)


def single_pairs(calls: Calls) -> Pairs:
    """Pairs that were asked in one order only; the counts of the other order are zero."""
    ok, tables, first, both_asked = _counted(calls)
    one = ~both_asked
    every, fresh = tables[0][:, one], tables[1][:, one]
    return Pairs(ok, every[0], every[1], fresh[0], fresh[1], first[one], ok.column["family"][first[one]])


@dataclass(frozen=True, slots=True)
class Swapped:
    """What the swap showed of one judge."""

    figures: tuple[Figure, ...]
    verdict: Verdict
    classes: tuple[Count, ...]
    splits: tuple[Split, ...]
    n_splits: int


def swap_figures(pairs: Pairs, delta: float | None, incomplete: int) -> Swapped:
    """Consistency beside the judge's own noise, position and label effect with their verdicts, and what to look at."""
    pc, rs, b = consistency(pairs.ab, pairs.ba), stability(pairs.fresh_ab, pairs.fresh_ba), position(pairs.ab, pairs.ba)
    known = ~np.isnan(rs)
    slot = effect(b, pairs.cluster, delta or NO_DELTA, SEED)
    kinds = classes(pairs.ab, pairs.ba)
    mixed = [i for i, kind in enumerate(kinds) if not kind.startswith("consistent")]
    mixed.sort(key=lambda i: not kinds[i].startswith("flip"))
    figures = (
        *_consistency(pairs, pc, kinds, incomplete),
        *_noise(pairs, pc, rs, known),
        _effect("position_effect", "position effect, -1 to +1", slot, len(b), "pairs"),
        _direction(b, pairs),
        _label(pairs, delta or NO_DELTA),
    )
    found = Counter(kinds)
    return Swapped(
        figures,
        slot.verdict,
        tuple(Count(k, found[k]) for k in sorted(found)),
        tuple(_split(pairs, i, kinds[i]) for i in mixed[:MOST_SPLITS]),
        len(mixed),
    )


def _consistency(pairs: Pairs, pc: Numbers, kinds: Sequence[str], incomplete: int) -> list[Figure]:
    ties = (pairs.ab[:, 1].sum() + pairs.ba[:, 1].sum()) > 0
    coin = f"a coin: {COIN_TIES if ties else COIN_FORCED:.2f}"
    left = f"; {incomplete} incomplete pairs left out" if incomplete else ""
    decisive = np.array([k in ("consistent_decisive", "flip_primacy", "flip_recency") for k in kinds], dtype=bool)
    same = np.array([float(k == "consistent_decisive") for k in kinds])
    n = len(pc)
    note = coin + left
    if n and not decisive.any():
        note += "; no information: every verdict is a tie or leans on one order only"
    return [
        figure("swap_consistency", "swap consistency", share(pc, pairs.cluster), (n, "pairs"), note),
        figure(
            "swap_consistency_decisive",
            "  where both orders decide",
            share(same[decisive], pairs.cluster[decisive]),
            (int(decisive.sum()), "pairs"),
            "a coin: 0.50",
        ),
    ]


def _noise(pairs: Pairs, pc: Numbers, rs: Numbers, known: NDArray[np.bool_]) -> list[Figure]:
    n = int(known.sum())
    if n == 0:
        cached = pairs.repeated and not ((pairs.fresh_ab.sum(axis=1) > 1) | (pairs.fresh_ba.sum(axis=1) > 1)).any()
        why = (
            "repeats came from the cache: those are copies" if cached else "one repeat: repeats of 2 or more are needed"
        )
        nothing = Estimate(float("nan"), None, why)
        return [
            figure("repetition_stability", "repeat stability", nothing, (0, "pairs")),
            figure("position_share", "  part due to position", nothing, (0, "pairs")),
        ]
    e = share(rs[known], pairs.cluster[known])
    ratio = position_share(pc[known], rs[known], pairs.cluster[known], SEED)
    return [
        figure("repetition_stability", "repeat stability", e, (n, "pairs"), f"noise {1 - e.value:.2f}"),
        figure("position_share", "  part due to position", ratio, (n, "pairs")),
    ]


def _effect(name: str, title: str, e: Effect, n: int, unit: str) -> Figure:
    note = f"{e.verdict.replace('_', ' ')} ({e.method})" if e.wide else e.verdict
    return figure(name, title, Estimate(e.value, e.wide, e.why_not), (n, unit), note)


def _direction(b: Numbers, pairs: Pairs) -> Figure:
    found = direction(b, pairs.cluster, repeated=pairs.repeated, seed=SEED)
    n = found.primacy + found.recency
    first = np.concatenate((np.ones(found.primacy), np.zeros(found.recency)))
    e = share(first, np.arange(n)) if n else Estimate(float("nan"), None, "no inconsistent pair: nothing to test")
    note = f"p = {found.p:.3g} ({found.method})" if found.p is not None else ""
    return figure("direction", "  flips to the first slot", e, (n, "pairs"), note)


def _label(pairs: Pairs, delta: float) -> Figure:
    """The same effect with what slots were called in place of where they stood (judge.md 7.4)."""
    calls = pairs.calls
    one, two = calls.column["label"], calls.column["other_label"]
    title = "label effect, -1 to +1"
    if not len(calls) or not (one > 0).any():
        none = Estimate(float("nan"), None, "slots carry no labels")
        return figure("label_effect", title, none, (0, "pairs"))
    words = np.array(calls.names.words())
    work, other = np.where(calls.column["order"] == 0, one, two), np.where(calls.column["order"] == 0, two, one)
    has_early = words[work] < words[other]
    value = _worth(calls)
    b, tied, cluster = _by_name(calls, has_early, value)
    if not len(b):
        none = Estimate(float("nan"), None, "no pair was shown under both names")
        return figure("label_effect", title, none, (0, "pairs"))
    spread = float(tied.var())
    if spread < 1e-12 and abs(float(tied.mean())) > 1e-9:
        none = Estimate(float("nan"), None, "names were tied to slots: a name cannot be told from its position")
        return figure("label_effect", title, none, (0, "pairs"))
    slope = float(((tied - tied.mean()) * b).mean()) / spread if spread >= 1e-12 else 0.0
    found = effect(b - slope * tied, cluster, delta, SEED)
    return _effect("label_effect", title, found, len(b), "pairs")


def _by_name(calls: Calls, has_early: NDArray[np.bool_], value: Numbers) -> tuple[Numbers, Numbers, Codes]:
    """Of each pair shown under both names: the score under the earlier less under the later, and how far names were
    tied to slots (-1 to 1), which has to be taken out; and the clusters.
    """
    unit, first = calls.units()
    shown_first = (calls.column["order"] == 0).astype(np.float64)
    sums, slots, n = (np.zeros((2, len(first))) for _ in range(3))
    for k, mask in enumerate((has_early, ~has_early)):
        sums[k] = np.bincount(unit[mask], weights=value[mask], minlength=len(first))
        slots[k] = np.bincount(unit[mask], weights=shown_first[mask], minlength=len(first))
        n[k] = np.bincount(unit[mask], minlength=len(first))
    both = (n > 0).all(axis=0)
    score, slot = sums[:, both] / n[:, both], slots[:, both] / n[:, both]
    return score[0] - score[1], slot[0] - slot[1], calls.column["family"][first[both]]


def _worth(calls: Calls) -> Numbers:
    codes = [calls.names.of.get(n, -1) for n in PAIR]
    return np.asarray(
        np.select([calls.column["outcome"] == c for c in codes], [1.0, 0.5, 0.0], np.nan), dtype=np.float64
    )


def _split(pairs: Pairs, i: int, kind: str) -> Split:
    words, row = pairs.calls.names.words(), int(pairs.first[i])
    task, system, opponent, about = (
        words[int(pairs.calls.column[n][row])] for n in ("task", "system", "opponent", "about")
    )
    return Split(task, system, opponent, about, kind)


def style_figures(pairs: Pairs) -> tuple[Figure, ...]:
    """Whether the longer or the more formatted answer wins, and the win rate at equal length."""
    column, n = pairs.calls.column, len(pairs)
    work, other = (column[c][pairs.first].astype(np.float64) for c in ("length", "other_length"))
    score = aggregate(pairs.ab, pairs.ba, "average") if n else np.zeros(0)
    told = (work > 0) & (other > 0)
    if not told.any():
        none = Estimate(float("nan"), None, "lengths were not recorded")
        return (figure("longer_wins", "longer answer wins", none, (0, "pairs")),)
    ratio, score, cluster = length_ratio(work[told], other[told]), score[told], pairs.cluster[told]
    longer, decided = longer_rate(score, ratio, cluster)
    control = length_control(score, ratio, cluster)
    marks, others = (column[c][pairs.first].astype(np.float64)[told] for c in ("style", "other_style"))
    style = style_ratio((marks, work[told]), (others, other[told]))
    alike = controlled(score, np.stack((ratio, style), axis=1), cluster)
    counted = (int(told.sum()), "pairs")
    looks = (column["style"][pairs.first] - column["other_style"][pairs.first])[told]
    fancy = (looks != 0) & (np.abs(score - 0.5) > 1e-12)
    won = ((score[fancy] > 0.5) == (looks[fancy] > 0)).astype(np.float64)
    return (
        figure("longer_wins", "longer answer wins", longer, (decided, "decided pairs"), "people: about 0.64"),
        figure("length_slope", "  slope per doubling", control.slope, counted),
        figure("equal_length_rate", "  win rate at equal length", control.rate, counted),
        figure(
            "formatted_wins",
            "more formatted wins",
            share(won, cluster[fancy]),
            (int(fancy.sum()), "decided pairs"),
        ),
        figure("style_slope", "  slope of formatting", alike.slopes[1], counted, "from none to all of it"),
        figure("alike_rate", "  win rate at equal length and style", alike.rate, counted),
    )


def score_figures(pairs: Pairs, rule: Rule, singles: Pairs | None = None) -> tuple[Figure, ...]:
    """The score: win rate by the chosen rule, beside what other rules and each order alone would have said.

    With `singles`, pairs that were asked in one order, the headline is the mean over all: those by their order, the
    others by the average of both. The order was drawn, so the mean is unbiased (judge.md 2.3); rules that make ties of
    disagreement cannot be mixed into it.
    """
    n = len(pairs)
    if singles is not None and len(singles):
        return (_by_their_orders(pairs, singles), *(score_figures(pairs, rule)[1:] if n else ()))
    if n == 0:
        none = Estimate(float("nan"), None, "no pair has a verdict in both orders")
        return (figure("win_rate", f"win rate ({rule})", none, (0, "pairs")),)
    cluster = pairs.cluster
    chosen = aggregate(pairs.ab, pairs.ba, rule)
    kept = ~np.isnan(chosen)
    strict = aggregate(pairs.ab, pairs.ba, "conservative")
    same = outcomes(pairs.ab) == outcomes(pairs.ba)
    judged, split = (strict == 0.5) & same, ~same
    counted = (n, "pairs")

    def part(name: str, title: str, x: Numbers | NDArray[np.bool_]) -> Figure:
        return figure(name, title, share(np.asarray(x, dtype=np.float64), cluster), counted)

    return (
        figure(
            "win_rate",
            f"win rate ({rule})",
            share(chosen[kept], cluster[kept]),
            (int(kept.sum()), "pairs"),
            f"{n - int(kept.sum())} dropped" if not kept.all() else "ties count a half",
        ),
        part("wins", "  wins", strict == 1),
        part("wins_plus_ties", "  wins and ties", strict >= 0.5),
        part("judged_ties", "  ties as judged", judged),
        part("disagreement_ties", "  ties by disagreement", split),
        part("average_rate", "  by the average rule", aggregate(pairs.ab, pairs.ba, "average")),
        part("first_order_rate", "  in order AB alone", scores(pairs.ab)),
        part("second_order_rate", "  in order BA alone", scores(pairs.ba)),
    )


def _by_their_orders(pairs: Pairs, singles: Pairs) -> Figure:
    """The mean score over pairs, each by the orders it was asked in."""
    alone = scores(singles.ab + singles.ba)
    both = aggregate(pairs.ab, pairs.ba, "average") if len(pairs) else np.zeros(0)
    e = share(np.concatenate((both, alone)), np.concatenate((pairs.cluster, singles.cluster)))
    note = f"{len(pairs)} in both orders, {len(singles)} in one that was drawn; ties count a half"
    return figure("win_rate", "win rate (average)", e, (len(both) + len(alone), "pairs"), note)


def family_figures(calls: Calls, family: str, families: Mapping[str, str], rivals: Calls) -> tuple[Figure, ...]:
    """Own-family lift: how often this judge picks its own family, less how often other judges do on the same pairs.

    Leave-one-out (judge.md 2.5). `families` maps a candidate to its model's family; `rivals` are the calls of the
    grader's other judges. Only pairs with exactly one candidate of the family count.
    """
    title = "own-family lift"
    none = (0, "pairs")

    def absent(why: str) -> tuple[Figure, ...]:
        return (figure("own_family_lift", title, Estimate(float("nan"), None, why), none),)

    if not family or family not in families.values():
        return absent("no candidate is of the judge's family" if family else "the judge's family is not known")
    if not len(rivals):
        return absent(f"no other judge saw these pairs: candidates of the family '{family}' may be favoured unseen")
    own, others = _picks(calls, family, families), _picks(rivals, family, families)
    common = sorted(own.keys() & others.keys())
    if not common:
        return absent("no pair with one candidate of the family was judged by both")
    lift = np.array([own[k][0] - others[k][0] for k in common])
    cluster = np.array([own[k][1] for k in common], dtype=np.int64)
    drawn = bootstrap(lambda rows: float(lift[rows].mean()), cluster, SEED)
    e = Estimate(float(lift.mean()), drawn, "" if drawn else "one family of tasks only")
    return (figure("own_family_lift", title, e, (len(common), "pairs"), f"family '{family}'"),)


def _picks(calls: Calls, family: str, families: Mapping[str, str]) -> dict[tuple[int, ...], tuple[float, int]]:
    """Mean score of the family's candidate by pair, over pairs in which it is exactly one of the two."""
    ok = calls.ok()
    words = ok.names.words()
    ours = {code for code, name in enumerate(words) if families.get(name) == family}
    found: dict[tuple[int, ...], list[float]] = {}
    clusters: dict[tuple[int, ...], int] = {}
    columns = [ok.column[n].tolist() for n in ("task", "system", "epoch", "opponent", "about")]
    for key, score, cluster in zip(
        zip(*columns, strict=True), _worth(ok).tolist(), ok.column["family"].tolist(), strict=True
    ):
        mine, theirs = key[1] in ours, key[3] in ours
        if mine != theirs and score == score:
            found.setdefault(key, []).append(score if mine else 1 - score)
            clusters[key] = cluster
    return {k: (float(np.mean(v)), clusters[k]) for k, v in found.items()}
