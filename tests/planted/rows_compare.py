"""Rows of the comparison: intervals, verdicts, power, missing data, cost, time."""

from __future__ import annotations

import math

import numpy as np
from cells import Cell, Row, at_least, at_most, between, means, measured
from scipy.stats import binom

from harness.report.compare import compare
from harness.report.compare_metrics import difference_of, verdict_of
from harness.report.comparison import BAD, MetricSpec, Options
from harness.stats.intervals import FEW_FAMILIES, cost_per_success, generalisation, quantile, wilson, z_of
from harness.stats.multiple import holm
from harness.stats.paired import Difference, paired
from harness.stats.power import Design, power_of
from harness.stats.ratios import Spending, cost_ratio, fieller, time_ratio
from harness.stats.repeats import consistency, pass_all, pass_at
from harness.testing.simulate import Conduct, Missing, Night, World, draw

MARGIN, ALPHA = 0.05, 0.05


def pairs(world: World, conduct: Conduct, epochs: int, replicates: int, *, fresh: bool = True) -> list[Difference]:
    """Differences of a run against another of the same world; with `fresh` each replicate has tasks of its own."""
    found = []
    for seed in range(replicates):
        here = World(**{**_said(world), "seed": seed}) if fresh else world
        (n_a, a), (n_b, b) = (
            means(here, draw(here, Night(epochs=epochs, seed=2 * seed + k), c))
            for k, c in enumerate((Conduct(), conduct))
        )
        found.append(difference_of(b / n_b - a / n_a, here.family(), ALPHA))
    return found


def _said(world: World) -> dict[str, object]:
    return {name: getattr(world, name) for name in World.__dataclass_fields__}


def share(found: list[Difference], *verdicts: str) -> float:
    return float(np.mean([verdict_of(d, MARGIN) in verdicts for d in found]))


def row_1(_: int) -> list[Cell]:
    cells, all_of = [], []
    for n in (20, 50, 100, 300):
        for p in (0.5, 0.8, 0.95, 0.99):
            k = np.arange(n + 1)
            inside = [(s := wilson(i / n, n, z_of(0.95))).low <= p <= s.high for i in k]
            all_of.append(float(binom.pmf(k, n, p)[np.array(inside)].sum()))
            cells.append(Cell(f"n {n}, p {p}", all_of[-1], 0.91, 1.0))
    full = wilson(1.0, 20, z_of(0.95))
    return [
        *cells,
        Cell("mean over all", float(np.mean(all_of)), 0.945, 1.0),
        Cell("20 of 20, low", full.low, 0.838, 0.84),
    ]


def row_2(replicates: int) -> list[Cell]:
    cells = []
    for groups in (10, 20):
        for icc in (0.0, 0.2, 0.5):
            for mean in (0.6, 0.9):
                inside = naive = 0
                for seed in range(replicates):
                    world = World(groups * 10, groups, mean, 0.0, icc, seed=seed)
                    n, total = means(world, draw(world, Night(seed=seed), Conduct()))
                    span = generalisation(total / n, world.family()).interval
                    plain = wilson(float(total.mean()), world.tasks, z_of(0.95))
                    inside += span is not None and span.low <= mean <= span.high
                    naive += plain.low <= mean <= plain.high
                what = f"{groups} families x 10, ICC {icc}, mean {mean}"
                # Without clusters the interval is wider than it need be, never narrower.
                cells.append(between(what, inside / replicates, 0.93, 0.98 if icc else 1.0, replicates))
                if icc == 0.2:
                    cells.append(at_most(f"{what}: naive, for contrast", naive / replicates, 0.80, replicates))
    return cells


