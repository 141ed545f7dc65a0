"""`harness export`: a run as CSV, JSONL or Parquet, one flat row per attempt."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import Exit, UsageFault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, name or prefix (default: the newest)")
    parser.add_argument("--format", choices=("csv", "jsonl", "parquet"), help="default: from the file's name, or csv")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there; without it csv and jsonl go to stdout")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """Write the rows. Raises UsageFault, StoreError."""
    from harness.config.workspace import find_run, find_workspace

    kind = args.format or _kind_of(args.out)
    if kind == "parquet" and not args.out:
        raise UsageFault("parquet is not text", help="name a file with --out FILE.parquet")
    path = Path(args.run) if args.run and (Path(args.run) / "manifest.json").is_file() else None
    path = path or find_run(find_workspace(args.workspace), args.run)

    from harness.store.frame import read_frame

    frame = read_frame(path)
    target = args.out or sys.stdout
    try:
        if kind == "csv":
            frame.to_csv(target, index=False)
        elif kind == "jsonl":
            frame.to_json(target, orient="records", lines=True, force_ascii=False)
        else:
            frame.to_parquet(args.out, index=False)
    except BrokenPipeError:
        raise
    except OSError as e:
        raise UsageFault(f"cannot write '{args.out}': {e.strerror or e}") from e
    if args.out:
        print(f"{len(frame):,} attempts: {args.out}", file=sys.stderr)
    return Exit.OK


def _kind_of(out: Path | None) -> str:
    ending = out.suffix.removeprefix(".").lower() if out else "csv"
    if ending in ("csv", "jsonl", "parquet"):
        return ending
    raise UsageFault(f"'{out}' does not say its format", help="add --format csv, jsonl or parquet")
