"""`harness gate`: is this run good enough? An exit code, and the files that CI shows."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import Exit, UsageFault

if TYPE_CHECKING:
    from harness.cli._gate import Decided

FILES = ("result.json", "gate.md", "junit.xml", "metrics.txt")
FAILING = (
    "REGRESSION", "WORSE", "LIMIT", "CRITICAL", "MUST_PASS", "COST", "LATENCY", "QUARANTINE", "INCONCLUSIVE",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (default: the newest)")
    parser.add_argument("--baseline", default="", metavar="NAME", help="default: the policy's, or <suite>-<system>")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="default: the suite's `gate:`, or its gates.yaml")
    parser.add_argument("--system", action="append", default=[], metavar="S", help="only these systems (repeatable)")
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="WORD",
        type=_word,
        help="also fail on this: INCONCLUSIVE, ...",
    )
    parser.add_argument("--allow-mismatch", action="store_true", help="gate on the unchanged common tasks")
    parser.add_argument("--exit-zero", action="store_true", help="exit 0 whatever the gate says (only to measure)")
    parser.add_argument("--now", type=_time, metavar="TIME", help="the time that ages are counted from (ISO 8601)")
    parser.add_argument(
        "--ci", choices=("auto", "github", "none"), default="auto", help="annotations, outputs, summary; default: auto"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the files go (default: the run folder)")
    parser.add_argument("--format", choices=("text", "md", "json"), default="text", help="on stdout; default: text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def _word(word: str) -> str:
    if word.upper() not in FAILING:
        raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(FAILING)}")
    return word.upper()


def _time(word: str) -> datetime:
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{word}' is not a time such as 2026-01-31T02:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def execute(args: argparse.Namespace) -> int:
    """0 ok or inconclusive, 1 failed, 3 not valid, 4 inconclusive where that fails, 5 nothing ran, 6 not comparable."""
    from harness.cli._gate import Asked, decide
    from harness.cli._sides import run_path

    run = run_path(args.run, args.workspace)
    asked = Asked(
        run=run,
        workspace=args.workspace,
        now=args.now or datetime.now(UTC),
        baseline=args.baseline,
        policy=args.policy,
        systems=tuple(args.system),
        fail_on=tuple(args.fail_on),
        allow_mismatch=args.allow_mismatch,
    )
    _forget(args.out or run)
    decided = decide(asked)
    return publish_gate(decided, args.out or run, args)


def _forget(folder: Path) -> None:
    """Take away what an earlier gate wrote: beside one that is refused it would be uploaded as this one's verdict."""
    for name in FILES:
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def publish_gate(decided: Decided, folder: Path, args: argparse.Namespace) -> int:
    """Write the files, tell the CI system, print, and give the exit code."""
    from harness.cli._out import say
    from harness.report.ci import gitlab_metrics
    from harness.report.compare_json import encoded
    from harness.report.gate_sections import gate_json, gate_markdown, gate_text
    from harness.report.junit import junit_xml
    from harness.store.redact import Redactor, secrets_of

    hide = Redactor(secrets_of(os.environ))
    result = decided.result
    as_json = hide.json(encoded(gate_json(result)).encode())
    written = (as_json, hide.text(gate_markdown(result)).encode(), junit_xml(result, hide.text))
    files = dict(zip(FILES, (*written, hide.text(gitlab_metrics(result)).encode()), strict=True))
    _write(folder, files)
    _tell_github(decided, folder, args, hide.text)
    said = {"json": as_json.decode(), "md": files["gate.md"].decode(), "text": hide.text(gate_text(result))}
    if args.format in said:
        say(said[args.format])
    return Exit.OK if args.exit_zero else result.exit_code


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Each file whole or not at all. Raises UsageFault."""
    for name, data in files.items():
        path, temporary = folder / name, folder / f".{name}.{os.getpid()}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as e:
            temporary.unlink(missing_ok=True)
            raise UsageFault(f"cannot write '{path}': {e.strerror}") from e


def _tell_github(decided: Decided, folder: Path, args: argparse.Namespace, hide: Callable[[str], str]) -> None:
    """Annotations (to stderr, which GitHub reads too, where stdout is data), outputs and summary."""
    from harness.report.ci import MOST_ANNOTATIONS, MOST_IN_A_NIGHT, annotation_lines, github_output, step_summary

    on_github = args.ci == "auto" and os.environ.get("GITHUB_ACTIONS") == "true"
    if args.ci != "github" and not on_github:
        return
    into = sys.stdout if args.format == "text" else sys.stderr
    most = MOST_IN_A_NIGHT if args.format == "none" else MOST_ANNOTATIONS
    for line in annotation_lines(decided.result, decided.places, hide, most):
        print(line, file=into)
    if path := os.environ.get("GITHUB_OUTPUT"):
        _append(Path(path), github_output(decided.result, str(folder / "gate.md"), hide))
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        _append(Path(path), hide(step_summary(decided.result)))


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e
