"""`harness label`: a person judges what judges judged, without seeing what they said."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.cli._numbers import seed, whole
from harness.errors import Exit, UsageFault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (default: the newest)")
    parser.add_argument("--grader", metavar="NAME", help="whose work is labelled (needed where there are several)")
    parser.add_argument("--n", type=whole, default=50, metavar="N", help="how many items are drawn (50)")
    parser.add_argument("--seed", type=seed, default=0, metavar="S", help="seed of the draw and of the order (0)")
    parser.add_argument(
        "--set", choices=("report", "dev"), default="report", help="dev labels tune a prompt, and measure nothing"
    )
    parser.add_argument("--labeler", metavar="WHO", help="your name in the labels (default: the user's)")
    parser.add_argument("--stored", action="store_true", help="the work is the same in every run: labels hold for all")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0 when all that was drawn is labelled or the person stopped; 5 when there is nothing to label."""
    from harness.cli._label_desk import Desk, sit_down
    from harness.cli._label_draw import draw
    from harness.config.workspace import find_run, find_workspace

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageFault("labels are given by keys, and this is no terminal", help="run harness label in a terminal")
    workspace = find_workspace(args.workspace)
    path = find_run(workspace, args.run)
    with draw(workspace, path, args) as work:
        if not work.left:
            done = f"all {work.drawn} drawn items are labelled" if work.drawn else "there is nothing to label"
            print(f"{done}: {work.shown}")
            return Exit.OK if work.drawn else Exit.NOTHING
        return sit_down(Desk(work, sys.stdin.fileno(), sys.stdout))
