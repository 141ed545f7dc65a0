"""Judges measured by what they said: a stream of judgements in, a data sheet per judge and grader out.

read_calls -> for each (grader, judge): swap, repeats, style, controls, sentinels, ungraded, labels -> the judge gate
-> panels and ratings per grader -> JudgeReport. Nothing here asks a model, and nothing reads more than records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from harness.config.judge_gate import JudgePolicy
from harness.records.judgement import Judgement
from harness.records.label import Label
from harness.report.judges_apart import apart, mixed
from harness.report.judges_calls import Asked, Calls, read_calls
from harness.report.judges_gate import judged_valid, worst
from harness.report.judges_items import Item, Judged, judged_items
from harness.report.judges_labels import Design, Source, label_figures
from harness.report.judges_model import Figure, JudgeReport, JudgeSheet, Panel, Rated
from harness.report.judges_other import (
    calibrations,
    control_figures,
    injection_figure,
    preferred_padding,
    rate_figures,
    recalibrated,
    repeat_figures,
    returned,
    sentinel_figure,
    sentinels_alike,
    ungraded_figure,
)
from harness.report.judges_pairs import (
    Swapped,
    complete_pairs,
    family_figures,
    only_ties,
    score_figures,
    single_pairs,
    style_figures,
    swap_figures,
)
from harness.report.judges_panels import panel, rated
from harness.report.judges_rubric import Rubric, rubric_figures
from harness.report.judges_select import Rotated, rotated
from harness.report.judges_steps import steps_figures
from harness.stats.swap import Rule

Elsewhere: TypeAlias = Mapping[tuple[str, str], Mapping[str, Mapping[Item, Judged]]]
"""(grader, judge) -> run -> item -> what that judge made of it there."""


@dataclass(frozen=True, slots=True)
class About:
    """What a run knows besides its judgements: labels, the family of each candidate's model, the graders' rules.

    `run` is its name, by which labels drawn from it are known; `rules` say how a grader puts two orders together.
    `elsewhere` is what the same judges said in other runs that labels were drawn from; `informs` are graders that
    decide no task; `rubrics` what criteria count.
    """

    run: str = ""
    labels: Sequence[Label] = ()
    families: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=dict)
    design: Design | Literal["auto"] = "auto"
    informs: frozenset[str] = frozenset()
    rubrics: Mapping[str, Rubric] = field(default_factory=dict)


def judge_report(judgements: Iterable[Judgement], policy: JudgePolicy, about: About | None = None) -> JudgeReport:
    """Everything there is to say about the judges of a run. Raises StoreError for a record that contradicts itself."""
    about = about or About()
    calls = read_calls(judgements)
    alone = len(calls.asked) == 1
    parts = {a: calls if alone else calls.where(calls.column["sheet"] == i) for i, a in enumerate(calls.asked)}
    order = sorted(parts, key=lambda a: (a.grader, a.judge, a.model))
    sheets = tuple(judge_sheet(a, parts[a], policy, about, _rivals(calls, a)) for a in order)
    decide = [s for s in sheets if not s.informs]
    return JudgeReport(
        sheets=sheets,
        panels=_panels(parts),
        ratings=_ratings(parts),
        validity=worst(decide),
        reasons=tuple(f"{s.judge} in {s.grader}: {r}" for s in decide if s.validity == "invalid" for r in s.reasons),
        warnings=tuple(_warnings(sheets)),
    )


def judge_sheet(asked: Asked, calls: Calls, policy: JudgePolicy, about: About, rivals: Calls) -> JudgeSheet:
    """The data sheet of one judge in one grader; `rivals` are the calls of the grader's other judges."""
    measured = _measured(calls)
    mine = [x for x in about.labels if x.grader == asked.grader]
    source = Source(about.run, about.elsewhere.get((asked.grader, asked.judge), {}), about.design)
    by_labels, left_out = label_figures(calls.role("score"), asked.protocol, mine, source)
    turned, figures = _figures(asked, calls, measured, policy, about, rivals)
    swapped = turned if isinstance(turned, Swapped) else None
    ungraded, causes, where = ungraded_figure(calls)
    models = returned(calls)
    sheet = JudgeSheet(
        grader=asked.grader,
        judge=asked.judge,
        protocol=asked.protocol,
        model=asked.model,
        family=asked.family,
        returned=models,
        calibrations=calibrations(calls),
        figures=(*figures, sentinel_figure(calls), ungraded, injection_figure(calls), *by_labels),
        position=turned.verdict if turned else None,
        classes=swapped.classes if swapped else (),
        ungraded=causes,
        ungraded_by_system=where,
        money=calls.spent[asked],
        splits=swapped.splits if swapped else (),
        n_splits=swapped.n_splits if swapped else 0,
        informs=asked.grader in about.informs,
        notes=tuple(_notes(asked, len(models), about, left_out, calls)),
        only_ties=only_ties(measured),
        sentinels_alike=sentinels_alike(calls, policy.sentinel_agreement_min or 0.0),
    )
    return judged_valid(sheet, policy)


def _measured(calls: Calls) -> Calls:
    """What bias is measured on: pairs of an audit by their audit, the others by their score."""
    audited, scored = calls.role("audit"), calls.role("score")
    if not len(audited):
        return scored
    key = ("task", "system", "epoch", "opponent", "about", "case")
    seen = set(zip(*(audited.column[n].tolist() for n in key), strict=True))
    kept = [k not in seen for k in zip(*(scored.column[n].tolist() for n in key), strict=True)]
    mask = np.concatenate((np.ones(len(audited), dtype=bool), np.array(kept, dtype=bool)))
    return _together([audited, scored]).where(mask)


