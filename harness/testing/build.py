"""A plugin from parameters as YAML has them, and a place to try it in. For contract suites, where no config is read."""

from __future__ import annotations

import tempfile
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from harness.plugins.contracts import KINDS, Plugin
from harness.plugins.loader import load
from harness.records.content import Json

_Bound = typing.TypeVar("_Bound", bound=Plugin)


def build(cls: type[_Bound], params: Mapping[str, Json], workspace: Path) -> _Bound:
    """An instance. Fields of a plugin kind may be names or `{use: name, ...}`, alone or in a list.

    Raises ValueError (pydantic's) for bad parameters, UsageFault for names that do not load.
    """
    return cls.model_validate(_bound(cls, params, workspace))


def _bound(cls: type[BaseModel], params: Mapping[str, Json], workspace: Path) -> dict[str, object]:
    values: dict[str, object] = dict(params)
    for name, field in cls.model_fields.items():
        if name not in values:
            continue
        if kind := _kind_in(field.annotation):
            values[name] = _bind(kind, values[name], workspace)
        elif part := _part_in(field.annotation):
            values[name] = _in_part(part, values[name], workspace)
    return values


def _in_part(part: type[BaseModel], value: object, workspace: Path) -> object:
    """A part of the parameters that holds plugins itself (a judge), alone or in a list."""
    if isinstance(value, (list, tuple)):
        return tuple(_in_part(part, v, workspace) for v in value)
    if not isinstance(value, dict):
        return value
    spelled = getattr(part, "spelled", None)
    return _bound(part, spelled("", value) if spelled else value, workspace)


def _part_in(annotation: object) -> type[BaseModel] | None:
    """The part that a field's type mentions which holds plugins, or nothing."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        if not issubclass(annotation, BaseModel) or issubclass(annotation, Plugin):
            return None
        fields = annotation.model_fields.values()
        return annotation if any(_kind_in(f.annotation) or _part_in(f.annotation) for f in fields) else None
    return next((part for one in typing.get_args(annotation) if (part := _part_in(one))), None)


def _bind(kind: str, value: object, workspace: Path) -> object:
    if isinstance(value, str):
        provider, slash, name = value.partition("/")
        value = {"use": provider, "name": name} if kind == "model" and slash and ".py" not in value else {"use": value}
    if isinstance(value, (list, tuple)):
        return tuple(_bind(kind, v, workspace) for v in value)
    if isinstance(value, dict) and isinstance(value.get("use"), str):
        inner = load(kind, value["use"], workspace)
        return build(inner, {k: v for k, v in value.items() if k != "use"}, workspace)
    return value


def _kind_in(annotation: object) -> str:
    """The plugin kind that a field's type mentions, or nothing."""
    if isinstance(annotation, type) and issubclass(annotation, Plugin):
        return next((kind for kind, base in KINDS.items() if issubclass(annotation, base)), "")
    return next((kind for part in typing.get_args(annotation) if (kind := _kind_in(part))), "")


@contextmanager
def scratch(cls: type[Plugin], workspace: Path) -> Iterator[Path]:
    """A workspace of its own: links to the folders of the real one, and the example's files."""
    with tempfile.TemporaryDirectory(prefix="harness-check-") as folder:
        place = Path(folder).resolve()
        for name, text in cls.example_files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
        for folder_name in ("tasks", "graders", "harnesses", "models", "prompts"):
            real = workspace / folder_name
            if real.is_dir() and not (place / folder_name).exists():
                (place / folder_name).symlink_to(real.resolve())
        yield place
