"""From what a YAML says (`match`, `{use: match, ...}`, `anthropic/claude-x`) to a bound plugin."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from harness.config.document import Document, read_document
from harness.config.faults import Spot, YamlSpot, describe, translate
from harness.config.identity import parameters, plugin_digest
from harness.errors import Fault, HarnessError
from harness.plugins.contracts import Plugin
from harness.plugins.loader import did_you_mean, installed, is_file_name, load
from harness.records.content import Json


@dataclass(frozen=True, slots=True)
class Bound:
    """A plugin made of its YAML. `use` is its name as written (a definition's too); `config` has defaults filled in."""

    plugin: Plugin
    use: str
    digest: str
    config: Mapping[str, Json]


class Binder:
    """Binds plugins for one workspace; equal YAML gives the same object."""

    def __init__(self, workspace: Path, faults: list[Fault]) -> None:
        self._workspace = workspace
        self._faults = faults
        self._known: dict[bytes, Bound] = {}
        self._uses: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._definitions: dict[str, Document] = {}
        self._named: dict[str, dict[str, tuple[Json, Spot]]] = {}

    def name(self, key: str, said: Mapping[str, Json], spot: Spot) -> None:
        """Parts of parameters that may be used by their names from here on: those under `judges:`."""
        for name, part in said.items():
            known = self._named.setdefault(key, {}).setdefault(name, (part, spot.at(name)))
            if known[0] != part:
                self._faults.append(spot.fault(f"'{name}' is another one at {known[1].place()}", (name,)))

    def bind(self, kind: str, raw: Json, spot: Spot) -> Bound | None:
        """The plugin, or None after its faults were told."""
        key = msgspec.json.encode((kind, raw), order="deterministic")
        known = self._known.get(key)
        if known is not None:
            return known
        plugin = self._plugin(kind, raw, spot, ())
        if plugin is None:
            return None
        name = self._names.pop(id(plugin), self._uses[id(plugin)])
        bound = Bound(plugin, name, plugin_digest(plugin, self._workspace), self.config(plugin))
        self._known[key] = bound
        return bound

    def config(self, plugin: Plugin) -> Mapping[str, Json]:
        """A bound plugin's parameters with defaults filled in and `use` as it was written."""
        return parameters(plugin, self._uses)

    def load_class(self, kind: str, name: str, spot: Spot) -> type[Plugin] | None:
        """The class, or None after the fault was told."""
        try:
            return load(kind, name, self._workspace)
        except HarnessError as e:
            help = e.fault.help
            own = self.definition_names() if kind == "grader" else []
            if own and not is_file_name(name):
                help += f" — definitions: {', '.join(own)}"
            self._faults.append(spot.fault(e.fault.what, (), help))
            return None

    def definition_names(self) -> list[str]:
        """Named grader definitions of the workspace: graders/NAME.yaml."""
        return sorted(p.stem for p in (self._workspace / "graders").glob("*.yaml") if p.stem != SHARED)

    def documents(self) -> Iterable[Document]:
        """The grader definitions that were read; their own faults are in them."""
        return self._definitions.values()

    def _plugin(self, kind: str, raw: Json, spot: Spot, chain: tuple[str, ...]) -> Plugin | None:
        said = self._said(kind, raw, spot)
        if said is None:
            return None
        use, params = said
        use_spot = spot.at("use") if isinstance(raw, dict) else spot
        if kind == "grader" and not is_file_name(use):
            path = self._workspace / "graders" / f"{use}.yaml"
            if path.is_file():
                if use in installed("grader"):
                    what = f"'{use}' is both an installed grader and the definition graders/{use}.yaml"
                    self._faults.append(use_spot.fault(what, (), "rename the definition"))
                    return None
                return self._defined(use, params, use_spot, chain)
        cls = self.load_class(kind, use, use_spot)
        if cls is None:
            return None
        plugin = self._construct(cls, params, spot)
        if plugin is not None:
            self._uses[id(plugin)] = use
        return plugin

    def _said(self, kind: str, raw: Json, spot: Spot) -> tuple[str, dict[str, Json]] | None:
        if isinstance(raw, str) and raw:
            use, params = raw, {}
        elif isinstance(raw, dict) and isinstance(raw.get("use"), str) and raw["use"]:
            use, params = raw["use"], {k: v for k, v in raw.items() if k != "use"}
        else:
            form = "provider/name" if kind == "model" else "a name"
            found = "a mapping without `use`" if isinstance(raw, dict) else describe(raw)
            what = f"expected a {kind}, found {found}"
            self._faults.append(spot.fault(what, (), f"write {form}, or {{use: NAME, ...parameters}}"))
            return None
        if kind == "model" and ".py" not in use:
            return self._model(use, params, isinstance(raw, str), spot)
        return use, params

    def _model(self, use: str, params: dict[str, Json], short: bool, spot: Spot) -> tuple[str, dict[str, Json]] | None:
        provider, slash, name = use.partition("/")
        if slash and name and "name" not in params:
            return provider, {"name": name, **params}
        if slash or short:
            there = f"providers: {', '.join(installed('model'))}"
            what = f"'{use}' is not provider/name" if short or "name" not in params else "the model is named twice"
            self._faults.append(spot.fault(what, (), f"write a model as provider/name — {there}"))
            return None
        return use, params

    def _defined(self, name: str, params: dict[str, Json], spot: Spot, chain: tuple[str, ...]) -> Plugin | None:
        if name in chain:
            circle = " -> ".join((*chain, name))
            self._faults.append(spot.fault(f"grader definitions that use each other: {circle}"))
            return None
        document = self._definition(name)
        if document.faults:
            return None
        raw = {k: v for k, v in document.data.items() if k not in ("description", SHARED)}
        outer = self._named
        if isinstance(own := document.data.get(SHARED), dict):
            here = YamlSpot(document).at(SHARED)
            self._named = {**outer, SHARED: {**outer.get(SHARED, {}), **{n: (p, here.at(n)) for n, p in own.items()}}}
        plugin = self._plugin("grader", {**raw, **params}, YamlSpot(document), (*chain, name))
        self._named = outer
        if plugin is not None:
            self._names[id(plugin)] = name
        return plugin

    def _definition(self, name: str) -> Document:
        if name not in self._definitions:
            document = read_document(self._workspace / "graders" / f"{name}.yaml", f"graders/{name}.yaml")
            if not document.faults and not isinstance(document.data, dict):
                document.faults.append(document.fault("a grader definition is a mapping with `use` and parameters"))
            self._definitions[name] = document
        return self._definitions[name]

    def _construct(self, cls: type[Plugin], params: Mapping[str, Json], spot: Spot) -> Plugin | None:
        before = len(self._faults)
        bound = {
            name: self._nested(cls.model_fields[name].annotation, value, spot.at(name))
            if name in cls.model_fields
            else value
            for name, value in params.items()
        }
        if len(self._faults) > before:
            return None
        try:
            plugin = cls.model_validate(bound)
        except ValidationError as e:
            self._faults.extend(translate(e.errors(include_url=False), cls, params, spot))
            return None
        except HarnessError as e:
            self._faults.append(spot.fault(e.fault.what, (), e.fault.help))
            return None
        except Exception as e:  # noqa: BLE001 - a plugin's own validator: its fault is told at its place
            self._faults.append(spot.fault(f"{cls.__name__} cannot be made: {type(e).__name__}: {e}"))
            return None
        self._faults.extend(self._checks(plugin, spot))
        return plugin if len(self._faults) == before else None

    def _checks(self, plugin: Plugin, spot: Spot) -> list[Fault]:
        try:
            lines = plugin.check(self._workspace)
            return [spot.fault(what, getattr(what, "at", ()), getattr(what, "help", "")) for what in lines]
        except HarnessError as e:
            return [Fault(e.fault.what, e.fault.place or spot.place(), e.fault.help)]
        except Exception as e:  # noqa: BLE001 - a plugin's own check: its fault is told at its place
            return [spot.fault(f"{type(plugin).__name__}.check failed: {type(e).__name__}: {e}")]

    def _nested(self, annotation: Any, value: Json, spot: Spot) -> Any:
        """The value with every plugin in it bound, as the field's annotation asks."""
        kind = plugin_kind(annotation)
        if kind is None or value is None:
            return value
        if isinstance(annotation, type):
            own = issubclass(annotation, Plugin)
            return self._plugin(kind, value, spot, ()) if own else self._part(annotation, value, spot)
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (typing.Union, UnionType, typing.Annotated):
            return self._nested(_fitting(args, value), value, spot)
        if isinstance(value, list):
            return [self._nested(args[0], v, spot.at(i)) for i, v in enumerate(value)]
        if isinstance(value, dict) and len(args) == 2:
            return {k: self._nested(args[1], v, spot.at(k)) for k, v in value.items()}
        return value

    def part(self, cls: type[BaseModel], value: Json, spot: Spot) -> Any:
        """A part that graders share by name, bound; None after its faults were told."""
        return self._part(cls, value, spot)

    def _part(self, cls: type[BaseModel], value: Json, spot: Spot) -> Any:
        """A part of the parameters that holds plugins itself. One with `by_name` may be the name of a shared one."""
        key = getattr(cls, "by_name", "")
        name = ""
        if key and isinstance(value, str):
            there = {**self._shared(key), **self._named.get(key, {})}
            if value not in there:
                help = did_you_mean(value, list(there)) or f"{key}: {', '.join(sorted(there)) or 'none is named'}"
                self._faults.append(spot.fault(f"no '{value}' is named under `{key}`", (), help))
                return None
            name, (value, spot) = value, there[value]
        if not isinstance(value, dict):
            return value
        if key:
            value = cls.spelled(name, value)  # type: ignore[attr-defined]  # what `by_name` promises
        bound = {
            k: self._nested(cls.model_fields[k].annotation, v, spot.at(k)) if k in cls.model_fields else v
            for k, v in value.items()
        }
        if not name:
            return bound
        try:  # its faults belong where it is named, not where it is used
            return cls.model_validate(bound) if all(v is not None for v in bound.values()) else None
        except ValidationError as e:
            self._faults.extend(translate(e.errors(include_url=False), cls, value, spot))
            return None

    def _shared(self, key: str) -> dict[str, tuple[Json, Spot]]:
        """What graders/judges.yaml names for the whole workspace."""
        if key != SHARED or not (self._workspace / "graders" / f"{key}.yaml").is_file():
            return {}
        document = self._definition(key)
        said = document.data.get(key) if isinstance(document.data, dict) else None
        if not isinstance(said, dict):
            if not document.faults:
                document.faults.append(document.fault(f"graders/{key}.yaml is a mapping with `{key}`"))
            return {}
        return {name: (part, YamlSpot(document, (key, name))) for name, part in said.items()}


SHARED = "judges"
"""The key under which judges are named, and the file of those that all of the workspace may use."""


def plugin_kind(annotation: Any) -> str | None:
    """The kind of plugin a field's annotation asks for, anywhere in it; None if it asks for none."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        if issubclass(annotation, Plugin):
            return annotation.kind
        fields = annotation.model_fields.values() if issubclass(annotation, BaseModel) else ()
        return next((k for f in fields if (k := plugin_kind(f.annotation))), None)
    return next((k for a in typing.get_args(annotation) if (k := plugin_kind(a))), None)


def _fitting(options: Sequence[Any], value: Json) -> Any:
    """The member of a union that is meant: a container for a list, a plugin otherwise."""
    plugins = [o for o in options if plugin_kind(o)]
    wants_list = isinstance(value, list)
    fits = [o for o in plugins if (typing.get_origin(o) is not None and not isinstance(o, type)) == wants_list]
    return (fits or plugins)[0]
