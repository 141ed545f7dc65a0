"""`cargo test`: libtest's JSON (nightly), and its stable text. nextest writes JUnit XML instead."""

from __future__ import annotations

import re

import msgspec

from harness.records.content import Json
from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, seconds_of, text_of

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_RUNNING = re.compile(r"^\s+Running (?:unittests )?(\S+) \((?:\S*/)?deps/(\S+?)-[0-9a-f]{16}(?:\.exe)?\)")
_DOCTESTS = re.compile(r"^\s+Doc-tests (\S+)")
_BEGINS = re.compile(r"^running (\d+) tests?$")
_TEST = re.compile(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)(?:[, ].*)?$")
_SUMMARY = re.compile(r"^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored;")
_STATUS: dict[str, Status] = {"ok": "pass", "FAILED": "fail", "failed": "fail", "ignored": "skip", "timeout": "fail"}


def parse_cargo(data: bytes) -> Report:
    """Results by `crate::test::path`, in whichever of the two forms. Raises BadReport when there is no result.

    The crate is the name of the test binary from the `Running` line above its tests; without such a line (JSON has
    none of its own, but cargo prints it between) ids are the bare test paths. A summary that disagrees with its tests,
    or is missing, makes the report truncated.
    """
    text = _ESCAPES.sub("", text_of(data))
    results: list[CaseResult] = []
    crate, whole, in_section, summaries, begun = "", True, 0, 0, False
    for line in text.split("\n"):
        if header := _RUNNING.match(line):
            crate, in_section = header[2] + "::", 0
        elif header := _DOCTESTS.match(line):
            crate, in_section = f"{header[1]}::doc::", 0
        elif found := _TEST.match(line):
            results.append(CaseResult(crate + found[1], _STATUS[found[2]]))
            in_section += 1
        elif line.startswith("{"):
            results += _from_json(line, crate)
            summaries += '"suite"' in line and '"started"' not in line
        elif _BEGINS.match(line):
            whole, begun = whole and not begun, True
        elif summary := _SUMMARY.match(line):
            summaries, begun = summaries + 1, False
            whole = whole and sum(int(n) for n in summary.groups()) == in_section
            in_section = 0
    if not results and not summaries:
        raise BadReport("no line is a result of `cargo test`")
    return report_of(results, truncated=begun or not (whole and summaries))


def _from_json(line: str, crate: str) -> list[CaseResult]:
    try:
        event: Json = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return []
    if not isinstance(event, dict) or event.get("type") != "test" or event.get("event") not in _STATUS:
        return []
    return [CaseResult(crate + str(event.get("name", "")), _STATUS[event["event"]], seconds_of(event.get("exec_time")))]
