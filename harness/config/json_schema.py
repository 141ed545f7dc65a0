"""JSON Schemas (2020-12) of suite, task, grader and systems files, for editors.

They come from the same pydantic models that check the files. Where a plugin is named, the schema lists the installed
plugins and their parameters; a plugin that fails to import is left out and named in a comment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from inspect import cleandoc, isabstract
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from harness.config.gates import GateFile
from harness.config.kinds.keys import KEYS
from harness.config.kinds.schema import kind_keys, with_kinds
from harness.config.schema import Defaults, RowsFile, SuiteFile, SystemsFile, SystemSpec, TasksFile, TaskSpec
from harness.errors import HarnessError
from harness.plugins.contracts import Plugin
from harness.plugins.loader import installed, load
from harness.records.content import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS = ("suite", "task", "grader", "systems", "gates")
_REF = "#/$defs/{model}"
_PLUGINS = ("grader", "harness", "model", "source", "sandbox")
_PLUGIN_MARK = "x-harness-plugin"
_TEMPLATED = {"type": "string", "pattern": r"\{[{%#]"}


def file_schema(kind: str, workspace: Path) -> dict[str, Json]:
    """The schema of one kind of file; `workspace` gives the names of its grader definitions."""
    definitions: dict[str, Json] = {}
    if kind == "gates":
        top = _model(GateFile, definitions)
        return {"$schema": DIALECT, "title": "harness gates file", **top, "$defs": definitions}
    for plugin_kind in _PLUGINS:
        definitions[plugin_kind] = _plugin_schema(plugin_kind, workspace, definitions)
    if kind == "suite":
        top = _task_places(_model(SuiteFile, definitions), definitions)
        _put(top, "systems", {"type": "array", "minItems": 1, "items": _system(definitions)})
        _put(top, "sandbox", {"$ref": "#/$defs/sandbox"})
    elif kind == "systems":
        top = _model(SystemsFile, definitions)
        _put(top, "systems", {"type": "array", "minItems": 1, "items": _system(definitions)})
    elif kind == "task":
        top = {"anyOf": [_task(definitions), _tasks_file(definitions), _rows_file(definitions)]}
    else:
        top = _definition(definitions["grader"])
    return {"$schema": DIALECT, "title": f"harness {kind} file", **top, "$defs": definitions}


def write_schemas(folder: Path, workspace: Path, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Write `KIND.schema.json` into a folder, and give back the paths."""
    texts = {folder / f"{kind}.schema.json": file_schema(kind, workspace) for kind in kinds}
    folder.mkdir(parents=True, exist_ok=True)
    for path, schema in texts.items():
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return list(texts)


def _task(definitions: dict[str, Json]) -> dict[str, Json]:
    schema = _graders_in(_model(TaskSpec, definitions))
    schema["anyOf"] = [{"required": ["prompt"]}, {"required": ["prompt_file"]}]
    definitions["Task"] = with_kinds(schema, definitions, _model)
    return {"$ref": "#/$defs/Task"}