def row_3(replicates: int) -> list[Cell]:
    inside = rows = 0
    for seed in range(replicates):
        world = World(50, 0, 0.6, 1.0, seed=seed)
        n, total = means(world, draw(world, Night(epochs=5, seed=seed), Conduct()))
        span = generalisation(total / n, world.family()).interval
        inside += span is not None and span.low <= 0.6 <= span.high
        p = float(total.sum() / n.sum())
        rows += abs(p - 0.6) <= 1.96 * math.sqrt(p * (1 - p) / n.sum())
    return [
        between("task means, 50 tasks x 5 epochs", inside / replicates, 0.93, 0.97, replicates),
        Cell("rows as units, for contrast", rows / replicates, 0.0, 0.85),
    ]


def row_4(replicates: int) -> list[Cell]:
    cells = []
    for n in (12, 30, 100, 300):
        for epochs in (1, 3):
            found = pairs(World(n), Conduct(), epochs, replicates)
            cells.append(at_most(f"{n} tasks x {epochs}", share(found, *BAD), 0.05, replicates))
    for groups in (8, 20):
        found = pairs(World(groups * 10, groups), Conduct(family_sd=0.1), 1, replicates)
        cells.append(at_most(f"{groups} families x 10, effects of SD 0.1", share(found, *BAD), 0.05, replicates))
    for groups in (2, 5):
        found = pairs(World(groups * 20, groups), Conduct(), 1, replicates)
        cells.append(at_most(f"{groups} families x 20", share(found, *BAD), 0.05, replicates))
    bad = 0
    for seed in range(replicates):
        p = []
        for metric in range(5):
            world = World(100, seed=1000 * seed + metric)
            (n_a, a), (n_b, b) = (means(world, draw(world, Night(seed=2 * seed + k), Conduct())) for k in (0, 1))
            p.append(paired(b / n_b - a / n_a, world.family(), ALPHA).p_below(0.0) or 0.0)
        bad += min(holm(p)) <= ALPHA
    return [*cells, at_most("any of 5 metrics, Holm", bad / replicates, 0.05, replicates)]


def row_5(replicates: int) -> list[Cell]:
    cells = []
    for n in (12, 30, 50, 100):
        for discordance in (0.06, 0.1, 0.2):
            down, up = discordance + MARGIN, discordance - MARGIN
            found = pairs(World(n, mean=0.5, spread=0.0), Conduct(down=down, up=up), 1, replicates)
            for verdict in ("OK", "REGRESSION"):
                what = f"{n} tasks, discordance {discordance}: {verdict}"
                cells.append(at_most(what, share(found, verdict), 0.05, replicates))
    for groups, size in ((20, 10), (5, 60)):
        found = pairs(World(groups * size, groups), Conduct(delta=-MARGIN, family_sd=0.05), 1, replicates)
        for verdict in ("OK", "REGRESSION")[: 2 if groups >= FEW_FAMILIES else 1]:
            what = f"{groups} families x {size}, SD 0.05: {verdict}"
            cells.append(at_most(what, share(found, verdict), 0.05, replicates))
    return cells


def row_6(replicates: int) -> list[Cell]:
    rate = World(200_000, seed=1).rate()
    cells = []
    for n in (100, 300):
        for epochs in (1, 3):
            for delta in (0.05, 0.1):
                after = rate * (1 - delta / 0.75)
                within = [float(np.mean(r * (1 - r))) for r in (rate, after)]
                design = Design(n, epochs, epochs, *within, between=float(np.var(after - rate)))
                predicted = power_of(design, delta)
                found = pairs(World(n), Conduct(delta=-delta), epochs, replicates)
                seen = float(np.mean([d.high is not None and d.high < 0 for d in found]))
                what = f"{n} tasks x {epochs}, -{100 * delta:.0f} points: predicted {predicted:.3f}"
                slack = 0.05 + 3 * math.sqrt(0.25 / replicates) * (replicates < 2000)
                cells.append(Cell(what, seen, predicted - slack, predicted + slack))
    return cells


