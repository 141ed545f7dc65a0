"""From a name to a plugin class: an installed entry point (`match`) or a workspace file (`graders/tone.py:Tone`).

Nothing is scanned and nothing is imported that is not named. Every way to fail has its own message.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from pathlib import Path
from types import ModuleType

from harness.errors import UsageFault
from harness.plugins.contracts import GROUPS, KINDS, Plugin


def load(kind: str, name: str, workspace: Path) -> type[Plugin]:
    """The class named `name`. Raises UsageFault with the cause and what there is."""
    return _from_file(kind, name, workspace) if is_file_name(name) else _installed(kind, name)


def is_file_name(name: str) -> bool:
    """Whether a plugin name means a workspace file."""
    path, _, _ = name.partition(":")
    return path.endswith(".py") or "/" in path


@cache
def installed(kind: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Every installed plugin of a kind by name, without importing any. Two owners of a name both appear."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUPS[kind]):
        same = found.get(point.name, ())
        if not any(p.value == point.value for p in same):
            found[point.name] = (*same, point)
    return dict(sorted(found.items()))


def did_you_mean(word: str, options: list[str]) -> str:
    """`did you mean 'x'?` or nothing."""
    import difflib

    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def _installed(kind: str, name: str) -> type[Plugin]:
    owners = installed(kind).get(name)
    if not owners:
        names = list(installed(kind))
        hint = [did_you_mean(name, names), f"installed: {', '.join(names) or 'none'}"]
        own = f"your own: {GROUPS[kind].removeprefix('harness.')}/{name}.py:ClassName"
        raise UsageFault(f"no {kind} named '{name}'", help=" — ".join(h for h in [*hint, own] if h))
    if len(owners) > 1:
        both = " and ".join(f"{p.value} ({p.dist.name if p.dist else 'unknown package'})" for p in owners)
        raise UsageFault(f"two packages own the {kind} '{name}': {both}", help="uninstall one of them")
    point = owners[0]
    try:
        found = point.load()
    except Exception as e:
        raise UsageFault(
            f"{kind} '{name}' ({point.value}) failed to import: {type(e).__name__}: {e}",
            help="it is installed but broken; the package that owns it is "
            + (point.dist.name if point.dist else "unknown"),
        ) from e
    return _checked(kind, found, f"{kind} '{name}' ({point.value})")


def _from_file(kind: str, name: str, workspace: Path) -> type[Plugin]:
    relative, _, class_name = name.partition(":")
    path = workspace / relative
    if not path.is_file():
        there = (
            [str(p.relative_to(workspace)) for p in sorted(path.parent.glob("*.py"))] if path.parent.is_dir() else []
        )
        hint = did_you_mean(relative, there) or (f"there are: {', '.join(there)}" if there else "")
        raise UsageFault(f"no such file: {relative}", help=hint)
    module = load_module(path, relative)
    base = KINDS[kind]
    defined = {
        n: c
        for n, c in vars(module).items()
        if isinstance(c, type) and issubclass(c, Plugin) and c.__module__ == module.__name__
    }
    of_kind = [n for n, c in defined.items() if issubclass(c, base) and not isabstract(c)]
    if class_name:
        if class_name not in vars(module):
            raise UsageFault(
                f"{relative} has no '{class_name}'",
                help=did_you_mean(class_name, list(defined)) or f"it defines: {', '.join(defined) or 'no plugin'}",
            )
        return _checked(kind, vars(module)[class_name], name)
    if len(of_kind) == 1:
        return _checked(kind, defined[of_kind[0]], name)
    if not of_kind:
        raise UsageFault(f"{relative} defines no {kind}", help=f"it defines: {', '.join(defined) or 'no plugin'}")
    raise UsageFault(
        f"{relative} defines {len(of_kind)} {kind}s: {', '.join(of_kind)}", help=f"name one as {relative}:{of_kind[0]}"
    )


def load_module(path: Path, shown_as: str) -> ModuleType:
    """Execute a workspace file under a made-up module name, registered first so that dataclasses work in it.

    Raises UsageFault with the user's own line when it fails. `sys.path` is never touched.
    """
    name = "harness_workspace_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageFault(f"{shown_as} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as e:
        del sys.modules[name]
        if not isinstance(e, Exception):
            raise
        own = [f for f in traceback.extract_tb(e.__traceback__) if f.filename == str(path)]
        line = getattr(e, "lineno", None) if isinstance(e, SyntaxError) else (own[-1].lineno if own else None)
        raise UsageFault(f"{shown_as}{f':{line}' if line else ''} failed to load: {type(e).__name__}: {e}") from e
    return module


def raised_at(error: BaseException, workspace: Path) -> str:
    """What a plugin raised, with the last line of the workspace that it went through, where there is one."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(workspace)]
    place = f" ({Path(own[-1].filename).relative_to(workspace).as_posix()}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{place}"


def _checked(kind: str, found: object, shown_as: str) -> type[Plugin]:
    base = KINDS[kind]
    if not (isinstance(found, type) and issubclass(found, Plugin)):
        raise UsageFault(f"{shown_as} is not a plugin class", help=f"derive it from harness.api.{base.__name__}")
    if not issubclass(found, base):
        is_a = getattr(found, "kind", "plugin")
        raise UsageFault(
            f"{shown_as} is not a {kind}", help=f"it is a {is_a}; derive it from harness.api.{base.__name__}"
        )
    if isabstract(found):
        absent = ", ".join(sorted(found.__abstractmethods__))
        raise UsageFault(f"{shown_as} lacks: {absent}", help=f"see the contract of harness.api.{base.__name__}")
    return found
