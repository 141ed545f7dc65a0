"""`harness trend` through the command itself, on real run folders with planted effects."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from harness.cli.main import main
from harness.testing.planted import Missing
from harness.testing.simulate import Conduct, Night, World, simulate_run

WORLD = World(tasks=40, seed=3, suite="mine")
NOW = "2026-02-04T12:00Z"
NIGHTS = 34  # the newest is of 2026-02-03


def fill(workspace, nights=NIGHTS, *, step_at=None, delta=-0.25, night=None, systems=None):
    (workspace / "tasks").mkdir(exist_ok=True)
    for t in range(nights):
        changed = step_at is not None and t >= step_at
        planted = {"ours": Conduct(delta=delta if changed else 0.0, model="model-b" if changed else "model-a")}
        simulate_run(workspace / "runs", WORLD, (night or {}).get(t, Night(seed=t)), {**planted, **(systems or {})}, t)


@pytest.fixture(scope="module")
def stepped(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("stepped")
    fill(workspace, step_at=28, systems={"control": Conduct(model="pinned")})
    return workspace


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("quiet")
    fill(workspace)
    return workspace


@pytest.fixture
def copy(tmp_path):
    def made(workspace):
        shutil.copytree(workspace, tmp_path / "ws")
        return tmp_path / "ws"

    return made


def trend(workspace, capsys, *more, now=NOW):
    """The exit code, the trend as JSON, and stderr."""
    words = ["trend", "--workspace", str(workspace), "--replicates", "200", "--format", "json", "--now", now, *more]
    code = main(words)
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.startswith("{") else {}, err


def test_quiet_nights_are_ok(quiet, capsys):
    code, said, _ = trend(quiet, capsys)
    assert (code, said["state"]) == (0, "ok")
    assert said["systems"][0]["charts"][0]["baseline_nights"] == 20


def test_a_step_alarms_with_its_onset_and_the_lowest_rung_that_moved(stepped, capsys):
    code, said, _ = trend(stepped, capsys, "--control", "control")
    assert (code, said["state"]) == (1, "alarm")
    ours = next(s for s in said["systems"] if s["system"] == "ours")
    chart = ours["charts"][0]
    alarm = chart["alarms"][0]
    assert abs(alarm["onset"] - 28) <= 2
    assert alarm["low"] <= alarm["change"] <= alarm["high"] < 0
    rungs = {r["name"]: r["state"] for r in ours["rungs"]}
    assert rungs == {
        "replay": "not measured", "sandbox": "not measured", "control": "same", "served": "moved",
        "judges": "not measured",
    }  # fmt: skip
    assert ours["verdict"].startswith("lowest rung that moved: served: served model model-a -> model-b")
    assert {c["what"] for c in said["changes"]} >= {"served model", "model"}
    other = next(s for s in said["systems"] if s["system"] == "control")
    assert other["state"] in ("ok", "watch")


def test_when_the_control_falls_too_the_control_is_named(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    for t in range(NIGHTS):
        delta = -0.25 if t >= 28 else 0.0
        systems = {"ours": Conduct(delta=delta), "control": Conduct(delta=delta, model="pinned")}
        simulate_run(tmp_path / "runs", WORLD, Night(seed=t), systems, t)
    _, said, _ = trend(tmp_path, capsys, "--control", "control")
    ours = next(s for s in said["systems"] if s["system"] == "ours")
    assert ours["verdict"].startswith("lowest rung that moved: control")


def test_the_history_survives_its_run_folders(stepped, copy, capsys):
    workspace = copy(stepped)
    first = trend(workspace, capsys, "--control", "control")
    for run in (workspace / "runs").glob("2*"):
        shutil.rmtree(run)
    again = trend(workspace, capsys, "--control", "control")
    assert again == first


def test_the_same_nights_give_the_same_bytes_whatever_is_stored(quiet, copy, capsys):
    workspace = copy(quiet)
    shutil.rmtree(workspace / "runs" / "history", ignore_errors=True)
    shutil.rmtree(workspace / "runs" / "baselines", ignore_errors=True)
    first = trend(workspace, capsys, "--no-record")
    assert not (workspace / "runs" / "history").exists()
    assert trend(workspace, capsys) == first
    assert trend(workspace, capsys) == first  # now from the history and the stored limits


def test_a_resumed_run_replaces_its_line(quiet, copy, capsys):
    workspace = copy(quiet)
    newest = max((workspace / "runs").glob("2*"))
    whole = (newest / "attempts.jsonl").read_bytes()
    (newest / "attempts.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:20]))
    code, said, _ = trend(workspace, capsys)
    assert code == 3
    assert said["systems"][0]["charts"][0]["points"][-1]["mark"] == "hollow"
    (newest / "attempts.jsonl").write_bytes(whole)
    code, said, _ = trend(workspace, capsys)
    assert code == 0
    assert said["systems"][0]["charts"][0]["points"][-1]["mark"] == "watched"


def test_a_half_written_line_is_no_attempt(quiet, copy, capsys):
    workspace = copy(quiet)
    newest = max((workspace / "runs").glob("2*"))
    whole = (newest / "attempts.jsonl").read_bytes()
    (newest / "attempts.jsonl").write_bytes(whole[:-40])
    code, said, _ = trend(workspace, capsys)
    point = said["systems"][0]["charts"][0]["points"][-1]
    assert code == 3
    assert "39/40" in point["why"]


def test_a_night_under_the_coverage_floor_is_hollow_and_accumulates_nothing(tmp_path, capsys):
    fill(tmp_path, night={25: Night(seed=25, missing=Missing(outage=0.5))})
    code, said, _ = trend(tmp_path, capsys)
    points = said["systems"][0]["charts"][0]["points"]
    assert (code, points[25]["mark"]) == (0, "hollow")
    assert points[25]["down"] == points[24]["down"]
    assert said["systems"][0]["charts"][5]["name"] == "coverage"
    assert said["systems"][0]["charts"][5]["state"] != "alarm"  # one bad night was told that night


def test_a_habit_of_losing_trials_alarms_on_coverage(tmp_path, capsys):
    fill(tmp_path, night={t: Night(seed=t, missing=Missing(outage=0.3)) for t in range(26, NIGHTS)})
    code, said, _ = trend(tmp_path, capsys)
    charts = {c["name"]: c["state"] for c in said["systems"][0]["charts"]}
    assert (code, charts["coverage"]) == (1, "alarm")


def test_few_nights_are_learning(tmp_path, capsys):
    fill(tmp_path, 9)
    code, said, _ = trend(tmp_path, capsys)
    assert (code, said["state"]) == (0, "learning")
    assert said["systems"][0]["charts"][0]["why"] == "9 of 10 baseline nights"


def test_a_slide_that_begins_in_the_baseline_is_not_swallowed_by_it(tmp_path, capsys):
    """With 20 baseline nights taken as they come, a step at night 12 would be most of the baseline."""
    fill(tmp_path, 22, step_at=12)
    code, said, _ = trend(tmp_path, capsys, now="2026-01-23T12:00Z")
    chart = said["systems"][0]["charts"][0]
    assert (code, chart["state"], chart["baseline_nights"]) == (1, "alarm", 10)


def test_silence_is_stale_and_red(quiet, capsys):
    code, said, _ = trend(quiet, capsys, "--max-age", "36h", now="2026-02-08T12:00Z")
    assert (code, said["state"]) == (1, "stale")
    assert trend(quiet, capsys, "--max-age", "36h")[0] == 0


def test_the_suite_says_how_old_the_newest_night_may_be(quiet, copy, capsys):
    workspace = copy(quiet)
    (workspace / "tasks" / "mine").mkdir()
    suite = workspace / "tasks" / "mine" / "suite.yaml"
    suite.write_text("suite: mine\ntasks: []\nnightly: {max_age: 2d}\n")
    assert trend(workspace, capsys)[0] == 0  # 33 hours
    code, said, _ = trend(workspace, capsys, now="2026-02-08T12:00Z")
    assert (code, said["state"]) == (1, "stale")
    assert "no valid night within 48 h" in said["problems"][0]
    assert trend(workspace, capsys, "--max-age", "9d", now="2026-02-08T12:00Z")[0] == 0
    suite.write_text("suite: mine\ntasks: []\nnightly: {control: ''}\n")
    assert trend(workspace, capsys, now="2026-02-08T12:00Z")[0] == 0  # only who says an age is asked for it


def test_an_alarm_stays_until_it_is_acknowledged_with_a_cause(stepped, copy, capsys):
    workspace = copy(stepped)
    assert trend(workspace, capsys)[0] == 1
    common = ["trend", "ack", "--workspace", str(workspace), "--now", NOW]
    assert main([*common, "--cause", " "]) == 2
    capsys.readouterr()
    assert main([*common, "--cause", "provider moved us to model-b", "--by", "kim"]) == 0
    assert "acknowledged up to the night of 2026-02-03" in capsys.readouterr().out
    code, said, _ = trend(workspace, capsys)
    assert (code, said["state"]) == (0, "ok")
    assert "provider moved us to model-b" in said["acks"][0]
    chart = next(s for s in said["systems"] if s["system"] == "ours")["charts"][0]
    known = chart["acknowledged"][0]
    assert (known["by"], known["cause"], known["at"][:10]) == ("kim", "provider moved us to model-b", NOW[:10])
    night = chart["points"][known["night"]]["created"][:10]
    assert night > "2026-01-28"  # the change is of the 29th
    assert not chart["alarms"]
    assert main(["trend", "--workspace", str(workspace), "--replicates", "200", "--now", NOW]) == 0
    table = capsys.readouterr().out
    row = next(words for words in table.splitlines() if words.strip().startswith("pass rate  "))
    assert re.findall(r"(\S+)/\d", row)[-2:] == ["0.0", "0.0"], "what was acknowledged does not stand beside ok"
    line = f"pass rate: the alarm of {night} was acknowledged on {NOW[:10]} by kim: provider moved us to model-b"
    assert line in " ".join(table.split())
    # The level is still low: without a new baseline the next nights alarm again.
    for t in range(NIGHTS, NIGHTS + 6):
        simulate_run(workspace / "runs", WORLD, Night(seed=t), {"ours": Conduct(delta=-0.25, model="model-b")}, t)
    assert trend(workspace, capsys, now="2026-02-10T12:00Z")[0] == 1
    assert main([*common, "--cause", "accepted", "--rebaseline", "--until", "2026-02-03"]) == 0
    capsys.readouterr()
    code, said, _ = trend(workspace, capsys, now="2026-02-10T12:00Z")
    assert (code, said["state"]) == (0, "learning")


def test_an_acknowledgement_without_a_night_is_refused(quiet, capsys):
    common = ["trend", "ack", "--workspace", str(quiet), "--cause", "known"]
    assert main([*common, "--suite", "nope"]) == 2
    assert main([*common, "--system", "nope"]) == 2
    assert "systems: ours" in capsys.readouterr().err


def test_an_acknowledgement_of_a_chart_that_is_not_there_is_refused(quiet, capsys):
    """It would be kept, say *acknowledged*, and leave the alarm where it is."""
    common = ["trend", "ack", "--workspace", str(quiet), "--cause", "known"]
    assert main([*common, "--chart", "pasrate"]) == 2
    said = capsys.readouterr().err
    assert "no chart 'pasrate'" in said and "did you mean 'pass rate'" in said and "cost per success" in said


def test_another_suite_is_not_comparable(tmp_path, capsys):
    fill(tmp_path, night={NIGHTS - 1: Night(seed=99, versions={"task": "2"})})
    code, said, _ = trend(tmp_path, capsys)
    assert code == 6
    assert "another suite: 0% of the baseline's 40 tasks are the same" in said["problems"][0]
    assert said["systems"][0]["charts"][0]["points"][-1]["mark"] == "changed"


def test_a_few_edited_tasks_are_left_out_and_named(tmp_path, capsys):
    fill(tmp_path, night={NIGHTS - 1: Night(seed=99, versions={"task": "2"}, altered=4)})
    code, said, _ = trend(tmp_path, capsys)
    assert code == 0
    assert any("4 tasks differ from the baseline's" in n for n in said["systems"][0]["notes"])


def test_a_clock_ahead_gives_no_verdict(quiet, capsys):
    code, said, _ = trend(quiet, capsys, now="2026-02-01T12:00Z")
    assert code == 3
    assert "a clock is wrong" in said["problems"][0]


def test_a_damaged_run_is_left_out_and_named(quiet, copy, capsys):
    workspace = copy(quiet)
    shutil.rmtree(workspace / "runs" / "history", ignore_errors=True)
    second = sorted((workspace / "runs").glob("2*"))[1]
    lines = (second / "attempts.jsonl").read_bytes().splitlines(keepends=True)
    (second / "attempts.jsonl").write_bytes(b"".join([lines[0], b"{broken}\n", *lines[1:]]))
    code, said, _ = trend(workspace, capsys)
    assert code == 0
    assert "line 2 is damaged" in said["left_out"][0]["why"]


def test_a_damaged_history_is_an_error_with_its_line(quiet, copy, capsys):
    workspace = copy(quiet)
    trend(workspace, capsys)
    path = workspace / "runs" / "history" / "mine.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{nonsense}\n", *lines[1:]]))
    code, _, err = trend(workspace, capsys)
    assert code == 2
    assert "mine.jsonl:2 is damaged" in err


def test_a_torn_history_line_is_cut_and_written_anew(quiet, copy, capsys):
    workspace = copy(quiet)
    first = trend(workspace, capsys)
    path = workspace / "runs" / "history" / "mine.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert trend(workspace, capsys) == first
    assert len(path.read_bytes().splitlines()) == NIGHTS


def test_no_night_at_all_is_nothing(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    code, _, err = trend(tmp_path, capsys)
    assert code == 5
    assert "no night of suite 'mine' is known" in err


def test_selections_and_regrades_are_no_nights(quiet, copy, capsys):
    workspace = copy(quiet)
    shutil.rmtree(workspace / "runs" / "history", ignore_errors=True)
    for run, change in zip(sorted((workspace / "runs").glob("2*"))[:2], ({"regrade_of": "x"}, None), strict=True):
        manifest = json.loads((run / "manifest.json").read_text())
        manifest |= change or {"selection": {"task_ids": ["task-00001"]}}
        (run / "manifest.json").write_text(json.dumps(manifest))
    _, said, _ = trend(workspace, capsys)
    assert {r["why"] for r in said["left_out"]} == {"the same work graded again", "a selection of tasks"}
    assert said["systems"][0]["nights"] == NIGHTS - 2


def test_every_format_says_the_same_verdict_and_the_figure_is_drawn(stepped, capsys, tmp_path):
    common = ["trend", "--workspace", str(stepped), "--replicates", "200", "--now", NOW, "--system", "ours"]
    for form in ("text", "md"):
        figure = tmp_path / f"{form}.svg"
        assert main([*common, "--format", form, "--figure", str(figure)]) == 1
        said = capsys.readouterr().out
        assert "ALARM" in said
        assert "model-a" in said
        assert figure.read_text().count("<svg") == 1
    assert (tmp_path / "text.svg").read_bytes() == (tmp_path / "md.svg").read_bytes()
    assert main([*common, "--figure", str(tmp_path / "x.png"), "--out", str(tmp_path / "x.txt")]) == 1
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert main([*common, "--figure", str(tmp_path / "x.gif")]) == 2


@pytest.mark.parametrize(
    "words",
    [["--max-age", "soon"], ["--now", "yesterday"], ["--yearly-alarms", "2"], ["--system", "nope"],
     ["--control", "nope"]],
)  # fmt: skip
def test_nonsense_is_a_usage_error(quiet, capsys, words):
    try:
        code = main(["trend", "--workspace", str(quiet), "--replicates", "200", "--now", NOW, *words])
    except SystemExit as e:
        code = e.code
    assert code == 2
    assert words[1] in capsys.readouterr().err


def test_the_limits_are_made_once_and_kept_with_their_seed(quiet, copy, capsys):
    workspace = copy(quiet)
    _, first, _ = trend(workspace, capsys)
    path = workspace / "runs" / "baselines" / "trend" / "mine.json"
    state = json.loads(path.read_text())
    assert all(limit["seed"] == 0 and limit["replicates"] >= 200 for limit in state["limits"].values())
    for limit in state["limits"].values():
        limit["down"] = 77.0
    path.write_text(json.dumps(state))
    assert trend(workspace, capsys)[1]["systems"][0]["charts"][0]["limits"]["down"] == 77.0
    assert trend(workspace, capsys, "--calibrate")[1] == first


def test_a_promoted_baseline_is_what_nights_are_held_against(quiet, copy, capsys):
    """Twelve nights in the middle are promoted: what came before is not watched, and folders are not needed for it."""
    workspace = copy(quiet)
    shutil.rmtree(workspace / "runs" / "history", ignore_errors=True)
    names = sorted(p.name for p in (workspace / "runs").glob("2*"))
    promote = ["baseline", "promote", "--workspace", str(workspace), "--reason", "chosen", "--from", *names[10:22]]
    assert main([*promote, "--now", "2026-01-23T12:00Z"]) == 0
    capsys.readouterr()
    _, said, _ = trend(workspace, capsys)
    chart = said["systems"][0]["charts"][0]
    assert chart["baseline_nights"] == 12
    assert chart["points"][0]["run"] == names[10]
    assert [p["mark"] for p in chart["points"]] == ["baseline"] * 12 + ["watched"] * 12
    for name in names[:22]:
        shutil.rmtree(workspace / "runs" / name)
    shutil.rmtree(workspace / "runs" / "history")
    _, again, _ = trend(workspace, capsys)
    assert again["systems"][0]["charts"][0]["points"] == chart["points"]
    ack = ["trend", "ack", "--workspace", str(workspace), "--now", NOW, "--cause", "new prompt", "--rebaseline"]
    assert main([*ack, "--until", "2026-01-25"]) == 0
    capsys.readouterr()
    assert trend(workspace, capsys)[1]["systems"][0]["nights"] == 9  # what was said last counts


def test_names_from_elsewhere_command_neither_terminal_nor_log_nor_page(stepped, copy, capsys):
    """A provider chooses the model's name: it comes into the trend as `served`."""
    workspace = copy(stepped)
    path = workspace / "runs" / "history" / "mine.jsonl"
    trend(workspace, capsys)
    evil = "\u001b[2J\n::error::x | `a` <img src=x>"
    path.write_text(path.read_text().replace('"model-b"', json.dumps(evil)))
    for run in (workspace / "runs").glob("2*"):
        shutil.rmtree(run)
    common = ["trend", "--workspace", str(workspace), "--replicates", "200", "--now", NOW, "--no-record"]
    for form in ("text", "md"):
        assert main([*common, "--format", form]) == 1
        said = capsys.readouterr().out
        assert "\u001b" not in said
        assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    assert "<img" not in said.replace("\\<img", "")


