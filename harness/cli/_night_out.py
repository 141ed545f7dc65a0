"""Where a night is told: its files, the CI system's files, the one issue, an optional webhook."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from harness.cli._out import say
from harness.errors import Exit, UsageFault
from harness.report.ci import night_annotations
from harness.report.grids import Grid, grid_text, printable_lines
from harness.report.nightly import NightResult, issue_markdown, message_of, summary_markdown
from harness.store.redact import Redactor, secrets_of

WEBHOOK = "HARNESS_WEBHOOK_URL"
"""The only place a webhook's URL is taken from: it is a secret, so no file and no option has it."""
WEBHOOK_WAIT_S = 10.0
SUMMARY_BYTES = 200_000
"""GitHub drops a step summary above 1 MiB whole; ours stays far under it."""


def publish_night(
    workspace: Path, folder: Path, run: Path | None, result: NightResult, *, as_json: bool = False
) -> int:
    """Write everything, tell everybody once, print the steps (or `result.json`), and give the exit code."""
    files = {name: _shown(workspace, path) for name, path in _reports(folder, run).items()}
    result = msgspec.structs.replace(result, files=files)
    hide = Redactor((*secrets_of(os.environ), *([url] if (url := os.environ.get(WEBHOOK, "")) else [])))
    trend = folder / "trend.md"
    summary = summary_markdown(result, trend.read_text(encoding="utf-8") if trend.is_file() else "")
    _write(folder / "summary.md", hide.text(summary).encode())
    _issue(folder, result, hide)
    _tell_webhook(folder, result, hide)
    data = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    _write(folder / "result.json", hide.json(data))
    _tell_github(folder, result, hide.text(summary))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in night_annotations(result, hide.text):
            print(line, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        say(hide.json(data).decode())
        return Exit(result.exit_code)
    rows = tuple((s.name, s.state, s.said) for s in result.steps)
    title = f"night {result.night} of suite {result.suite}: {result.verdict} (exit code {result.exit_code})"
    say(printable_lines([*grid_text(Grid(title, ("step", "state", "what it said"), rows), 100), ""]) + "\n")
    print(f"all files: {_shown(workspace, folder)}", file=sys.stderr)
    return Exit(result.exit_code)


def _reports(folder: Path, run: Path | None) -> dict[str, Path]:
    found = {"summary": folder / "summary.md", "result": folder / "result.json"}
    if run is not None:
        found |= {"report": run / "report.md", **_html(run)}
    for name in ("trend.png", "trend.md"):
        if run is not None and (folder / name).is_file():
            found[name.replace(".", "_")] = folder / name
    return found


def _html(run: Path) -> dict[str, Path]:
    html = run / "report.html"
    try:
        from harness.report.html import render_html
        from harness.report.reliability import full_report

        html.write_text(render_html(full_report(run)), encoding="utf-8")
    except OSError as e:
        print(f"warning: no report.html: {e.strerror}", file=sys.stderr)
        return {}
    return {"report_html": html}


def _shown(workspace: Path, path: Path) -> str:
    return path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)


def _issue(folder: Path, result: NightResult, hide: Redactor) -> None:
    """The text of the suite's one issue while something is wrong; no file when nothing is."""
    path = folder / "issue.md"
    if result.exit_code == Exit.OK:
        path.unlink(missing_ok=True)
    else:
        _write(path, hide.text(issue_markdown(result)).encode())


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e


def _tell_github(folder: Path, result: NightResult, summary: str) -> None:
    """Step summary and outputs, into the files that GitHub names. A restart appends once more, as GitHub expects.

    No file lies beside a step summary, so the figure is left out there: its link would be a broken image.
    """
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        told = "\n".join(line for line in summary.split("\n") if not line.endswith("](trend.png)"))
        cut = told.encode()[:SUMMARY_BYTES].decode("utf-8", "ignore")
        _append(Path(path), cut + "\n")
    if path := os.environ.get("GITHUB_OUTPUT"):
        said = {
            "verdict": result.verdict, "exit_code": str(result.exit_code), "run": result.run, "night": result.night,
            "folder": str(folder),
        }  # fmt: skip
        _append(Path(path), "".join(f"{k}={' '.join(v.split())}\n" for k, v in said.items()))


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e


def _tell_webhook(folder: Path, result: NightResult, hide: Redactor) -> None:
    """Post one JSON object, once for each verdict of a night. A webhook that fails changes no exit code."""
    url = os.environ.get(WEBHOOK, "").strip()
    told = folder / ".told"
    message = hide.text(message_of(result))
    if not url or (told.is_file() and told.read_text(encoding="utf-8") == message):
        return
    if not url.startswith(("https://", "http://")):
        print(f"warning: {WEBHOOK} is no http address; nobody was told", file=sys.stderr)
        return
    said = {
        "text": message, "suite": result.suite, "night": result.night, "verdict": result.verdict,
        "exit_code": result.exit_code, "run": result.run,
    }  # fmt: skip
    request = urllib.request.Request(url, json.dumps(said).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=WEBHOOK_WAIT_S):
            _write(told, message.encode())
    except (urllib.error.URLError, OSError, ValueError) as e:
        kind = e.code if isinstance(e, urllib.error.HTTPError) else type(e).__name__
        print(f"warning: the webhook of {WEBHOOK} was not told ({kind})", file=sys.stderr)
