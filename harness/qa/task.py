"""QA of one task: everything that can be proven about it, as one record."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from posixpath import join
from time import perf_counter
from typing import Literal

from harness.config.suite import BoundGrader
from harness.errors import MissingRequirement, SandboxError
from harness.qa import proof
from harness.qa.cheating import cheating
from harness.qa.findings import CheatOutcome, Finding, TaskCheck, verdict_of
from harness.qa.history import history_checked
from harness.qa.image import Needles, Repository
from harness.qa.lab import CEILING, FLOOR, Examiner, Lab, Shake, Tried, graders_of, with_network
from harness.qa.leaks import leaks_found
from harness.qa.material import Material, material_of, prompt_text
from harness.qa.overspecified import overspecified
from harness.qa.words import words_checked
from harness.records.outcome import NotGraded, Verdict
from harness.records.task import Task
from harness.testing.cheats import cheats_for
from harness.toolkit.said import ends_of

SHAKES = {
    Shake(hash_seed=1): ("pytest", "unittest", "tap", "junit", "command"),
    Shake(backwards=True): ("pytest", "unittest", "go", "jest", "vitest", "node"),
}
"""Other conditions that tests are run under (reference/swe.md 4.4), and the runners on which they have an effect."""
GOLD_AND_BASE: tuple[tuple[Literal["gold", "base"], bytes | None], ...] = (("gold", None), ("base", b""))
"""The code that listed tests are run on, and the patch that makes it; None is the right one."""


@dataclass(frozen=True, slots=True)
class Options:
    """How thorough QA is: `repeats` of reference, empty and base.

    `judges` lets graders call models; without `cheats` no cheat is tried.
    """

    repeats: int = 3
    judges: bool = False
    cheats: bool = True


@dataclass(slots=True)
class Known:
    """What has been found out so far."""

    findings: list[Finding] = field(default_factory=list)
    reference: list[Tried] = field(default_factory=list)
    empty: list[Tried] = field(default_factory=list)
    base: list[Verdict] = field(default_factory=list)
    shaken: list[tuple[Literal["gold", "base"], Shake, Verdict]] = field(default_factory=list)
    cheats: list[CheatOutcome] = field(default_factory=list)
    image: str = ""


async def check_task(lab: Lab, task: Task, options: Options) -> TaskCheck:
    """Prove one task. Infrastructure that fails leaves `unchecked` findings; a cancel leaves nothing."""
    began = perf_counter()
    graders = graders_of(lab.suite, task)
    material = material_of(task, graders, lab.suite.workspace)
    known = Known(list(words_checked(task, material)))
    if why := _not_runnable(lab, task, graders, options):
        known.findings.append(why)
    else:
        async with asyncio.TaskGroup() as group:
            group.create_task(_proven(lab, task, material, options, known))
            if task.sandbox is not None:
                group.create_task(_searched(lab, task, material, known))
                if options.cheats:
                    group.create_task(_cheated(lab, task, material, known))
                group.create_task(_based(lab, task, graders, options, known))
                if options.repeats > 1:
                    group.create_task(_shaken(lab, task, graders, material, known))
    return _summed_up(lab, task, graders, known, perf_counter() - began)


def _not_runnable(lab: Lab, task: Task, graders: Sequence[BoundGrader], options: Options) -> Finding | None:
    if task.skip:
        return Finding("skip", "unchecked", f"the task is skipped here: {task.skip}")
    judged = [b.name for b in graders if b.grader.judges()]
    if judged and not options.judges:
        what = f"a judge grades it ({', '.join(judged)}): pass --judges to let it be called"
        return Finding("judge", "unchecked", what)
    boxes = lab.services.boxes
    if task.sandbox is not None and (boxes.unavailable or boxes.sandbox is None):
        return Finding("engine", "unchecked", boxes.unavailable or "no sandbox plugin is installed")
    return None


async def _proven(lab: Lab, task: Task, material: Material, options: Options, known: Known) -> None:
    """Reference and empty, k times each; then the reference's output once more, and its network."""
    epochs = range(1, options.repeats + 1)
    both = await asyncio.gather(
        asyncio.gather(*(lab.attempt(task, CEILING, e) for e in epochs)),
        asyncio.gather(*(lab.attempt(task, FLOOR, e) for e in epochs)),
    )
    known.reference, known.empty = list(both[0]), list(both[1])
    known.image = next((t.attempt.digests.image for t in known.reference if t.attempt.digests.image), "")
    known.findings += proof.ceiling_checked(known.reference)
    known.findings += proof.floor_checked(known.empty)
    known.findings += proof.repeats_agree(known.reference, CEILING)
    known.findings += proof.repeats_agree(known.empty, FLOOR)
    graded = next((t for t in known.reference if t.attempt.status == "graded"), None)
    if graded is not None:
        known.findings += proof.steady(graded, await lab.grade_again(task, graded))
    if task.sandbox is not None and not task.sandbox.services:
        known.findings += await _network(lab, task, options, known)


async def _network(lab: Lab, task: Task, options: Options, known: Known) -> list[Finding]:
    """A reference that passes only with a network needs one; one that passes without needs none."""
    assert task.sandbox is not None
    fine = proof.tally(known.reference, passed=True).right
    if task.sandbox.network == "none":
        failed = any(t.attempt.passed is False or t.attempt.status == "ungradable" for t in known.reference)
        if fine or not failed:
            return []
        tried = await lab.attempt(with_network(task, "open"), CEILING, options.repeats + 1)
        if not tried.attempt.passed:
            return []
        return [Finding("network", "fail", "the reference passes only with a network, and the task declares none")]
    tried = await lab.attempt(with_network(task, "none"), CEILING, options.repeats + 1)
    if tried.attempt.passed and fine:
        what = f"the reference passes without a network: is `network: {task.sandbox.network}` needed?"
        return [Finding("network", "warn", what)]
    return []


