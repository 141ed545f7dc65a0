"""Each format, from files that the runners themselves wrote where they are at hand."""
# ruff: noqa: E501 - tables of cases and texts of programs

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.toolkit.testreports.read import FORMATS, Format, read_report
from harness.toolkit.testreports.record import BadReport, CaseResult, merged, report_of

REPORTS = Path(__file__).parent / "reports"


def statuses(format: Format, data: bytes, root: str = "") -> dict[str, str]:
    return {id: r.status for id, r in read_report(format, data, root).results.items()}


def test_pytest_writes_its_own_ids() -> None:
    said = statuses("junit", (REPORTS / "pytest.xml").read_bytes())
    assert said == {
        "test_b": "error",
        "test_a.py::test_ok": "pass",
        "test_a.py::test_p[a b]": "pass",
        "test_a.py::test_p[c::d]": "fail",
        "test_a.py::test_p[\\xe9\\x01]": "pass",
        "test_a.py::test_x": "xfail",
        "test_a.py::test_s": "skip",
        "test_a.py::TestK::TestIn::test_n": "pass",
        "test_a.py::TestK::test_e": "error",
        "test_a.py::U::test_u": "pass",
    }


def test_node_says_the_same_in_junit_and_in_tap() -> None:
    junit = statuses("junit", (REPORTS / "node.xml").read_bytes())
    tap = statuses("tap", (REPORTS / "node.tap").read_bytes())
    assert junit == tap
    assert junit == {
        "adds": "pass",
        "outer > inner ok": "pass",
        "outer > inner # bad": "fail",
        "outer > later": "skip",
        "todo": "xfail",
    }


def test_cargo_ids_have_their_crate() -> None:
    report = read_report("cargo", (REPORTS / "cargo.txt").read_bytes())
    assert not report.truncated
    assert {id: r.status for id, r in report.results.items()} == {
        "thing::tests::later": "skip",
        "thing::tests::ok": "pass",
        "thing::tests::bad": "fail",
        "thing::tests::panics": "pass",
        "it::outside": "pass",
        "thing::doc::src/lib.rs - add (line 2)": "pass",
    }


def test_cargo_json_of_nightly_is_read() -> None:
    lines = [
        "     Running unittests src/lib.rs (target/debug/deps/thing-3413a480fe4235bf)",
        '{"type":"suite","event":"started","test_count":2}',
        '{"type":"test","event":"started","name":"a::b"}',
        '{"type":"test","name":"a::b","event":"ok","exec_time":0.5}',
        '{"type":"test","name":"a::c","event":"failed"}',
        '{"type":"suite","event":"failed","passed":1,"failed":1}',
    ]
    report = read_report("cargo", "\n".join(lines).encode())
    assert report.results["thing::a::b"] == CaseResult("thing::a::b", "pass", 0.5)
    assert report.status("thing::a::c") == "fail"


def test_a_cargo_summary_that_disagrees_is_seen() -> None:
    text = "test a ... ok\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n"
    assert read_report("cargo", text.encode()).truncated


def go(*events: dict[str, object]) -> bytes:
    return "\n".join(json.dumps(e) for e in events).encode()


def test_go_events_become_results() -> None:
    data = go(
        {"Action": "start", "Package": "x/y"},
        {"Action": "run", "Package": "x/y", "Test": "TestA"},
        {"Action": "output", "Package": "x/y", "Test": "TestA", "Output": "--- PASS: TestZ\n"},
        {"Action": "run", "Package": "x/y", "Test": "TestA/sub case"},
        {"Action": "pass", "Package": "x/y", "Test": "TestA/sub case", "Elapsed": 0.1},
        {"Action": "pass", "Package": "x/y", "Test": "TestA", "Elapsed": 0.2},
        {"Action": "skip", "Package": "x/y", "Test": "TestS"},
        {"Action": "pass", "Package": "x/y", "Elapsed": 0.3},
        {"Action": "fail", "Package": "x/broken"},
    )
    report = read_report("go", data)
    assert {id: r.status for id, r in report.results.items()} == {
        "x/y::TestA/sub case": "pass", "x/y::TestA": "pass", "x/y::TestS": "skip", "x/broken": "error",
    }  # fmt: skip
    assert not report.truncated


def test_a_go_test_that_never_ended_is_an_error() -> None:
    report = read_report("go", go({"Action": "run", "Package": "p", "Test": "TestA"}))
    assert report.status("p::TestA") == "error" and report.truncated