def _tasks_file(definitions: dict[str, Json]) -> dict[str, Json]:
    schema = _model(TasksFile, definitions)
    _put(schema, "tasks", {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Task"}})
    return _defaults_in(schema, definitions)


def _rows_file(definitions: dict[str, Json]) -> dict[str, Json]:
    schema = _model(RowsFile, definitions)
    template = _graders_in(_model(TaskSpec, {}))
    fields = {**kind_keys(definitions), **template["properties"]}
    properties = {name: {"anyOf": [_TEMPLATED, field]} for name, field in fields.items()}
    if "kind" in properties:
        properties["kind"] = {"enum": [kind for kind in KEYS if f"Task:{kind}" in definitions]}
    definitions["Template"] = {**template, "properties": properties, "required": ["id"]}
    _model(TaskSpec, definitions)
    _put(schema, "template", {"$ref": "#/$defs/Template"})
    _put(schema, "rows", {"anyOf": [{"$ref": "#/$defs/source"}, _bare_rows(definitions)]})
    return _defaults_in(schema, definitions)


def _bare_rows(definitions: dict[str, Json]) -> dict[str, Json]:
    """`rows: {path: ...}`: the parameters of the shipped source, without `use`."""
    found = definitions.get("source:rows", {"type": "object"})
    properties = {k: v for k, v in found.get("properties", {}).items() if k != "use"}
    return {**found, "properties": properties, "required": []}


def _task_places(schema: dict[str, Json], definitions: dict[str, Json]) -> dict[str, Json]:
    _task(definitions)
    entry = {"anyOf": [{"type": "string", "minLength": 1}, {"$ref": "#/$defs/Task"}]}
    _put(schema, "tasks", {"type": "array", "items": entry})
    return _defaults_in(schema, definitions)


def _defaults_in(schema: dict[str, Json], definitions: dict[str, Json]) -> dict[str, Json]:
    definitions["Defaults"] = _graders_in(_model(Defaults, definitions))
    _put(schema, "defaults", {"$ref": "#/$defs/Defaults"})
    return schema


def _system(definitions: dict[str, Json]) -> dict[str, Json]:
    schema = _model(SystemSpec, definitions)
    _put(schema, "harness", {"$ref": "#/$defs/harness"})
    _put(schema, "model", {"$ref": "#/$defs/model"})
    _put(schema, "models", {"type": "object", "additionalProperties": {"$ref": "#/$defs/model"}})
    definitions["System"] = schema
    return {"$ref": "#/$defs/System"}


def _definition(grader: Json) -> dict[str, Json]:
    """A grader definition: like a grader in a task, with a description; its name is the file's."""
    text = {"type": "string", "description": "What this definition is for."}
    options = [_described(option, text) for option in grader["anyOf"] if option.get("type") != "string"]
    shared = {"description": text, "use": {"type": "string"}}
    return {"type": "object", "required": ["use"], "properties": shared, "anyOf": options}


def _described(option: Json, text: Json) -> Json:
    kept = {k: v for k, v in option["properties"].items() if k not in ("name", "informative")}
    return {**option, "properties": {**kept, "description": text}}


def _graders_in(schema: dict[str, Json]) -> dict[str, Json]:
    _put(schema, "graders", {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/grader"}})
    return schema


def _put(schema: dict[str, Json], name: str, new: dict[str, Json]) -> None:
    """Replace a property's schema and keep its description."""
    old = schema["properties"][name]
    schema["properties"][name] = {**new, **({"description": old["description"]} if "description" in old else {})}


def _plugin_schema(kind: str, workspace: Path, definitions: dict[str, Json]) -> dict[str, Json]:
    """A name, or a mapping with `use`: one alternative for each installed plugin, an open one for workspace files."""
    options: list[Json] = []
    names: list[str] = []
    broken: list[str] = []
    for name in installed(kind):
        try:
            cls = load(kind, name, workspace)
        except HarnessError as e:
            broken.append(e.fault.what)
            continue
        names.append(name)
        key = f"{kind}:{name}"
        definitions[key] = _parameters(cls, kind, name, definitions)
        options.append(definitions[key])
    own = (
        sorted(p.stem for p in (workspace / "graders").glob("*.yaml") if p.stem != "judges") if kind == "grader" else []
    )
    named = "/" if kind == "model" else r"\.py(:\w+)?$"
    text = {"type": "string", "anyOf": [{"enum": [*names, *own]}, {"pattern": named}]}
    if kind == "model":
        text = {"type": "string", "pattern": f"^({'|'.join(names)})/.+"} if names else {"type": "string"}
    opened = {
        "type": "object",
        "required": ["use"],
        "properties": {"use": {"type": "string", "anyOf": [{"enum": own}, {"pattern": named}]}},
    }
    comment = {"$comment": "left out: " + "; ".join(broken)} if broken else {}
    return {"anyOf": [text, *options, opened], **comment}


def _parameters(cls: type[Plugin], kind: str, name: str, definitions: dict[str, Json]) -> dict[str, Json]:
    schema = _model(cls, definitions, _PluginGenerator)
    own = {"use": {"const": name, "description": cleandoc(cls.__doc__ or name)}}
    if kind == "grader":
        own["name"] = {"type": "string", "description": "What reports call this grader."}
        own["informative"] = {"type": "boolean", "description": "Recorded, but never decides."}
    required = ["use", *schema.get("required", [])]
    return {**schema, "properties": {**schema.get("properties", {}), **own}, "required": required}


def _model(
    model: type[BaseModel], definitions: dict[str, Json], generator: type[GenerateJsonSchema] = GenerateJsonSchema
) -> dict[str, Json]:
    """A model's own schema; what it refers to goes into `definitions`."""
    schema: dict[str, Json] = _referring(model.model_json_schema(ref_template=_REF, schema_generator=generator))
    definitions.update(schema.pop("$defs", {}))
    if _LOOSE in schema.get("anyOf", ()):
        inner = schema["anyOf"][0]
        schema = definitions[inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
    properties: Mapping[str, Json] = schema.get("properties", {})
    return {**schema, "properties": {name: _without_title(field) for name, field in properties.items()}}


def _referring(schema: Json) -> Json:
    """With every mark of a plugin made a reference to the alternatives of its kind."""
    if isinstance(schema, dict):
        if _PLUGIN_MARK in schema:
            return {"$ref": f"#/$defs/{schema[_PLUGIN_MARK]}"}
        return {key: _referring(value) for key, value in schema.items()}
    return [_referring(value) for value in schema] if isinstance(schema, list) else schema


def _without_title(field: Json) -> Json:
    return {k: v for k, v in field.items() if k != "title"}


_LOOSE: dict[str, Json] = {"description": "or a shorter form"}


class _PluginGenerator(GenerateJsonSchema):
    """Fields that hold another plugin refer to the alternatives of its kind.

    A field whose validator runs before the type check may take shorter forms that no schema knows: anything goes there,
    and the typed form stays for completion.
    """

    def function_before_schema(self, schema: Any) -> dict[str, Json]:
        """Pydantic's hook."""
        return {"anyOf": [super().function_before_schema(schema), _LOOSE]}

    def model_schema(self, schema: Any) -> dict[str, Json]:
        """Pydantic's hook."""
        cls = schema["cls"]
        if issubclass(cls, Plugin) and isabstract(cls):
            return {_PLUGIN_MARK: cls.kind}
        return super().model_schema(schema)
