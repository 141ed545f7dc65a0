"""A plugin's manual as data: docstring, version, parameters with types, defaults and descriptions, example, cases."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic_core import PydanticUndefined

from harness.plugins.contracts import Grader, Plugin


def manual_of(cls: type[Plugin]) -> dict[str, Any]:
    """Everything a user needs to write this plugin's YAML, in JSON values."""
    return {
        "doc": inspect.cleandoc(cls.__doc__ or ""),
        "version": cls.version,
        "fields": [_field(name, info) for name, info in cls.model_fields.items()],
        "example": dict(cls.example),
        "cases": [_case(c) for c in cls.cases] if issubclass(cls, Grader) else [],
    }


def _field(name: str, info: Any) -> dict[str, Any]:
    return {
        "name": info.alias or name,
        "type": _type(info.annotation),
        "required": info.is_required(),
        "default": _default(info),
        "doc": inspect.cleandoc(info.description or ""),
    }


def _type(annotation: Any) -> str:
    """An annotation as a reader of YAML would say it, without module names."""
    origin = getattr(annotation, "__origin__", None)
    if annotation is None or annotation is type(None):
        return "null"
    if isinstance(annotation, type) and origin is None:
        return annotation.__name__
    text = str(annotation)
    for prefix in ("typing.", "collections.abc.", "pathlib.", "decimal."):
        text = text.replace(prefix, "")
    return _without_modules(text).replace("NoneType", "null").replace("None", "null")


def _without_modules(text: str) -> str:
    """`harness.plugins.contracts.Grader` is `Grader` to a reader."""
    import re

    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


def _default(info: Any) -> str:
    """The default as YAML; a required field has none."""
    if info.is_required():
        return ""
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return ""
    return _yaml(value)


def _yaml(value: Any) -> str:
    import json

    if isinstance(value, Plugin):
        shown = {k: v for k, v in value.model_dump(mode="json", exclude_defaults=True).items()}
        return f"{type(value).__name__} {json.dumps(shown)}" if shown else type(value).__name__
    if isinstance(value, tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return "[" + ", ".join(_yaml(v) for v in items) + "]"
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        return str(value)


def _case(case: Any) -> dict[str, Any]:
    expect = {True: "passes", False: "fails", None: "is not graded"}[case.expect]
    return {
        "answer": case.answer,
        "reference": case.reference,
        "params": dict(case.params),
        "choices": list(case.choices),
        "expect": expect,
    }
