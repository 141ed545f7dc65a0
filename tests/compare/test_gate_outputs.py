"""What CI shows: files that every reader takes, whatever is in a name, and the same bytes every time."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any
from xml.dom import minidom
from xml.etree import ElementTree

import junitparser
from nights import NOW, edit, edit_manifest, harness, night, process, promoted

from harness.store.read import ATTEMPTS
from harness.testing.simulate import Conduct, Missing, World
from harness.toolkit.testreports.junit import parse_junit

FILES = ("result.json", "gate.md", "junit.xml", "metrics.txt")
EVIL = "x\x00\x1b[31m\"'<&>\ud83d\ude00\ufffe ::error::%0A\nname=1".replace("\ud83d\ude00", "\N{GRINNING FACE}")


def gated(root: Path, conduct: Conduct | None = None, **about: Any) -> Path:
    promoted(root)
    return night(root, 30, conduct or Conduct(delta=-0.2), **about)


def test_files_are_written_beside_the_run(tmp_path: Path) -> None:
    run = gated(tmp_path)
    assert harness(tmp_path, "gate", "--now", NOW).code == 1
    assert all((run / name).is_file() for name in FILES)
    result = json.loads((run / "result.json").read_text())
    assert (result["verdict"], result["exit_code"]) == ("FAILED", 1)
    assert result["systems"][0]["comparison"]["metrics"][0]["verdict"] == "REGRESSION"


def test_a_gate_that_is_refused_leaves_no_verdict_of_an_earlier_one(tmp_path: Path) -> None:
    """CI uploads what lies beside the run whatever the code is: a green junit.xml of before would be believed."""
    run = gated(tmp_path, Conduct())
    assert harness(tmp_path, "gate", "--now", NOW).code == 0
    policy = tmp_path / "bad.yaml"
    policy.write_text("metrics: {nix: 0.1}\n")
    assert harness(tmp_path, "gate", "--now", NOW, "--policy", str(policy)).code == 2
    assert [name for name in FILES if (run / name).exists()] == []


def test_the_same_bytes_in_give_the_same_bytes_out(tmp_path: Path) -> None:
    run = gated(tmp_path, missing=Missing(random=0.01), epochs=2)
    outs = []
    for seed in range(3):
        lines = (run / ATTEMPTS).read_bytes().splitlines(keepends=True)
        random.Random(seed).shuffle(lines)
        (run / ATTEMPTS).write_bytes(b"".join(lines))
        env = {"PYTHONHASHSEED": str(seed)}
        said = process(tmp_path, "gate", "--now", NOW, "--out", str(tmp_path / f"out{seed}"), env=env).out
        compared = process(tmp_path, "compare", "baseline:simulated-sim", run.name, "--slices", "--json", env=env).out
        outs.append([said, compared, *((tmp_path / f"out{seed}" / n).read_bytes() for n in FILES)])
    assert outs[0] == outs[1] == outs[2]


def test_junit_is_read_by_four_parsers_whatever_names_hold(tmp_path: Path) -> None:
    run = gated(tmp_path)
    evil = {"task-00003": EVIL, "task-00004": "a" * 5000, "task-00005": "a" * 4999 + "b"}
    edit(run, lambda lines: [{**x, "task": evil.get(x["task"], x["task"]), "digests": x["digests"]} for x in lines])
    done = harness(tmp_path, "gate", "--now", NOW, "--allow-mismatch")
    assert done.code in (1, 3), done.err
    data = (run / "junit.xml").read_bytes()
    root = ElementTree.fromstring(data)
    assert minidom.parseString(data).documentElement.tagName == "testsuites"
    cases = root.findall("./testsuite/testcase")
    assert len(parse_junit(data).results) == len(cases)
    suites = junitparser.JUnitXml.fromstring(data)
    assert sum(len(list(suite)) for suite in suites) == len(cases) == int(root.get("tests", "0"))
    keys = [(c.get("classname"), c.get("name")) for c in cases]
    assert len(set(keys)) == len(keys)
    assert "\N{GRINNING FACE}" in data.decode()
    assert all(sum(child.tag in ("failure", "error", "skipped") for child in c) <= 1 for c in cases)


def test_no_task_fails_in_junit_because_an_epoch_flipped(tmp_path: Path) -> None:
    run = gated(tmp_path)
    harness(tmp_path, "gate", "--now", NOW)
    cases = ElementTree.fromstring((run / "junit.xml").read_bytes()).findall("./testsuite/testcase")
    failed = [c.get("classname") for c in cases if c.find("failure") is not None]
    assert failed == ["gate.simulated.sim"]


def test_a_task_skipped_on_purpose_is_no_error_in_junit_while_coverage_is_kept(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    run = night(tmp_path, 30, epochs=2)
    lacked = {"status": "skipped", "passed": None, "value": None, "grades": {}}
    lacked["trouble"] = {"source": "requirement", "cause": "stored_answer"}
    edit(run, lambda lines: [x | lacked if x["task"] < "task-00002" else x for x in lines])

    def said(policy: str) -> tuple[int, str, list[tuple[str, str]]]:
        (tmp_path / "gates.yaml").write_text(f"metrics: {{pass_rate: {{min: 0.1}}}}\n{policy}")
        code = harness(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml").code
        suite = ElementTree.fromstring((run / "junit.xml").read_bytes())[0]
        cases = [c for c in suite.iter("testcase") if c.get("name") in ("task-00000", "task-00001")]
        found = [(child.tag, child.get("message", "")) for c in cases for child in c if child.tag != "system-out"]
        return code, f"{suite.get('skipped')} skipped, {suite.get('errors')} errors", found

    skipped = ("skipped", "not run: stored_answer (0 of 2 epochs graded)")
    assert said("coverage: 0.9\n") == (0, "2 skipped, 0 errors", [skipped, skipped])
    code, _, found = said("coverage: 0.99\n")  # lost coverage is an error
    assert (code, [tag for tag, _ in found]) == (3, ["error", "error"])
    assert said("coverage: 0.9\nmust_pass: [task-00000]\n")[2][0][0] == "error"  # a rule about it cannot be told
    edit_manifest(run, may_lack=["stored_answer"])
    code, counts, found = said("coverage: 0.99\n")
    assert (code, counts) == (0, "2 skipped, 0 errors")
    assert [message for _, message in found] == ["not run: stored_answer"] * 2


def test_names_in_junit_are_the_same_every_night(tmp_path: Path) -> None:
    names = []
    promoted(tmp_path)
    for number, delta in ((30, -0.2), (31, 0.0)):
        run = night(tmp_path, number, Conduct(delta=delta))
        harness(tmp_path, "gate", run.name, "--now", NOW)
        cases = ElementTree.fromstring((run / "junit.xml").read_bytes()).findall("./testsuite/testcase")
        names.append([(c.get("classname"), c.get("name")) for c in cases])
    assert names[0] == names[1]


def test_github_gets_outputs_summary_and_annotations(tmp_path: Path) -> None:
    gated(tmp_path)
    output, summary = tmp_path / "output", tmp_path / "summary.md"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    done = process(tmp_path, "gate", "--now", NOW, env=env)
    said = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert (said["verdict"], said["exit_code"]) == ("FAILED", "1")
    assert float(said["ci_low"]) < float(said["delta"]) < float(said["ci_high"]) < 0
    assert said["report"].endswith("gate.md")
    assert summary.read_text().startswith("<!-- harness gate: simulated -->\n# gate FAILED")
    assert [line for line in done.out.splitlines() if line.startswith("::error ")]


def test_annotations_are_ten_at_most_and_cannot_be_forged(tmp_path: Path) -> None:
    run = gated(tmp_path)
    policy = tmp_path / "gates.yaml"
    policy.write_text('must_pass: ["*"]\nfail_on: [MUST_PASS]\n')
    edit(run, lambda lines: [{**x, "task": EVIL if x["task"] == "task-00000" else x["task"]} for x in lines])
    done = process(
        tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml", "--allow-mismatch", env={"GITHUB_ACTIONS": "true"}
    )
    lines = [line for line in done.out.splitlines() if line.startswith("::")]
    assert 1 < len(lines) <= 10
    assert re.fullmatch(r"::notice title=harness gate::and \d+ more; see the step summary", lines[-1])
    assert not any(line.startswith(("::error::", "name=1")) for line in done.out.splitlines())


def test_outputs_hold_no_secret(tmp_path: Path) -> None:
    secret = "hunter2-hunter2-hunter2"
    run = gated(tmp_path)
    edit(run, lambda lines: [{**x, "task": x["task"].replace("task-00000", f"t-{secret}")} for x in lines])
    output, summary = tmp_path / "o", tmp_path / "s"
    env = {"MY_API_KEY": secret, "GITHUB_ACTIONS": "true"}
    env |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    done = process(tmp_path, "gate", "--now", NOW, "--allow-mismatch", env=env)
    texts = [done.out, output.read_text(), summary.read_text(), *((run / n).read_text() for n in FILES)]
    assert not any(secret in text for text in texts)
    assert "[redacted]" in (run / "junit.xml").read_text()


def test_a_summary_of_5000_tasks_stays_under_200_kb(tmp_path: Path) -> None:
    big = World(tasks=5000, families=500, seed=1)
    promoted(tmp_path, nights=1, world=big)
    run = night(tmp_path, 30, Conduct(delta=-0.2, critical=1.0), world=big, missing=Missing(random=0.01))
    (tmp_path / "gates.yaml").write_text('must_pass: ["*"]\nmetrics: {pass_rate: 0.05, value: 0.05}\n')
    summary = tmp_path / "s"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = process(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml", env=env)
    assert done.code == 1
    assert 1_000 < len(summary.read_bytes()) < 200_000
    assert len((run / "gate.md").read_bytes()) <= 60_000
    assert len(ElementTree.fromstring((run / "junit.xml").read_bytes()).findall(".//testcase")) >= 5000


def test_gitlab_metrics_are_name_and_value(tmp_path: Path) -> None:
    run = gated(tmp_path)
    harness(tmp_path, "gate", "--now", NOW)
    lines = (run / "metrics.txt").read_text().splitlines()
    assert lines[-1] == "# EOF"
    for line in lines[:-1]:
        assert re.fullmatch(r'[a-z_0-9]+(\{system="sim"\})? -?[0-9.e+-]+', line), line
