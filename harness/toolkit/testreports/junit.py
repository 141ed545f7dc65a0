"""JUnit XML: pytest, surefire, gradle, vitest, jest-junit, node:test, nextest, ctest, gotestsum and many more.

Read with expat and no document type, so there are no entities to expand and nothing outside to fetch.
"""

from __future__ import annotations

from xml.parsers import expat

from harness.toolkit.testreports.record import BadReport, CaseResult, Report, Status, report_of, seconds_of

MAX_DEPTH = 200
MAX_NAME = 4096

_VERDICTS: dict[str, Status] = {"failure": "fail", "error": "error", "skipped": "skip", "rerunFailure": "fail"}
_CTEST: dict[str, Status] = {"fail": "fail", "disabled": "skip", "notrun": "skip"}
"""The `status` attribute by which ctest says what has no child element. googletest's `notrun` means the same."""
_WORSE = {"fail": 3, "error": 4, "skip": 1, "xfail": 1, "pass": 0}


class _Reader:
    def __init__(self) -> None:
        self.results: list[CaseResult] = []
        self.names: list[str] = []
        self.tags: list[str] = []
        self.case: dict[str, str] | None = None
        self.status: Status = "pass"
        self.todo = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rsplit(":", 1)[-1]
        self.tags.append(tag)
        if len(self.tags) > MAX_DEPTH:
            raise BadReport(f"elements are nested more than {MAX_DEPTH} deep")
        if len(self.tags) == 1 and tag not in ("testsuites", "testsuite"):
            raise BadReport(f"the first element is <{tag[:40]}>, not <testsuites> or <testsuite>")
        if tag == "testsuite":
            self.names.append(attributes.get("name", "")[:MAX_NAME])
        elif tag == "testcase":
            if self.case is not None:
                raise BadReport("a test case inside a test case")
            self.case = attributes
            self.status, self.todo = _CTEST.get(attributes.get("status", "").lower(), "pass"), False
        elif tag in _VERDICTS and len(self.tags) > 1 and self.tags[-2] == "testcase":
            said, kind = _VERDICTS[tag], attributes.get("type", "")
            if tag == "skipped" and kind == "todo":  # node:test: the test ran, and how it went is said beside
                self.todo, said = True, "pass"
            elif tag == "skipped" and "xfail" in kind:
                said = "xfail"
            if _WORSE[said] > _WORSE[self.status]:
                self.status = said

    def end(self, tag: str) -> None:
        tag = self.tags.pop()
        if tag == "testsuite":
            self.names.pop()
        elif tag == "testcase" and self.case is not None:
            status: Status = "xfail" if self.todo and self.status == "fail" else self.status
            seconds = seconds_of(self.case.get("time", 0))
            self.results.append(CaseResult(case_id(self.case, self.names), status, seconds))
            self.case = None


def parse_junit(data: bytes) -> Report:
    """The cases of a JUnit XML file. Raises BadReport for what is none, for a document type, and for broken XML.

    A file that ends early gives what was whole, as truncated.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.UseForeignDTD(False)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as e:
        early = e.code in (
            expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
            expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
            expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
        )
        if not (early and reader.tags):
            raise BadReport(f"not XML: {expat.errors.messages[e.code]} in line {e.lineno}") from e
        return report_of(reader.results, truncated=True)
    except (ValueError, LookupError) as e:  # an encoding that Python does not know
        raise e if isinstance(e, BadReport) else BadReport(f"not XML: {e}") from e
    return report_of(reader.results)


def case_id(case: dict[str, str], suites: list[str]) -> str:
    """The id of a test case.

    With a `file` and a dotted class name that starts with it (pytest, xunit1): `file::Class::name`, pytest's own node
    id. node:test gives every case the class name `test`: `describe > it`, as in its TAP. Else `classname::name`, or the
    name alone when there is no class name, or when it is the class name (ctest).
    pytest says a file that cannot be collected as a case without a class name whose name is the module's.
    """
    name, klass, file = case.get("name", ""), case.get("classname", ""), case.get("file", "")
    if file.endswith(".py"):
        module = file[:-3].replace("\\", "/").replace("/", ".").lstrip(".")
        if klass == module:
            return f"{file}::{name}"
        if klass.startswith(module + "."):
            return "::".join([file, *klass[len(module) + 1 :].split("."), name])
    if klass == "test":
        return " > ".join([*suites, name])
    if not klass:
        return name or (suites[-1] if suites else "")
    return name if klass == name else f"{klass}::{name}"


def _refuse_doctype(*_: object) -> None:
    raise BadReport("a document type declaration: no runner writes one")
