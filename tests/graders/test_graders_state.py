"""Checks on collected artifacts, without any box."""
# ruff: noqa: E501 - tables of cases and texts of programs

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from typing import Any

import pytest
from pydantic import ValidationError

from harness.api import Artifact, Grade, Output
from harness.graders.state import State
from harness.testing.fake_work import fake_work


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data, mode in (
            ("sub", None, 0o755),
            ("a.txt", b"hello\n", 0o640),
            ("sub/b.json", b'{"n": 2}', 0o644),
        ):
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            if data is None:
                entry.type = tarfile.DIRTYPE
            entry.size = len(data or b"")
            tar.addfile(entry, io.BytesIO(data or b""))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return buffer.getvalue()


ARTIFACTS = {
    "tree": archive(),
    "config": b'{"server": {"ports": [80, 8080], "name": "x"}, "on": true}',
    "log": "first line\nlast caf\u00e9\n".encode(),
    "page": b'{"status": 200, "headers": {}, "body": "<h1>ok</h1>"}',
    "orders": b'[{"id": 1, "total": 2.5}, {"id": 2, "total": 0}]',
    "query": b'{"columns": ["a"], "rows": [[1], [2]]}',
    "ps": b"PID COMMAND\n1 nginx: master\n",
    "binary": b"\xff\xfe",
}


def grade(*checks: dict[str, Any], **more: Any) -> Grade:
    work = fake_work(None)
    work.output = Output(artifacts=tuple(Artifact(n, d) for n, d in ARTIFACTS.items()))
    named = [{"name": f"c{i}", **check} for i, check in enumerate(checks)]
    verdict = asyncio.run(State(checks=named, **more).grade(work))  # type: ignore[arg-type]
    assert isinstance(verdict, Grade)
    return verdict


@pytest.mark.parametrize(
    "check",
    [
        {"of": "tree", "path": "a.txt", "equals": "hello"}, {"of": "tree", "path": "a.txt", "mode": "0640"},
        {"of": "tree", "path": "sub/b.json", "at": "n", "equals": 2}, {"of": "tree", "has": ["**/*.json", "a.txt"]},
        {"of": "tree", "has_not": ["*.pem"]}, {"of": "tree", "count": 2}, {"of": "tree", "path": "c", "exists": False},
        {"of": "absent", "exists": False}, {"of": "log", "exists": True}, {"of": "log", "contains": "caf\u00e9"},
        {"of": "log", "lacks": "error"}, {"of": "log", "matches": "^last"},
        {"of": "log", "sha256": hashlib.sha256(ARTIFACTS["log"]).hexdigest()},
        {"of": "config", "at": "server.ports[1]", "equals": 8080}, {"of": "config", "at": "server.ports", "count": 2},
        {"of": "config", "at": "server.none", "exists": False}, {"of": "config", "at": "on", "equals": True},
        {"of": "config", "at": "server.name", "matches": "x"}, {"of": "page", "status": 200},
        {"of": "page", "at": "body", "contains": "ok"}, {"of": "orders", "count": 2},
        {"of": "orders", "rows": [{"id": 1, "total": 2.5}, {"id": 2, "total": 0}]}, {"of": "query", "rows": [[1], [2]]},
        {"of": "ps", "has": ["nginx"], "has_not": ["sshd"]}, {"of": "binary", "exists": True},
    ],
)  # fmt: skip
def test_a_check_that_holds(check: dict[str, Any]) -> None:
    said = grade(check)
    assert said.passed and said.label == "right", said


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ({"of": "tree", "path": "a.txt", "equals": "bye"}, "hello"), ({"of": "tree", "path": "a.txt", "mode": "0600"}, "0640"),
        ({"of": "tree", "path": "link", "contains": "root"}, "a link"), ({"of": "tree", "has": ["x"]}, "no x"),
        ({"of": "tree", "has_not": ["link"]}, "there is link"), ({"of": "tree", "path": "gone", "equals": ""}, "absent"),
        ({"of": "absent", "exists": True}, "absent"), ({"of": "absent", "contains": ""}, "absent"),
        ({"of": "absent", "lacks": "x"}, "absent"), ({"of": "absent", "has_not": ["x"]}, "absent"),
        ({"of": "log", "matches": "^café"}, "nothing in it matches"), ({"of": "log", "at": "x", "equals": 1}, "not JSON"),
        ({"of": "config", "at": "on", "equals": 1}, "True"), ({"of": "config", "at": "server.ports[9]", "exists": True}, "absent"),
        ({"of": "page", "status": 500}, "200"), ({"of": "query", "count": 3}, "2"), ({"of": "binary", "lacks": "x"}, "UTF-8"),
        ({"of": "log", "sha256": "0" * 64}, "digest"), ({"of": "log", "has": ["x"]}, "no x"),
        ({"of": "config", "at": "[", "equals": 1}, "no path"),
    ],
)  # fmt: skip
def test_a_check_that_does_not_hold_says_why(check: dict[str, Any], why: str) -> None:
    said = grade(check)
    assert not said.passed and why in said.explanation, said


def test_weights_thresholds_and_critical_errors() -> None:
    good, bad = {"of": "log", "exists": True, "weight": 3}, {"of": "log", "contains": "zzz"}
    assert (grade(good, bad).value, grade(good, bad).label) == (0.75, "partial")
    assert grade(good, bad, threshold=0.7).passed
    critical = grade(good, {**bad, "critical": True}, threshold=0.7)
    assert (critical.passed, critical.critical, critical.label) == (False, True, "critical")
    assert not grade(good, {"of": "log", "exists": True, "critical": True}).critical


def test_a_slow_pattern_is_given_up() -> None:
    assert not grade({"of": "log", "matches": "(a|aa)+$x"}).passed


@pytest.mark.parametrize(
    "check", [{"of": "log"}, {"of": "log", "mode": "0644"}, {"of": "log", "matches": "("}, {"of": "log", "exsts": True}]
)
def test_a_check_that_makes_no_sense_is_refused(check: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        State(checks=({"name": "x", **check},))  # type: ignore[arg-type]


def test_a_system_that_refuses_never_passes() -> None:
    work = fake_work(None)
    work.output = Output(refused=True)
    verdict = asyncio.run(State(checks=({"name": "x", "of": "a", "exists": False},)).grade(work))  # type: ignore[arg-type]
    assert isinstance(verdict, Grade) and not verdict.passed
