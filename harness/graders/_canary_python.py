"""Tests that must fail, for Python: hidden tests copied, with what they expect at their end made wrong.

A copy runs after the test it is of, and only if its body looks like it changes nothing is the body run at all; of
another the first statement fails. So a canary never changes what a right solution is told.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from textwrap import indent
from typing import Literal

from harness.graders._canary_names import name_like, new_name

Style = Literal["pytest", "unittest"]
MOST = 3
"""Copies in one file, at most; half as many as there are tests that can be copied, at least one."""
MOST_CASES = 20
_SKIPS = ("skip", "xfail", "expectedFailure")


@dataclass(frozen=True, slots=True)
class Grown:
    """A hidden file with its canaries: `copies` are their names, each with the test it is of, empty for none."""

    text: bytes
    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """A test that can be copied, and the lines before which its copy can be put (from 0)."""

    test: ast.FunctionDef
    places: tuple[int, ...]
    case: bool
    shared: bool


def grown(style: Style, text: bytes, others: str, chance: random.Random) -> Grown | None:
    """A file with canaries in it, of no name that is in `others`. None if not Python, or if it chooses its tests."""
    try:
        tree = ast.parse(text)
        source = text.decode("utf-8")
    except (SyntaxError, ValueError, RecursionError):
        return None
    if any(isinstance(n, ast.FunctionDef) and n.name == "load_tests" for n in tree.body):
        return None
    lines = source.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    can = [] if _marked(tree) else list(_candidates(style, tree, len(lines), others))
    chance.shuffle(can)
    can.sort(key=lambda found: found.shared or not _can_mistake(found.test))
    chosen = can[: min(MOST, max(1, len(can) // 2))]
    copies: dict[str, str] = {}
    added: list[tuple[int, str]] = []
    for found in chosen:
        name = name_like(found.test.name, "\n".join((source, others, *copies)), chance)
        copies[name] = found.test.name
        added.append((chance.choice(found.places), _copy(found, name, chance)))
    if not chosen:
        name = new_name(f"{source}\n{others}", chance)
        copies[name] = ""
        added.append((chance.choice([*_starts(tree), len(lines)]), plain_test(style, name, chance)))
    for at, test in sorted(added, reverse=True):
        lines[at:at] = ["\n", "\n", test, "\n", "\n"]
    whole = "".join(lines)
    try:
        ast.parse(whole)
    except SyntaxError:
        return None
    return Grown(whole.encode(), copies)


def plain_test(style: Style, name: str, chance: random.Random) -> str:
    """A test that says that two numbers are equal that are not."""
    left, right = two(chance)
    if style == "pytest":
        return f"def {name}():\n    expected = {right}\n    assert {left} == expected\n"
    klass = "".join(part.title() for part in name.split("_"))
    return (
        f"import unittest as _unittest\n\n\nclass {klass}(_unittest.TestCase):\n"
        f"    def {name}(self):\n        self.assertEqual({left}, {right})\n"
    )


def two(chance: random.Random) -> tuple[int, int]:
    """Two numbers that differ."""
    left = chance.randrange(1000)
    return left, left + chance.randrange(1, 1000)


def other_than(value: str | int, chance: random.Random) -> str | int:
    """Another value of the same kind, that no program comes upon by a mistake."""
    if isinstance(value, str):
        for _ in range(4):
            at = chance.randrange(len(value) + 1)
            value = value[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + value[at:]
        return value
    digits = len(str(abs(value)))
    return chance.randrange(10**digits, 10 ** (digits + 5)) * (-1 if value < 0 else 1)


def _marked(tree: ast.Module) -> bool:
    """Whether the file expects failures as a whole."""
    return any(
        isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n) and "xfail" in ast.unparse(n) for n in tree.body
    )


def _starts(tree: ast.Module) -> list[int]:
    """Lines before which a whole new test can be put: of top-level functions and classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [_first(node) for node in tree.body if isinstance(node, kinds)]


