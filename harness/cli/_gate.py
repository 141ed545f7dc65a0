"""What a gate rests on, gathered from the workspace: policy, baselines, quarantine, places of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.config.gates import Failing, Policy, policy_file, suite_policy
from harness.config.judge_gate import JudgePolicy
from harness.config.quarantine import Entry, quarantine_path, read_quarantine
from harness.config.workspace import find_workspace
from harness.errors import ConfigError, HarnessError, UsageFault
from harness.report.baseline import Baseline, baseline_names, measured_of, read_baseline
from harness.report.gate import GateInput, gate
from harness.report.gate_faults import gate_faults, unmatched
from harness.report.gate_judges import judge_checks
from harness.report.gate_model import Check, GateResult
from harness.report.judges import About
from harness.report.judges_read import informing
from harness.report.measured import measure
from harness.report.trials import read_trials
from harness.store.judgements import iter_judgements
from harness.store.labels import LABELS, read_labels, workspace_labels


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says about a gate."""

    run: Path
    workspace: Path | None
    now: datetime
    baseline: str = ""
    policy: Path | None = None
    systems: tuple[str, ...] = ()
    fail_on: tuple[Failing, ...] = ()
    allow_mismatch: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """The result, and `file:line` of tasks where the workspace tells.

    `compares`: somebody wrote a rule that compares with a baseline (the default margin is not written).
    """

    result: GateResult
    places: dict[str, str]
    compares: bool


def decide(asked: Asked) -> Decided:
    """Read everything and decide. Raises HarnessError: ConfigError with every fault of the policy."""
    workspace = _workspace(asked)
    trials = read_trials(asked.run)
    manifest = trials.manifest
    suite = workspace / manifest.suite_path
    policy = policy_file(asked.policy) if asked.policy else suite_policy(workspace, suite)
    if asked.fail_on:
        kept = [*policy.file.fail_on, *(w for w in asked.fail_on if w not in policy.file.fail_on)]
        policy = Policy(policy.file.model_copy(update={"fail_on": kept}), policy.spot, policy.shown)
    there = [s.name for s in manifest.systems]
    baselines = _baselines(policy, asked, workspace, manifest.suite, there)
    systems = _systems(policy, asked, there, baselines)
    absent, not_gated = _others(policy, asked, workspace, manifest.suite, there, systems)
    measured = [measure(trials, name) for name in systems]
    if faults := gate_faults(policy, measured, {n: measured_of(b) for n, b in baselines.items()}):
        raise ConfigError(faults)
    extra = [
        Check(m.system.name, "MUST_PASS", f"must_pass {glob}", "invalid", "no task of this run matches it")
        for m in measured
        for glob in unmatched(policy, m)
    ]
    judged = policy.file.judge_gate or JudgePolicy.model_validate(manifest.judge_gate)
    labels = read_labels(asked.run / LABELS) if (asked.run / LABELS).is_file() else workspace_labels(workspace)
    about = About(run=manifest.run, labels=labels, informs=informing(manifest))
    extra += judge_checks(iter_judgements(asked.run), judged, about, systems)
    result = gate(
        GateInput(
            trials=trials,
            policy=policy.file,
            policy_name=policy.shown,
            baselines=baselines,
            quarantine=_quarantine(policy, workspace, suite),
            systems=systems,
            now=asked.now,
            allow_mismatch=asked.allow_mismatch,
            extra=extra,
            absent=absent,
            not_gated=not_gated,
        )
    )
    return Decided(result, _places(workspace, suite), policy.file.asks_for_baseline)


def _workspace(asked: Asked) -> Path:
    """The workspace, or the folder above `runs/` of a run that is looked at from elsewhere."""
    try:
        return find_workspace(asked.workspace)
    except HarnessError:
        if asked.workspace is not None or asked.run.resolve().parent.name != "runs":
            raise
        return asked.run.resolve().parent.parent


def _baselines(policy: Policy, asked: Asked, workspace: Path, suite: str, there: list[str]) -> dict[str, Baseline]:
    """The baseline of each system: the one named, those the policy names, or `<suite>-<system>`."""
    named = asked.baseline or policy.file.baseline
    if isinstance(named, str):
        found = read_baseline(workspace, named)
        if found.system.name not in there:
            raise UsageFault(
                f"the baseline '{named}' is of the system '{found.system.name}', which the run does not have",
                help=f"systems of the run: {', '.join(there)}",
            )
        return {found.system.name: found}
    if isinstance(named, dict):
        faults = [
            policy.spot.fault(f"no system '{s}' in this run", ("baseline", s), f"systems: {', '.join(there)}", key=True)
            for s in named
            if s not in there
        ]
        if faults and not asked.systems:
            raise ConfigError(faults)
        return {s: read_baseline(workspace, name) for s, name in named.items() if s in there}
    names = set(baseline_names(workspace))
    return {s: read_baseline(workspace, f"{suite}-{s}") for s in there if f"{suite}-{s}" in names}


def _systems(policy: Policy, asked: Asked, there: list[str], baselines: dict[str, Baseline]) -> list[str]:
    """The systems that must pass, with a baseline or without; one that the command line names is of its system."""
    named = list(asked.systems) or (list(baselines) if asked.baseline else policy.file.systems)
    wanted = list(dict.fromkeys(named))
    if strange := [s for s in wanted if s not in there]:
        help = f"its systems: {', '.join(there)}; another run: harness gate RUN"
        raise UsageFault(f"the run {asked.run.name} has no system {', '.join(strange)}", help=help)
    return wanted or list(baselines) or there


def _others(
    policy: Policy, asked: Asked, workspace: Path, suite: str, there: list[str], systems: list[str]
) -> tuple[dict[str, str], list[str]]:
    """Systems with a baseline `<suite>-<system>` that nobody left out and that did not run; a line for each other."""
    absent: dict[str, str] = {}
    chosen = bool(asked.systems or policy.file.systems or asked.baseline or policy.file.baseline)
    why = "left out by the policy or the command line" if chosen else f"no baseline '{suite}-%s'"
    lines = [f"{s}: {why.replace('%s', s)}" for s in there if s not in systems]
    for name in baseline_names(workspace):
        if not name.startswith(f"{suite}-"):
            continue
        found = read_baseline(workspace, name)
        system = found.system.name
        if found.suite != suite or name != f"{suite}-{system}" or system in there:
            continue
        if chosen:
            lines.append(f"{system}: not in this run (baseline '{name}'), left out by the policy or the command line")
        elif found.is_over(asked.now):
            lines.append(f"{system}: not in this run, and its baseline '{name}' ended on {found.expires}")
        else:
            absent[system] = name
    return absent, lines


def _quarantine(policy: Policy, workspace: Path, suite: Path) -> dict[str, Entry]:
    if policy.file.quarantine is None:
        path = quarantine_path(suite)
        return read_quarantine(path, _shown(path, workspace))
    for base in (suite.parent, workspace):
        path = base / policy.file.quarantine
        if path.is_file():
            return read_quarantine(path, _shown(path, workspace))
    raise ConfigError([policy.spot.fault(f"no such file: {policy.file.quarantine}", ("quarantine",))])


def _shown(path: Path, workspace: Path) -> str:
    return path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


def _places(workspace: Path, suite: Path) -> dict[str, str]:
    """`file:line` of tasks, as far as a quick look tells."""
    from harness.cli._skim import skim_suite

    if not suite.is_file():
        return {}
    try:
        return {t.id: t.place for t in skim_suite(workspace, suite).tasks}
    except HarnessError:
        return {}
