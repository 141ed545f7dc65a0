"""CPU of the parts of a trial, in microseconds: appending an attempt, common graders, presenting, pricing.

python benchmarks/parts.py
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from harness.api import Grader, Response, Task, Text, Usage
from harness.engine.prepare import tasks_digest
from harness.engine.present import present
from harness.graders.choice import Choice
from harness.graders.match import Match
from harness.graders.numeric import Numeric
from harness.prices import PriceBook
from harness.records.outcome import Attempt, Grade, Output
from harness.records.transcript import Transcript
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest
from harness.testing.fake_work import fake_work

ROUNDS, REPEATS = 7, 1000


def best(call: Callable[[], object]) -> float:
    """The best round's CPU per call, in microseconds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPEATS):
            call()
        rounds.append((time.process_time() - began) / REPEATS)
    return min(rounds) * 1e6


def best_async(call: Callable[[], Awaitable[object]]) -> float:
    """The same for a coroutine, in one event loop."""

    async def go() -> float:
        rounds = []
        for _ in range(ROUNDS):
            began = time.process_time()
            for _ in range(REPEATS):
                await call()
            rounds.append((time.process_time() - began) / REPEATS)
        return min(rounds) * 1e6

    return asyncio.run(go())


def grading(name: str, grader: Grader, answer: str, reference: object, choices: tuple[str, ...] = ()) -> None:
    work = fake_work(answer, reference, choices=choices)
    print(f"grade {name:<22} {best_async(lambda: grader.grade(work)):6.1f} us")


def appending(root: Path) -> None:
    task = Task(id="t", prompt="p")
    manifest = Manifest(
        run="r", suite="s", suite_path="s", suite_digest="", tasks_digest=tasks_digest([task]), created="", systems=(),
        n_tasks=1, epochs=1, seed=0,
    )  # fmt: skip
    output = Output(answer="fourteen days " * 10)
    attempt = Attempt(
        task="t", system="s", epoch=1, attempt=1, status="graded", passed=True, value=1.0, output=output,
        grades={"match": Grade(1.0, True, "right")},
    )  # fmt: skip
    with RunFolder.create(root, manifest) as folder:
        transcript = Transcript("t", "s", 1, 1, output)

        def add() -> None:
            folder.add(attempt, transcript)
            folder.flush()

        print(f"append and flush an attempt  {best(add):6.1f} us")


def main() -> None:
    grading("match, ignore case", Match(ignore=("case", "punctuation")), "14 Days.", "14 days")
    grading("numeric with a unit", Numeric(), "The total is 1,204.50 EUR", "1204.5 EUR")
    grading("choice, a letter", Choice(), "B", "B", ("red", "green", "blue"))
    options = tuple(f"option {i}" for i in range(6))
    task = Task(id="t", prompt="which?", choices=options, shuffle_choices=True)
    print(f"present with six choices     {best(lambda: present(task, 7)):6.1f} us")
    book = PriceBook.load()
    said = Response((Text("x"),), "end", Usage(input=1000, output=100, calls=1), model="gpt-5.4")
    at = time.time()
    print(f"price a call                 {best(lambda: book.price('openai', 'gpt-5.4', said, at)):6.1f} us")
    with tempfile.TemporaryDirectory() as folder:
        appending(Path(folder))


if __name__ == "__main__":
    main()
