"""Reading a report by the name of its format."""

from __future__ import annotations

from typing import Literal, get_args

from harness.toolkit.testreports.record import MAX_BYTES, BadReport, Report

Format = Literal["junit", "go", "cargo", "jest", "tap", "lines", "pytest_log", "django_log"]
FORMATS: tuple[Format, ...] = get_args(Format)
PRINTED: frozenset[Format] = frozenset(("pytest_log", "django_log", "go", "cargo", "tap"))
"""Formats made of what the tests' process prints: anything that prints there can forge them."""


def read_report(format: Format, data: bytes, root: str = "") -> Report:
    """A report in canonical form. `root` is cut off absolute file names. Raises BadReport, and nothing else."""
    if len(data) > MAX_BYTES:
        raise BadReport(f"a report of {len(data):,} bytes: at most {MAX_BYTES:,} are read")
    if not data.strip():
        raise BadReport("the report is empty")
    try:
        return _read(format, data, root)
    except RecursionError as e:
        raise BadReport("the report is nested too deeply") from e


def _read(format: Format, data: bytes, root: str) -> Report:
    match format:
        case "junit":
            from harness.toolkit.testreports.junit import parse_junit

            return parse_junit(data)
        case "go":
            from harness.toolkit.testreports.gojson import parse_go_json

            return parse_go_json(data)
        case "cargo":
            from harness.toolkit.testreports.cargo import parse_cargo

            return parse_cargo(data)
        case "jest":
            from harness.toolkit.testreports.jestjson import parse_jest_json

            return parse_jest_json(data, root)
        case "tap":
            from harness.toolkit.testreports.tap import parse_tap

            return parse_tap(data)
        case "lines":
            from harness.toolkit.testreports.lines import parse_lines

            return parse_lines(data)
        case "pytest_log":
            from harness.toolkit.testreports.logs import parse_pytest_log

            return parse_pytest_log(data)
        case "django_log":
            from harness.toolkit.testreports.logs import parse_django_log

            return parse_django_log(data)
