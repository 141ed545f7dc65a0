"""The JSON Schema of tasks with a `kind`: the task's keys, the kind's own, and its grader's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from harness.config.kinds.keys import GRADERS, KEYS
from harness.records.content import Json

Schema = dict[str, Json]
Model = Callable[[type[BaseModel], Schema], Schema]
"""Makes a model's schema; what it refers to goes into the definitions."""


def with_kinds(plain: Schema, definitions: Schema, model: Model) -> Schema:
    """A task as it is without `kind`, or as one of the kinds whose grader is installed."""
    kinds = {kind: _kind(kind, plain, definitions, model) for kind in KEYS if f"grader:{GRADERS[kind]}" in definitions}
    if not kinds:
        return plain
    for kind, schema in kinds.items():
        definitions[f"Task:{kind}"] = schema
    said = {"required": ["kind"], "properties": {"kind": {"enum": list(kinds)}}}
    return {
        "if": {"type": "object", "required": ["kind"]},
        "then": {**said, "allOf": [_when(kind) for kind in kinds]},
        "else": plain,
    }


def kind_keys(definitions: Schema) -> Schema:
    """Every key that some kind has, for templates; `kind` itself among them."""
    found: Schema = {}
    for kind in KEYS:
        found |= definitions.get(f"Task:{kind}", {}).get("properties", {})
    return found


def _when(kind: str) -> Schema:
    return {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/Task:{kind}"}}


def _kind(kind: str, plain: Schema, definitions: Schema, model: Model) -> Schema:
    own = model(KEYS[kind], definitions)
    grader: dict[str, Any] = definitions[f"grader:{GRADERS[kind]}"].get("properties", {})
    hidden = ("use", "name", "informative")
    parameters = {name: field for name, field in grader.items() if name not in hidden}
    said = {"const": kind, "description": KEYS[kind].__doc__ or kind}
    properties = {**parameters, **plain["properties"], **own["properties"], "kind": said}
    prompts = ["prompt", "prompt_file", *(["problem_statement"] if "problem_statement" in own["properties"] else [])]
    return {
        **plain,
        "properties": properties,
        "required": ["kind", *plain.get("required", []), *own.get("required", [])],
        "anyOf": [{"required": [name]} for name in prompts],
    }
