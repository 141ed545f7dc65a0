"""SWE-bench's rules: the table of how harnesses differ, and the official program's own verdicts on made-up logs.

golden/swebench_5_0_2.jsonl holds logs of ours and what swebench 5.0.2 said of them (scripts/parity_swebench.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.toolkit.swebench import NoResult, Rules, decide, live_pytest, read_log
from harness.toolkit.swelogs import PARSERS

GOLDEN = [json.loads(line) for line in (Path(__file__).parent / "golden/swebench_5_0_2.jsonl").read_text().splitlines()]
RULES: tuple[Rules, ...] = ("official", "fail_only", "live", "pro")


def test_the_golden_file_has_every_outcome() -> None:
    assert {(row["ran"], row["official"]) for row in GOLDEN} >= {
        (True, "full"), (True, "partial"), (True, "no"), (False, "no"),
    }  # fmt: skip
    assert {row["parser"] for row in GOLDEN} == set(PARSERS)


@pytest.mark.parametrize("row", GOLDEN, ids=range(len(GOLDEN)))
def test_the_official_program_says_the_same(row: dict[str, Any]) -> None:
    try:
        statuses = read_log(row["log"], row["parser"])
    except NoResult:
        assert not row["ran"]
        statuses = {}
    else:
        assert row["ran"]
    assert statuses == row["statuses"]
    assert decide(statuses, row["f2p"], row["p2p"], "official").resolution == row["official"]
    assert decide(statuses, row["f2p"], row["p2p"], "fail_only").resolution == row["fail_only"]


TABLE = [  # reference/swe.md 2.3: status of the one F2P and the one P2P test, and the verdict by each rule
    ("PASSED", "PASSED", "full", "full", "full", "full"),
    ("XFAIL", "PASSED", "full", "full", "no", "no"),
    ("FAILED", "PASSED", "no", "no", "no", "no"),
    ("ERROR", "PASSED", "no", "full", "no", "no"),
    ("SKIPPED", "PASSED", "no", "full", "no", "no"),
    (None, "PASSED", "no", "full", "no", "no"),
    ("PASSED", "FAILED", "no", "no", "no", "no"),
    ("PASSED", "ERROR", "no", "full", "full", "no"),
    ("PASSED", "SKIPPED", "full", "full", "full", "no"),
    ("PASSED", "XFAIL", "full", "full", "no", "no"),
    ("PASSED", None, "no", "full", "full", "no"),
]


@pytest.mark.parametrize("line", TABLE, ids=lambda line: f"{line[0]}-{line[1]}")
def test_the_table_of_rules(line: tuple[str | None, ...]) -> None:
    statuses = {name: status for name, status in zip(("f", "p"), line[:2], strict=True) if status}
    assert tuple(decide(statuses, ["f"], ["p"], rules).resolution for rules in RULES) == line[2:]


def test_live_reads_its_words_by_what_is_in_them() -> None:
    """Parsers of real rows say pass, fail and skip, but nothing holds them to it."""
    for mended, kept, verdict in (("passed", "error", "full"), ("Pass", "Failing", "no"), ("ok", "pass", "no"),
                                  ("passed (was failed)", "pass", "no")):  # fmt: skip
        assert decide({"f": mended, "p": kept}, ["f"], ["p"], "live").resolution == verdict


def test_live_calls_all_that_is_no_pass_and_no_skip_in_a_pytest_log_a_failure() -> None:
    log = "PASSED a\nSKIPPED b\nFAILED c - why\nERROR d\nXFAIL e\n"
    assert list(live_pytest(log).values()) == ["PASSED", "SKIPPED", "FAILED", "FAILED", "FAILED"]


def test_some_of_the_mended_tests_is_partial_and_only_without_a_regression() -> None:
    statuses = {"a": "PASSED", "b": "FAILED", "p": "PASSED", "q": "FAILED"}
    assert decide(statuses, ["a", "b"], ["p"], "official").resolution == "partial"
    assert decide(statuses, ["a", "b"], ["p", "q"], "official").resolution == "no"
    assert decide(statuses, ["b"], ["p"], "official").resolution == "no"
    assert decide(statuses, [], [], "official").resolution == "full"


def test_a_cut_id_goes_by_its_start_only_if_all_candidates_agree() -> None:
    statuses = {"t.py::a[log(x y)]": "PASSED", "t.py::a[log(x z)]": "XFAIL"}
    assert decide(statuses, ["t.py::a[log(x"], [], "official").resolution == "full"
    assert decide(statuses | {"t.py::a[log(x w)]": "FAILED"}, ["t.py::a[log(x"], [], "official").resolution == "no"
    assert decide(statuses, ["t.py::a"], [], "official").resolution == "no"


def test_a_word_that_is_no_status_is_a_failure() -> None:
    assert decide({"f": "ERROR:"}, ["f"], [], "official").resolution == "no"


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("PASSED a\n", "no start or no end"),
        (">>>>> Start Test Output\nPASSED a\n>>>>> End Test Output\n>>>>> Tests Timed Out", "Tests Timed Out"),
        (">>>>> Start Test Output\n0 passing\n>>>>> End Test Output\n", "nothing says that the suite ran"),
        (">>>>> Start Test Output\nPASSED a\n>>>>> End Test Output\n>>>>> Test Exit Code: 1", "ended with 1"),
    ],
)
def test_a_log_that_is_of_no_run(log: str, why: str) -> None:
    with pytest.raises(NoResult, match=why):
        read_log(log, "parse_log_pytest")


@given(st.text(max_size=200), st.sampled_from(sorted(PARSERS)))
def test_no_log_breaks_a_parser(log: str, parser: str) -> None:
    found = PARSERS[parser](log)
    assert all(isinstance(name, str) and isinstance(status, str) for name, status in found.items())
