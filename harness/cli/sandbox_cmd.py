"""`harness sandbox list` and `harness sandbox prune`: what boxes hold on the engine, and removing what was left."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli._table import many, table
from harness.errors import Exit, MissingRequirement, NothingToRun, RunInvalid, SandboxError, UsageFault

if TYPE_CHECKING:
    from harness.plugins.contracts import Held, Sandbox

MINUTE, HOUR, DAY = 60, 3600, 86400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    listing = actions.add_parser("list", help="containers, networks, volumes and images of ours, and who has them")
    pruning = actions.add_parser("prune", help="remove what processes that have ended left behind")
    pruning.add_argument(
        "--all", action="store_true", help="remove everything of ours: boxes of runs in progress and cached images too"
    )
    pruning.add_argument("--images", action="store_true", help="also cached images that nothing uses now")
    pruning.add_argument(
        "--unused-days", type=float, metavar="N", help="with --images: only those not used for N days (0)"
    )
    for action in (listing, pruning):
        action.add_argument("--json", action="store_true", help="the same as JSON on stdout")


def execute(args: argparse.Namespace) -> int:
    """0. Raises NothingToRun when no sandbox is installed, RunInvalid when its engine does not answer."""
    if args.action == "list":
        found = _each(lambda sandbox: sandbox.held())
        images = [thing for thing in found if thing.what == "image"]
        left = sum(_state(thing) == "left over" for thing in found)
        last = f"{many(len(found), 'thing')} of ours, {left} left over{': harness sandbox prune' if left else ''}"
        if images:
            last += f"\n{many(len(images), 'cached image')}, {megabytes(sum(i.size for i in images))} of their own: "
            last += "harness sandbox prune --images"
        _print(found, args.json, last)
    else:
        days = _days(args)
        removed = _each(lambda sandbox: sandbox.prune(everything=args.all, unused_days=days))
        _print(removed, args.json, f"{many(len(removed), 'thing')} removed")
    return Exit.OK


def _each(ask: Callable[[Sandbox], Awaitable[Sequence[Held]]]) -> list[Held]:
    """What every installed sandbox answers."""
    sandboxes = _sandboxes()
    if not sandboxes:
        raise NothingToRun("no sandbox is installed")
    return asyncio.run(_ask(sandboxes, ask))


async def _ask(sandboxes: Sequence[Sandbox], ask: Callable[[Sandbox], Awaitable[Sequence[Held]]]) -> list[Held]:
    found: list[Held] = []
    for sandbox in sandboxes:
        try:
            found += await ask(sandbox)
        except (MissingRequirement, SandboxError) as e:
            raise RunInvalid(str(e), help="`harness doctor` looks at the engine") from e
        finally:
            await sandbox.aclose()
    return found


def _sandboxes() -> list[Sandbox]:
    from harness.plugins.contracts import Sandbox
    from harness.plugins.loader import installed, load

    made = [load("sandbox", name, Path())() for name in installed("sandbox")]
    return [sandbox for sandbox in made if isinstance(sandbox, Sandbox)]


def _print(things: Sequence[Held], as_json: bool, last: str) -> None:
    if as_json:
        print(json.dumps([asdict(thing) for thing in things], indent=2))
        return
    if things:
        print(table(("what", "name", "run", "trial", "age", "last used", "size", "state"), [_row(h) for h in things]))
    print(last)


def _days(args: argparse.Namespace) -> float | None:
    """For how long an image must be unused to be removed; None: as the sandbox's parameters say. Raises UsageFault."""
    if args.unused_days is None:
        return 0.0 if args.images else None
    if not args.images or not 0 <= args.unused_days < 36500:
        raise UsageFault("--unused-days is for --images, and a number of days from 0 on")
    return float(args.unused_days)


def _row(thing: Held) -> list[str]:
    image = thing.what == "image"
    used, size = (age_of(thing.used), megabytes(thing.size)) if image else ("-", "-")
    return [
        thing.what,
        thing.name,
        thing.run or "-",
        thing.trial or "-",
        age_of(thing.created),
        used,
        size,
        _state(thing),
    ]


def megabytes(size: int) -> str:
    """A size in bytes as megabytes."""
    return f"{size / 1e6:.1f} MB"


def _state(thing: Held) -> str:
    if thing.what == "image":
        return "cached"
    return "in use" if thing.alive else "left over"


def age_of(created: float, now: float | None = None) -> str:
    """How long ago a Unix time was, in one word; `-` for none."""
    if not created:
        return "-"
    seconds = max(0.0, (time.time() if now is None else now) - created)
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds / unit:.0f}{letter}"
    return f"{seconds:.0f}s"
