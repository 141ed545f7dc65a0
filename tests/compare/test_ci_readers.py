"""What CI shows, read back by the rules of those who read it: GitHub's runner, GitLab's and Jenkins' JUnit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from nights import NOW, edit, harness, night, process, promoted

from harness.errors import Exit
from harness.report import ci
from harness.report.gate_model import Check, GatedSystem, GateResult, TaskLine
from harness.report.junit import junit_xml
from harness.testing.simulate import Conduct, Missing

TEXT = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    ["a,b", "a:b", "::error::x", "%0A", "%25", "50%", "x\ny\rz", "##[error]x", "::set-output name=a::b", ",file=/etc/x"]
)


def command(line: str) -> tuple[str, dict[str, str], str]:
    """GitHub's runner, `ActionCommand.TryParseV2`: the name, its properties, its message, all unescaped."""
    assert line.startswith("::")
    end = line.index("::", 2)
    name, _, rest = line[2:end].partition(" ")
    properties = {}
    for part in rest.strip().split(","):
        key, is_pair, value = part.partition("=")
        assert is_pair and key, part
        properties[key] = unescaped(value, ("%3A", ":"), ("%2C", ","))
    return name, properties, unescaped(line[end + 2 :])


def unescaped(text: str, *more: tuple[str, str]) -> str:
    for code, sign in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
        text = text.replace(code, sign)
    return text


@given(TEXT, TEXT, TEXT, st.sampled_from(["fail", "invalid", "inconclusive"]))
def test_an_annotation_says_to_githubs_runner_what_was_meant(system: str, name: str, says: str, state: str) -> None:
    check = Check(system, "MUST_PASS", f"{name}.", state, says, ("t",))  # type: ignore[arg-type]
    line = ci._annotation("error", check, {"t": "tasks/a, b:7:3"}, str)
    assert "\n" not in line and "\r" not in line
    kind, properties, message = command(line)
    assert kind == "error"
    assert properties == {"file": "tasks/a, b", "line": "7", "title": f"harness gate: {system}: {name}."}
    assert message == says


def test_outputs_and_summary_are_in_githubs_form(tmp_path: Path) -> None:
    promoted(tmp_path)
    night(tmp_path, 30, Conduct(delta=-0.2))
    output, summary = tmp_path / "output", tmp_path / "summary"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    assert process(tmp_path, "gate", "--now", NOW, env=env).code == 1
    lines = output.read_text(encoding="utf-8").splitlines()
    # A line `name<<x` would begin a value of many lines: no name may hold that.
    found = dict(re.fullmatch(r"([a-z_]+)=(.*)", line).groups() for line in lines)  # type: ignore[union-attr]
    assert {"verdict", "exit_code", "delta", "ci_low", "ci_high", "coverage", "cost", "report"} <= set(found)
    assert (found["verdict"], found["exit_code"]) == ("FAILED", "1")
    assert float(found["ci_low"]) < float(found["delta"]) < float(found["ci_high"]) < 0
    assert Path(found["report"]).is_file()
    text = summary.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows and all(line.endswith("|") for line in rows)
    assert text.count("<details>") == text.count("</details>")


SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("junit.xsd")))
STATES = {
    "ok": "metrics: {pass_rate: 0.9}",
    "failed": "metrics: {pass_rate: 0.001}\nmust_pass: [task-00001]\nalpha: 0.4",
    "skipped and missing": "must_pass: [task-00002, task-00000]\nquarantine: quarantine.yaml",
    "invalid": "coverage: 0.99\nmax_age: 1h",
    "inconclusive": "metrics: {pass_rate: {margin: 0.001}}\nlatency_p95: 1s",
    "not compared": "metrics: {pass_rate: 0.05}\nbaseline: {}\ncost_per_success: {max_ratio: 1.2, max_usd: 1}",
}


