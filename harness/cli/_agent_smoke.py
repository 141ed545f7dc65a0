"""The run that ends the building of a layer: a scripted model, one command in a box, and the file it must write."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from harness.toolkit.agent_layers import Layer

WORK = {"aider": "@@edit out.txt hi"}
"""What the scripted model does where the agent has no shell: all others run a command."""
SHELL = "@@sh echo hi > out.txt"
SUITE = """\
suite: smoke
tasks: [tasks/smoke/*.task.yaml]
systems:
  - name: smoke
    harness: {{use: {name}, release: {version}}}
    model: {{use: scripted, name: scripted, prompted: true}}
limits: {{time: 5m, turns: 8}}
retries: {{infra: 0}}
"""
TASK = """\
id: smoke
prompt: |
  Do what these lines say.
  {work}
  @@say done
sandbox: {{memory: 3g}}
collect: {{out: {{file: /work/out.txt}}}}
reference: done
graders: [match]
"""


def smoke(layer: Layer) -> dict[str, Any]:
    """`ok`, `requests`, `seconds`, and `why` when it failed. Empty when there is no engine to try it on."""
    from harness.cli._out import plugins_aside

    with tempfile.TemporaryDirectory(prefix="harness-smoke-") as folder, plugins_aside():
        place = _workspace(Path(folder), layer)
        _run(place)
        (run,) = (place / "runs").iterdir()
        lines = (run / "attempts.jsonl").read_text().splitlines()
        attempt = json.loads(lines[-1]) if lines else {}
        left = next((run / a["path"] for a in attempt.get("artifacts", ()) if a["name"] == "out"), None)
        return _verdict(attempt, left.read_text() if left is not None else None)


def _workspace(place: Path, layer: Layer) -> Path:
    for name in ("graders", "runs", "tasks/smoke"):
        (place / name).mkdir(parents=True)
    (place / "tasks/smoke/suite.yaml").write_text(SUITE.format(name=layer.name, version=layer.version))
    (place / "tasks/smoke/smoke.task.yaml").write_text(TASK.format(work=WORK.get(layer.name, SHELL)))
    return place


def _run(place: Path) -> None:
    """One trial, by the same way that every trial goes."""
    from harness.config.load import load_suite
    from harness.engine.prepare import make_manifest
    from harness.engine.retry import RetryPolicy
    from harness.engine.select import select_systems
    from harness.engine.session import Job, run_job
    from harness.prices import PriceBook
    from harness.store.folder import RunFolder
    from harness.store.manifest import Selection
    from harness.store.read import Settled

    suite = load_suite(place, "smoke")
    systems = select_systems(suite, ())
    manifest = make_manifest(suite, suite.tasks, systems, Selection())
    with RunFolder.create(place / "runs", manifest) as folder:
        job = Job(
            suite, folder, list(suite.tasks), Settled(frozenset(), {}, 0.0, 0.0, 0), PriceBook.load(None), RetryPolicy()
        )
        run_job(job, lambda _: lambda: None)


def _verdict(attempt: dict[str, Any], left: str | None) -> dict[str, Any]:
    trouble = attempt.get("trouble") or {}
    if trouble.get("cause") == "engine":
        return {}
    metrics = attempt.get("output", {}).get("metrics", {})
    why = trouble.get("detail", "") or (f"a limit of {attempt['limit']}" if attempt.get("limit") else "")
    if not why and (left or "").strip() != "hi":
        why = f"it left {left!r} where 'hi' was asked for"
    told = {"ok": not why, "requests": metrics.get("requests", 0)}
    seconds = attempt.get("timing", {}).get("working")
    return {**told, "seconds": seconds} if not why else {**told, "seconds": seconds, "why": why[:500]}
