"""A task as a system sees it: the allow-list, with choices lettered in this epoch's order."""

from __future__ import annotations

import hashlib
from random import Random
from string import ascii_uppercase
from typing import NamedTuple

from harness.records.content import Text
from harness.records.task import Task, TaskView

LIVING = ("processes", "http", "sql", "command")
"""What is collected from a box while it lives."""


class Shown(NamedTuple):
    """A task as it is shown in one trial: `view` is what the harness sees, `order` the order of its choices."""

    task: Task
    view: TaskView
    order: tuple[int, ...]


def trial_seed(seed: int, task_id: str, epoch: int) -> int:
    """The seed of a trial. It does not depend on the system, so all systems see the same permutation."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{task_id}\0{epoch}".encode(), digest_size=8).digest(), "big")


def present(task: Task, seed: int) -> Shown:
    """What a harness may see, and the order in which the choices stand in it (empty without choices)."""
    order: tuple[int, ...] = ()
    prompt = task.prompt
    if task.choices:
        order = choice_order(task, seed)
        lettered = "\n".join(f"{letter(i)}) {task.choices[at]}" for i, at in enumerate(order))
        prompt = f"{prompt.rstrip()}\n\n{lettered}" if isinstance(prompt, str) else (*prompt, Text(lettered))
    view = TaskView(
        id=task.id,
        prompt=prompt,
        files=task.files,
        shape=task.shape,
        n_choices=len(order),
        sandbox=task.sandbox,
        serves=any(one.what in LIVING for one in task.collect),
    )
    return Shown(task, view, order)


def choice_order(task: Task, seed: int) -> tuple[int, ...]:
    """`order[i]` is the index in the task of the option shown as letter i."""
    indices = list(range(len(task.choices)))
    if task.shuffle_choices:
        Random(seed).shuffle(indices)
    return tuple(indices)


def letter(i: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    return ascii_uppercase[i] if i < 26 else letter(i // 26 - 1) + ascii_uppercase[i % 26]
