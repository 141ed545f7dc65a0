"""Whether two measurements may be compared, and in words what changed between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from harness.records.content import Json
from harness.report.tallies import PASS_RATE, Measured
from harness.store.manifest import SystemInfo

KINDS = ("task", "grader", "image", "judge")
"""Digests that must be equal: what is asked, how it is graded, and where. Those of the system are what is compared."""
FAMILY = "family"
"""A task's label, which no digest covers: what varies together decides how sure a verdict is."""
WHAT = {
    "task": "what is asked (prompt, files, box, limits)",
    "grader": "graders or reference",
    "image": "the box's image",
    "judge": "judges",
    FAMILY: "family",
}


@dataclass(frozen=True, slots=True)
class Changed:
    """Tasks of which one kind of digest differs."""

    kind: str
    tasks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{WHAT[self.kind]} changed for {_some(self.tasks)}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What is the same and what is not. `why` says what keeps the two sides apart; empty when they may be compared.

    `left_out` are tasks that only one side has, or that changed. `system` tells how the systems differ, which is what
    a comparison is for; `notes` what else a reader should know.
    """

    changed: tuple[Changed, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    same_system: bool = True
    notes: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def left_out(self) -> frozenset[str]:
        """Tasks that cannot be paired; one with another family still asks the same."""
        moved = (t for c in self.changed if c.kind != FAMILY for t in c.tasks)
        return frozenset((*self.only_a, *self.only_b, *moved))


def identify(a: Measured, b: Measured, *, allow_subset: bool) -> Identity:
    """Compare digests, plans and systems. `allow_subset` accepts that b ran only tasks chosen by filters."""
    at_a, at_b = ({t: i for i, t in enumerate(m.tasks)} for m in (a, b))
    changed = _changed(a, b, at_a, at_b)
    same_plan = bool(a.origin.tasks_digest) and a.origin.tasks_digest == b.origin.tasks_digest
    only_a = () if same_plan else _absent(a, b, at_b)
    only_b = () if same_plan else _absent(b, a, at_a)
    why = []
    if a.suite != b.suite:
        why.append(f"two suites: '{a.suite}' and '{b.suite}'")
    why += [str(c) for c in changed]
    notes = []
    chosen = bool(b.origin.filters) and not only_b
    if only_a and chosen and allow_subset and not why:
        notes.append(f"{b.label} ran a part of the suite ({', '.join(b.origin.filters)}): only that part is compared")
    elif only_a:
        how = f" (chosen by {', '.join(b.origin.filters)})" if b.origin.filters else ""
        why.append(f"{_some(only_a)} not in {b.label}{how}")
    if only_b:
        why.append(f"{_some(only_b)} not in {a.label}")
    same = (a.system.harness_digest, a.system.model_digest) == (b.system.harness_digest, b.system.model_digest)
    return Identity(
        changed=changed,
        only_a=only_a,
        only_b=only_b,
        system=_systems(a.system, b.system),
        same_system=same,
        notes=(*notes, *_notes(a, b)),
        why=tuple(why),
    )


def _changed(a: Measured, b: Measured, at_a: Mapping[str, int], at_b: Mapping[str, int]) -> tuple[Changed, ...]:
    n_a, n_b = a.tallies[PASS_RATE].n, b.tallies[PASS_RATE].n
    one_harness = a.system.harness_digest == b.system.harness_digest
    found: dict[str, list[str]] = {kind: [] for kind in (*KINDS, FAMILY)}
    labelled = all(any(about.family for about in m.about) for m in (a, b))  # runs of before families tell of none
    for task, i in at_a.items():
        j = at_b.get(task)
        if j is not None and labelled and a.about[i].family != b.about[j].family:
            found[FAMILY].append(task)
        if j is None or a.digests[i] is b.digests[j]:
            continue
        graded = n_a[i] > 0 and n_b[j] > 0
        for kind in KINDS:
            # What was not graded has no grader's digest, a box that never opened no image's, and a task that only
            # another system of the run came to none at all: that is coverage lost, not a change.
            here, there = getattr(a.digests[i], kind), getattr(b.digests[j], kind)
            if kind == "image" and not one_harness and not (here and there):
                continue  # another harness works without a box: that is what is compared (`_boxless` tells it)
            if here != there and (graded or (kind == "task" and here and there)):
                found[kind].append(task)
    return tuple(Changed(kind, tuple(tasks)) for kind, tasks in found.items() if tasks)


def _absent(here: Measured, there: Measured, at: Mapping[str, int]) -> tuple[str, ...]:
    """Tasks of one side that are not in the other's plan; one that was planned and never ran is coverage lost."""
    gone = tuple(t for t in here.tasks if t not in at)
    return () if len(gone) <= there.unseen else gone


