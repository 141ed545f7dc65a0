"""Judges of one grader against each other, and ratings of candidates from their pairs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from harness.report.judges_calls import Calls
from harness.report.judges_items import judged_items
from harness.report.judges_model import Figure, Panel, Rated, figure
from harness.report.judges_pairs import SEED
from harness.stats.agreement import alpha, kappa, majority, table_of
from harness.stats.intervals import Codes, Estimate, Numbers
from harness.stats.ratings import Games, cyclic_share, elo, rate
from harness.stats.shares import bootstrap, share
from harness.stats.style import length_ratio, style_ratio


def panel(grader: str, protocol: str, members: Mapping[str, Calls]) -> Panel:
    """Alpha of the whole panel, kappa of every two, and each member against the majority of the others."""
    said = {name: judged_items(calls, protocol) for name, calls in sorted(members.items())}
    names = tuple(said)
    items = sorted({i for found in said.values() for i in found})
    words = sorted({j.outcome for found in said.values() for j in found.values()})
    table = np.array([[words.index(said[n][i].outcome) if i in said[n] else -1 for i in items] for n in names])
    cluster = np.array([next(said[n][i].cluster for n in names if i in said[n]) for i in items], dtype=np.int64)
    table = table.reshape(len(names), len(items)).astype(np.int64)
    figures = [_alpha(table, cluster)]
    figures += [
        _kappa(f"{names[a]} and {names[b]}", table[[a, b]], cluster, len(words))
        for a, b in itertools.combinations(range(len(names)), 2)
    ]
    if len(names) > 2:
        figures += [_against_others(names[i], i, table, cluster) for i in range(len(names))]
    return Panel(grader, names, tuple(figures))


def _alpha(table: Codes, cluster: Codes) -> Figure:
    ratings = np.where(table < 0, np.nan, table).astype(np.float64)
    several = (table >= 0).sum(axis=0) > 1
    value = alpha(ratings)
    drawn = bootstrap(lambda rows: alpha(ratings[:, rows]), cluster, SEED) if value == value else None
    why = "the judges never differ, or never saw the same item" if value != value else "too few families"
    e = Estimate(value, drawn, "" if drawn else why)
    note = "agreement is no evidence of being right"
    return figure("panel_alpha", "Krippendorff's alpha", e, (int(several.sum()), "items"), note)


def _kappa(who: str, two: Codes, cluster: Codes, words: int) -> Figure:
    both = (two >= 0).all(axis=0)
    a, b, groups = two[0][both], two[1][both], cluster[both]
    n = int(both.sum())
    if not n:
        none = Estimate(float("nan"), None, "no item was judged by both")
        return figure("panel_kappa", f"kappa of {who}", none, (0, "items"))
    value = kappa(table_of(a, b, words))
    drawn = bootstrap(lambda r: kappa(table_of(a[r], b[r], words)), groups, SEED) if value == value else None
    why = "both always say the same word" if value != value else "too few families"
    return figure("panel_kappa", f"kappa of {who}", Estimate(value, drawn, "" if drawn else why), (n, "items"))


def _against_others(name: str, i: int, table: Codes, cluster: Codes) -> Figure:
    same, groups = [], []
    for at in range(table.shape[1]):
        votes = np.delete(table[:, at], i)
        best = majority(votes[votes >= 0]) if (votes >= 0).any() else None
        if best is not None and table[i, at] >= 0:
            same.append(float(table[i, at] == best))
            groups.append(int(cluster[at]))
    e = share(np.array(same), np.array(groups, dtype=np.int64))
    return figure("panel_majority", f"{name} with the majority of the others", e, (len(same), "items"))


def rated(grader: str, judge: str, calls: Calls) -> Rated | None:
    """Ratings of the candidates, where three or more met. Every call is a game; tasks' families are the clusters."""
    ok = calls.ok()
    words = ok.names.words()
    work, other = ok.column["system"], ok.column["opponent"]
    met = (work > 0) & (other > 0)
    ok = ok.where(met)
    work, other = work[met], other[met]
    who = sorted({words[c] for c in (*work.tolist(), *other.tolist())})
    if len(who) < 3:
        return None
    number = np.zeros(len(words), dtype=np.int64)
    for i, name in enumerate(who):
        number[ok.names.of[name]] = i
    first_is_work = ok.column["order"] == 0
    first = np.where(first_is_work, number[work], number[other])
    second = np.where(first_is_work, number[other], number[work])
    slot = ok.column["slot"]
    result = np.where(slot < 0, 0, np.where(slot == 0, 1, -1)).astype(np.int64)
    looks, titles = _looks(ok)
    signed = np.where(first_is_work[:, None], looks, -looks)
    games = Games(first, second, result, ok.column["family"], len(who), np.zeros((len(ok), 0)))
    fit = rate(games, SEED)
    if fit.why_not:
        return Rated(grader, judge, tuple(who), (), (), (), fit.games, "", fit.why_not)
    alike = rate(Games(first, second, result, ok.column["family"], len(who), signed), SEED, 60) if titles else None
    covariates = tuple(zip(titles, alike.covariates, strict=True)) if alike else ()
    return Rated(
        grader, judge, tuple(who), fit.strengths, tuple(elo(s.value) for s in fit.strengths),
        _rating_figures(fit.slot, covariates, games), fit.games, fit.note, "",
        alike=alike.strengths if alike else (), alike_in=" and ".join(word for word, _ in titles),
    )  # fmt: skip


def _looks(ok: Calls) -> tuple[Numbers, tuple[tuple[str, str], ...]]:
    """Covariates, work less opponent and never centred, with their names and titles; only those that differ."""
    work, other = (
        tuple(ok.column[prefix + n].astype(np.float64) for n in ("style", "length")) for prefix in ("", "other_")
    )
    told = len(ok) > 0 and bool((work[1] > 0).all() and (other[1] > 0).all())
    kinds = (
        (("length", "logits per doubling of length"), length_ratio(work[1], other[1])),
        (("style", "logits from no formatting to all of it"), style_ratio((work[0], work[1]), (other[0], other[1]))),
    )
    kept = [(title, x) for title, x in kinds if told and float(np.ptp(x)) > 0]
    columns = np.stack([x for _, x in kept], axis=1) if kept else np.zeros((len(ok), 0))
    return columns, tuple(title for title, _ in kept)


def _rating_figures(
    slot: Estimate, covariates: tuple[tuple[tuple[str, str], Estimate], ...], games: Games
) -> tuple[Figure, ...]:
    cyclic, triples = cyclic_share(games)
    n = len(games.result)
    found = [figure("slot_logit", "advantage of the first slot, in logits", slot, (n, "games"))]
    found += [figure(f"{name}_logit", title, e, (n, "games")) for (name, title), e in covariates]
    none = Estimate(float("nan"), None, "no three candidates met one another")
    e = share(np.array([1.0] * cyclic + [0.0] * (triples - cyclic)), np.arange(triples)) if triples else none
    found.append(figure("cyclic_triples", "triples that beat each other in a circle", e, (triples, "triples")))
    return tuple(found)
