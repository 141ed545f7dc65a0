"""Pydantic's faults in plain words, each at its place in the user's file."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from harness.config.document import Document, Loc
from harness.errors import Fault, Place
from harness.plugins.loader import did_you_mean
from harness.records.content import Json

M = TypeVar("M", bound=BaseModel)


class Spot(Protocol):
    """Where something was said: in a YAML file, or in a row of a data set."""

    def at(self, *steps: int | str) -> Spot:
        """A place further in."""
        ...

    def fault(self, what: str, loc: Loc = (), help: str = "", *, key: bool = False) -> Fault:
        """A fault at this place, or further in."""
        ...

    def scalar(self, loc: Loc = ()) -> str | None:
        """The plain text that was written there, if it is one scalar."""
        ...

    def place(self) -> Place:
        """The place itself."""
        ...


@dataclass(frozen=True, slots=True)
class YamlSpot:
    """A place in a YAML document."""

    document: Document
    base: tuple[int | str, ...] = ()

    def at(self, *steps: int | str) -> YamlSpot:
        """A place further in."""
        return YamlSpot(self.document, (*self.base, *steps))

    def fault(self, what: str, loc: Loc = (), help: str = "", *, key: bool = False) -> Fault:
        """A fault at this place, or further in."""
        return self.document.fault(what, (*self.base, *loc), help, key=key)

    def scalar(self, loc: Loc = ()) -> str | None:
        """The plain text that was written there, if it is one scalar."""
        return self.document.scalar((*self.base, *loc))

    def place(self) -> Place:
        """The place itself."""
        return self.document.place(self.base)


@dataclass(frozen=True, slots=True)
class RowSpot:
    """A row of a data set, and the template it goes through."""

    row: Place
    template: Spot

    def at(self, *steps: int | str) -> RowSpot:
        """The same row, further in the template."""
        return RowSpot(self.row, self.template.at(*steps))

    def fault(self, what: str, loc: Loc = (), help: str = "", *, key: bool = False) -> Fault:
        """A fault in this row."""
        via = f"the template is at {self.template.at(*loc).place()}"
        return Fault(what, self.row, f"{help} — {via}" if help else via)

    def scalar(self, loc: Loc = ()) -> str | None:
        """Rows are data: what was written is what was read."""
        return None

    def place(self) -> Place:
        """The row."""
        return self.row


@dataclass(frozen=True, slots=True)
class DataSpot:
    """A row that is itself a task: all of it has one place, so the fault says where in the row."""

    row: Place
    base: tuple[int | str, ...] = ()

    def at(self, *steps: int | str) -> DataSpot:
        """Further in the same row."""
        return DataSpot(self.row, (*self.base, *steps))

    def fault(self, what: str, loc: Loc = (), help: str = "", *, key: bool = False) -> Fault:
        """A fault in this row."""
        path = ".".join(str(step) for step in (*self.base, *loc))
        return Fault(what, self.row, f"{help} — in `{path}`" if help and path else help or (path and f"in `{path}`"))

    def scalar(self, loc: Loc = ()) -> str | None:
        """Rows are data: what was written is what was read."""
        return None

    def place(self) -> Place:
        """The row."""
        return self.row


def checked(model: type[M], data: Json, spot: Spot, faults: list[Fault], defaults: Mapping[str, Json]) -> M | None:
    """The model made of `data`. On faults these are told, and what is sound comes back so that the rest is checked too.

    `defaults` stands in for required keys that are missing or wrong; without it None comes back in that case.
    """
    try:
        return model.model_validate(data)
    except ValidationError as e:
        errors = e.errors(include_url=False)
    faults.extend(translate(errors, model, data, spot))
    if not isinstance(data, dict):
        return None
    wrong = {error["loc"][0] for error in errors if error["loc"]}
    sound = {**defaults, **{k: v for k, v in data.items() if k not in wrong}}
    try:
        return model.model_validate(sound)
    except ValidationError:
        return None


def translate(errors: Sequence[Any], model: type[BaseModel], data: Json, spot: Spot) -> list[Fault]:
    """Pydantic's errors as faults. A list whose items are wrong is not called too short as well, and a value that YAML
    itself was refused for is not called nothing as well."""
    wrong = {error["loc"][:n] for error in errors for n in range(len(error["loc"]))}
    own = [e for e in errors if not (e["type"] == "too_short" and e["loc"] in wrong)]
    refused = {fault.place for fault in spot.document.faults} if isinstance(spot, YamlSpot) else set()
    found = [(error["input"], _fault(error, model, data, spot)) for error in own]
    return [fault for value, fault in found if value is not None or fault.place not in refused]


def describe(value: Json) -> str:
    """A value in words: `the number 3.1`, `the text 'x'`, `a list`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text '{value if len(value) <= 40 else value[:37] + '...'}'"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
    return f"a {type(value).__name__}"


