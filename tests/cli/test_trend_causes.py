"""What `harness trend` names as a cause, on real run folders: nothing that came after the effect."""

from __future__ import annotations

import json

from harness.cli.main import main
from harness.store.history import Canary, append_history, history_path
from harness.testing.simulate import Conduct, Night, World, simulate_run

WORLD = World(tasks=40, seed=3, suite="mine")
NOW = "2026-02-10T12:00Z"
NIGHTS, FELL = 38, 25  # it falls on 2026-01-26; the newest night is of 2026-02-07


def fill(workspace, conduct, *, nights=NIGHTS, manifest=lambda _t: {}):
    (workspace / "tasks").mkdir(exist_ok=True)
    for t in range(nights):
        run = simulate_run(workspace / "runs", WORLD, Night(seed=t), conduct(t), t)
        path = run / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | manifest(t)))
    return workspace


def fallen(t, model="model-a"):
    return Conduct(delta=-0.25 if t >= FELL else 0.0, model=model)


def ours_of(workspace, capsys, *more, now=NOW):
    words = ["trend", "--workspace", str(workspace), "--replicates", "200", "--format", "json", "--now", now, *more]
    assert main(words) == 1
    said = json.loads(capsys.readouterr().out)
    return next(s for s in said["systems"] if s["system"] == "ours")


def rungs_of(ours):
    return {r["name"]: r for r in ours["rungs"]}


def test_a_model_that_changed_after_the_alarm_is_no_cause_of_it(tmp_path, capsys):
    late = NIGHTS - 1
    fill(tmp_path, lambda t: {"ours": fallen(t, "model-b" if t >= late else "model-a")})
    ours = ours_of(tmp_path, capsys)
    served = rungs_of(ours)["served"]
    assert served["state"] == "same"
    assert "model-b" not in ours["verdict"]
    assert ours["verdict"].startswith("no measured rung moved")
    assert "served model model-a -> model-b on 2026-02-07" in served["later"]
    assert main(["trend", "--workspace", str(tmp_path), "--replicates", "200", "--now", NOW]) == 1
    assert "served, after the alarm and so no cause of it: served model model-a -> model-b" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_same_change_on_the_night_of_the_fall_is_named(tmp_path, capsys):
    """The inverse: what came with the effect is the cause, and what came later still stands apart."""

    def model(t):
        return "model-c" if t == NIGHTS - 1 else "model-b" if t >= FELL else "model-a"

    ours = ours_of(fill(tmp_path, lambda t: {"ours": fallen(t, model(t))}), capsys)
    assert ours["verdict"].startswith("lowest rung that moved: served: served model model-a -> model-b on 2026-01-26")
    assert "model-c" not in ours["verdict"]
    assert "model-c" in rungs_of(ours)["served"]["later"]


def test_a_grader_that_changed_is_on_the_rung_of_the_graders_not_the_providers(tmp_path, capsys):
    def graders(t):
        return {"graders": {"match": {"digest": "new" if t >= FELL else "old"}}}

    ours = ours_of(fill(tmp_path, lambda t: {"ours": fallen(t)}, manifest=graders), capsys)
    rungs = rungs_of(ours)
    assert rungs["served"]["state"] == "same"
    assert rungs["replay"]["state"] == "moved"
    assert "graders" in rungs["replay"]["said"]
    assert "on 2026-01-26" in rungs["replay"]["said"]
    assert ours["verdict"].startswith("lowest rung that moved: replay: graders")


def test_a_grader_that_changed_after_the_alarm_explains_nothing(tmp_path, capsys):
    def graders(t):
        return {"graders": {"match": {"digest": "new" if t >= NIGHTS - 2 else "old"}}}

    ours = ours_of(fill(tmp_path, lambda t: {"ours": fallen(t)}, manifest=graders), capsys)
    assert not any(r["state"] == "moved" for r in ours["rungs"])
    assert "graders" in rungs_of(ours)["replay"]["later"]


def test_a_canary_that_moved_after_the_alarm_is_no_cause_of_it(tmp_path, capsys):
    fill(tmp_path, lambda t: {"ours": fallen(t)})
    common = {"suite": "mine", "rung": "replay", "checked": 60}
    lines = [
        Canary(night="2026-01-27", at="2026-01-27T00:00:00+00:00", state="same", **common),
        Canary(night="2026-02-06", at="2026-02-06T00:00:00+00:00", state="moved", differ=("task-00001",), **common),
    ]
    append_history(history_path(tmp_path / "runs", "mine"), lines)
    replay = rungs_of(ours_of(tmp_path, capsys))["replay"]
    assert replay["state"] == "same"
    assert "night of 2026-02-06" in replay["later"]


def test_a_control_that_fell_later_did_not_fall_too(tmp_path, capsys):
    def both(t):
        return {"ours": fallen(t), "control": Conduct(delta=-0.4 if t >= FELL + 6 else 0.0, model="pinned")}

    ours = ours_of(fill(tmp_path, both), capsys, "--control", "control")
    assert rungs_of(ours)["control"]["state"] == "same"


def test_nights_after_now_raise_no_alarm_and_are_in_no_chart(tmp_path, capsys):
    """It falls on 2026-01-26. On the 22nd nobody can know; a clock is wrong, and that is all there is to say."""
    fill(tmp_path, lambda t: {"ours": fallen(t)}, nights=34)
    words = ["trend", "--workspace", str(tmp_path), "--replicates", "200", "--now", "2026-01-22T12:00Z"]
    assert main([*words, "--format", "json", "--no-record"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert said["state"] in ("ok", "watch")
    assert said["systems"][0]["nights"] == 22
    assert all(p["created"] < "2026-01-23" for c in said["systems"][0]["charts"] for p in c["points"])
    assert "and 9 more: a clock is wrong" in said["problems"][0]
    assert [r["why"] for r in said["left_out"]] == ["made after now"] * 12
    assert main([*words, "--now", "2025-12-31T12:00Z"]) == 3
    assert "all 34 runs were made after now" in capsys.readouterr().err


def test_an_acknowledgement_is_about_no_night_after_now(tmp_path, capsys):
    fill(tmp_path, lambda t: {"ours": fallen(t)}, nights=34)
    ack = ["trend", "ack", "--workspace", str(tmp_path), "--cause", "seen", "--now", "2026-01-22T12:00Z"]
    assert main(ack) == 0
    assert "up to the night of 2026-01-22" in capsys.readouterr().out
