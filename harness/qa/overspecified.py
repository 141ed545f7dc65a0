"""Names and messages that fail-to-pass tests demand, that only the right patch has, and that the prompt never says.

A right solution that calls things otherwise fails such a test (reference/swe.md 4.5). Python tests are read by their
syntax tree; others, and tests that are given as a diff, by patterns.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.qa.diffs import FileChange
from harness.qa.findings import Finding
from harness.qa.material import Material

MIN_MESSAGE = 8
NAMED = 8
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|' + r"'((?:[^'\\\n]|\\.)*)'|`([^`]*)`")
_MADE = re.compile(
    r"(?:^|\s)(?:def|class|func(?:tion)?|fn|struct|enum|trait|interface|type|const|let|var|static|mod)\s+"
    r"(?:\([^)]*\)\s*)?([A-Za-z_$][\w$]*)"
    r"|^\s*(?:self\.|this\.)?([A-Za-z_]\w*)\s*(?::[^=\n]+)?=(?!=)"
)
_PARAMETERS = re.compile(r"(?:def|func|function|fn)\s+[\w$]*\s*\(([^)]*)\)")
_TEST_NAME = re.compile(r"^\s*(?:async\s+)?(?:def|func|fn|function)\s+\w*")


@dataclass(slots=True)
class Demands:
    """What tests use: names they import, call or read, and texts they compare with."""

    names: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


def overspecified(material: Material, prompt: str, base: Mapping[str, str]) -> Iterator[Finding]:
    """Warnings with the names. `base` has what is known of the changed files before the patch, by path."""
    if not material.gold:
        return
    made_names, made_texts = _made(material.gold, base)
    demands = _demanded(material)
    said = set(_WORD.findall(prompt))
    names = sorted(n for n in demands.names & made_names if n not in said)
    if names:
        what = f"tests use names that only the right patch has: {', '.join(names[:NAMED])}"
        yield Finding("over_specified", "warn", what, names[0])
    asked = {t for t in demands.texts if any(t in made for made in made_texts) and t not in prompt}
    for text in sorted(asked)[:NAMED]:
        what = f"tests demand a text that only the right patch has: {text[:100]!r}"
        yield Finding("over_specified", "warn", what, text[:100])


def _made(gold: Iterable[FileChange], base: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Names that the patch makes and texts that it brings, without those that were there."""
    added = [line for file in gold for line in file.added]
    before = [line for file in gold for line in (*file.removed, *file.context)] + list(base.values())
    known = {word for line in before for word in _WORD.findall(line)}
    names = {name for line in added for name in _made_by(line)}
    old_texts = {text for line in before for text in _texts(line)}
    texts = {text for line in added for text in _texts(line)} - old_texts
    return names - known, texts


def _made_by(line: str) -> Iterator[str]:
    for found in _MADE.finditer(line):
        yield next(name for name in found.groups() if name)
    for parameters in _PARAMETERS.findall(line):
        yield from _WORD.findall(re.sub(r"=[^,]*|:[^,]*", "", parameters))


def _texts(line: str) -> Iterator[str]:
    for groups in _STRING.findall(line):
        text = next((g for g in groups if g), "")
        if len(text) >= MIN_MESSAGE:
            yield text


def _demanded(material: Material) -> Demands:
    demands = Demands()
    functions = {name.split(".")[-1] for name in material.names}
    for path, text in material.hidden.items():
        tree = _parsed(text) if path.endswith(".py") else None
        if tree is None:
            _by_pattern(text.splitlines(), demands)
        else:
            _by_tree(tree, functions, demands)
    for file in material.test_patch:
        _by_pattern(file.added, demands)
    return demands


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _by_tree(tree: ast.Module, functions: set[str], demands: Demands) -> None:
    """Imports of the whole file; the rest only from the named tests and what is no test, where tests are named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            demands.names |= {part for alias in node.names for part in alias.name.split(".")}
    for node in ast.walk(tree):
        is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")
        if is_test and (not functions or getattr(node, "name", "") in functions):
            _in_test(node, demands)


def _in_test(test: ast.AST, demands: Demands) -> None:
    for node in ast.walk(test):
        if isinstance(node, ast.Attribute):
            demands.names.add(node.attr)
        elif isinstance(node, ast.Name):
            demands.names.add(node.id)
        elif isinstance(node, ast.keyword) and node.arg:
            demands.names.add(node.arg)
            if node.arg == "match" and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                demands.texts.add(_unescaped(node.value.value))
        elif isinstance(node, ast.Assert):
            strings = (n.value for n in ast.walk(node.test) if isinstance(n, ast.Constant))
            demands.texts |= {s for s in strings if isinstance(s, str) and len(s) >= MIN_MESSAGE}
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("assert")
        ):
            strings = (a.value for a in node.args if isinstance(a, ast.Constant))
            demands.texts |= {s for s in strings if isinstance(s, str) and len(s) >= MIN_MESSAGE}


def _unescaped(pattern: str) -> str:
    """A regular expression without anchors and escapes, as the message it stands for."""
    return re.sub(r"\\(.)", r"\1", pattern.removeprefix("^").removesuffix("$"))


def _by_pattern(lines: Iterable[str], demands: Demands) -> None:
    for line in lines:
        demands.names |= set(_WORD.findall(_TEST_NAME.sub("", line)))
        if re.search(r"assert|expect|match|Equal|Fatal|Error", line):
            demands.texts |= set(_texts(line))
