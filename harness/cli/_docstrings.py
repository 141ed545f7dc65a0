"""The first sentence of a class's docstring, read from its source: a list must not import every plugin and its SDKs."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path


def first_sentence(value: str) -> str:
    """Of `module:Class`; empty when the source is not there or the class is not in it."""
    module, _, name = value.partition(":")
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            doc = ast.get_docstring(node) or ""
            paragraph = " ".join(doc.strip().partition("\n\n")[0].split())
            first, stop, rest = paragraph.partition(". ")
            return first + "." if stop and rest else paragraph
    return ""


@cache
def _tree(module: str) -> ast.Module:
    try:
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None and spec.origin.endswith(".py"):
            return ast.parse(Path(spec.origin).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError):
        pass
    return ast.Module(body=[], type_ignores=[])
