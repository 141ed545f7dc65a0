"""A plugin from parameters as YAML has them, and a place to try it in. For contract suites, where no config is read."""

from __future__ import annotations

import tempfile
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.plugins.contracts import KINDS, Plugin
from harness.plugins.loader import load
from harness.records.content import Json

_Bound = typing.TypeVar("_Bound", bound=Plugin)


def build(cls: type[_Bound], params: Mapping[str, Json], workspace: Path) -> _Bound:
    """An instance. Fields of a plugin kind may be names or `{use: name, ...}`, alone or in a list.

    Raises ValueError (pydantic's) for bad parameters, UsageFault for names that do not load.
    """
    values: dict[str, object] = dict(params)
    for name, field in cls.model_fields.items():
        kind = _kind_in(field.annotation)
        if kind and name in values:
            values[name] = _bind(kind, values[name], workspace)
    return cls.model_validate(values)


def _bind(kind: str, value: object, workspace: Path) -> object:
    if isinstance(value, str):
        value = {"use": value}
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