async def _searched(lab: Lab, task: Task, material: Material, known: Known) -> None:
    """The image's files and repositories."""
    changed = frozenset(join(material.root, file.path) for file in material.gold)
    needles = Needles(material.answer, material.hidden_lines, material.names, changed)
    try:
        async with lab.searched(task, needles) as image:
            known.findings += leaks_found(image, needles, material)
            tree = f"{material.root.rstrip('/')}/.git"
            for repository in image.repositories.values():
                other = repository.path != tree and tree in image.repositories
                known.findings += await asyncio.to_thread(_listed, repository, other)
            known.findings += overspecified(material, prompt_text(task), image.kept)
    except (SandboxError, MissingRequirement, tarfile.TarError) as e:
        known.findings.append(Finding("leak", "unchecked", f"the image cannot be read: {ends_of(str(e))}"))


async def _cheated(lab: Lab, task: Task, material: Material, known: Known) -> None:
    """Every cheat that fits the task, once."""
    fitting = cheats_for(material.runner, with_source=bool(material.gold))
    plans = [(cheat.name, cheating(cheat, material)) for cheat in fitting]
    names = {name: f"cheat:{task.id}:{name}" for name, _ in plans}
    for name, harness in plans:
        lab.add(names[name], harness)
    tried = await asyncio.gather(*(lab.attempt(task, names[name], 1) for name, _ in plans))
    known.cheats = [proof.cheat_outcome(name, t) for (name, _), t in zip(plans, tried, strict=True)]


async def _based(lab: Lab, task: Task, graders: Sequence[BoundGrader], options: Options, known: Known) -> None:
    """The listed tests on the code as it is given."""
    for bound in graders:
        if not isinstance(bound.grader, Examiner):
            continue
        grader = bound.grader
        try:
            found = await asyncio.gather(*(lab.examine(task, grader, b"") for _ in range(options.repeats)))
        except (SandboxError, MissingRequirement) as e:
            known.findings.append(Finding("base", "unchecked", f"the base cannot be tested: {ends_of(str(e))}"))
            continue
        known.base += found
        unsure = next((v for v in found if isinstance(v, NotGraded)), None)
        if unsure is not None:
            known.findings.append(
                Finding("base", "fail", f"the base cannot be graded: {unsure.cause}: {ends_of(unsure.detail)}")
            )


async def _shaken(lab: Lab, task: Task, graders: Sequence[BoundGrader], material: Material, known: Known) -> None:
    """The listed tests once under another hash seed and once backwards, on the right patch and on the code as given."""
    runner = material.runner or "command"
    shakes = [shake for shake, runners in SHAKES.items() if runner in runners]
    for bound in graders:
        if not isinstance(bound.grader, Examiner):
            continue
        for on, patch in GOLD_AND_BASE:
            if on == "gold" and not material.gold:
                continue
            try:
                found = await asyncio.gather(*(lab.examine(task, bound.grader, patch, shake) for shake in shakes))
            except (SandboxError, MissingRequirement) as e:
                known.findings.append(
                    Finding("flaky", "unchecked", f"the tests cannot be run another way: {ends_of(str(e))}")
                )
                continue
            known.shaken += [(on, shake, verdict) for shake, verdict in zip(shakes, found, strict=True)]


def _summed_up(lab: Lab, task: Task, graders: Sequence[BoundGrader], known: Known, seconds: float) -> TaskCheck:
    gold = [v for t in known.reference for b in graders if (v := t.attempt.grades.get(b.name)) is not None]
    flaky = proof.flaky_tests(gold, known.base)
    ceiling = proof.tally(known.reference, passed=True) if known.reference else None
    findings = [*known.findings, *proof.base_checked(known.base, flaky)]
    findings += proof.cheats_checked(known.cheats, known.base, ceiling)
    for on, shake, verdict in known.shaken:
        findings += proof.shaken_checked(on, shake, gold if on == "gold" else known.base, verdict)
    if known.reference:
        limits = lab.suite.limits.merged(task.limits)
        allowed = [t for b in graders if isinstance(t := getattr(b.grader, "timeout_s", None), float)]
        findings += proof.runtimes(known.reference, limits, sum(allowed) if allowed else None)
    order = {"fail": 0, "unchecked": 1, "warn": 2, "info": 3}
    findings = sorted(dict.fromkeys(findings), key=lambda f: order[f.level])
    return TaskCheck(
        task=task.id,
        verdict=verdict_of(findings),
        findings=tuple(findings),
        reference=ceiling,
        empty=proof.tally(known.empty, passed=False) if known.empty else None,
        solve_s=proof.solve_seconds(known.reference),
        grade_s=proof.grade_seconds(known.reference),
        tests=proof.n_listed([*gold, *known.base]),
        flaky=tuple(flaky),
        cheats=tuple(known.cheats),
        image=known.image,
        seconds=round(seconds, 2),
    )


def _listed(repository: Repository, other: bool) -> list[Finding]:
    return list(history_checked(repository, other=other))
