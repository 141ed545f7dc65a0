"""Before a run: what must be there, what it may cost, and the manifest that says what it is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from secrets import token_hex

from harness.config.identity import nested
from harness.config.suite import Suite, System
from harness.engine.judge_checks import judge_warnings, own_judges, simulated_judges
from harness.engine.others import check_files, check_opponents
from harness.engine.services import model_digest
from harness.errors import ConfigError, Fault
from harness.plugins.contracts import Harness, Model, Plugin
from harness.prices import PriceBook
from harness.records.task import Task, digest_of
from harness.store.manifest import INFORMS, Manifest, Selection, SystemInfo

PACKAGES = ("eval-harness", "anthropic", "openai", "genai-prices", "docker", "msgspec", "pydantic", "datasets")


def models_of(suite: Suite, systems: Mapping[str, System], tasks: Sequence[Task]) -> list[tuple[Model, str]]:
    """Every model that may be called, each once, with who needs it: systems, what they delegate to, and judges."""
    found: dict[str, tuple[Model, str]] = {}
    for system in with_delegates(suite, systems).values():
        for role, model in system.models.items():
            found.setdefault(model_digest(model), (model, f"system '{system.name}' ({role})"))
    used = {name for task in tasks for name in (*task.graders, *task.informative)}
    for name in sorted(used):
        for role, model in suite.graders[name].grader.judges().items():
            found.setdefault(model_digest(model), (model, f"grader '{name}' ({role})"))
    return list(found.values())


def with_delegates(suite: Suite, systems: Mapping[str, System]) -> dict[str, System]:
    """These systems and all they can hand tasks to."""
    reached = dict(systems)
    todo = list(systems.values())
    while todo:
        for name in todo.pop().harness.delegates(suite.workspace):
            if name not in reached and name in suite.systems:
                reached[name] = suite.systems[name]
                todo.append(suite.systems[name])
    return reached


def preflight(
    suite: Suite,
    systems: Mapping[str, System],
    tasks: Sequence[Task],
    prices: PriceBook,
    allow_unpriced: bool,
    *,
    dry: bool = False,
) -> list[str]:
    """Check keys and prices before money is spent. Returns warnings; raises ConfigError with every fault.

    `dry` is a plan without a run: what this machine lacks for one (keys, programs) is a warning then, all else a fault.
    """
    faults: list[Fault] = []
    lacks: list[Fault] = []
    warnings: list[str] = []
    for system in with_delegates(suite, systems).values():
        for harness in _with_inner(system.harness):
            lacks += [Fault(f"system '{system.name}': {line}") for line in harness.missing(suite.workspace)]
    capped = suite.budget_usd is not None or any(s.limits.cost_usd is not None for s in systems.values())
    for model, needed_by in models_of(suite, systems, tasks):
        lacks += [
            Fault(
                f"{name} is not set; {needed_by} needs it for {model.lane}", help=f"export {name}=... or leave it out"
            )
            for name in model.missing()
        ]
        if model.simulated or prices.price_of(model.provider, model.name) is not None:
            continue
        unpriced = f"{model.lane} has no known price: its cost is reported as unpriced"
        if capped and not allow_unpriced:
            faults.append(
                Fault(
                    f"{model.lane} has no known price, so the budget or cost limit cannot hold ({needed_by})",
                    help="add it to prices.yaml, or pass --allow-unpriced",
                )
            )
        else:
            warnings.append(unpriced)
    everybody = with_delegates(suite, systems)
    faults += own_judges(suite, everybody, tasks)
    check_opponents(tasks, suite.graders, suite.systems)
    warnings += check_files(tasks, suite.graders, suite.workspace)
    if not dry:
        faults = [*lacks, *faults]
    if faults:
        raise ConfigError(faults)
    warnings += [f"a run would be refused here: {fault.what}" for fault in lacks if dry]
    warnings += judge_warnings(suite, everybody, tasks)
    return [*advice(suite, systems, datetime.now(UTC).date()), *warnings]


def advice(suite: Suite, systems: Mapping[str, System], today: date) -> list[str]:
    """What a person should know before a run: files passed over, and what the harnesses of these systems say."""
    said = list(suite.notes)
    for system in with_delegates(suite, systems).values():
        for harness in _with_inner(system.harness):
            said += [f"system '{system.name}': {line}" for line in harness.advice(suite.workspace, today)]
    return list(dict.fromkeys(said))


def named_secrets(suite: Suite) -> tuple[str, ...]:
    """Values of the environment variables that a plugin's parameter `..._env` names, whatever they are called."""
    own: list[Plugin] = [g.grader for g in suite.graders.values()]
    for system in suite.systems.values():
        own += [system.harness, *system.models.values()]
    own += [model for grader in suite.graders.values() for model in grader.grader.judges().values()]
    names = {
        str(getattr(plugin, field))
        for plugin in (p for top in own for p in (top, *nested(top)))
        for field in type(plugin).model_fields
        if field.endswith("_env") and getattr(plugin, field)
    }
    return tuple(v for name in sorted(names) if (v := os.environ.get(name, "").strip()))