def test_a_suite_may_be_named_by_its_file(quiet, copy, capsys):
    workspace = copy(quiet)
    folder = workspace / "tasks" / "nights"
    folder.mkdir()
    (folder / "suite.yaml").write_text("suite: mine\ntasks: []\n")
    assert trend(workspace, capsys, "--suite", str(folder / "suite.yaml"))[0] == 0


@pytest.mark.parametrize(("seconds", "code"), [(0.001, 0), (4.0, 1)])
def test_a_machine_s_jitter_is_no_slower_system(quiet, copy, capsys, seconds, code):
    """Six times the time alarms where somebody waits for it; from one millisecond to six nobody does."""
    workspace = copy(quiet)
    assert trend(workspace, capsys)[0] == 0
    [history] = (workspace / "runs" / "history").glob("*.jsonl")
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    nights = [line for line in lines if "p50_s" in line]
    assert len(nights) == NIGHTS
    for t, night in enumerate(nights):
        night["p50_s"] = seconds * (6 if t >= 28 else 1 + t % 3 / 100)
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for run in (workspace / "runs").glob("2*"):
        shutil.rmtree(run)
    got, said, _ = trend(workspace, capsys)
    assert got == code, said["systems"][0]["state"]
    assert [c["state"] for c in said["systems"][0]["charts"] if c["name"] == "p50"] == [["ok"], ["alarm"]][code]
