"""Cards for people who label: stored work as its judges saw it, without any verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.config.suite import Suite
from harness.engine.judges import judge_graders
from harness.engine.others import opponents_of
from harness.engine.retry import RetryPolicy
from harness.engine.services import Services
from harness.engine.session import open_services
from harness.engine.stored_work import stored_work
from harness.plugins.contracts import Card
from harness.prices import PriceBook
from harness.records.judgement import Judgement
from harness.records.outcome import Attempt, NotGraded
from harness.records.task import Task
from harness.store.judgements import iter_judgements
from harness.store.lines import TrialKey, keep_deciding
from harness.store.read import iter_attempts

Item = tuple[str, str, int, str, str]
"""(task, system, epoch, opponent, about), as judgements and labels name it."""


def judged_by(path: Path, grader: str) -> dict[Item, list[Judgement]]:
    """What was judged for a score by this grader, and what judges said of the same work."""
    items: dict[Item, None] = {}
    said: dict[tuple[str, str, int], list[Judgement]] = {}
    for j in iter_judgements(path):
        if j.grader == grader and j.role == "score":
            items[j.task, j.system, j.epoch, j.opponent, j.about] = None
            if j.data:
                said.setdefault((j.task, j.system, j.epoch), []).append(j)
    return {item: said.get(item[:3], []) for item in sorted(items)}


@contextmanager
def card_maker(
    path: Path, suite: Suite, tasks: list[Task], grader: str
) -> Iterator[Callable[[Item, list[Judgement]], Card | NotGraded]]:
    """A function from an item of this run to its card. Raises StoreError for work that is gone or another."""
    services = open_services(suite, PriceBook.load(suite.prices), RetryPolicy(), lambda *_: None)
    services.others.begin(path, (o for t in tasks for o in opponents_of(t, suite.graders)), lambda: None)
    by_id = {t.id: t for t in tasks}
    attempts: dict[TrialKey, Attempt] = {}
    for a in iter_attempts(path):
        if a.transcript is not None:
            keep_deciding(attempts, a)
    yield lambda item, said: _card(services, path, by_id.get(item[0]), attempts.get(item[:3]), (grader, item, said))


def _card(
    services: Services, path: Path, task: Task | None, attempt: Attempt | None, of: tuple[str, Item, list[Judgement]]
) -> Card | NotGraded:
    grader, item, said = of
    if task is None or attempt is None:
        return NotGraded("gone", f"the suite or the run no longer has '{item[0]}' of {item[1]}")
    bound = services.suite.graders[grader]
    work = stored_work(path, attempt, task, services)
    for inner in judge_graders(bound.grader):
        card = inner.card(work, item[4], said)
        if isinstance(card, Card):
            return card
    return NotGraded("not_labelled", f"'{item[4] or item[0]}' is nothing that people label")
