"""`harness agent install|list|verify|remove`: agent CLIs as layers that are mounted read-only into boxes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._table import many, table
from harness.errors import Exit, HarnessError, NothingToRun

if TYPE_CHECKING:
    from harness.toolkit.agent_layers import Layer

MEGA = 1024**2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    install = actions.add_parser("install", help="fetch an agent by exact version, check it, and try it in a box")
    install.add_argument("agents", metavar="NAME[@VERSION]", nargs="+", help="such as claude_code@2.1.329")
    install.add_argument("--no-smoke", action="store_true", help="do not run it against a scripted model in a box")
    listing = actions.add_parser("list", help="agents there are, and layers that are installed")
    verify = actions.add_parser("verify", help="read installed layers and compare them with what they were")
    verify.add_argument("agents", metavar="NAME[@VERSION]", nargs="*", help="only these")
    remove = actions.add_parser("remove", help="remove installed layers")
    remove.add_argument("agents", metavar="NAME@VERSION", nargs="+", help="which")
    for action in (install, listing, verify, remove):
        action.add_argument("--json", action="store_true", help="the same as JSON on stdout")
        action.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")


def execute(args: argparse.Namespace) -> int:
    """0; of `install`: 1 when the smoke run failed; of `verify`: 1 when a layer is not what it was or what is fixed."""
    return {"install": _install, "list": _list, "verify": _verify, "remove": _remove}[args.action](args)


def _workspace(args: argparse.Namespace) -> Path | None:
    """The workspace, if this is one: agents can be installed without."""
    from harness.config.workspace import find_workspace

    try:
        return find_workspace(args.workspace)
    except HarnessError:
        if args.workspace is not None:
            raise
        return None


def _install(args: argparse.Namespace) -> int:
    from harness.agents import build
    from harness.agents.lock import check_against_lock, write_lock
    from harness.toolkit.layer_lock import read_lock

    workspace, layers, bad = _workspace(args), [], False
    if workspace is not None:
        read_lock(workspace)  # before anything is fetched
    for wanted in [build.read_spec(spec) for spec in args.agents]:
        layer = build.install(
            wanted, _say, accept=lambda one: check_against_lock(workspace, one) if workspace else None
        )
        if not args.no_smoke and not layer.smoke.get("ok"):
            layer = _smoke(layer)
            bad = bad or layer.smoke.get("ok") is False
        layers.append(layer)
        if workspace is not None and write_lock(workspace, layer):
            _say(f"agents.lock: {layer.spec} ({layer.platform}) is fixed")
    if args.json:
        _print_json(layers)
    else:
        for layer in layers:
            print(f"{layer.spec}  {layer.platform}  {layer.size / MEGA:.0f} MB  {layer.tree[:12]}  {_smoked(layer)}")
    return Exit.GATE_FAILED if bad else Exit.OK


def _smoke(layer: Layer) -> Layer:
    """Try a layer against a scripted model; how that went is written into its manifest."""
    from harness.agents.build import record_smoke
    from harness.cli._agent_smoke import smoke
    from harness.toolkit.agent_layers import find_layer

    _say(f"trying {layer.spec} in a box against a scripted model")
    told = smoke(layer)
    found = find_layer(layer.name, layer.version)
    if not told or found is None:
        _say("there is no container engine here: it was not tried")
        return layer
    if not told["ok"]:
        _say(f"{layer.spec} failed its smoke run: {told['why']}")
    return record_smoke(found[1], layer, told)


def _list(args: argparse.Namespace) -> int:
    from harness.agents.recipes import RECIPES
    from harness.toolkit.agent_layers import installed_layers

    layers = installed_layers()
    if args.json:
        _print_json([layer for layer, _ in layers])
        return Exit.OK
    rows = [[one.name, one.version, one.platform, f"{one.size / MEGA:.0f} MB", _smoked(one)] for one, _ in layers]
    there = {layer.name for layer, _ in layers}
    rows += [[r.name, r.version, "-", "-", "not installed"] for r in RECIPES.values() if r.name not in there]
    print(table(("agent", "version", "platform", "size", "state"), rows))
    return Exit.OK


def _verify(args: argparse.Namespace) -> int:
    from harness.toolkit.layer_lock import changed, not_as_fixed

    workspace, rows, bad = _workspace(args), [], 0
    for layer, folder in _chosen(args.agents):
        wrong = changed(folder, layer) or (not_as_fixed(workspace, layer) if workspace else "")
        bad += bool(wrong)
        rows.append({"agent": layer.spec, "platform": layer.platform, "tree": layer.tree, "wrong": wrong})
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        print(table(("agent", "platform", "state"), [[r["agent"], r["platform"], r["wrong"] or "ok"] for r in rows]))
        print(f"{bad} of {many(len(rows), 'layer')} not as built" if bad else f"{many(len(rows), 'layer')} as built")
    if bad:
        again = " ".join(dict.fromkeys(str(row["agent"]) for row in rows if row["wrong"]))
        _say(f"to build anew: harness agent remove {again}, then harness agent install {again}")
    return Exit.GATE_FAILED if bad else Exit.OK


def _remove(args: argparse.Namespace) -> int:
    from harness.agents.build import remove

    for layer, folder in _chosen(args.agents):
        remove(folder)
        print(f"removed {layer.spec} ({layer.platform})")
    return Exit.OK


def _chosen(specs: list[str]) -> list[tuple[Layer, Path]]:
    """Installed layers by `name` or `name@version`. Raises NothingToRun when one is not there."""
    from harness.agents.build import read_spec
    from harness.toolkit.agent_layers import installed_layers

    layers = installed_layers()
    chosen: list[tuple[Layer, Path]] = []
    for spec in specs:
        read_spec(spec)
        found = [one for one in layers if spec in (one[0].name, one[0].spec)]
        if not found:
            there = ", ".join(dict.fromkeys(layer.spec for layer, _ in layers))
            raise NothingToRun(f"{spec} is not installed", help=f"installed: {there or 'none'}")
        chosen += found
    if not specs and not layers:
        raise NothingToRun("no agent is installed", help="harness agent install claude_code")
    return chosen if specs else layers


def _smoked(layer: Layer) -> str:
    if not layer.smoke:
        return "not tried in a box"
    return f"tried: {layer.smoke.get('requests')} requests" if layer.smoke.get("ok") else "FAILED its smoke run"


def _print_json(layers: list[Layer]) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(layers), indent=2).decode())


def _say(text: str) -> None:
    print(text, file=sys.stderr)
