"""`harness run --gate`: what is wrong with the gate is told before money is spent; then run, then decide."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.suite import Suite
from harness.errors import ConfigError, Exit, UsageFault

if TYPE_CHECKING:
    from harness.config.gates import Policy


def check_policy(suite: Suite) -> Policy:
    """What the suite says about its gate can be read and is about things that it has. Raises ConfigError.

    Asked before every run, gated at once or not: a night that cannot be gated is paid for all the same.
    """
    from harness.config.gates import suite_policy
    from harness.report.gate_faults import planned_faults

    policy = suite_policy(suite.workspace, suite.path)
    graders = sorted({name for task in suite.tasks for name in (*task.graders, *task.informative)})
    if faults := planned_faults(policy, [t.id for t in suite.tasks], graders, list(suite.systems), suite.epochs):
        raise ConfigError(faults)
    return policy


def check_gate(suite: Suite, systems: Sequence[str], baseline: str) -> None:
    """The policy can be read, its systems run, and the baselines it needs are there. Raises ConfigError, UsageFault."""
    from harness.report.baseline import baseline_names, read_baseline

    policy = check_policy(suite)
    named = baseline or policy.file.baseline
    names = [named] if isinstance(named, str) else list(named.values()) if named else []
    for name in names:
        found = read_baseline(suite.workspace, name)
        if isinstance(named, str) and found.system.name not in systems:
            raise UsageFault(
                f"the baseline '{name}' is of the system '{found.system.name}', which this run leaves out",
                help=f"systems of this run: {', '.join(systems)}",
            )
    gated = list(systems) if baseline else policy.file.systems or list(systems)
    if left := [s for s in gated if s not in systems]:
        raise UsageFault(
            f"the policy's `systems:` has {', '.join(left)}, which this run leaves out",
            help=f"systems of this run: {', '.join(systems)}; --baseline NAME gates the system of that baseline",
        )
    if names or not policy.file.needs_baseline:
        return
    if not any(f"{suite.name}-{s}" in baseline_names(suite.workspace) for s in gated):
        raise UsageFault(
            f"no baseline for {', '.join(gated)}, and the policy compares with one",
            help="run without --gate, then: harness baseline promote --system S --reason TEXT",
        )


def gate_run(folder: Path, code: int, args: argparse.Namespace) -> int:
    """The gate's exit code; an interrupted run, or one that ended in an error, is not gated."""
    if code not in (Exit.OK, Exit.INVALID, Exit.NOTHING):
        return code
    from harness.cli._gate import Asked, decide
    from harness.cli.gate_cmd import publish_gate

    decided = decide(Asked(run=folder, workspace=args.workspace, now=datetime.now(UTC), baseline=args.baseline))
    # With --json, stdout is the run's summary: what the gate says is in result.json.
    said = argparse.Namespace(format="none" if args.json else "text", ci="auto", exit_zero=False)
    return publish_gate(decided, folder, said)