def _systems(a: SystemInfo, b: SystemInfo) -> tuple[str, ...]:
    found = []
    if a.name != b.name:
        found.append(f"system: {a.name} -> {b.name}")
    if a.harness_digest != b.harness_digest:
        found.append(
            "harness: " + (f"{a.harness} -> {b.harness}" if a.harness != b.harness else f"{a.harness} changed")
        )
    if a.model_digest != b.model_digest:
        roles = sorted({*a.models, *b.models})
        moved = [
            f"{r} {a.models.get(r, 'none')} -> {b.models.get(r, 'none')}"
            for r in roles
            if a.models.get(r) != b.models.get(r)
        ]
        found.append("model: " + (", ".join(moved) or "settings changed"))
    before, after = _flat(a.config), _flat(b.config)
    for key in sorted({*before, *after}):
        if before.get(key) != after.get(key):
            found.append(f"{key}: {_shown(before, key)} -> {_shown(after, key)}")
    return tuple(found)


def _shown(values: Mapping[str, str], key: str) -> str:
    text = values.get(key, "not set")
    return text if len(text) <= 60 else f"{text[:57]}..."


def _flat(value: Json, at: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {k: v for key in sorted(value) for k, v in _flat(value[key], f"{at}.{key}" if at else str(key)).items()}
    said = at and at != "name" and value is not None and value != ""  # what is nothing is not set
    return {at: str(value)} if said else {}


def _notes(a: Measured, b: Measured) -> list[str]:
    found = [*_images(a, b), *_boxless(a, b)]
    before, after = dict(a.origin.versions), dict(b.origin.versions)
    moved = [
        f"{k} {before.get(k, 'none')} -> {after.get(k, 'none')}"
        for k in sorted({*before, *after})
        if before.get(k) != after.get(k)
    ]
    if moved:
        found.append(f"versions: {', '.join(moved)}")
    if a.totals.models != b.totals.models and a.system.model_digest == b.system.model_digest:
        found.append(f"the provider served other models: {_words(a.totals.models)} -> {_words(b.totals.models)}")
    if len(a.runs) == 1 == len(b.runs) and a.runs != b.runs and _older(b, a):
        found.append(f"{b.label} is older than {a.label}: is the order meant?")
    return found


def _images(a: Measured, b: Measured) -> list[str]:
    """Images other than that of the work's own box, which is a digest. No two runs are kept apart by them.

    How many boxes a grader opens depends on the work, so a side that only has more images has not changed.
    """
    moved: dict[str, list[str]] = {}
    for task in sorted({*a.images} & {*b.images}):
        for purpose in sorted(({*a.images[task]} & {*b.images[task]}) - {"work"}):
            before, after = a.images[task][purpose], b.images[task][purpose]
            if not (before <= after or after <= before):
                moved.setdefault(purpose, []).append(task)
    return [f"images of boxes for {purpose} changed for {_some(tuple(tasks))}" for purpose, tasks in moved.items()]


def _boxless(a: Measured, b: Measured) -> list[str]:
    """Tasks on which one harness worked in a box and the other in none."""
    if a.system.harness_digest == b.system.harness_digest:
        return []
    at = {t: i for i, t in enumerate(b.tasks)}
    pairs = [(t, a.digests[i].image, b.digests[at[t]].image) for i, t in enumerate(a.tasks) if t in at]
    found = []
    for name, tasks in (
        (a.system.name, tuple(t for t, here, there in pairs if there and not here)),
        (b.system.name, tuple(t for t, here, there in pairs if here and not there)),
    ):
        if tasks:
            found.append(f"{name} opened no box for {_some(tasks)}")
    return found


def _older(one: Measured, other: Measured) -> bool:
    try:
        return datetime.fromisoformat(one.origin.created) < datetime.fromisoformat(other.origin.created)
    except (ValueError, TypeError):
        return False


def _words(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none named"


def _some(tasks: tuple[str, ...], most: int = 5) -> str:
    more = f" and {len(tasks) - most:,} more" if len(tasks) > most else ""
    return f"{len(tasks):,} {'task' if len(tasks) == 1 else 'tasks'}: {', '.join(tasks[:most])}{more}"


def family_of(measured: Measured, *, by_family: bool) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A family's code per task; a task without one, or without clustering, is its own."""
    known: dict[str, int] = {}
    codes = [
        known.setdefault(f"f{a.family}" if a.family and by_family else f"t{i}", len(known))
        for i, a in enumerate(measured.about)
    ]
    return np.array(codes, dtype=np.int64)
