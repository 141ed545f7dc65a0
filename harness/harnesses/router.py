"""Hands each task to the system that a policy names for its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import PrivateAttr

from harness.errors import ConfigError, UsageFault
from harness.harnesses._inner import merged
from harness.plugins.contracts import Harness, SolveContext
from harness.records.content import Json
from harness.records.outcome import Output
from harness.records.task import TaskView
from harness.toolkit.files import one_line, read_text
from harness.toolkit.routing import Policy, parse_policy


class Router(Harness):
    """Chooses a system of the suite for each task by its shape, from a policy file.

    It calls no model itself. The chosen system works inside this trial's limits, record and box.
    Metrics: `routed_to` and `routed_by`, the name of the rule.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"policy": "routing/policy.yaml"}
    example_files: ClassVar[Mapping[str, str]] = {
        "routing/policy.yaml": "policy: 1\n"
        "rules:\n"
        "  - name: risky\n"
        "    when: {stakes: high}\n"
        "    use: careful\n"
        "default: cheap\n"
    }

    policy: str
    """The policy: a YAML file in the workspace. docs/how-to/harnesses.md has its form."""

    _policies: dict[Path, Policy] = PrivateAttr(default_factory=dict)

    def roles(self) -> Sequence[str]:
        """None: the systems it chooses bring their own models."""
        return ()

    def delegates(self, workspace: Path) -> Sequence[str]:
        """Every system the policy can choose. Raises ConfigError or UsageFault when the policy cannot be read."""
        return self.read(workspace).systems

    def check(self, workspace: Path) -> Sequence[str]:
        """Every fault of the policy, with its place."""
        try:
            self.read(workspace)
        except ConfigError as e:
            return tuple(f"{f.place}: {f.what}" + (f" ({f.help})" if f.help else "") for f in e.faults)
        except UsageFault as e:
            return (one_line(e),)
        return ()

    def digest_files(self) -> Sequence[str]:
        """The policy."""
        return (self.policy,)

    def read(self, workspace: Path) -> Policy:
        """The policy, read once. Raises ConfigError with every fault, UsageFault when there is no such file."""
        policy = self._policies.get(workspace)
        if policy is None:
            policy = self._policies[workspace] = parse_policy(read_text(workspace, self.policy), self.policy)
        return policy

    async def solve(self, task: TaskView, ctx: SolveContext) -> Output:
        """What the chosen system delivers."""
        system, rule = self.read(ctx.workspace).route(task.shape)
        ctx.note("route", system, {"rule": rule})
        return merged(await ctx.delegate(system, task), {"routed_to": system, "routed_by": rule})
