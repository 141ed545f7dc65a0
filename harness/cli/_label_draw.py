"""What is to be labelled: items drawn at random from a run, in a random order; those done already are left out."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from harness.config.workspace import find_workspace
from harness.engine.again import suite_of, tasks_of
from harness.engine.cards import Item, card_maker, judged_by
from harness.errors import UsageFault
from harness.plugins.contracts import Card
from harness.records.label import Label
from harness.store.judgements import iter_judgements
from harness.store.label_file import LabelFile
from harness.store.labels import FOLDER
from harness.store.manifest import Manifest
from harness.store.read import read_manifest


@dataclass(slots=True)
class Work:
    """What one sitting has to do. `left` are items still without a label of this person; `drawn` all that were drawn.

    `shown` is the file's name for people. `stale` are items that this person labelled when the text was another one.
    """

    grader: str
    labeler: str
    template: Label
    file: LabelFile
    shown: str
    left: list[Item]
    drawn: int
    order: Random
    card: Callable[[Item], Card | str]
    workspace: Path
    done: set[Item] = field(default_factory=set)
    stale: frozenset[Item] = frozenset()


@contextmanager
def draw(workspace: Path, path: Path, args: argparse.Namespace) -> Iterator[Work]:
    """The sitting's work; the label file is open and locked meanwhile. Raises UsageFault, ConfigError, StoreError."""
    manifest = read_manifest(path)
    grader = _grader(path, args.grader)
    labeler = (args.labeler or getpass.getuser()).strip()
    suite = suite_of(find_workspace(workspace), manifest)
    tasks = tasks_of(suite, manifest)
    if grader not in suite.graders:
        raise UsageFault(f"the suite no longer has the grader '{grader}'", help=f"graders: {', '.join(suite.graders)}")
    shown = (FOLDER / f"{grader.replace('/', '-').replace(':', '-')}.jsonl").as_posix()
    file = LabelFile(workspace / shown, shown)
    try:
        items = judged_by(path, grader)
        with card_maker(path, suite, tasks, grader) as make:

            def card(item: Item) -> Card | str:
                found = make(item, items[item])
                return found if isinstance(found, Card) else found.detail

            labelled = [x for x in file.labels if x.grader == grader and x.run in ("", manifest.run)]
            other = {x.item for x in labelled if x.set != args.set}
            pool = [i for i in items if i not in other and isinstance(card(i), Card)]
            order = Random(f"{args.seed}:label:{grader}:{args.set}")
            order.shuffle(pool)
            drawn = pool[: args.n]
            before = {x.item: x.work for x in labelled if x.labeler == labeler}
            stale = frozenset(i for i, work in before.items() if i in items and _is_of_other_text(work, card(i)))
            mine = before.keys() - stale
            yield Work(
                grader=grader,
                labeler=labeler,
                template=_template(grader, labeler, manifest, args, len(drawn) / len(pool) if pool else 1.0),
                file=file,
                shown=shown,
                left=[i for i in drawn if i not in mine],
                drawn=len(drawn),
                order=order,
                card=card,
                stale=stale,
                workspace=workspace,
            )
    finally:
        file.close()


def _is_of_other_text(work: str, card: Card | str) -> bool:
    return bool(work) and isinstance(card, Card) and card.digest != work


def _template(grader: str, labeler: str, manifest: Manifest, args: argparse.Namespace, probability: float) -> Label:
    """What all labels of a sitting share. Labels of stored work hold in any run, and are a draw from none."""
    return Label(
        grader=grader,
        task="",
        labeler=labeler,
        label="",
        set=args.set,
        run="" if args.stored else manifest.run,
        inclusion_prob=round(probability, 6),
    )


def _grader(path: Path, name: str | None) -> str:
    """The grader whose work is labelled. Raises UsageFault when it judged nothing, or when one must be named."""
    there = sorted({j.grader for j in iter_judgements(path) if j.role == "score"})
    if not there:
        raise UsageFault(f"no judge was asked in {path.name}", help="label a run whose tasks have judge graders")
    if name is None and len(there) == 1:
        return there[0]
    if name not in there:
        what = "which grader?" if name is None else f"the grader '{name}' judged nothing in {path.name}"
        raise UsageFault(what, help=f"--grader {' | '.join(there)}")
    return name
