"""Before a run: a judge is never the model it judges unless the suite says so; what else to know of the judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.config.judge_gate import JudgePolicy
from harness.config.suite import Suite, System
from harness.engine.judges import judge_graders
from harness.errors import Fault, Place
from harness.plugins.contracts import Grader
from harness.records.task import Task
from harness.toolkit.judging.judge import family_of, is_pinned, same_model


def own_judges(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> list[Fault]:
    """Judges that would judge themselves, and gates that cannot be met: a fault at the first task that uses each."""
    faults: list[Fault] = []
    for name, grader, place in _used(suite, tasks):
        faults += [Fault(what, place, help_) for what, help_ in _unmeasurable(name, grader, suite.judge_gate)]
        if getattr(grader, "allow_self_judging", False):
            continue
        for role, model in grader.judges().items():
            same = [s.name for s in systems.values() if any(same_model(m, model) for m in s.models.values())]
            if same:
                faults.append(
                    Fault(
                        f"judge '{role}' of grader '{name}' is {model.lane}, the model of system '{same[0]}': it would "
                        "judge its own work",
                        place,
                        "name another judge, or say in words that it may: allow_self_judging: true",
                    )
                )
    return faults


def _unmeasurable(name: str, grader: Grader, gate: JudgePolicy) -> Iterator[tuple[str, str]]:
    """Thresholds that the suite names and this grader can never measure, with what to do (judge.md 7.1)."""
    named = {n for n in gate.model_fields_set if getattr(gate, n) is not None}
    if "swap_consistency_min" in named and getattr(grader, "orders", "both") == "random_single":
        what = f"grader '{name}' shows each pair in one order, and the suite's judge gate asks for swap consistency"
        yield what, "say `orders: both`, or leave `swap_consistency_min` out of `judge_gate`"
    once = getattr(grader, "repeats", 2) == 1 and not grader.made_controls().get("audit_items")
    if "repetition_stability_min" in named and once:
        what = f"grader '{name}' asks each question once, and the suite's judge gate asks for repetition stability"
        yield what, "say `repeats: 2` or `controls: {audit_items: N}`, or leave `repetition_stability_min` out"


def simulated_judges(grader: Grader) -> dict[str, list[str]]:
    """Judges of a grader that are not models, for its manifest: every report says so."""
    names = sorted({role for g in judge_graders(grader) for role, model in g.judges().items() if model.simulated})
    return {"simulated_judges": names} if names else {}


def judge_warnings(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> list[str]:
    """Judges of a subject's own family, and what the graders say of their judges."""
    said: list[str] = []
    for name, grader, _ in _used(suite, tasks):
        for line in grader.advice(suite.workspace, datetime.now(UTC).date()):
            said.append(f"grader '{name}': {line}")
    said += [
        f"grader '{k.grader}': judge '{k.judge}' is of the family of {', '.join(k.systems)} ({k.family}); judges may "
        "prefer their own: read the family line of its data sheet"
        for k in _kin(suite, systems, tasks)
    ]
    return list(dict.fromkeys(said))


def strict_faults(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> list[Fault]:
    """What `--strict` refuses and a run only warns of: judges of a subject's own family, and those whose model names no
    snapshot, so that tomorrow's verdicts may be another model's (judge.md 7.1, 7.5).
    """
    return [*_loose(suite, tasks), *_family(suite, systems, tasks)]


def _loose(suite: Suite, tasks: Sequence[Task]) -> list[Fault]:
    return [
        Fault(
            f"grader '{name}': judge '{role}' is {model.lane}, which names no snapshot: the provider may change it",
            place,
            "name the snapshot, as in gpt-5.4-2026-03-05, or leave out --strict",
        )
        for name, grader, place in _used(suite, tasks)
        for role, model in grader.judges().items()
        if not is_pinned(model)
    ]


def _family(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> list[Fault]:
    return [
        Fault(
            f"grader '{k.grader}': judge '{k.judge}' is of the family of system '{k.systems[0]}' ({k.family})",
            k.place,
            "name a judge of another family, or leave out --strict",
        )
        for k in _kin(suite, systems, tasks)
    ]


@dataclass(frozen=True, slots=True)
class _Kin:
    """A judge of the family of these systems' models."""

    grader: str
    judge: str
    systems: tuple[str, ...]
    family: str
    place: Place | None


def _kin(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> list[_Kin]:
    found = []
    for name, grader, place in _used(suite, tasks):
        said = {j.name: j.family for j in getattr(grader, "all_judges", ())}
        for role, model in grader.judges().items():
            kin = said.get(role) or family_of(model)
            own = [s.name for s in systems.values() if any(family_of(m) == kin for m in s.models.values())]
            if own and not model.simulated:
                found.append(_Kin(name, role, tuple(own), kin, place))
    return found


def _used(suite: Suite, tasks: Sequence[Task]) -> list[tuple[str, Grader, Place | None]]:
    """Graders of these tasks that ask judges, with the place of the first task that uses each."""
    found: dict[str, Place | None] = {}
    for task in tasks:
        for name in (*task.graders, *task.informative):
            if name not in found:
                found[name] = _place(task.place)
    return [(name, g, place) for name, place in found.items() for g in judge_graders(suite.graders[name].grader)]


def _place(text: str) -> Place | None:
    path, _, rest = text.partition(":")
    line, _, column = rest.partition(":")
    return Place(path, int(line), int(column or 1)) if line.isdigit() and (column or "1").isdigit() else None