def unknown_key(key: str, known: Sequence[str]) -> tuple[str, str]:
    """What and help for a key that is not known."""
    close = did_you_mean(key, list(known))
    there = f"known keys: {', '.join(known) or 'none'}"
    return f"unknown key `{key}`", f"{close} — {there}" if close else there


def _fault(error: Any, model: type[BaseModel], data: Json, spot: Spot) -> Fault:
    loc, value, inside = _real(error["loc"], data)
    kind: str = error["type"]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        what, help = unknown_key(name, _keys_at(model, error["loc"][:-1]))
        return spot.fault(what, loc, help, key=True)
    if kind == "missing":
        return spot.fault(f"`{name}` is missing", loc, _first_line(_field_text(model, error["loc"])))
    shown = next((str(step) for step in reversed(loc) if isinstance(step, str)), "")
    prefix = f"`{shown}`: " if shown else ""
    what = _what(kind, error, value if inside else error["input"])
    if kind == "value_error":
        loc = (*loc, *getattr(error.get("ctx", {}).get("error"), "at", ()))
    help = _help(kind, error, spot.scalar(loc))
    if not help and kind == "too_short":
        help = _first_line(_field_text(model, error["loc"]))
    return spot.fault(prefix + what, loc, help)


_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
    "iterable": "a list",
    "none": "nothing",
}


def _what(kind: str, error: Any, value: Json) -> str:
    expected = _EXPECTED.get(kind.partition("_")[0])
    if expected and kind.partition("_")[2] in ("type", "parsing", "from_float", "attributes_type", "required"):
        return f"expected {expected}, found {describe(value)}"
    context = error.get("ctx", {})
    if kind == "literal_error":
        return f"expected {context['expected'].replace(chr(39), '')}, found {describe(value)}"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind in ("too_short", "string_too_short"):
        return "must not be empty" if context.get("min_length") == 1 else f"needs at least {context['min_length']}"
    if kind.startswith(("greater_than", "less_than", "finite", "too_long", "multiple")):
        return f"{value} is out of range: it {error['msg'].removeprefix('Input ')[:1].lower()}{_rest(error['msg'])}"
    message = str(error["msg"])
    return message[:1].lower() + message[1:]


def _rest(message: str) -> str:
    return message.removeprefix("Input ")[1:]


def _help(kind: str, error: Any, written: str | None) -> str:
    value = error["input"]
    if kind == "value_error":
        return "; ".join(getattr(error.get("ctx", {}).get("error"), "__notes__", ()))
    if kind == "string_type" and isinstance(value, bool | int | float):
        text = written if written is not None else str(value)
        reads = f"YAML reads `{text}` as {describe(value)}; " if text != str(value) else ""
        return f'{reads}write "{text}" for the text'
    if kind.startswith(("int_", "float_")) and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return ""
        return f"it is read as text; write {int(number) if number.is_integer() else number}"
    if kind == "list_type" and isinstance(value, str):
        return f"write [{value}]"
    if kind == "literal_error" and isinstance(value, str):
        options = [o for o in error["ctx"]["expected"].split("'") if o.strip(" ,or")]
        return did_you_mean(value, options)
    return ""


def _real(loc: Loc, data: Json) -> tuple[tuple[int | str, ...], Json, bool]:
    """The steps of a pydantic location that are in the data (it also names union tags), the value, and if all fit."""
    steps: list[int | str] = []
    whole = True
    for step in loc:
        if isinstance(data, dict) and step in data:
            data = data[str(step)]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            whole = False
            continue
        steps.append(step)
        whole = True
    return tuple(steps), data, whole


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    found = _models_at(model, loc)
    return [name for m in found for name in m.model_fields]


def _field_text(model: type[BaseModel], loc: Loc) -> str:
    for m in _models_at(model, loc[:-1]):
        if loc[-1] in m.model_fields:
            return m.model_fields[str(loc[-1])].description or ""
    return ""


def _models_at(model: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    current = [model]
    for step in loc:
        fields = [m.model_fields[str(step)] for m in current if step in m.model_fields]
        if fields:
            current = [m for f in fields for m in _models_in(f.annotation)]
    return current


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Annotated, typing.Union, UnionType, list, tuple, dict):
        return [m for a in typing.get_args(annotation) for m in _models_in(a)]
    return []


def _first_line(text: str) -> str:
    return " ".join(text.split())
