"""Runs in a box, never here: unittest with a result class that writes one JSON object per line.

    python3 -s _box_unittest.py ROOT REPORT BACKWARDS EXTRA_PATHS FILE...

See `_box_pytest` for the paths. The last line says how many results there were.
"""

import json
import os
import sys
import time
import unittest
from typing import Any


class Result(unittest.TestResult):
    """Writes every result as it comes; of a test with subtests the worst is the test's."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.out = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115, PTH123 - open as long as the run
        self.count = 0
        self.began = 0.0
        self.status = ""

    def startTest(self, test: Any) -> None:
        """Begin a test."""
        super().startTest(test)
        self.began, self.status = time.monotonic(), "pass"

    def stopTest(self, test: Any) -> None:
        """End a test and write it."""
        super().stopTest(test)
        self.write(test.id(), self.status)
        self.status = ""

    def write(self, id: str, status: str) -> None:
        """One line."""
        self.count += 1
        line = {"id": id, "status": status, "seconds": round(time.monotonic() - self.began, 6)}
        self.out.write(json.dumps(line) + "\n")

    def worse(self, test: Any, status: str) -> None:
        """Outside a test (a class or module that cannot be set up) the result is written at once."""
        if not self.status:
            self.write(test.id(), status)
        elif self.status != "error":
            self.status = status

    def addError(self, test: Any, err: Any) -> None:
        """An error."""
        super().addError(test, err)
        self.worse(test, "error")

    def addFailure(self, test: Any, err: Any) -> None:
        """A failure."""
        super().addFailure(test, err)
        self.worse(test, "fail")

    def addSkip(self, test: Any, reason: str) -> None:
        """A skip."""
        super().addSkip(test, reason)
        self.worse(test, "skip")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        """An expected failure."""
        super().addExpectedFailure(test, err)
        self.worse(test, "xfail")

    def addUnexpectedSuccess(self, test: Any) -> None:
        """An unexpected success is a failure, as in unittest itself."""
        super().addUnexpectedSuccess(test)
        self.worse(test, "fail")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """A subtest's failure is its test's."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.worse(test, "fail" if issubclass(err[0], test.failureException) else "error")


def each(suite: Any) -> Any:
    """The single tests of a suite in their order."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def main() -> int:
    """0 when all went well, else 1, as unittest's own."""
    root, report, backwards, extra = sys.argv[1:5]
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - as few modules as can be
    given = os.environ.pop("GRADE_PYTHONPATH", "")
    for name in ("PYTHONPATH", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"):
        os.environ.pop(name, None)
    if given:
        os.environ["PYTHONPATH"] = given
    paths = [p if p.startswith("/") else root + "/" + p for p in extra.split(":") if p]
    sys.path[:] = [*paths, root, *given.split(":"), *(p for p in sys.path if p and p != here)]
    result = Result(report)
    loader = unittest.TestLoader()
    names = [file[:-3].replace("/", ".") for file in sys.argv[5:]]
    suite = loader.loadTestsFromNames(names)
    if backwards == "1":
        suite = unittest.TestSuite(reversed(list(each(suite))))
    suite.run(result)
    result.out.write(json.dumps({"end": result.count}) + "\n")
    result.out.close()
    return 0 if result.wasSuccessful() and result.count else 1


if __name__ == "__main__":
    sys.exit(main())
