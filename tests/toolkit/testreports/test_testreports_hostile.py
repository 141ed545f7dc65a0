"""Reports are written by what is graded: nothing in one may stop or mislead the reader."""
# ruff: noqa: E501 - tables of cases and texts of programs

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.toolkit.testreports.read import FORMATS, Format, read_report
from harness.toolkit.testreports.record import MAX_BYTES, BadReport

LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><testsuites><testcase name="&b;"/></testsuites>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>'


@pytest.mark.parametrize("data", [LAUGHS, OUTSIDE, b'<!DOCTYPE testsuites SYSTEM "x.dtd"><testsuites/>'])
def test_a_document_type_is_refused(data: bytes) -> None:
    with pytest.raises(BadReport, match="document type"):
        read_report("junit", data)


def test_an_undeclared_entity_is_refused() -> None:
    with pytest.raises(BadReport):
        read_report("junit", b'<testsuite><testcase name="&x;"/></testsuite>')


@pytest.mark.parametrize("format", FORMATS)
def test_a_report_of_100_mb_is_refused_at_once(format: Format) -> None:
    data = bytes(100 * 1024**2)
    began = time.process_time()
    with pytest.raises(BadReport, match="at most"):
        read_report(format, data)
    assert time.process_time() - began < 0.5
    assert len(data) > MAX_BYTES


@pytest.mark.parametrize(
    ("format", "line"),
    [
        ("junit", b"<testsuite>" * 20_000),
        ("junit", b'<testsuite><testcase name="' + b"a" * 100_000 + b'"/></testsuite>'),
        ("junit", b"<testsuite>" + b'<testcase name="a"/>' * 200_001 + b"</testsuite>"),
        ("jest", b"[" * 100_000),
        ("jest", b'{"testResults": [{"assertionResults": [{"status": "passed", "title": {}}, 3]}]}'),
        ("tap", b"ok " + b"x" * 10_000),
        ("lines", b'{"id": "' + b"x" * 10_000 + b'", "status": "pass"}'),
    ],
)
def test_depth_length_and_number_are_bounded(format: Format, line: bytes) -> None:
    began = time.process_time()
    with pytest.raises(BadReport):
        read_report(format, line)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "line", [b"test " + b"a" * 50_000, b"PASSED " * 20_000, b"a ... " * 20_000, b"    " * 50_000 + b"ok"]
)
@pytest.mark.parametrize("format", FORMATS)
def test_no_line_takes_long(format: Format, line: bytes) -> None:
    began = time.process_time()
    with suppress(BadReport):
        read_report(format, line)
    assert time.process_time() - began < 1


def test_a_report_that_breaks_off_is_truncated_not_believed() -> None:
    report = read_report("junit", b'<testsuites><testsuite><testcase name="a" classname="k"/><testcase name="b"')
    assert report.truncated and report.status("k::a") == "pass" and report.status("b") is None


def test_invalid_utf8_is_no_id() -> None:
    assert read_report("tap", b"1..1\nok 1 - caf\xe9\n").status("caf\ufffd") == "pass"
    with pytest.raises(BadReport):
        read_report("junit", b'<testsuite><testcase name="caf\xe9"/></testsuite>')


PIECES = st.sampled_from(
    [b"<testsuite>", b"</testsuite>", b'<testcase name="a">', b"</testcase>", b"<failure/>", b"<skipped/>", b"<", b"&",
     b"ok 1 - a\n", b"not ok\n", b"1..2\n", b"    ", b"# Subtest: x\n", b"  ---\n", b"  ...\n", b"test a ... ok\n",
     b'{"Action":"run","Package":"p","Test":"T"}\n', b'{"Action":"fail","Package":"p"}\n', b'{"id":"a","status":"pass"}\n',
     b'{"end":1}\n', b'{"type":"test","name":3,"event":"ok"}\n', b'{"testResults":[', b"]}", b"PASSED a\n", b"\xff", b"\n"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=20), st.sampled_from(FORMATS))
def test_any_bytes_give_a_report_or_are_refused(pieces: list[bytes], format: Format) -> None:
    try:
        report = read_report(format, b"".join(pieces))
    except BadReport:
        return
    assert report.collected >= len(report.results)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(FORMATS))
def test_noise_is_no_trouble(data: bytes, format: Format) -> None:
    try:
        read_report(format, data)
    except BadReport:
        return
