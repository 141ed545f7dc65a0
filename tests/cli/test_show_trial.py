"""`harness show RUN TASK SYSTEM`: what a system says of its own work can be read, and which system is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_workspace import workspace

from harness.cli.main import main

SUITE = """\
suite: demo
tasks: [tasks/demo/*.task.yaml]
systems:
  - {name: floor, harness: empty}
  - {name: teller, harness: {use: "graders/teller.py:Teller"}}
"""
TELLER = '''\
from harness.api import Harness, Output


class Teller(Harness):
    """Says much of itself."""

    def roles(self):
        """It asks no model."""
        return ()

    async def solve(self, task, ctx):
        """The same, whatever it is asked."""
        was = {"agent": "teller", "web_tools": False, "tool_names": ["Bash", "Edit"], "first_request_bytes": 4567}
        metrics = {
            "requests": 12, "tool_calls": {"shell": 3, "edit": 2}, "refused": {}, "first_byte_s": 0.25,
            "fingerprint": was, "claims": {"ended": "success\\ngrades:", "cost": None, "by": {"m": [1, 2]}},
        }
        return Output(answer="Vienna", declared_done=True, metrics=metrics)
'''
TOLD = """\
declared done

metrics:
  requests      12
  tool_calls    shell 3, edit 2
  refused       none
  first_byte_s  0.25
  claims        ended success grades:, cost -, by (m (1, 2))

fingerprint:
  agent                teller
  web_tools            no
  tool_names           Bash, Edit
  first_request_bytes  4,567

grades:
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = workspace(tmp_path_factory.mktemp("show"), SUITE)
    (root / "graders").mkdir()
    (root / "graders" / "teller.py").write_text(TELLER)
    words = ["run", "--suite", "demo", "--task", "capital", "--system", "*", "--quiet", "--workspace", str(root)]
    assert main(words) == 0
    return root


def show(root: Path, *words: str) -> int:
    return main(["show", "latest", "capital", *words, "--workspace", str(root)])


def test_metrics_stand_one_a_line_and_the_fingerprint_apart(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(ran, "teller") == 0
    assert TOLD in capsys.readouterr().out
    assert show(ran, "teller", "--json") == 0
    metrics = json.loads(capsys.readouterr().out)["attempt"]["output"]["metrics"]
    assert metrics["tool_calls"] == {"shell": 3, "edit": 2} and metrics["fingerprint"]["agent"] == "teller"


def test_a_system_that_says_nothing_of_itself_has_no_block(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(ran, "floor") == 0
    said = capsys.readouterr().out
    assert "metrics:" not in said and "\n\ngrades:\n" in said


def test_a_system_is_named_by_its_option_too(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (show(ran, "--system", "teller"), show(ran, "teller", "1", "--system=teller")) == (0, 0)
    assert capsys.readouterr().out.count("capital under teller, epoch 1") == 2


def test_two_systems_or_one_without_a_trial_are_refused(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(ran, "floor", "--system", "teller") == 2
    assert "two systems are named: 'floor' and --system 'teller'" in capsys.readouterr().err
    assert main(["show", "latest", "--system", "teller", "--workspace", str(ran)]) == 2
    assert "--system needs a trial" in capsys.readouterr().err
