"""Advice as the policy file that the harness `router` executes (`harness.toolkit.routing` has its form)."""

from __future__ import annotations

import json

from harness.report.route_model import Advice, Route
from harness.report.words import many


def policy_yaml(route: Route) -> str:
    """The file. A shape without evidence gets a rule too, with the default: no wider rule may catch its tasks."""
    lines = [
        f"# Written by `harness route`: suite {_plain(route.suite)}, {many(len(route.runs), 'run')},"
        f" newest of {route.made}.",
        "# Advice from what was measured; measure again before it expires. The first rule that fits decides.",
        "policy: 1",
        f"made: {route.made}",
        f"expires: {route.expires}",
    ]
    rules = [r for a in route.shapes if a.shape for r in _rule(a, route.default)]
    lines += ["rules:", *rules] if rules else ["rules: []"]
    lines += [f"default: {json.dumps(route.default)}  # {route.overall.status}: {_plain(route.overall.why)}", ""]
    return "\n".join(lines)


def _rule(advice: Advice, default: str) -> list[str]:
    settled = advice.status in ("supported", "tie")
    use = advice.choice if settled else default
    line = next((found for found in advice.lines if found.name == use), None)
    numbers = f"{line.success:.0%} of {line.tasks} tasks" if line else "no task"
    said = f"{advice.status}: {numbers}; {advice.why}"
    if not settled:
        need = f", about {advice.need} tasks would settle it" if advice.need else ""
        said = f"{advice.status}{need}: the default"
    when = ", ".join(f"{name}: {json.dumps(value)}" for name, value in advice.shape)
    return [
        f"  - name: {json.dumps(' '.join(value for _, value in advice.shape))}",
        f"    when: {{{when}}}",
        f"    use: {json.dumps(use)}",
        f"    evidence: {json.dumps(said, ensure_ascii=False)}",
    ]


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