def _figures(
    asked: Asked, calls: Calls, measured: Calls, policy: JudgePolicy, about: About, rivals: Calls
) -> tuple[Swapped | Rotated | None, tuple[Figure, ...]]:
    controls = control_figures(calls, asked.protocol)
    if asked.protocol == "select":
        turned = rotated(measured, policy.position_effect_equiv)
        return turned, (*repeat_figures(measured), *turned.figures, *controls)
    if asked.protocol != "pairwise":
        return None, (
            *repeat_figures(measured),
            *(steps_figures(measured, calls.role("sentinel")) if asked.protocol == "steps" else ()),
            *controls,
            *_scored(calls.role("score"), asked.protocol, "conservative"),
            *rubric_figures(calls.role("score"), about.rubrics.get(asked.grader)),
        )
    pairs, incomplete = complete_pairs(measured)
    swapped = swap_figures(pairs, policy.position_effect_equiv, incomplete)
    return swapped, (
        *swapped.figures,
        *style_figures(pairs),
        *family_figures(measured, asked.family, about.families, rivals.role("score", "audit")),
        *controls,
        *_scored(calls.role("score"), asked.protocol, about.rules.get(asked.grader, "conservative")),
    )


def _scored(calls: Calls, protocol: str, rule: Rule) -> tuple[Figure, ...]:
    """What was scored: all of it, and where there are several, each system against each opponent."""
    if protocol == "pairwise":
        whole = score_figures(complete_pairs(calls)[0], rule, single_pairs(calls))
    else:
        whole = rate_figures(calls, protocol)
    each = apart(calls, protocol, rule)
    return (*mixed(whole), *each) if each else whole


def _rivals(calls: Calls, asked: Asked) -> Calls:
    others = [i for i, a in enumerate(calls.asked) if a.grader == asked.grader and a.judge != asked.judge]
    return calls.where(np.isin(calls.column["sheet"], others))


def _notes(asked: Asked, models: int, about: About, left_out: str, calls: Calls) -> Iterable[str]:
    if asked.family and (kin := sorted(n for n, f in about.families.items() if f == asked.family)):
        yield f"OWN FAMILY: the judge is of the family '{asked.family}', as is the model of {', '.join(kin)}"
    if models > 1:
        yield "MORE THAN ONE MODEL ANSWERED: what was measured is a mixture"
    if recalibrated(calls):
        yield "MORE THAN ONE CALIBRATION: the judge or its prompt changed within these judgements"
    if left_out:
        yield left_out


def _panels(parts: Mapping[Asked, Calls]) -> tuple[Panel, ...]:
    graders = sorted({(a.grader, a.protocol) for a in parts})
    found = []
    for grader, protocol in graders:
        members = {a.judge: c.role("score") for a, c in parts.items() if (a.grader, a.protocol) == (grader, protocol)}
        if len(members) > 1:
            found.append(panel(grader, protocol, members))
    return tuple(found)


def _ratings(parts: Mapping[Asked, Calls]) -> tuple[Rated, ...]:
    """Of each judge under the same words. Graders that differ only in whom they compare with are one measurement: their
    calibration id is the same, and their games together are a round robin.
    """
    groups: dict[tuple[str, ...], list[Asked]] = {}
    for a in sorted((a for a in parts if a.protocol == "pairwise"), key=lambda a: (a.grader, a.judge)):
        words = calibrations(parts[a])
        groups.setdefault((a.judge, a.model, *(words or (a.grader,))), []).append(a)
    found = (
        rated(" + ".join(a.grader for a in group), group[0].judge, _together([parts[a] for a in group]).role("score"))
        for group in groups.values()
    )
    return tuple(r for r in found if r is not None)


def _together(parts: Sequence[Calls]) -> Calls:
    """The rows of all of them."""
    first = parts[0]
    columns = {n: np.concatenate([p.column[n] for p in parts]) for n in first.column}
    return Calls(columns, np.concatenate([p.cost for p in parts]), first.names, first.asked, first.spent)


def _warnings(sheets: Sequence[JudgeSheet]) -> Iterable[str]:
    for s in sheets:
        if s.informs:
            if s.validity == "invalid":
                yield f"JUDGE INVALID, BUT IT ONLY INFORMS: {s.judge} in {s.grader}: {'; '.join(s.reasons)}"
        elif s.validity == "inconclusive":
            yield f"JUDGE NOT PROVEN VALID: {s.judge} in {s.grader}: {'; '.join(s.reasons)}"
        if padding := preferred_padding(s):
            yield f"JUDGE PREFERS PADDING: {s.judge} in {s.grader}: {padding}"
        for note in s.notes:
            if note[:3].isupper():
                yield f"{note} ({s.judge} in {s.grader})"


def judged_elsewhere(
    judgements: Iterable[Judgement],
) -> dict[tuple[str, str], tuple[tuple[str, ...], dict[Item, Judged]]]:
    """Of another run: what each judge made of each item, by (grader, judge), with its calibration ids."""
    calls = read_calls(judgements).role("score")
    found = {}
    for i, asked in enumerate(calls.asked):
        mine = calls.where(calls.column["sheet"] == i)
        found[asked.grader, asked.judge] = (calibrations(mine), judged_items(mine, asked.protocol))
    return found
