"""Write a realistic run folder of any size, fast: `python benchmarks/make_run.py DIR --tasks 10000 --epochs 5`.

Tasks differ in difficulty, share families, cost money and time; a few trials fail for other reasons than the work.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

from harness.records.content import Request, Response, Text, Usage, user
from harness.records.outcome import Attempt, Digests, Grade, NotGraded, Output, Timing, Trouble
from harness.records.task import Shape
from harness.records.transcript import ModelCall, Transcript
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest, SystemInfo

FAMILY_SIZE = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What the made-up run is like. Rates are shares of trials."""

    tasks: int = 100
    systems: tuple[str, ...] = ("alpha", "beta")
    epochs: int = 3
    infra: float = 0.004
    ungradable: float = 0.004
    seed: int = 0


def make_run(runs: Path, plan: Plan, name: str = "20260101T000000Z-made-000000000000") -> Path:
    """The folder made. The same plan gives the same bytes."""
    systems = tuple(SystemInfo(s, "single_turn", {"main": f"openai/{s}"}, f"h-{s}", f"m-{s}") for s in plan.systems)
    manifest = Manifest(
        run=name,
        suite="made",
        suite_path="tasks/made/suite.yaml",
        suite_digest="made",
        tasks_digest=f"{plan.tasks}",
        created="2026-01-01T00:00:00Z",
        systems=systems,
        n_tasks=plan.tasks,
        epochs=plan.epochs,
        seed=plan.seed,
    )
    rng = random.Random(plan.seed)
    with RunFolder.create(runs, manifest) as folder:
        for i in range(plan.tasks):
            ease = rng.betavariate(0.75, 0.25)
            for k, system in enumerate(plan.systems):
                for epoch in range(1, plan.epochs + 1):
                    for attempt in _attempts(i, system, epoch, ease * (1 - 0.1 * k), plan, rng):
                        folder.add(attempt, _transcript(attempt))
            if i % 32 == 31:
                folder.flush()
    return folder.path


def _attempts(i: int, system: str, epoch: int, p: float, plan: Plan, rng: random.Random) -> list[Attempt]:
    draw = rng.random()
    failed = [_attempt(i, system, epoch, 1, "infra_error", None, rng)] if draw < 2 * plan.infra else []
    number = len(failed) + 1
    if draw < plan.infra:
        return [*failed, _attempt(i, system, epoch, number, "final_infra", None, rng)]
    if draw > 1 - plan.ungradable:
        return [*failed, _attempt(i, system, epoch, number, "ungradable", None, rng)]
    return [*failed, _attempt(i, system, epoch, number, "graded", rng.random() < p, rng)]


def _attempt(
    i: int,
    system: str,
    epoch: int,
    number: int,
    kind: str,
    passed: bool | None,
    rng: random.Random,
) -> Attempt:
    trouble = {
        "infra_error": Trouble("model", "overloaded", "529"),
        "final_infra": Trouble("model", "rate_limit", "429"),
        "ungradable": Trouble("grader", "unparseable"),
    }.get(kind)
    seconds = round(rng.lognormvariate(2.5, 0.8), 3)
    tokens = rng.randrange(400, 4000)
    usage = Usage(
        input=tokens // 2, cache_read=tokens // 2, output=tokens // 8, reasoning=tokens // 4, calls=1,
        cost_usd=round(tokens * 4e-6, 8),
    )  # fmt: skip
    return Attempt(
        task=f"task-{i:06d}",
        system=system,
        epoch=epoch,
        attempt=number,
        status={"infra_error": "infra_error", "final_infra": "infra_error"}.get(kind, kind),  # type: ignore[arg-type]
        final=kind != "infra_error",
        passed=passed,
        value=None if passed is None else float(passed),
        family=f"family-{i // FAMILY_SIZE:05d}",
        shape=Shape(
            horizon=("short", "medium", "long")[i % 3],  # type: ignore[arg-type]
            stakes=("low", "high")[i % 2],  # type: ignore[arg-type]
            surface=("document", "code")[i % 2],
            tools=i % 12,
        ),
        tags=(f"area-{i % 7}",),
        grades={"match": NotGraded("unparseable") if passed is None else Grade(float(passed), passed, extracted="42")},
        output=Output(answer=f"The answer is {rng.randrange(1000)}, because the policy says so. " * 5),
        limit="time" if rng.random() < 0.01 else "",
        trouble=trouble,
        usage=usage,
        turns=1 + rng.randrange(4),
        retries=int(rng.random() < 0.03),
        timing=Timing(1.0, seconds + 1, seconds, 1.0 if rng.random() < 0.05 else 0.0, seconds * 0.9, 0.01),
        models=(f"{system}-2026-01-01",),
        digests=Digests("0" * 16, "1" * 16, "2" * 16, "3" * 16),
    )


def _transcript(a: Attempt) -> Transcript:
    request = Request((user(f"Question of {a.task}? Answer briefly."),))
    response = Response((Text(a.output.answer or ""),), "end", a.usage)
    return Transcript(a.task, a.system, a.epoch, a.attempt, a.output, (ModelCall("main", 0.1, 1.0, request, response),))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--systems", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    args = parser.parse_args()
    names = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")[: args.systems]
    print(make_run(args.runs, Plan(args.tasks, names, args.epochs)))


if __name__ == "__main__":
    main()
