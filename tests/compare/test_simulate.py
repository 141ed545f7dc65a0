"""The generator: what is planted is what is there, and the folders are real."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from harness.report.build import build_report
from harness.report.measured import PASS_RATE, Measured, measure
from harness.report.trials import read_trials
from harness.store.read import ATTEMPTS
from harness.testing.simulate import Conduct, Missing, Night, World, draw, simulate_run


def night(runs: Path, world: World, night: Night, conduct: Conduct | None = None, number: int = 0) -> Measured:
    path = simulate_run(runs, world, night, {"sim": conduct or Conduct()}, number)
    return measure(read_trials(path), "sim")


def mean_of(world: World, conduct: Conduct, nights: int = 400) -> float:
    return float(np.mean([draw(world, Night(seed=s), conduct).chance.mean() for s in range(nights)]))


@pytest.mark.parametrize("delta", [0.0, -0.05, -0.1, 0.05])
def test_a_planted_change_is_exactly_there(delta: float) -> None:
    world = World(tasks=60, families=12, seed=3)
    before = draw(world, Night(), Conduct()).chance.mean()
    after = draw(world, Night(), Conduct(delta=delta)).chance.mean()
    assert after - before == pytest.approx(delta, abs=1e-12)


def test_a_change_that_differs_by_family_is_null_on_average() -> None:
    world = World(tasks=200, families=20, seed=1)
    base = float(world.rate().mean())
    # 400 nights of 20 family effects of at most 0.25: the mean's own error is under 0.003
    assert mean_of(world, Conduct(family_sd=0.1)) == pytest.approx(base, abs=0.006)


def test_planted_discordance_is_what_was_asked_for() -> None:
    world = World(tasks=4000, mean=0.5, spread=0, seed=2)
    before, after = draw(world, Night(), Conduct()), draw(world, Night(seed=1), Conduct(down=0.11, up=0.01))
    a, b = (np.bincount(d.task, weights=d.passed) for d in (before, after))
    assert np.mean(a != b) == pytest.approx(0.06, abs=0.012)
    assert np.mean(b - a) == pytest.approx(-0.05, abs=0.012)


def test_a_run_folder_holds_what_was_drawn(tmp_path: Path) -> None:
    world, when = World(tasks=40, families=8), Night(epochs=3, seed=5, missing=Missing(random=0.1, ungradable=0.05))
    found, drawn = night(tmp_path, world, when), draw(world, when, Conduct())
    ok = drawn.graded
    passed = np.bincount(drawn.task[ok], weights=drawn.passed[ok], minlength=40)
    assert found.tallies[PASS_RATE].total.tolist() == passed.tolist()
    assert found.totals.graded == int(ok.sum())
    assert found.tallies["cost"].total.sum() > 0


def test_the_report_reads_a_simulated_run(tmp_path: Path) -> None:
    path = simulate_run(tmp_path, World(tasks=40, families=10), Night(epochs=2))
    report = build_report(path)
    assert report.exit_code == 0
    assert report.systems[0].passed.tasks == 40
    assert report.systems[0].cost.kind == "exact"


def test_what_goes_missing_is_missing_by_its_mechanism(tmp_path: Path) -> None:
    world = World(tasks=400, seed=1)
    hard = draw(world, Night(missing=Missing(random=0.02, hard=0.25)), Conduct())
    rate = world.rate()[hard.task]
    assert rate[~hard.graded].mean() < rate[hard.graded].mean() - 0.1
    half = night(tmp_path, world, Night(missing=Missing(cut=0.5)))
    assert dict(half.missing) == {"not run": 200}
    assert half.coverage == 0.5
    outage = night(tmp_path, world, Night(missing=Missing(outage=0.3)), number=1)
    assert dict(outage.missing) == {"infra_error: overloaded": 120}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    world = World(tasks=20)
    one, two = (simulate_run(tmp_path / n, world, Night(epochs=2, seed=3)) for n in ("a", "b"))
    assert one.name == two.name
    for name in ("manifest.json", ATTEMPTS, "transcripts.jsonl"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_the_order_of_lines_changes_nothing(tmp_path: Path) -> None:
    path = simulate_run(tmp_path, World(tasks=30, families=6), Night(epochs=2, missing=Missing(random=0.1)))
    before = measure(read_trials(path), "sim")
    lines = (path / ATTEMPTS).read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    (path / ATTEMPTS).write_bytes(b"".join(lines))
    after = measure(read_trials(path), "sim")
    assert after.totals == before.totals
    assert after.missing == before.missing
    assert {n: t.total.tobytes() for n, t in after.tallies.items()} == {
        n: t.total.tobytes() for n, t in before.tallies.items()
    }


def test_night_effects_shift_the_whole_night() -> None:
    world = World(tasks=500, seed=4)
    means = [draw(world, Night(seed=s, night_sd=0.5), Conduct()).chance.mean() for s in range(50)]
    assert np.std(means) > 0.01
    assert math.isclose(
        np.std([draw(world, Night(seed=s), Conduct()).chance.mean() for s in range(5)]), 0, abs_tol=1e-12
    )