def make_manifest(
    suite: Suite,
    tasks: Sequence[Task],
    systems: Mapping[str, System],
    selection: Selection,
    prices: PriceBook | None = None,
    now: datetime | None = None,
) -> Manifest:
    """The manifest of a new run of these tasks and systems; `versions` tell where its prices came from."""
    at = (now or datetime.now(UTC)).astimezone(UTC)
    used = {name for task in tasks for name in (*task.graders, *task.informative)}
    deciding = {name for task in tasks for name in task.graders}
    return Manifest(
        run=f"{at:%Y%m%dT%H%M%SZ}-{suite.name}-{token_hex(3)}",
        suite=suite.name,
        suite_path=str(suite.path.relative_to(suite.workspace)),
        suite_digest=suite.digest,
        tasks_digest=tasks_digest(tasks),
        created=at.isoformat(timespec="seconds"),
        systems=tuple(system_info(suite, s) for s in systems.values()),
        n_tasks=len(tasks),
        epochs=suite.epochs,
        seed=suite.seed,
        limits=suite.limits,
        budget_usd=suite.budget_usd,
        coverage_floor=suite.coverage_floor,
        may_lack=tuple(suite.may_lack),
        infra_retries=suite.infra_retries,
        concurrency=suite.concurrency,
        cache=suite.cache,
        selection=selection,
        sandbox=dict(suite.sandbox_config) if any(task.sandbox for task in tasks) else {},
        graders={
            name: {
                "digest": g.digest,
                **(simulated_judges(g.grader) if name in used else {}),
                **({INFORMS: True} if name in used and name not in deciding else {}),
                **g.config,
            }
            for name, g in suite.graders.items()
        },
        judge_gate=suite.judge_gate.model_dump(exclude_unset=True),
        design=suite.calibration.design,
        versions=_versions() | (prices.versions() if prices else {}),
        host={"platform": platform.platform(), "cpus": os.cpu_count()},
        git=git_revision(suite.workspace),
    )


def tasks_digest(tasks: Sequence[Task]) -> str:
    """One digest over ids and digests of all tasks, in any order."""
    return digest_of(sorted((t.id, t.digest) for t in tasks))


def system_info(suite: Suite, system: System) -> SystemInfo:
    """A system as the manifest tells it; simulated, privileged or stored also when a part or a delegate is."""
    reached = with_delegates(suite, {system.name: system}).values()
    harnesses = [h for s in reached for h in _with_inner(s.harness)]
    models = {role: model.lane for role, model in system.models.items()}
    said = system.config.get("harness")
    return SystemInfo(
        name=system.name,
        harness=str(said["use"] if isinstance(said, dict) and "use" in said else said or type(system.harness).__name__),
        models=models,
        harness_digest=system.harness_digest,
        model_digest=system.model_digest,
        simulated=any(m.simulated for s in reached for m in s.models.values()),
        privileged=any(h.privileged for h in harnesses),
        stored=any(h.stored for h in harnesses),
        config=dict(system.config),
    )


def _with_inner(harness: Harness) -> Iterator[Harness]:
    """The harness and those it wraps."""
    yield harness
    for name in type(harness).model_fields:
        if isinstance(inner := getattr(harness, name), Harness):
            yield from _with_inner(inner)


def git_revision(folder: Path) -> str:
    """The commit of the workspace, with `-dirty` when it has changes; empty outside git."""
    try:
        head = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10
        )
        dirty = subprocess.run(
            ["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if head.returncode:
        return ""
    return head.stdout.strip() + ("-dirty" if dirty.stdout.strip() else "")


def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
