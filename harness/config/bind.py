"""From what a YAML says (`match`, `{use: match, ...}`, `anthropic/claude-x`) to a bound plugin."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import msgspec
from pydantic import ValidationError

from harness.config.document import Document, read_document
from harness.config.faults import Spot, YamlSpot, describe, translate
from harness.config.identity import parameters, plugin_digest
from harness.errors import Fault, HarnessError
from harness.plugins.contracts import Plugin
from harness.plugins.loader import installed, is_file_name, load
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
        return sorted(p.stem for p in (self._workspace / "graders").glob("*.yaml"))

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
        raw = {k: v for k, v in document.data.items() if k != "description"}
        plugin = self._plugin("grader", {**raw, **params}, YamlSpot(document), (*chain, name))
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
            return [spot.fault(what) for what in plugin.check(self._workspace)]
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
            return self._plugin(kind, value, spot, ())
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (typing.Union, UnionType, typing.Annotated):
            return self._nested(_fitting(args, value), value, spot)
        if isinstance(value, list):
            return [self._nested(args[0], v, spot.at(i)) for i, v in enumerate(value)]
        if isinstance(value, dict) and len(args) == 2:
            return {k: self._nested(args[1], v, spot.at(k)) for k, v in value.items()}
        return value


def plugin_kind(annotation: Any) -> str | None:
    """The kind of plugin a field's annotation asks for, anywhere in it; None if it asks for none."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation.kind if issubclass(annotation, Plugin) else None
    return next((k for a in typing.get_args(annotation) if (k := plugin_kind(a))), None)


def _fitting(options: Sequence[Any], value: Json) -> Any:
    """The member of a union that is meant: a container for a list, a plugin otherwise."""
    plugins = [o for o in options if plugin_kind(o)]
    wants_list = isinstance(value, list)
    fits = [o for o in plugins if (typing.get_origin(o) is not None and not isinstance(o, type)) == wants_list]
    return (fits or plugins)[0]
