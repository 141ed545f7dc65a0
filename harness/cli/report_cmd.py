"""`harness report`: what a run says."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageFault

if TYPE_CHECKING:
    from harness.report.reliability import FullReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (default: the newest)")
    parser.add_argument("--format", choices=("text", "md", "json", "html"), default="text", help="default: text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write there instead of to stdout; html: default report.html in the run",
    )
    parser.add_argument("--strict", action="store_true", help="exit 4 where a judge is not proven valid")
    parser.add_argument("--short", action="store_true", help="text: only what a run ends with")
    parser.add_argument(
        "--section", action="append", metavar="KEY", help="only this section, such as failures; repeatable"
    )
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """Print or write the report; the exit code says whether the run is valid (0), not (3), or empty (5)."""
    from harness.config.workspace import find_run, find_workspace
    from harness.report.judges_read import exit_code_of
    from harness.report.reliability import full_report

    path = Path(args.run) if args.run and (Path(args.run) / "manifest.json").is_file() else None
    path = path or find_run(find_workspace(args.workspace), args.run)
    full = full_report(path)
    if args.section and args.format == "html" and not args.out:
        raise UsageFault("a part of the page needs a place of its own", help="name a file with --out")
    if args.section:
        full = replace(full, only=_chosen(args.section, [s.key for s in full.sections]))
    text = _drawn(full, args.format, short=args.short)
    out = args.out or (path / "report.html" if args.format == "html" else None)
    if out:
        _write(out, text)
        if not args.out:
            print(f"report: {out}", file=sys.stderr)
    else:
        from harness.cli._out import say

        say(text)
    return exit_code_of(full.report, strict=args.strict)


def _chosen(words: list[str], keys: list[str]) -> tuple[str, ...]:
    """Sections by their keys. Raises UsageFault naming those there are."""
    from harness.plugins.loader import did_you_mean

    for word in words:
        if word not in keys:
            hints = [h for h in (did_you_mean(word, keys), f"sections: {', '.join(keys)}") if h]
            raise UsageFault(f"no section '{word}'", help=" — ".join(hints))
    return tuple(words)


def _drawn(full: FullReport, form: str, *, short: bool) -> str:
    """The report in a form. Each form's libraries are loaded only for it."""
    if form == "json":
        import msgspec

        from harness.report.summary import full_json

        return msgspec.json.format(msgspec.json.encode(full_json(full))).decode() + "\n"
    if form == "md":
        from harness.report.markdown import render_full_markdown

        return render_full_markdown(full)
    if form == "html":
        from harness.report.html import render_html

        return render_html(full)
    from harness.report.text import render_full_text, render_text

    return render_text(full.report, _width()) if short else render_full_text(full, _width())


def _width() -> int:
    """The terminal's width; 100 where there is none, so that files and pipes are always the same."""
    import shutil

    return max(60, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 100


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as e:
        raise UsageFault(f"cannot write '{path}': {e.strerror}") from e
