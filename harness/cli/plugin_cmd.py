"""`harness plugin list` and `harness plugin check`: what is installed, and whether one keeps its contract."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli._entry_points import GROUPS, installed_points, owner_of
from harness.cli._table import clip, table
from harness.errors import Exit, HarnessError, UsageFault

if TYPE_CHECKING:
    from harness.plugins.contracts import Plugin
    from harness.testing.checks import Finding

DOC_WIDTH = 72


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    listing = actions.add_parser("list", help="installed plugins by kind, without importing them")
    listing.add_argument("--kind", choices=tuple(GROUPS), help="only this kind")
    listing.add_argument("--long", action="store_true", help="with parameters: imports each plugin")
    listing.add_argument("--json", action="store_true", help="the same as JSON on stdout")
    check = actions.add_parser("check", help="run the contract suite of its kind on one plugin")
    check.add_argument("plugin", metavar="NAME|FILE[:CLASS]", help="installed name, or graders/tone.py:Tone")
    check.add_argument("--kind", choices=tuple(GROUPS), help="the kind, where the name alone does not tell")
    check.add_argument("--json", action="store_true", help="the findings as JSON on stdout")
    check.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0; of `check`: 1 for a plugin that breaks its contract, 2 for one that cannot be loaded."""
    return _list(args) if args.action == "list" else _check(args)


def _list(args: argparse.Namespace) -> int:
    kinds = [args.kind] if args.kind else list(GROUPS)
    rows = [_row(kind, point, long=args.long) for kind in kinds for point in installed_points(kind)]
    if args.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
    elif args.long:
        print("\n\n".join(_long(row) for row in rows))
    else:
        cells = [[r["kind"], r["name"], clip(r["doc"], DOC_WIDTH), r["owner"]] for r in rows]
        print(table(("kind", "name", "what it does", "owner"), cells))
    broken = [r for r in rows if r.get("broken")]
    for row in broken:
        print(f"broken: {row['kind']} '{row['name']}': {row['broken']}", file=sys.stderr)
    return Exit.OK


def _row(kind: str, point: Any, *, long: bool) -> dict[str, Any]:
    from harness.cli._docstrings import first_sentence

    doc = first_sentence(point.value)
    row: dict[str, Any] = {"kind": kind, "name": point.name, "owner": owner_of(point), "class": point.value}
    if not long:
        return row | {"doc": doc or "(its source is not there)"}
    from harness.cli._manual import manual_of
    from harness.plugins.loader import load

    try:
        return row | manual_of(load(kind, point.name, Path()))
    except HarnessError as e:
        return row | {"doc": doc or "", "broken": str(e), "fields": [], "example": {}, "version": ""}


def _long(row: dict[str, Any]) -> str:
    lines = [f"{row['kind']} {row['name']}  ({row['owner']}, {row['class']})"]
    lines += [f"    {line}".rstrip() for line in row["doc"].splitlines()]
    for field in row["fields"]:
        needed = "required" if field["required"] else f"default {field['default']}"
        lines.append(f"  {field['name']}: {field['type']}, {needed}")
        lines += [f"      {line}".rstrip() for line in field["doc"].splitlines()]
    return "\n".join(lines)


def _check(args: argparse.Namespace) -> int:
    from harness.cli._contracts import run_contract

    workspace = _workspace(args)
    kind, cls = _resolve(args.plugin, args.kind, workspace)
    findings = run_contract(kind, cls, workspace)
    bad = [f for f in findings if not f.ok]
    if args.json:
        found = [{"check": f.check, "ok": f.ok, "detail": f.detail} for f in findings]
        print(json.dumps({"plugin": args.plugin, "kind": kind, "findings": found}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_line(f) for f in findings))
        verdict = f"{len(bad)} of {len(findings)} checks failed" if bad else f"{len(findings)} checks passed"
        print(f"{kind} '{args.plugin}' ({cls.__module__}:{cls.__qualname__}): {verdict}")
    return Exit.GATE_FAILED if bad or not findings else Exit.OK


def _line(finding: Finding) -> str:
    word = "ok  " if finding.ok else "FAIL"
    return f"{word}  {finding.check}{f': {finding.detail}' if finding.detail else ''}"


def _workspace(args: argparse.Namespace) -> Path:
    """An installed plugin needs no workspace; a file name does, or the current folder."""
    from harness.config.workspace import find_workspace

    try:
        return find_workspace(args.workspace)
    except HarnessError:
        if args.workspace is not None:
            raise
        return Path.cwd()


def _resolve(name: str, kind: str | None, workspace: Path) -> tuple[str, type[Plugin]]:
    """The class and its kind. Raises UsageFault when it cannot be loaded, or when the kind must be said."""
    from harness.plugins.loader import is_file_name, load

    if kind is not None:
        return kind, load(kind, name, workspace)
    if is_file_name(name):
        return _from_file(name, workspace)
    owners = [k for k in GROUPS if any(p.name == name for p in installed_points(k))]
    if len(owners) == 1:
        return owners[0], load(owners[0], name, workspace)
    if owners:
        hint = " or ".join(f"--kind {k}" for k in owners)
        raise UsageFault(f"'{name}' is a {' and a '.join(owners)}", help=f"say which: {hint}")
    raise _unknown(name)


def _from_file(name: str, workspace: Path) -> tuple[str, type[Plugin]]:
    """A class of a workspace file; its kind is what it derives from."""
    from harness.plugins.contracts import KINDS, Plugin
    from harness.plugins.loader import load, load_module

    relative, _, class_name = name.partition(":")
    path = workspace / relative
    if not path.is_file():
        load("grader", name, workspace)  # raises, and says what there is
    module = load_module(path, relative)
    plugins = {
        n: c
        for n, c in vars(module).items()
        if isinstance(c, type) and issubclass(c, Plugin) and c.__module__ == module.__name__
    }
    chosen: Sequence[type[Plugin]] = [plugins[class_name]] if class_name in plugins else list(plugins.values())
    kinds = [k for k, base in KINDS.items() if any(issubclass(c, base) for c in chosen)]
    if len(kinds) > 1 and not class_name:
        raise UsageFault(f"{relative} defines {', '.join(plugins)}", help=f"name one: {relative}:{next(iter(plugins))}")
    kind = kinds[0] if kinds else "grader"
    return kind, load(kind, name, workspace)


def _unknown(name: str) -> UsageFault:
    from harness.plugins.loader import did_you_mean

    names = sorted({p.name for k in GROUPS for p in installed_points(k)})
    hints = [did_you_mean(name, names), f"installed: {', '.join(names) or 'none'}"]
    return UsageFault(f"no plugin named '{name}'", help=" — ".join(h for h in hints if h))