JEST = {
    "testResults": [
        {
            "name": "/repo/src/a.test.js",
            "status": "failed",
            "assertionResults": [
                {"ancestorTitles": ["outer", "in"], "title": "adds", "status": "passed", "duration": 12},
                {"ancestorTitles": [], "title": "fails", "status": "failed"},
                {"ancestorTitles": [], "title": "later", "status": "todo"},
            ],
        },
        {"name": "/repo/src/b.test.js", "status": "failed", "message": "Cannot find module", "assertionResults": []},
    ]
}


def test_jest_ids_are_file_and_titles() -> None:
    assert statuses("jest", json.dumps(JEST).encode(), "/repo") == {
        "src/a.test.js > outer > in > adds": "pass",
        "src/a.test.js > fails": "fail",
        "src/a.test.js > later": "skip",
        "src/b.test.js": "error",
    }


def test_ctest_surefire_and_nextest_junit() -> None:
    ctest = b'<testsuite name="L"><testcase name="t1" classname="t1" time="0.1" status="run"/><testcase name="t2" ' \
            b'classname="t2" status="fail"><failure message=""/></testcase><testcase name="t3" classname="t3" ' \
            b'status="disabled"/></testsuite>'  # fmt: skip
    assert statuses("junit", ctest) == {"t1": "pass", "t2": "fail", "t3": "skip"}
    maven = b'<testsuite name="org.A"><testcase name="t" classname="org.A" time="1,234.5"/></testsuite>'
    report = read_report("junit", maven)
    assert report.results["org.A::t"].seconds == 1234.5
    nextest = b'<testsuites name="nextest-run"><testsuite name="thing"><testcase name="tests::ok" classname="thing">' \
              b'<rerunFailure/></testcase></testsuite></testsuites>'  # fmt: skip
    assert statuses("junit", nextest) == {"thing::tests::ok": "fail"}


def test_tap_plans_bail_out_and_numbers() -> None:
    assert statuses("tap", b"1..2\nok 1\nnot ok 2 - b\n") == {"test 1": "pass", "b": "fail"}
    assert read_report("tap", b"1..3\nok 1 - a\n").truncated
    assert read_report("tap", b"1..1\nok 1 - a\nBail out! no disk\n").truncated
    assert not read_report("tap", b"ok 1 - a\n1..1\n").truncated


def test_terminal_output_of_imported_benchmarks() -> None:
    log = b"noise\nPASSED a.py::t[x y]\nFAILED a.py::u - assert 1 == 2\nERROR b.py\nSKIPPED [1] a.py:3: no\nXFAIL a.py::v\n"
    assert statuses("pytest_log", log) == {
        "a.py::t[x y]": "pass", "a.py::u": "fail", "b.py": "error", "a.py::v": "xfail",
    }  # fmt: skip
    django = b"test_a (m.K) ... ok\ntest_b (m.K) ... skipped 'x'\ntest_c (m.K) ... FAIL\nERROR: test_d (m.K)\n"
    assert statuses("django_log", django) == {
        "test_a (m.K)": "pass", "test_b (m.K)": "skip", "test_c (m.K)": "fail", "test_d (m.K)": "error",
    }  # fmt: skip


def test_our_own_lines_know_when_they_are_whole() -> None:
    whole = b'{"id": "a", "status": "pass", "seconds": 0.1}\n{"end": 1}\n'
    assert not read_report("lines", whole).truncated
    assert read_report("lines", whole.split(b"\n")[0]).truncated
    assert read_report("lines", whole + b'{"id": "b", "status": "pass"}\n').truncated


def test_of_two_results_with_one_id_the_worse_counts() -> None:
    report = report_of(
        [CaseResult("a", "fail"), CaseResult("a", "pass"), CaseResult("b", "skip"), CaseResult("b", "pass")]
    )
    assert (report.status("a"), report.status("b"), report.collected) == ("fail", "pass", 4)
    assert report.duplicates == ("a", "b")
    both = merged([report_of([CaseResult("a", "pass")]), report_of([CaseResult("a", "error")])])
    assert both.status("a") == "error" and both.duplicates == ("a",) and both.collected == 2


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("data", [b"", b" \n", b"hello", b"\x00\xff" * 100, b"{}", b"[]", b"<a>", b"null"])
def test_what_is_no_report_is_refused(format: Format, data: bytes) -> None:
    with pytest.raises(BadReport):
        read_report(format, data)
