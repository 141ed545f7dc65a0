"""Runs with planted effects: real run folders, made without a model and written by the store, whose truth is known.

What can be planted is in `harness.testing.planted`: World (tasks), Conduct (a system), Night (a run), Missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.records.content import Usage
from harness.records.outcome import Attempt, Digests, Grade, NotGraded, Output, Status, Timing, Trouble
from harness.records.task import Shape, digest_of
from harness.records.transcript import Transcript
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, SystemInfo
from harness.testing.planted import GRADED, INFRA, NOT_RUN, UNGRADABLE, Conduct, Drawn, Missing, Night, World, draw

__all__ = ["Conduct", "Drawn", "Missing", "Night", "World", "draw", "simulate_run", "task_name"]

FIRST_NIGHT = datetime(2026, 1, 1, 3, 23, tzinfo=UTC)
GRADER = "match"
_STATUS: dict[int, Status] = {GRADED: "graded", UNGRADABLE: "ungradable", INFRA: "infra_error"}
_FLUSH_EVERY = 512


def simulate_run(
    runs: Path,
    world: World,
    night: Night | None = None,
    systems: Mapping[str, Conduct] | None = None,
    number: int = 0,
) -> Path:
    """A run folder of this world under `runs`, as `number` nights after the first one; the same arguments, same bytes.

    Each name of `systems` (default: one, `sim`) is a system. The night's seed is the caller's: give each night its own.
    Raises StoreError when the folder exists.
    """
    night, systems = night or Night(), systems or {"sim": Conduct()}
    at = FIRST_NIGHT + timedelta(days=number)
    name = f"{at:%Y%m%dT%H%M%SZ}-{world.suite}-{digest_of(_told(world), _told(night), number)[:6]}"
    digests = [_digests(world, night, i) for i in range(world.tasks)]
    with RunFolder.create(runs, _manifest(name, at, world, night, systems, digests)) as folder:
        for index, (system, conduct) in enumerate(systems.items()):
            made = _Writer(world, system, conduct, digests, at.timestamp())
            for i, attempt in enumerate(made.attempts(draw(world, night, conduct, index), night.seed)):
                folder.add(attempt, Transcript(attempt.task, system, attempt.epoch, attempt.attempt, attempt.output))
                if i % _FLUSH_EVERY == _FLUSH_EVERY - 1:
                    folder.flush()
    return folder.path


def _told(value: World | Night) -> str:
    return repr(value)


def task_name(i: int) -> str:
    """The id of a simulated task."""
    return f"task-{i:05d}"


def _digests(world: World, night: Night, i: int) -> Digests:
    altered = i < night.altered or not night.altered

    def of(what: str) -> str:
        return digest_of(
            world.suite, what, i if what == "task" else 0, night.versions.get(what, "1") if altered else "1"
        )

    judge = of("judge") if "judge" in night.versions else ""
    image = of("image") if "image" in night.versions else ""
    return Digests(task=of("task"), grader=of("grader"), image=image, judge=judge)


def _manifest(
    name: str,
    at: datetime,
    world: World,
    night: Night,
    systems: Mapping[str, Conduct],
    digests: list[Digests],
) -> Manifest:
    suite = digest_of(world.suite, sorted(night.versions.items()), night.altered)
    grader = digests[0].grader if digests else ""
    return Manifest(
        run=name,
        suite=world.suite,
        suite_path=f"tasks/{world.suite}/suite.yaml",
        suite_digest=suite,
        tasks_digest=digest_of([(task_name(i), d.task) for i, d in enumerate(digests)]),
        created=at.isoformat(timespec="seconds"),
        systems=tuple(_info(n, c) for n, c in systems.items()),
        n_tasks=world.tasks,
        epochs=night.epochs,
        seed=night.seed,
        graders={GRADER: {"digest": grader, "use": "match"}},
    )


def _info(name: str, conduct: Conduct) -> SystemInfo:
    return SystemInfo(
        name=name,
        harness=conduct.harness,
        models={"main": f"simulated/{conduct.model}"},
        harness_digest=digest_of(conduct.harness, conduct.versions.get("harness", "1")),
        model_digest=digest_of(conduct.model, conduct.versions.get("model", "1")),
        config={"harness": {"use": conduct.harness, **{k: v for k, v in sorted(conduct.versions.items())}}},
    )


class _Writer:
    """Attempts of one system, from what was drawn."""

    def __init__(self, world: World, system: str, conduct: Conduct, digests: list[Digests], at: float) -> None:
        self._system, self._conduct, self._at = system, conduct, at
        info = _info(system, conduct)
        family = world.family().tolist()
        self._tasks = [
            (
                task_name(i),
                f"family-{family[i]:04d}" if world.families else "",
                Shape(horizon=("short", "medium", "long")[i % 3], stakes=("low", "high")[i % 2]),
                (f"area-{i % 5}",),
                Digests(d.task, d.grader, info.harness_digest, info.model_digest, d.image, d.judge),
            )
            for i, d in enumerate(digests)
        ]

    def attempts(self, drawn: Drawn, seed: int) -> list[Attempt]:
        c = self._conduct
        n = len(drawn.task)
        rng = np.random.default_rng([seed, 5])
        luck = rng.random((n, 4)).tolist()
        rows = zip(
            drawn.task.tolist(), drawn.epoch.tolist(), drawn.status.tolist(), drawn.passed.tolist(),
            np.round(drawn.cost_usd, 8).tolist(), np.round(drawn.seconds, 3).tolist(), drawn.chance.tolist(),
            luck, strict=True,
        )  # fmt: skip
        made = []
        for task, epoch, status, passed, cost, seconds, chance, (declares, refuses, critical, unpriced) in rows:
            if status == NOT_RUN:
                continue
            graded = status == GRADED
            failed = graded and not passed
            output = Output(
                answer="42" if status != INFRA else None,
                declared_done=(passed or declares < c.declares) if c.declares and status != INFRA else None,
                confidence=None if c.confidence_bias is None else min(1.0, max(0.0, chance + c.confidence_bias)),
                refused=failed and refuses < c.refuses,
            )
            bare = unpriced < c.unpriced
            made.append(self._attempt(task, epoch, status, passed, output, (0.0 if bare else cost, bare, seconds),
                                      failed and critical < c.critical))  # fmt: skip
        return made

    def _attempt(
        self, task: int, epoch: int, status: int, passed: bool, output: Output, spent: tuple[float, bool, float],
        critical: bool,
    ) -> Attempt:  # fmt: skip
        name, family, shape, tags, digests = self._tasks[task]
        cost, unpriced, seconds = spent
        graded = status == GRADED
        tokens = self._conduct.tokens
        return Attempt(
            task=name,
            system=self._system,
            epoch=epoch,
            attempt=1,
            status=_STATUS[status],
            passed=passed if graded else None,
            value=float(passed) if graded else None,
            family=family,
            shape=shape,
            tags=tags,
            grades={GRADER: Grade(float(passed), passed, critical=critical)}
            if graded
            else {GRADER: NotGraded("unparseable")}
            if status == UNGRADABLE
            else {},
            output=output,
            trouble={INFRA: Trouble("model", "overloaded"), UNGRADABLE: Trouble("grader", "unparseable")}.get(status),
            usage=Usage(
                input=tokens, output=tokens // 4, calls=1, cost_usd=cost if status != INFRA else 0.0,
                unpriced=int(unpriced),
            ),
            turns=1,
            timing=Timing(self._at, seconds + 0.5, seconds, 0.5, seconds * 0.9),
            models=(self._conduct.model,),
            digests=digests,
        )  # fmt: skip
