"""From a kind to its contract suite in `harness.testing`, imported only when it is run."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.plugins.contracts import Plugin
from harness.testing.checks import Finding, check_class

SUITES = {
    "grader": "check_grader",
    "harness": "check_harness",
    "model": "check_model",
    "sandbox": "check_sandbox",
    "source": "check_source",
}
"""Kinds with a suite: `harness.testing.<name>.<name>`."""


def run_contract(kind: str, cls: type[Plugin], workspace: Path) -> Sequence[Finding]:
    """All findings for one plugin. A suite that fails to run at all is a finding, because then nothing was shown."""
    if kind not in SUITES:
        return check_class(cls, workspace)
    check = suite_of(kind)
    try:
        return _model(check, cls, workspace) if kind == "model" else _finished(check(cls, workspace))
    except Exception as e:  # noqa: BLE001  # the plugin's code runs in here: whatever it raises is its finding
        return [Finding("its contract suite runs to the end", False, f"{type(e).__name__}: {e}")]


def suite_of(kind: str) -> Any:
    """The function that checks a kind."""
    name = SUITES[kind]
    return getattr(importlib.import_module(f"harness.testing.{name}"), name)


def _model(check: Any, cls: type[Plugin], workspace: Path) -> Sequence[Finding]:
    """A model is checked as its example says; one whose address can be set, on a local server that takes any key."""
    findings = check_class(cls, workspace)
    if any(not f.ok for f in findings):
        return findings
    model: Any = cls.model_validate(dict(cls.example))
    if "base_url" not in cls.model_fields:
        if not cls.example_files:
            return [*findings, *_finished(check(model, workspace, None))]
        scratch = importlib.import_module("harness.testing.build").scratch
        with scratch(cls, workspace) as place:
            return [*findings, *_finished(check(model, place, None))]
    wire = importlib.import_module("harness.testing.wire")
    absent = [name for name in model.missing() if name not in os.environ]
    os.environ.update(dict.fromkeys(absent, "a-key-for-the-local-server"))
    try:
        with wire.WireServer() as server:
            return [*findings, *_finished(check(model, workspace, server.url))]
    finally:
        for name in absent:
            del os.environ[name]


def _finished(result: Any) -> Sequence[Finding]:
    findings: Sequence[Finding] = asyncio.run(result) if inspect.iscoroutine(result) else result
    return findings
