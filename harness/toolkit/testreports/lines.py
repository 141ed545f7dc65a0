"""What our own test runners write: one JSON object per line, and a last line that says it was all.

{"id": "tests.test_a.Case.test_x", "status": "pass", "seconds": 0.01}
{"end": 1}
"""

from __future__ import annotations

import msgspec

from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, seconds_of


class _Line(msgspec.Struct):
    id: str = ""
    status: Status = "error"
    seconds: float = 0.0
    end: int | None = None


def parse_lines(data: bytes) -> Report:
    """Results in the order of the file. Raises BadReport at the first line that is none."""
    decoder = msgspec.json.Decoder(_Line)
    results: list[CaseResult] = []
    end: int | None = None
    whole = True
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            said = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise BadReport(f"line {number} is no result: {e}") from e
        if said.end is None and not said.id:
            raise BadReport(f"line {number} names no test")
        if said.end is not None:
            whole = whole and end is None and said.end == len(results)
            end = said.end
        else:
            results.append(CaseResult(said.id, said.status, seconds_of(said.seconds)))
    return report_of(results, truncated=not whole or end is None or end != len(results))
