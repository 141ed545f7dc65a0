"""`harness report`: what a run says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import UsageFault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (default: the newest)")
    parser.add_argument("--format", choices=("text", "md", "json"), default="text", help="default: text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of to stdout")
    parser.add_argument("--slices", action="store_true", help="text: also the rates by shape and tag")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """Print or write the report; the exit code says whether the run is valid (0), not (3), or empty (5)."""
    from harness.config.workspace import find_run, find_workspace
    from harness.report.build import build_report

    path = Path(args.run) if args.run and (Path(args.run) / "manifest.json").is_file() else None
    report = build_report(path or find_run(find_workspace(args.workspace), args.run))
    if args.format == "json":
        import msgspec

        from harness.report.summary import to_json

        text = msgspec.json.format(msgspec.json.encode(to_json(report))).decode() + "\n"
    elif args.format == "md":
        from harness.report.markdown import render_markdown

        text = render_markdown(report)
    else:
        from harness.report.text import render_text

        text = render_text(report, _width(), slices=args.slices)
    if args.out:
        _write(args.out, text)
    else:
        from harness.cli._out import say

        say(text)
    return report.exit_code


def _width() -> int:
    """The terminal's width; 100 where there is none, so that files and pipes are always the same."""
    import shutil

    return max(60, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 100


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e