def row_7(_: int) -> list[Cell]:
    d = paired(np.zeros(12), np.arange(12), ALPHA)
    assert d.low is not None and d.high is not None
    return [
        Cell("12 equal tasks: half width", (d.high - d.low) / 2, 0.15, 0.25),
        Cell("OK at a margin of 2 points", float(verdict_of(d, 0.02) == "OK"), 0.0, 0.0),
        Cell("OK at a margin of 5 points", float(verdict_of(d, 0.05) == "OK"), 0.0, 0.0),
    ]


def row_8(replicates: int) -> list[Cell]:
    """Whole comparisons, from coverage to verdict."""
    cells = []
    mechanisms = {
        "half not run": Missing(cut=0.5),
        "hard tasks missing": Missing(random=0.02, hard=0.25),
        "outage of 30 %": Missing(outage=0.3),
    }
    options = Options(metrics=(MetricSpec("pass_rate", MARGIN),))
    few = max(50, replicates // 4)
    for what, missing in mechanisms.items():
        held = ok = invalid = 0
        for seed in range(few):
            world = World(100, seed=seed)
            a = measured(world, Night(seed=2 * seed), Conduct())
            night = Night(seed=2 * seed + 1, missing=missing)
            b = measured(world, night, Conduct())
            c = compare(a, b, options)
            whole = float(draw(world, night, Conduct()).passed.mean())
            held += c.b.bounds.low - 1e-9 <= whole <= c.b.bounds.high + 1e-9
            ok += c.verdict == "OK" and c.b.coverage < options.coverage
            invalid += c.verdict == "INVALID"
        cells.append(at_least(f"{what}: bounds hold the whole run", held / few, 0.95, few))
        cells.append(Cell(f"{what}: OK under the floor", ok / few, 0.0, 0.0))
        cells.append(Cell(f"{what}: INVALID", invalid / few, 0.95, 1.0))
    ok = 0
    for seed in range(few):
        world = World(200, seed=seed)
        a = measured(world, Night(epochs=3, seed=2 * seed), Conduct())
        b = measured(world, Night(epochs=3, seed=2 * seed + 1, missing=Missing(hard=0.06)), Conduct(delta=-MARGIN))
        ok += compare(a, b, options).verdict == "OK"
    cells.append(at_most("-5 points, 1.5 % of hard trials missing: OK", ok / few, 0.05, few))
    return cells


def row_13(replicates: int) -> list[Cell]:
    rate = World(4000, mean=0.6, spread=2.0, seed=1).rate()
    rng = np.random.default_rng(3)
    rounds = max(3, replicates // 100)
    cells = []
    for epochs in (3, 5, 8):
        passed = rng.binomial(epochs, np.tile(rate, (rounds, 1))).astype(np.float64).ravel()
        n = np.full(len(passed), float(epochs))
        for k in (2, 3):
            cells.append(_bias(f"pass@{k} of {epochs}", pass_at(passed, n, k), 1 - (1 - rate) ** k))
            cells.append(_bias(f"pass^{k} of {epochs}", pass_all(passed, n, k), rate**k))
        cells.append(_bias(f"consistency of {epochs}", consistency(passed, n), 1 - 4 * rate * (1 - rate)))
    few = pass_at(np.array([1.0]), np.array([2.0]), 3)
    return [*cells, Cell("pass@3 of 2 epochs is undefined", float(np.isnan(few).all()), 1.0, 1.0)]


def _bias(what: str, found: np.ndarray, truth: np.ndarray) -> Cell:
    off = float(found.mean() - truth.mean())
    slack = 0.005 + 3 * float(found.std()) / math.sqrt(len(found))
    return Cell(f"{what}: bias", off, -slack, slack)


def row_15(replicates: int) -> list[Cell]:
    rng = np.random.default_rng(5)
    truth = math.exp(1.6448536269514722 * 0.8)
    cells = [Cell("30 tasks: p95 not estimable", float(quantile(np.ones(30), 0.95).interval is None), 1.0, 1.0)]
    cells.append(Cell("71 tasks: p95 not estimable", float(quantile(np.ones(71), 0.95).interval is None), 1.0, 1.0))
    for n in (72, 200, 500):
        spans = [quantile(rng.lognormal(0, 0.8, n), 0.95).interval for _ in range(replicates)]
        inside = np.mean([s is not None and s.low <= truth <= s.high for s in spans])
        cells.append(at_least(f"{n} tasks: p95 covered", float(inside), 0.95, replicates))
    for n in (30, 100):
        false = 0
        for _ in range(replicates):
            pace = rng.normal(0, 0.7, n)
            a, b = (pace + rng.normal(0, 0.4, n) for _ in range(2))
            ratio, _d = time_ratio(a, b, np.arange(n), ALPHA)
            false += ratio.low is not None and ratio.low > 1
        cells.append(between(f"{n} tasks: slower, when nothing changed", false / replicates, 0.05, 0.05, replicates))
    return cells


def row_16(replicates: int) -> list[Cell]:
    rng = np.random.default_rng(6)
    mean_cost = math.exp(0.5)
    cells = []
    for p in (0.3, 0.7):
        truth = mean_cost * (p + (1 - p) * math.exp(0.5)) / p
        for n in (50, 100, 300):
            delta = exact = slower = bounded = 0
            family = np.arange(n)
            for _ in range(replicates):
                sides = []
                for _side in range(2):
                    won = (rng.random(n) < p).astype(np.float64)
                    sides.append(Spending(rng.lognormal(0, 1, n) * np.where(won > 0, 1, math.exp(0.5)), won))
                a, b = sides
                span = cost_per_success(a.cost, a.success, family).interval
                delta += span is not None and span.low <= truth <= span.high
                ends = fieller(a.cost, a.success, family)
                bounded += ends is not None
                exact += ends is not None and ends.low <= truth <= ends.high
                ratio = cost_ratio(a, b, family, ALPHA)
                slower += ratio.low is not None and ratio.low > 1
            what = f"{n} tasks, p {p}"
            cells.append(at_least(f"{what}: log-delta covers", delta / replicates, 0.92, replicates))
            cells.append(at_least(f"{what}: Fieller covers", exact / max(1, bounded), 0.92, replicates))
            cells.append(at_most(f"{what}: dearer, when nothing changed", slower / replicates, 0.05, replicates))
    none = cost_per_success(np.ones(10), np.zeros(10), np.arange(10))
    return [*cells, Cell("no success: no figure", float(math.isnan(none.value) and none.interval is None), 1.0, 1.0)]


ROWS = [
    Row(1, "one share, p 0.5 to 0.99, n 20 to 300 (exact sums)", "Wilson covers >= 0.91, mean >= 0.945", row_1),
    Row(2, "families, ICC 0 / 0.2 / 0.5, mean 0.6 / 0.9", "headline interval covers 0.93 to 0.98", row_2, 300, 3000),
    Row(3, "5 epochs, easy and hard tasks", "task means cover 0.93 to 0.97", row_3, 800, 6000),
    Row(4, "no change", "WORSE and REGRESSION <= 0.05, also any of 5 metrics", row_4, 600, 4000),
    Row(5, "a loss of exactly the margin", "OK <= 0.05, REGRESSION <= 0.05", row_5, 600, 4000),
    Row(6, "losses of 5 and 10 points", "found as often as `harness power` says, +- 0.05", row_6, 400, 4000),
    Row(7, "12 equal tasks", "never OK, never without a width", row_7),
    Row(8, "half, hard tasks or an outage missing", "bounds hold, never OK, INVALID", row_8, 240, 2000),
    Row(13, "several epochs", "bias under 0.005; too few epochs: undefined", row_13, 400, 4000),
    Row(15, "log-normal times", "p95 covers >= 0.95 or is not estimable; slower in 0.05 of nulls", row_15, 1000, 6000),
    Row(16, "skewed costs", "cost per success covers >= 0.92; dearer in <= 0.05 of nulls", row_16, 300, 4000),
]