@pytest.mark.parametrize("state", STATES)
def test_junit_keeps_the_rules_of_strict_readers_in_every_state(tmp_path: Path, state: str) -> None:
    promoted(tmp_path, nights=1)
    lost = Missing(random=0.2) if state in ("skipped and missing", "invalid") else Missing()
    run = night(tmp_path, 30, Conduct(delta=-0.3, critical=0.3), missing=lost, epochs=2)
    if state == "skipped and missing":
        edit(run, lambda lines: [x for x in lines if x["task"] != "task-00000"])
        entry = '{task: task-00002, reason: flaky reference, owner: me, expires: "2026-03-20"}'
        (tmp_path / "quarantine.yaml").write_text(f"quarantine:\n  - {entry}\n")
    (tmp_path / "gates.yaml").write_text(STATES[state] + "\n")
    done = harness(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml")
    assert done.code in (0, 1, 3), done.err
    keeps_the_rules((run / "junit.xml").read_bytes())


def test_a_gate_of_nothing_and_one_of_odd_names_keep_them_too(tmp_path: Path) -> None:
    result = GateResult("r", "s", "", "p", "NOTHING RAN", Exit.NOTHING, (), (), ())
    keeps_the_rules(junit_xml(result))
    says = Check("a", "X", "x" * 900, "fail", "", ())
    odd = GatedSystem("\x00", "", (says, says), None, (TaskLine("", 0, 0, 1, None, "missing"),), 0.0, None, None, None)
    keeps_the_rules(junit_xml(replace(result, created="2026-01-02T03:04:05.5+00:00", systems=(odd,))))


def keeps_the_rules(data: bytes) -> None:
    """The schema, GitLab's reading (content alone is shown), and counts that are sums."""
    root = etree.fromstring(data)
    assert SCHEMA.validate(root), SCHEMA.error_log
    assert len(data) < 30_000_000
    for outcome, counts in (("failure", "failures"), ("error", "errors")):
        assert int(root.get(counts)) == len(root.findall(f"testsuite/testcase/{outcome}"))
    for suite in root:
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
        assert float(root.get("time")) == pytest.approx(sum(float(s.get("time")) for s in root), abs=0.002)


def test_junit_keeps_to_what_gitlab_and_jenkins_share(tmp_path: Path) -> None:
    """One outcome a case, no properties on cases, and keys (classname and name) that are unique: stats_ci.md 3.2."""
    promoted(tmp_path)
    night(tmp_path, 30, Conduct(delta=-0.3, critical=0.3), missing=Missing(random=0.2), epochs=2)
    (tmp_path / "quarantine.yaml").write_text(
        'quarantine:\n  - {task: task-00002, reason: flaky reference, owner: me, expires: "2026-03-20"}\n'
    )
    policy = 'must_pass: ["task-0000*"]\nmetrics: {pass_rate: 0.05}\nquarantine: quarantine.yaml\n'
    (tmp_path / "gates.yaml").write_text(policy)
    done = harness(tmp_path, "gate", "--now", NOW, "--policy", "gates.yaml")
    assert done.code in (1, 3), done.err
    run = max((tmp_path / "runs").glob("2026*"))
    root = ElementTree.fromstring((run / "junit.xml").read_bytes())
    cases = list(root.iter("testcase"))
    assert len({(c.get("classname"), c.get("name")) for c in cases}) == len(cases)
    kinds = set()
    for case in cases:
        assert set(case.attrib) <= {"classname", "name", "time", "file", "line"}
        outcomes = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        assert len(outcomes) <= 1
        assert {child.tag for child in case} <= {"failure", "error", "skipped", "system-out", "system-err"}
        kinds |= set(outcomes)
    assert {"failure", "error"} <= kinds
    for suite in root.iter("testsuite"):
        own = list(suite.iter("testcase"))
        for outcome, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "-1")) == sum(c.find(outcome) is not None for c in own)
        assert int(suite.get("tests", "-1")) == len(own)
