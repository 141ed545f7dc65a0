"""`harness doctor`: what this machine has, line by line, and what follows where something is missing."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from harness.errors import Exit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same as JSON on stdout")
    parser.add_argument("--probe", action="store_true", help="open a box, and prove what it reaches and what not")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0, or 3 when something fails that `harness run` needs."""
    from harness.cli._doctor import examine

    lines = examine(args.workspace)
    if args.probe:
        from harness.cli._probe import probe

        lines += probe(args.workspace or Path.cwd())
    failed = [line for line in lines if line.status == "fail"]
    if args.json:
        print(json.dumps({"ok": not failed, "checks": [asdict(line) for line in lines]}, indent=2, ensure_ascii=False))
        return Exit.INVALID if failed else Exit.OK
    width = max(len(line.name) for line in lines)
    for line in lines:
        print(f"{line.status:4}  {line.name:{width}}  {line.detail}")
        if line.help and line.status != "ok":
            print(f"{'':4}  {'':{width}}  = help: {line.help}")
    warned = sum(line.status == "warn" for line in lines)
    verdict = f"{len(failed)} failed, {warned} to know about" if failed else f"ready to run; {warned} to know about"
    print(verdict)
    return Exit.INVALID if failed else Exit.OK
