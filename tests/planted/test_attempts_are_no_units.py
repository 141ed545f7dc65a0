"""Row 3, by mutation: repeating each attempt five times adds no task, so no interval and no decision may move.

Two runs are written with one epoch, and again with the same outcomes in each of five epochs. `differ` lists what
compare, gate, report and route then say with more certainty. It must be nothing; and with any one of their estimators
counting attempts instead of tasks it must not be nothing, or it would not have caught that mistake.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compare"))

from nights import NOW, Ran, edit, edit_manifest, harness, workspace

from harness.stats.ratios import Spending
from harness.testing.simulate import Conduct, Night, World, simulate_run

EPOCHS = 5
WORLD = World(tasks=100, families=25, seed=3)
POLICY = """
metrics:
  pass_rate: {margin: 0.05, min: 0.70}
latency: {max_ratio: 1.02}
cost_per_success: {max_ratio: 1.02}
fail_on: [REGRESSION, WORSE, LIMIT, COST, LATENCY, INCONCLUSIVE]
"""
MAY_SHARPEN = ("again", "run again", "settle", "mantel", "mcnemar", "graded", "flips", "trials", "detectable")
"""About these same tasks run again, where more epochs do tell more; and counts."""


def written(root: Path, *, five: bool) -> Path:
    """Two nights of two systems in a workspace."""
    there = workspace(root)
    for number, delta in enumerate((0.0, -0.03)):
        acts = {"dear": Conduct(delta=delta, cost_usd=0.05), "cheap": Conduct(delta=delta - 0.05)}
        run = simulate_run(there / "runs", WORLD, Night(seed=number), acts, number)
        if five:
            edit(run, lambda lines: [{**line, "epoch": e} for line in lines for e in range(1, EPOCHS + 1)])
            edit_manifest(run, epochs=EPOCHS)
        if not number:
            done = harness(there, "baseline", "promote", "--system", "dear", "--reason", "x", "--now", NOW)
            assert done.code == 0, done.err
    (there / "gates.yaml").write_text(POLICY, encoding="utf-8")
    return there


def said(root: Path) -> dict[str, Any]:
    """Everything that decides or is headline, as JSON or as lines with intervals."""
    before, after = sorted(p.name for p in (root / "runs").iterdir() if p.name.startswith("2026"))
    gate = harness(root, "gate", after, "--system", "dear", "--policy", "gates.yaml", "--now", NOW, "--json")
    assert gate.out, gate.err
    return {
        "gate code": gate.code,
        "gate": checks_of(json.loads(gate.out)),
        "compare": parsed(harness(root, "compare", before, after, "--systems", "dear", "--json")),
        "systems": parsed(harness(root, "compare", after, "--systems", "dear", "cheap", "--json")),
        "route": parsed(harness(root, "route", after, "--min-success", "0.6", "--now", NOW, "--format", "json")),
        "report": parsed(harness(root, "report", after, "--json")),
    }


def checks_of(result: Any) -> list[tuple[str, str, str]]:
    """Name, state and words of every check, without counts and without what more epochs would settle."""
    found = [(c["name"], c["state"], c["says"].partition(";")[0]) for s in result["systems"] for c in s["checks"]]
    return [c for c in found if c[0] not in ("coverage", "critical_errors")]


def parsed(ran: Ran) -> Any:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves with their paths, without those that more epochs may sharpen."""
    if any(word in path for word in MAY_SHARPEN):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from numbers(inner, f"{path}/{i}")
    else:
        yield path, value


def differ(one: dict[str, Any], five: dict[str, Any]) -> list[str]:
    """Places where the second says something else: bounds, verdicts, states, codes."""
    found = []
    for name in ("gate code", "gate"):
        if one[name] != five[name]:
            found.append(f"{name}: {one[name]} | {five[name]}")
    for name in ("compare", "systems", "route", "report"):
        a, b = dict(numbers(one[name])), dict(numbers(five[name]))
        for path in a:
            if re.search(r"(low|high|lower|upper|verdict|status|why|settle)$", path) and not same(a[path], b.get(path)):
                found.append(f"{name}{path}: {a[path]} | {b.get(path)}")
    return found


def same(a: Any, b: Any) -> bool:
    return a == b or (isinstance(a, float) and isinstance(b, float) and a == pytest.approx(b, rel=1e-6))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = tmp_path_factory.mktemp("units")
    return written(made / "one", five=False), written(made / "five", five=True)


def test_repeating_every_attempt_decides_nothing(roots: tuple[Path, Path]) -> None:
    one, five = said(roots[0]), said(roots[1])
    assert differ(one, five) == []
    looked = [path for name in ("compare", "systems", "route", "report") for path, _ in numbers(one[name])]
    assert len([p for p in looked if p.endswith(("low", "high"))]) > 60
    assert {c[0] for c in one["gate"]} >= {
        "pass_rate",
        "pass_rate min",
        "cost_per_success max_ratio",
        "latency max_ratio",
    }
    assert one["gate code"] == 4  # so that certainty, if it were there, would show


def spread(x: Any) -> Any:
    """The mistake: each of a task's attempts counted as a task of its own."""
    if isinstance(x, Spending):
        return Spending(spread(x.cost), spread(x.success))
    return np.repeat(np.asarray(x), EPOCHS)


MUTANTS = (
    ("harness.report.compare_metrics", "paired", 1, ("compare/metrics", "systems/metrics", "gate")),
    ("harness.report.rates", "generalisation", 1, ("report/systems/0/passed",)),
    ("harness.report.gate_checks", "generalisation", 1, ("gate",)),
    ("harness.report.route_cell", "generalisation", 1, ("route/overall/lines",)),
    ("harness.report.system", "cost_per_success", 2, ("report/systems/0/cost/per_success",)),
    ("harness.report.economy", "cost_ratio", 2, ("compare/economy/cost", "gate")),
    ("harness.report.economy", "time_ratio", 2, ("compare/economy/seconds", "gate")),
)


@pytest.mark.parametrize(("module", "name", "arrays", "where"), MUTANTS, ids=lambda v: str(v))
def test_an_estimator_that_counts_attempts_is_caught(
    roots: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
    arrays: int,
    where: tuple[str, ...],
) -> None:
    one = said(roots[0])
    right = getattr(importlib.import_module(module), name)

    def wrong(*args: Any, **more: Any) -> Any:
        values, family, rest = args[:arrays], args[arrays], args[arrays + 1 :]
        return right(*map(spread, values), np.arange(EPOCHS * len(family)), *rest, **more)

    monkeypatch.setattr(importlib.import_module(module), name, wrong)
    found = differ(one, said(roots[1]))
    for place in where:
        assert any(line.startswith(place) for line in found), found
