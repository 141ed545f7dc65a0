"""The suite's systems for Claude and GPT, through the official SDKs, against the wire-true local server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from cli_process import run_harness

from harness.testing.wire import WireServer

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = {"claude-direct", "claude-small", "claude-verify", "gpt-direct", "plan-gpt", "routed"}
TASKS = ("refund-window", "agreement-notice", "chart-best-month")


def point_at(suite: Path, url: str) -> None:
    """The same systems with another address."""
    text = suite.read_text(encoding="utf-8")
    text = re.sub(r": anthropic/(\S+)", rf': {{use: anthropic, name: \1, base_url: "{url}"}}', text)
    text = re.sub(r": openai/(\S+)", rf': {{use: openai, name: \1, api: responses, base_url: "{url}/v1"}}', text)
    text = text.replace("{use: openai, name: gpt-6-luna,", f'{{use: openai, name: gpt-6-luna, base_url: "{url}/v1",')
    suite.write_text(text, encoding="utf-8")


def run(workspace: Path) -> subprocess.CompletedProcess[str]:
    words = ["run", "--suite", "mine", "--epochs", "1", "--quiet"]
    words += ["--allow-unpriced", "--max-wait", "20"]
    words += [w for task in TASKS for w in ("--task", task)] + [w for s in sorted(SYSTEMS) for w in ("--system", s)]
    env = {k: v for k, v in os.environ.items() if k != "HARNESS_WORKSPACE"}
    env |= {"PYTHONPATH": str(ROOT), "ANTHROPIC_API_KEY": "made-up-for-tests", "OPENAI_API_KEY": "made-up-for-tests"}
    return run_harness(words, workspace, env)


def test_systems_for_claude_and_gpt_send_documents_and_pictures_and_never_the_reference(tmp_path: Path) -> None:
    for name in ("tasks", "graders"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with WireServer() as server:
        point_at(tmp_path / "tasks/mine/suite.yaml", server.url)
        process = run(tmp_path)
        sent = json.dumps(server.log(), ensure_ascii=False)
    assert process.returncode == 0, process.stdout + process.stderr

    (folder,) = (tmp_path / "runs").glob("*-mine-*")
    attempts = [json.loads(line) for line in (folder / "attempts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(a["task"], a["system"]) for a in attempts} == {(t, s) for t in TASKS for s in SYSTEMS}
    assert {a["status"] for a in attempts} == {"graded"}
    routed = {a["task"]: a["output"]["metrics"]["routed_to"] for a in attempts if a["system"] == "routed"}
    assert routed == dict.fromkeys(TASKS[:2], "claude-direct") | {"chart-best-month": "gpt-direct"}

    assert "application/pdf" in sent and "FA-2026-07.pdf" in sent
    assert "image/png" in sent
    assert "Bulletin 2026-02" in sent
    assert "2027-07-31" not in sent  # the reference of agreement-notice
    assert "fernhill-3f2a9c64" not in sent  # the canary of refund-window
    assert "made-up-for-tests" not in "".join(p.read_text("utf-8") for p in folder.glob("*.*"))
