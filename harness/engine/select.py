"""Which tasks and systems run: filters, then a limit or a stratified sample; what was chosen is recorded."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from random import Random

from harness.config.suite import Suite, System
from harness.errors import NothingToRun, UsageFault
from harness.records.content import Json
from harness.records.task import Task
from harness.store.manifest import Selection


@dataclass(frozen=True, slots=True)
class Filters:
    """What the command line asks for; empty means everything. `shape` maps a field of the shape to its value."""

    task: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    shape: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    sample: int | None = None
    seed: int = 0

    def as_json(self) -> dict[str, Json]:
        """The filters that say something, for the manifest."""
        said = {name: value for name, value in asdict(self).items() if value not in ((), None)}
        if self.sample is None:
            del said["seed"]
        return said


def select_tasks(suite: Suite, filters: Filters) -> tuple[list[Task], Selection]:
    """The tasks to run, in the suite's order.

    Raises NothingToRun when there are none, UsageFault when one of several `--task` fits none: a typo must not shrink
    a run without a word.
    """
    tasks = [t for t in suite.tasks if _matches(t, filters)]
    if not tasks:
        raise NothingToRun(f"no task of suite '{suite.name}' is selected", help=_nearest(suite, filters))
    if lost := [g for g in filters.task if not any(fnmatchcase(t.id, g) for t in suite.tasks)]:
        what = f"--task {', '.join(repr(g) for g in lost)} fits no task of suite '{suite.name}'"
        raise UsageFault(what, help=_nearest(suite, Filters(task=tuple(lost))))
    if filters.sample is not None:
        tasks = stratified(tasks, filters.sample, filters.seed)
    if filters.limit is not None:
        tasks = tasks[: filters.limit]
    everything = len(tasks) == len(suite.tasks)
    ids = None if everything else tuple(t.id for t in tasks)
    return tasks, Selection(filters.as_json(), len(suite.tasks), ids)


def select_systems(suite: Suite, names: Sequence[str]) -> dict[str, System]:
    """The systems named (globs allowed), or the default ones. Raises UsageFault for a name that is not there."""
    if not names:
        chosen = {n: s for n, s in suite.systems.items() if s.default}
        if not chosen:
            raise NothingToRun(
                f"suite '{suite.name}' has no default system",
                help=f"name one: --system {next(iter(suite.systems), 'NAME')}",
            )
        return chosen
    chosen = {}
    for name in names:
        found = [n for n in suite.systems if fnmatchcase(n, name)]
        if not found:
            close = difflib.get_close_matches(name, suite.systems, n=1)
            hint = f"did you mean '{close[0]}'? — " if close else ""
            raise UsageFault(
                f"no system '{name}' in suite '{suite.name}'", help=f"{hint}systems: {', '.join(suite.systems)}"
            )
        chosen.update({n: suite.systems[n] for n in found})
    return chosen


def stratified(tasks: Sequence[Task], n: int, seed: int) -> list[Task]:
    """`n` tasks, shared out over (family, tags) in proportion by largest remainder, ties and members by `seed`."""
    rng = Random(seed)
    strata: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
    for i, task in enumerate(tasks):
        strata[(task.family, task.tags)].append(i)
    n = min(n, len(tasks))
    exact = {key: n * len(members) / len(tasks) for key, members in strata.items()}
    share = {key: int(x) for key, x in exact.items()}
    order = list(strata)
    rng.shuffle(order)
    order.sort(key=lambda key: exact[key] - share[key], reverse=True)
    for key in order[: n - sum(share.values())]:
        share[key] += 1
    chosen = [i for key, members in strata.items() for i in rng.sample(members, share[key])]
    return [tasks[i] for i in sorted(chosen)]


def _matches(task: Task, filters: Filters) -> bool:
    return (
        (not filters.task or any(fnmatchcase(task.id, glob) for glob in filters.task))
        and all(any(fnmatchcase(tag, glob) for tag in task.tags) for glob in filters.tag)
        and all(str(getattr(task.shape, name)) == value for name, value in filters.shape)
    )


def _nearest(suite: Suite, filters: Filters) -> str:
    """The first filter that nothing fits, with what is near; else that the filters fit no task together."""
    tags = sorted({tag for t in suite.tasks for tag in t.tags})
    there: list[tuple[str, str, list[str]]] = [("--task", glob, [t.id for t in suite.tasks]) for glob in filters.task]
    there += [("--tag", glob, tags) for glob in filters.tag]
    there += [
        (f"--shape {name}", value, sorted({str(getattr(t.shape, name)) for t in suite.tasks}))
        for name, value in filters.shape
    ]
    for option, word, known in there:
        if any(fnmatchcase(k, word) for k in known):
            continue
        close = difflib.get_close_matches(word, known, n=3, cutoff=0.4)
        hints = [f"did you mean {' or '.join(repr(c) for c in close)}?" if close else ""]
        hints.append(f"{option} fits nothing with '{word}'; there are: {_some(known)}")
        return " — ".join(h for h in hints if h)
    listed = f"see `harness list tasks --suite {suite.name}`"
    return f"each filter fits some of the {len(suite.tasks)} tasks, none fits them all; {listed}"


def _some(words: Sequence[str], most: int = 30) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more if words else "none"


def parse_shape(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`stakes=high` words as pairs. Raises UsageFault with what there is."""
    fields: Mapping[str, object] = dict.fromkeys(("horizon", "stakes", "surface", "tools", "context"))
    pairs = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise UsageFault(f"--shape {word}: expected FIELD=VALUE", help=f"fields: {', '.join(fields)}")
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f"did you mean '{close[0]}'? — " if close else ""
            raise UsageFault(f"--shape {word}: a shape has no '{name}'", help=f"{hint}fields: {', '.join(fields)}")
        pairs.append((name, value))
    return tuple(pairs)