def _first(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1


def _candidates(style: Style, tree: ast.Module, end: int, others: str) -> Iterator[_Found]:
    """Tests that can be copied: of plain shape, surely run, never skipped by their own text."""
    starts, kept = _starts(tree), _kept(tree)
    if style == "pytest":
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and _plain(node):
                last = node.end_lineno or end
                yield _Found(node, (*(s for s in starts if s >= last), end), case=False, shared=_uses(node, kept))
    named = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for klass in named.values():
        bases = [ast.unparse(base) for base in klass.bases]
        case = any(base.endswith("TestCase") for base in bases)
        pure = style == "pytest" and klass.name.startswith("Test") and not bases
        if not (case or pure) or klass.decorator_list or klass.keywords or klass.name in others:
            continue
        methods = [n for n in klass.body if isinstance(n, ast.FunctionDef)]
        about = "\n".join(
            ast.unparse(n) for n in klass.body if not (isinstance(n, ast.FunctionDef) and n.name.startswith("test"))
        )
        if any(word in about for word in (*_SKIPS, "__init__", "__test__", "pytestmark")):
            continue
        for node in methods:
            first = node.args.args[0].arg if node.args.args else ""
            if _plain(node) and first == "self" and node.end_lineno and node.col_offset:
                later = [_first(m) for m in methods if _first(m) >= node.end_lineno]
                yield _Found(
                    node,
                    (node.end_lineno, *later),
                    case=case,
                    shared=_uses(node, kept) or "setUpClass" in about or "setup_class" in about,
                )


def _kept(tree: ast.Module) -> set[str]:
    """Names of what the file's tests share: variables of the module, and fixtures of it with a scope."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.FunctionDef) and any("scope=" in ast.unparse(d) for d in node.decorator_list):
            names.add(node.name)
    return names


def _uses(node: ast.FunctionDef, kept: set[str]) -> bool:
    return any((n.id if isinstance(n, ast.Name) else n.arg) in kept for n in ast.walk(node)
               if isinstance(n, ast.Name | ast.arg))  # fmt: skip


def _plain(node: ast.FunctionDef) -> bool:
    """A test that surely ends at its end, or by an exception."""
    if not node.name.startswith("test") or any(not _cases(d) for d in node.decorator_list):
        return False
    ends = (ast.Return, ast.Yield, ast.YieldFrom, ast.Try, ast.Global, ast.Nonlocal, ast.Match)
    if any(isinstance(n, ends) for n in ast.walk(node)):
        return False
    return not any(word in ast.unparse(node) for word in (*_SKIPS, "__name__", "request.node"))


def _cases(decorator: ast.expr) -> bool:
    """Whether it is a parametrisation with a few written cases."""
    if not isinstance(decorator, ast.Call) or not ast.unparse(decorator.func).endswith("mark.parametrize"):
        return False
    values = decorator.args[1] if len(decorator.args) > 1 else None
    return isinstance(values, ast.List | ast.Tuple) and 0 < len(values.elts) <= MOST_CASES


def _copy(found: _Found, name: str, chance: random.Random) -> str:
    """The test under another name, made to fail."""
    copy = ast.parse(ast.unparse(found.test)).body[0]
    assert isinstance(copy, ast.FunctionDef)
    copy.name = name
    body = copy.body
    quiet = _quiet(body) and not found.shared
    if not (quiet and _mistaken(body[-1], chance)):
        left, right = two(chance)
        said = f"self.assertEqual({left}, {right})" if found.case else f"assert {left} == {right}"
        body.insert(len(body) if quiet else 0, ast.parse(said).body[0])
    return indent(ast.unparse(copy), " " * found.test.col_offset) + "\n"


def _can_mistake(test: ast.FunctionDef) -> bool:
    """Whether its copy can end with the work's own answer compared with a wrong value."""
    body = deepcopy(test.body)
    return _quiet(body) and _mistaken(body[-1], random.Random(0))


def _quiet(body: list[ast.stmt]) -> bool:
    """Whether a body only computes and asserts, so that running it twice is as good as once."""
    for node in body:
        if isinstance(node, ast.For | ast.If):
            if not _quiet([*node.body, *node.orelse]):
                return False
        elif isinstance(node, ast.With):
            about = " ".join(ast.unparse(item) for item in node.items)
            single = len(node.body) == 1 and isinstance(node.body[0], ast.Expr)
            if not (("subTest(" in about and _quiet(node.body)) or (_raises(about) and single)):
                return False
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not all(isinstance(n, ast.Name | ast.Tuple | ast.expr_context) for t in targets for n in ast.walk(t)):
                return False
        elif isinstance(node, ast.Expr):
            call = node.value
            if not isinstance(call, ast.Constant) and not ast.unparse(call).startswith("self.assert"):
                return False
        elif not isinstance(node, ast.Assert | ast.Pass):
            return False
    return True


def _raises(about: str) -> bool:
    return about.startswith(("pytest.raises(", "raises(", "self.assertRaises"))


def _mistaken(last: ast.stmt, chance: random.Random) -> bool:
    """Make the last assertion expect another written value. False where it compares with none."""
    if isinstance(last, ast.Assert) and isinstance(last.test, ast.Compare):
        compared = last.test
        if len(compared.ops) == 1 and isinstance(compared.ops[0], ast.Eq):
            return isinstance(compared.left, ast.Call) and _changed(compared.comparators[0], chance)
        return False
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and len(last.value.args) == 2:
        call = last.value
        right = ast.unparse(call.func) == "self.assertEqual" and isinstance(call.args[0], ast.Call)
        return right and _changed(call.args[1], chance)
    return False


def _changed(node: ast.expr, chance: random.Random) -> bool:
    if isinstance(node, ast.List | ast.Tuple) and node.elts:
        return _changed(chance.choice(node.elts), chance)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int) and not isinstance(node.value, bool):
        node.value = other_than(node.value, chance)
        return True
    return False
