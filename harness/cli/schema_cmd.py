"""`harness schema`: write the JSON Schemas of the YAML files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness.errors import Exit, UsageFault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--kind", choices=("suite", "task", "grader", "systems", "gates"), help="print one schema")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write (.harness/schema in the workspace)")
    parser.add_argument("--workspace", metavar="DIR", type=Path, help="the workspace (found from here)")


def execute(args: argparse.Namespace) -> int:
    """Print one schema, or write them all."""
    from harness.config.json_schema import KINDS, file_schema, write_schemas
    from harness.config.workspace import find_workspace

    workspace = find_workspace(args.workspace)
    if args.kind and args.out is None:
        print(json.dumps(file_schema(args.kind, workspace), indent=2, ensure_ascii=False))
        return Exit.OK
    folder = args.out or workspace / ".harness" / "schema"
    try:
        written = write_schemas(folder, workspace, [args.kind] if args.kind else KINDS)
    except OSError as e:
        raise UsageFault(f"cannot write '{e.filename or folder}': {e.strerror}", help="name a folder: --out DIR") from e
    for path in written:
        print(path)
    print("editors with a YAML language server read them from the first line of each file", file=sys.stderr)
    return Exit.OK
