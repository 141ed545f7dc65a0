"""A gate as JUnit XML that GitLab, Jenkins and GitHub reporters render (stats_ci.md 3.2).

A task fails only by a rule about it (must pass, critical error), never because one epoch flipped; what was not
measured is an `error`; what is quarantined, or was skipped for a requirement while coverage is kept, is `skipped`.
Each rule of the policy is a case of its own under `gate`.
Names are stable between runs and hold no numbers, because GitLab tells cases apart by class and name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as Xml

from harness.report.gate_model import Check, GatedSystem, GateResult, TaskLine

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
TEXT_LIMIT = 4_000
NAME_LIMIT = 300


def junit_xml(r: GateResult, redact: Callable[[str], str] = str) -> bytes:
    """The file. `redact` takes secrets out of every text."""
    made = _Maker(redact)
    suites = [made.suite(r, s) for s in r.systems] or [made.nothing()]
    totals = {k: str(sum(int(s.get(k, "0")) for s in suites)) for k in ("tests", "failures", "errors")}
    spent = sum(float(s.get("time", "0")) for s in suites)
    about = {"name": "harness", **totals, "time": f"{spent:.3f}"}  # Jenkins' schema knows no `skipped` here
    root = Xml.Element("testsuites", about)
    root.extend(suites)
    Xml.indent(root, " ")
    text: str = Xml.tostring(root, "unicode")
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()


class _Maker:
    """Elements with text that any parser accepts."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._names: set[tuple[str, str]] = set()

    def text(self, value: str, limit: int = TEXT_LIMIT) -> str:
        """XML-legal text without secrets, at most `limit` characters."""
        clean = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", self._redact(value))
        return clean if len(clean) <= limit else f"{clean[: limit - 3]}..."

    def suite(self, r: GateResult, s: GatedSystem) -> Xml.Element:
        cases = [self._gate(r, s, c) for c in s.checks if c.kind != "MUST_PASS" or not c.tasks]
        cases += [self._task(r, s, t) for t in s.tasks]
        kinds = [[child.tag for child in case] for case in cases]
        suite = Xml.Element(
            "testsuite",
            name=self.text(f"{r.suite}.{s.system}", NAME_LIMIT),
            tests=str(len(cases)),
            failures=str(sum("failure" in k for k in kinds)),
            errors=str(sum("error" in k for k in kinds)),
            skipped=str(sum("skipped" in k for k in kinds)),
            time=f"{sum(t.seconds or 0.0 for t in s.tasks):.3f}",
        )
        if _MOMENT.match(r.created):
            suite.set("timestamp", r.created[:19])
        properties = Xml.SubElement(suite, "properties")
        for name, value in (("run", r.run), ("verdict", r.overall), ("policy", r.policy), ("baseline", s.baseline)):
            Xml.SubElement(properties, "property", name=name, value=self.text(value, NAME_LIMIT))
        suite.extend(cases)
        return suite

    def nothing(self) -> Xml.Element:
        """The suite of a gate that had no system."""
        suite = Xml.Element("testsuite", name="gate", tests="1", failures="0", errors="1", skipped="0", time="0.000")
        case = self._case("gate", "run", 0.0)
        self._outcome(case, "error", "NOTHING", "nothing ran")
        suite.append(case)
        return suite

    def _outcome(self, case: Xml.Element, tag: str, kind: str, says: str) -> None:
        """A failure, an error or a skip. GitLab shows the content alone, Jenkins the message first."""
        said = says or kind
        Xml.SubElement(case, tag, message=self.text(said, NAME_LIMIT), type=kind).text = self.text(said)

    def _case(self, classname: str, name: str, seconds: float) -> Xml.Element:
        classname, name = self.text(classname, NAME_LIMIT), self.text(name, NAME_LIMIT) or "(no name)"
        plain, count = name, 1
        while (classname, name) in self._names:  # cut or cleaned to the same name: GitLab would keep the first only
            count += 1
            name = f"{plain} ({count})"
        self._names.add((classname, name))
        return Xml.Element("testcase", classname=classname, name=name, time=f"{seconds:.3f}")

    def _gate(self, r: GateResult, s: GatedSystem, c: Check) -> Xml.Element:
        case = self._case(f"gate.{r.suite}.{s.system}", c.name, 0.0)
        if c.state == "fail" and c.counts:
            self._outcome(case, "failure", c.kind, c.says)
        elif c.state in ("invalid", "not measured"):
            self._outcome(case, "error", c.kind, c.says)
        elif c.state == "skipped":
            self._outcome(case, "skipped", c.kind, c.says)
        else:
            Xml.SubElement(case, "system-out").text = self.text(c.says or c.state)
        return case

    def _task(self, r: GateResult, s: GatedSystem, t: TaskLine) -> Xml.Element:
        case = self._case(f"{r.suite}.{s.system}", t.task, t.seconds or 0.0)
        match t.state:
            case "fail":
                self._outcome(case, "failure", "RULE", t.says)
            case "missing":
                self._outcome(case, "error", "NOT_GRADED", t.says)
            case "skipped":
                self._outcome(case, "skipped", "REQUIREMENT", t.says)
            case "quarantined":
                self._outcome(case, "skipped", "QUARANTINE", f"quarantined: {t.says}")
        out = f"passed {t.passed} of {t.graded} graded epochs, {t.planned} planned"
        Xml.SubElement(case, "system-out").text = out
        return case
