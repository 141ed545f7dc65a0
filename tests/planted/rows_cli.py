"""The same rows through the command line: run folders are generated, `main([...])` reads them, its JSON is counted.

Row 100 + N is row N of stats_ci.md 6.7. What the other modules sweep by functions with thousands of replicates is swept
here on the whole way: folder, reader, command, exit code. One replicate is some 20 to 60 ms.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cell, Row, at_least, at_most, between

from harness.cli.main import main
from harness.testing.simulate import Conduct, Missing, Night, World, simulate_run

BAD = ("WORSE", "REGRESSION")
NOW = "2026-03-01T00:00:00Z"
Said = dict[str, Any]


class Desk:
    """A workspace that is emptied between replicates, and `harness` in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tasks").mkdir()

    def run(self, world: World, night: Night, systems: dict[str, Conduct] | Conduct, number: int = 0) -> str:
        """A run folder's name."""
        named = {"sim": systems} if isinstance(systems, Conduct) else systems
        return simulate_run(self.root / "runs", world, night, named, number).name

    def ask(self, *words: str) -> tuple[int, str]:
        """Exit code and stdout."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = main([*words, "--workspace", str(self.root)])
        return int(code), out.getvalue()

    def said(self, *words: str) -> Said:
        """The JSON on stdout, with the exit code as `code`."""
        code, out = self.ask(*words)
        return {**json.loads(out), "code": code}

    def clear(self) -> None:
        shutil.rmtree(self.root / "runs", ignore_errors=True)


@contextlib.contextmanager
def desk() -> Iterator[Desk]:
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as root:
        yield Desk(Path(root))


def compared(
    world: World,
    conduct: Conduct,
    epochs: int,
    replicates: int,
    *more: str,
    before: Conduct | None = None,
    same: bool = False,
) -> list[Said]:
    """`harness compare A B --json`, each time on tasks of its own, or on the `same`; `before` is the first side."""
    found = []
    with desk() as at:
        for seed in range(replicates):
            here = world if same else replace(world, seed=seed)
            a = at.run(here, Night(epochs=epochs, seed=100 + 2 * seed), before or Conduct(), 0)
            b = at.run(here, Night(epochs=epochs, seed=101 + 2 * seed), conduct, 1)
            found.append(at.said("compare", a, b, "--json", *more))
            at.clear()
    return found


def reported(world: World, conduct: Conduct, epochs: int, replicates: int, *more: str) -> list[Said]:
    """`harness report --json`."""
    found = []
    with desk() as at:
        for seed in range(replicates):
            run = at.run(replace(world, seed=seed), Night(epochs=epochs, seed=seed), conduct)
            found.append(at.said("report", run, "--json", *more))
            at.clear()
    return found


def share(found: list[Said], holds: Callable[[Said], bool]) -> float:
    return float(np.mean([holds(f) for f in found]))


def verdicts(found: list[Said], *words: str) -> float:
    return share(found, lambda f: f["verdict"] in words)


def inside(span: Said | None, truth: float) -> bool:
    return span is not None and span["low"] <= truth <= span["high"]


def row_102(n: int) -> list[Cell]:
    cells = []
    for world in (World(100, 10, 0.6, 0.0, 0.2), World(200, 20, 0.9, 0.0, 0.5)):
        found = reported(world, Conduct(), 1, n)
        held = share(found, lambda f, p=world.mean: inside(f["systems"][0]["passed"]["other_tasks"], p))
        what = f"report: {world.families} families x 10, ICC {world.icc}, mean {world.mean}"
        cells.append(between(what, held, 0.93, 0.98, n))
    found = reported(World(50, 0, 0.6, 1.0), Conduct(), 5, n)
    held = share(found, lambda f: inside(f["systems"][0]["passed"]["other_tasks"], 0.6))
    return [*cells, between("report: 50 tasks x 5 epochs", held, 0.93, 0.97, n)]


def row_104(n: int) -> list[Cell]:
    worlds = ((World(30), 1), (World(100), 3), (World(200, 20), 1), (World(60, 4), 1))
    cells = []
    for world, epochs in worlds:
        kind = f"{world.families} families" if world.families else "no families"
        bad = verdicts(compared(world, Conduct(), epochs, n), *BAD)
        cells.append(at_most(f"compare: {world.tasks} tasks x {epochs}, {kind}", bad, 0.05, n))
    three = ("--metric", "pass_rate", "--metric", "refusal_rate", "--metric", "false_success_rate")
    talks = Conduct(refuses=0.5, declares=0.5)
    found = compared(World(100), talks, 1, n, *three, before=talks)
    return [*cells, at_most("compare: any of 3 metrics, Holm", verdicts(found, *BAD), 0.05, n)]


def gated(conduct: Conduct, n: int, *more: str, missing: Missing | None = None) -> list[int]:
    """Exit codes of `harness gate` against a baseline of three nights."""
    codes = []
    with desk() as at:
        for seed in range(n):
            world = World(100, seed=seed)
            for night in range(3):
                at.run(world, Night(seed=4 * seed + night), Conduct(), night)
            assert at.ask("baseline", "promote", "--reason", "x", "--accept-regression", "--now", NOW)[0] == 0
            run = at.run(world, Night(seed=4 * seed + 3, missing=missing or Missing()), conduct, 9)
            codes.append(at.ask("gate", run, "--now", NOW, *more)[0])
            at.clear()
    return codes


def row_105(n: int) -> list[Cell]:
    cells = []
    for tasks in (30, 100):
        found = compared(World(tasks, mean=0.5, spread=0.0), Conduct(down=0.15, up=0.05), 1, n)
        for verdict in ("OK", "REGRESSION"):
            what = f"compare: {tasks} tasks, discordance 0.1, the margin lost: {verdict}"
            cells.append(at_most(what, verdicts(found, verdict), 0.05, n))
    few = max(20, n // 2)
    quiet = gated(Conduct(), few)
    cells.append(at_most("gate: no change, exit 1", quiet.count(1) / few, 0.05, few))
    return [*cells, at_least("gate: 30 points lost, exit 1", gated(Conduct(delta=-0.3), 20).count(1) / 20, 0.99, 20)]


SUITE = "suite: simulated\nsystems: [{name: sim, harness: empty}]\ntasks:\n"


def row_106(n: int) -> list[Cell]:
    """`harness power` before, `harness compare` after."""
    cells = []
    with desk() as at:
        (at.root / "tasks" / "simulated").mkdir()
        tasks = "".join(f"  - {{id: t{i}, prompt: x, reference: y, graders: [match]}}\n" for i in range(100))
        (at.root / "tasks" / "simulated" / "suite.yaml").write_text(SUITE + tasks, encoding="utf-8")
        at.run(World(100, seed=7), Night(epochs=8, seed=1), Conduct())  # the history that power rests on
        for epochs, delta in ((1, 0.1), (3, 0.1), (3, 0.05)):
            words = ("--suite", "simulated", "--delta", str(delta), "--epochs", str(epochs))
            rows = at.said("power", *words, "--json")["rows"]
            told = next(r["power"] for r in rows if (r["tasks"], r["epochs"]) == (100, epochs))
            found = compared(World(100, seed=7), Conduct(delta=-delta), epochs, n, same=True)
            seen = share(found, lambda f: f["metrics"][0]["high"] < 0)
            slack = 0.05 + 2 * math.sqrt(told * (1 - told) / n)
            what = f"100 tasks x {epochs}, -{100 * delta:.0f} points: power said {told:.3f}"
            cells.append(Cell(what, seen, told - slack, told + slack))
    return cells


def row_107(n: int) -> list[Cell]:
    found = compared(World(12, mean=1.0, spread=0.0), Conduct(), 1, min(n, 20), "--margin", "0.05")
    width = min(f["metrics"][0]["high"] - f["metrics"][0]["low"] for f in found)
    return [
        Cell("compare: 12 equal tasks, OK", verdicts(found, "OK"), 0.0, 0.0),
        Cell("compare: 12 equal tasks, least width", width, 0.3, 0.5),
    ]


def row_108(n: int) -> list[Cell]:
    cells, few = [], max(10, n // 5)
    ways = {
        "half not run": Missing(cut=0.5),
        "hard tasks missing": Missing(random=0.03, hard=0.25),
        "outage of 30 %": Missing(outage=0.3),
    }
    for what, missing in ways.items():
        codes = gated(Conduct(), few, missing=missing)
        cells.append(at_least(f"gate: {what}, exit 3", codes.count(3) / few, 0.98, few))
        cells.append(Cell(f"gate: {what}, exit 0", codes.count(0) / few, 0.0, 0.02))
    return cells


def trended(n: int, nights: int, at_night: Callable[[int], Conduct], night_sd: float = 0.1) -> list[Said]:
    """The pass rate's chart of `harness trend`, 20 baseline nights first; the whole trend's state as `overall`."""
    found = []
    with desk() as at:
        for seed in range(n):
            world = World(60, seed=seed)
            for t in range(20 + nights):
                at.run(world, Night(seed=1000 * seed + t, night_sd=night_sd), at_night(t - 20), t)
            now = str(np.datetime64("2026-01-02") + np.timedelta64(20 + nights, "D")) + "T00:00:00Z"
            words = ("--suite", "simulated", "--now", now, "--replicates", "300", "--format", "json")
            trend = at.said("trend", *words)
            found.append({**trend["systems"][0]["charts"][0], "overall": trend["state"]})
            at.clear()
    return found


def row_110(n: int) -> list[Cell]:
    nights = 345 if n >= 40 else 70
    found = trended(n, nights, lambda _: Conduct())
    alarms = share(found, lambda f: f["overall"] == "alarm")
    return [at_most(f"trend: an alarm of any chart in {20 + nights} quiet nights", alarms, 0.2, n)]


def row_111(n: int) -> list[Cell]:
    found = trended(n, 14, lambda t: Conduct(delta=-0.15 if t >= 0 else 0.0))
    seen = share(found, lambda f: f["state"] == "alarm")
    return [at_least("trend: 15 points lost, found in 14 nights (60 tasks)", seen, 0.95, n)]


def row_115(n: int) -> list[Cell]:
    truth = 12 * math.exp(1.6448536269514722 * math.hypot(0.7, 0.4))
    found = reported(World(100), Conduct(), 1, n)
    held = share(found, lambda f: inside(f["systems"][0]["times"]["p95"]["interval"], truth))
    pair = compared(World(60), Conduct(), 1, n)
    slower = share(pair, lambda f: f["economy"]["seconds"]["low"] > 1)
    dearer = share(pair, lambda f: f["economy"]["cost"]["low"] > 1)
    return [
        at_least("report: p95 of 100 tasks covered", held, 0.95, n),
        at_most("compare: slower, when nothing changed", slower, 0.05, n),
        at_most("compare: dearer, when nothing changed", dearer, 0.05, n),
    ]


def row_116(n: int) -> list[Cell]:
    cells = []
    for tasks in (50, 300):
        truth = 0.02 * math.exp(0.5) * (0.75 + 0.25 * math.exp(0.5)) / 0.75
        found = reported(World(tasks), Conduct(), 1, n)
        held = share(found, lambda f, t=truth: inside(f["systems"][0]["cost"]["per_success"]["interval"], t))
        cells.append(at_least(f"report: cost per success of {tasks} tasks covered", held, 0.92, n))
    return cells


def row_118(n: int) -> list[Cell]:
    equal = {
        f"s{k}": Conduct(model=f"m{k}", cost_usd=c) for k, c in enumerate((0.02, 0.01, 0.008, 0.006, 0.004, 0.002))
    }
    said = []
    with desk() as at:
        for seed in range(n):
            run = at.run(World(20, seed=seed), Night(seed=seed), equal)
            said.append(at.said("route", run, "--format", "json")["overall"]["status"])
            at.clear()
    return [at_most("route: 6 equal systems, 20 tasks: a supported winner", said.count("supported") / n, 0.05, n)]


ROWS = [
    Row(102, "families; epochs: `report`", "headline interval covers 0.93 to 0.98", row_102, 24, 400),
    Row(104, "no change: `compare`", "WORSE and REGRESSION <= 0.05, also any of 3 metrics", row_104, 30, 600),
    Row(105, "the margin lost: `compare`, `gate`", "OK <= 0.05, REGRESSION <= 0.05, exit 1", row_105, 30, 600),
    Row(106, "losses: `power`, then `compare`", "found as often as power said, +- 0.05", row_106, 30, 400),
    Row(107, "12 equal tasks: `compare`", "never OK, never without a width", row_107, 5, 20),
    Row(108, "missing data: `baseline`, `gate`", "exit 3, never 0", row_108, 30, 400),
    Row(110, "quiet nights: `trend`", "an alarm of any chart in <= 20 % of years", row_110, 4, 40),
    Row(111, "a step: `trend`", "found in 14 nights", row_111, 6, 100),
    Row(115, "times and costs: `report`, `compare`", "p95 covered >= 0.95; slower, dearer <= 0.05", row_115, 40, 400),
    Row(116, "skewed costs: `report`", "cost per success covers >= 0.92", row_116, 40, 400),
    Row(118, "6 equal systems: `route`", "supported <= 0.05", row_118, 40, 500),
]
