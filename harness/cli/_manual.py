"""A plugin's manual as data: docstring, version, parameters with types, defaults and descriptions, example, cases."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

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
    """An annotation as a reader of YAML would say it: no module names, validators or Python spellings."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "null"
    if annotation is Any:
        return "any"
    if origin is Annotated:
        return _type(args[0])
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(_type(a) for a in args))
    if origin is Literal:
        return " | ".join(str(a) if isinstance(a, str) else json.dumps(a) for a in args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_type(args[0])} to {_type(args[1])}"
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return f"list of {_several([a for a in args if a is not Ellipsis])}"
    return getattr(annotation, "__name__", None) or re.sub(r"\b(?:\w+\.)+(?=\w)", "", str(annotation))


def _several(args: list[Any]) -> str:
    """The items of a list; a list of fixed length names each."""
    said = [f"({t})" if " | " in t else t for t in map(_type, args)]
    return ", ".join(said)


def _default(info: Any) -> str:
    """The default as YAML; a required field has none."""
    if info.is_required():
        return ""
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return ""
    return _yaml(value)


def _yaml(value: Any) -> str:
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
