"""What a policy says wrong about a run: every fault at once, each at its place in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from harness.config.gates import Policy
from harness.errors import Fault
from harness.plugins.loader import did_you_mean
from harness.report.tallies import GRADER, METRICS, Measured


def gate_faults(policy: Policy, measured: Sequence[Measured], baselines: Mapping[str, Measured]) -> list[Fault]:
    """Metrics and tasks that do not exist, and directions that are the wrong way round."""
    return [*_metric_faults(policy, measured, baselines), *_task_faults(policy, measured)]


def planned_faults(
    policy: Policy, tasks: Sequence[str], graders: Sequence[str], systems: Sequence[str], epochs: int
) -> list[Fault]:
    """The same before anything ran, by what the suite has: metrics, must-pass tasks, epochs, systems."""
    names = [*METRICS, *sorted(f"{GRADER}{g}" for g in graders)]
    found = _named_metrics(policy, names, "metrics of this suite")
    for i, rule in enumerate(policy.file.must_pass):
        if not any(fnmatchcase(t, rule.task) for t in tasks):
            found.append(_no_task(policy, i, rule.task, tasks, "suite"))
        for key, asked in (("of", rule.of), ("passes", rule.passes)):
            if asked is not None and asked > epochs:
                says = f"must_pass '{rule.task}' wants {asked:,} epochs, and there {_are(epochs)}"
                help = f"no run could decide it; `epochs: {asked}` in the suite, or `{key}: {epochs}` here"
                found.append(policy.spot.fault(says, ("must_pass", i, key), help))
                break
    by_system = policy.file.baseline if isinstance(policy.file.baseline, dict) else {}
    told: list[tuple[tuple[str | int, ...], str]] = [(("systems", i), s) for i, s in enumerate(policy.file.systems)]
    told += [(("baseline", s), s) for s in by_system]
    there = f"systems: {', '.join(systems)}"
    for loc, name in told:
        if name not in systems:
            close = did_you_mean(name, list(systems))
            help = f"{close} — {there}" if close else there
            found.append(policy.spot.fault(f"no system '{name}' in this suite", loc, help, key=loc[0] == "baseline"))
    return found


def _are(epochs: int) -> str:
    return "is 1" if epochs == 1 else f"are {epochs:,}"


def _metric_faults(policy: Policy, measured: Sequence[Measured], baselines: Mapping[str, Measured]) -> list[Fault]:
    sides = [*measured, *baselines.values()]
    graders = sorted({n for m in sides for n in m.tallies if n.startswith(GRADER)})
    return _named_metrics(policy, [*METRICS, *graders], "metrics of this run")


def _named_metrics(policy: Policy, names: Sequence[str], whose: str) -> list[Fault]:
    found = []
    for name, gate in policy.file.metrics.items():
        loc = ("metrics", name)
        if name not in names:
            close = did_you_mean(name, list(names))
            there = f"{whose}: {', '.join(names)}"
            found.append(
                policy.spot.fault(f"no metric '{name}'", loc, f"{close} — {there}" if close else there, key=True)
            )
        elif gate.direction and name in METRICS and gate.direction != ("up" if METRICS[name][0] else "down"):
            right = "up" if METRICS[name][0] else "down"
            found.append(
                policy.spot.fault(f"`{name}` is better {right}", (*loc, "direction"), f"write {right}, or leave it out")
            )
    return found


def _task_faults(policy: Policy, measured: Sequence[Measured]) -> list[Fault]:
    tasks = sorted({t for m in measured for t in m.tasks})
    whole = all(not m.unseen and not m.origin.filters for m in measured)
    found = []
    for i, rule in enumerate(policy.file.must_pass):
        if any(fnmatchcase(t, rule.task) for t in tasks) or not whole:
            continue
        found.append(_no_task(policy, i, rule.task, tasks, "run"))
    return found


def _no_task(policy: Policy, at: int, glob: str, tasks: Sequence[str], whose: str) -> Fault:
    help = did_you_mean(glob, list(tasks)) or "a rule about no task would never fail; globs are over task ids"
    return policy.spot.fault(f"must_pass: no task of this {whose} matches '{glob}'", ("must_pass", at), help)


def unmatched(policy: Policy, measured: Measured) -> list[str]:
    """Must-pass rules that match nothing in a run of a part of the suite, or in one that is not whole."""
    return [r.task for r in policy.file.must_pass if not any(fnmatchcase(t, r.task) for t in measured.tasks)]
