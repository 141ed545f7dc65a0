"""Systems: a harness with its models by role, settings, limits; and who hands tasks to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.config.bind import Binder, Bound
from harness.config.faults import Spot, YamlSpot, checked, unknown_key
from harness.config.fields import limits_of
from harness.config.schema import SystemSpec
from harness.config.suite import System
from harness.errors import Fault, HarnessError
from harness.plugins.contracts import Harness, Model
from harness.plugins.gateway import mismatch
from harness.plugins.loader import did_you_mean
from harness.records.content import Json
from harness.records.task import digest_of


@dataclass(slots=True)
class SystemLoader:
    """Gathers the systems of a suite in order; `finish` ties those together that hand tasks on."""

    workspace: Path
    binder: Binder
    faults: list[Fault]
    systems: dict[str, System] = field(default_factory=dict)
    _spots: dict[str, Spot] = field(default_factory=dict)

    def add(self, data: Json, spot: YamlSpot) -> None:
        """One system as written in YAML."""
        before = len(self.faults)
        spec = checked(SystemSpec, data, spot, self.faults, {"name": "x", "harness": "x"})
        if spec is None:
            return
        name = data["name"] if isinstance(data, dict) and isinstance(data.get("name"), str) else ""
        if name in self._spots:
            what = f"the system '{name}' is there already, at {self._spots[name].place()}"
            self.faults.append(spot.fault(what, ("name",), "names are unique"))
        elif name:
            self._spots[name] = spot
        harness = self.binder.bind("harness", spec.harness, spot.at("harness")) if "harness" in data else None
        if harness is None or not isinstance(harness.plugin, Harness):
            return
        models = self._models(spec, harness.plugin, spot)
        self._reached(spec, harness.plugin, models, spot)
        if len(self.faults) > before:
            return
        self.systems[name] = System(
            name,
            harness.plugin,
            {role: bound.plugin for role, bound in models.items() if isinstance(bound.plugin, Model)},
            limits_of(spec.limits),
            spec.default,
            harness.digest,
            digest_of({role: bound.digest for role, bound in models.items()}) if models else "",
            _config(spec, harness, models),
            str(spot.place()),
        )

    def finish(self) -> None:
        """Check who hands tasks to whom, and let each digest cover what the harness hands tasks to."""
        targets = {name: self._targets(name, system) for name, system in self.systems.items()}
        for name in self.systems:
            circle = _circle(name, targets)
            if circle and min(circle) == name:
                shown = " -> ".join((*circle, name))
                self.faults.append(
                    self._spots[name].fault(f"systems that hand tasks to each other: {shown}", ("harness",))
                )
        if any(_circle(name, targets) for name in self.systems):
            return
        done: dict[str, System] = {}
        for name in self.systems:
            self._cover(name, targets, done)
        self.systems = {name: done[name] for name in self.systems}

    def _cover(self, name: str, targets: Mapping[str, Sequence[str]], done: dict[str, System]) -> System:
        if name not in done:
            system = self.systems[name]
            below = [self._cover(target, targets, done) for target in targets[name]]
            if below:
                parts = [[s.name, s.harness_digest, s.model_digest] for s in below]
                system = replace(system, harness_digest=digest_of(system.harness_digest, parts))
            done[name] = system
        return done[name]

    def _targets(self, name: str, system: System) -> list[str]:
        spot = self._spots[name].at("harness")
        try:
            named = list(dict.fromkeys(system.harness.delegates(self.workspace)))
        except HarnessError as e:
            self.faults.append(Fault(e.fault.what, e.fault.place or spot.place(), e.fault.help, e.fault.source_line))
            return []
        except Exception as e:  # noqa: BLE001 - a plugin's own method: told at its place
            self.faults.append(spot.fault(f"the harness cannot say whom it hands tasks to: {type(e).__name__}: {e}"))
            return []
        for target in named:
            if target not in self._spots:
                close = did_you_mean(target, list(self._spots))
                help = " — ".join(h for h in (close, f"systems: {', '.join(self._spots)}") if h)
                self.faults.append(
                    spot.fault(f"it hands tasks to '{target}', which is no system of this suite", (), help)
                )
        return [target for target in named if target in self.systems]

    def _models(self, spec: SystemSpec, harness: Harness, spot: Spot) -> dict[str, Bound]:
        roles = list(harness.roles())
        for role in spec.models:
            if role not in roles:
                close = did_you_mean(role, roles)
                help = " — ".join(h for h in (close, f"roles: {', '.join(roles) or 'none'}") if h)
                self.faults.append(
                    spot.fault(f"the harness has no model role '{role}'", ("models", role), help, key=True)
                )
        if not roles:
            for key in ("model", "settings"):
                if getattr(spec, key):
                    what = f"the harness calls no model, so `{key}` has no use"
                    self.faults.append(spot.fault(what, (key,), "leave it out", key=True))
            return {}
        raw = {role: spec.models.get(role, spec.model) for role in roles}
        absent = [role for role, model in raw.items() if model is None]
        if absent:
            what = f"no model for the {'role' if len(absent) == 1 else 'roles'} {', '.join(absent)}"
            self.faults.append(
                spot.fault(what, (), "write `model: provider/name` for every role, or `models: {role: ...}`")
            )
        if spec.model is not None and set(roles) <= set(spec.models):
            what = "every role has a model of its own, so `model` has no use"
            self.faults.append(spot.fault(what, ("model",), "leave it out", key=True))
        bound = {}
        for role in roles:
            if raw[role] is not None:
                here = spot.at("models", role) if role in spec.models else spot.at("model")
                made = self._model(raw[role], spec.settings, here, spot.at("settings"))
                if made:
                    bound[role] = made
        return bound

    def _reached(self, spec: SystemSpec, harness: Harness, models: Mapping[str, Bound], spot: Spot) -> None:
        """Whether the harness's agent can speak to its models: told here, long before a door opens."""
        for role, bound in models.items():
            model = bound.plugin
            if not harness.uses_gateway or not isinstance(model, Model) or model.simulated:
                continue
            there = model.reached_by()
            absent = [dialect for dialect in harness.spoken(there) if there and dialect not in there]
            if absent:
                here = spot.at("models", role) if role in spec.models else spot.at("model")
                help = "choose a model that is reached by it, or a harness that speaks what this one is reached by"
                plugin = type(model).__name__.lower()
                self.faults.append(here.fault(mismatch(absent[0], model.name, plugin, there), (), help))

    def _model(self, raw: Json, settings: Mapping[str, Json], spot: Spot, settings_spot: Spot) -> Bound | None:
        """A model with the system's settings under its own parameters."""
        said: Json = raw
        if settings and isinstance(raw, str | dict):
            use = raw if isinstance(raw, str) else raw.get("use")
            if isinstance(use, str):
                before = len(self.faults)
                self._known_settings(use, settings, spot, settings_spot)
                if len(self.faults) > before:
                    return None
                own: dict[str, Any] = {"use": raw} if isinstance(raw, str) else raw
                said = {**settings, **own}
        return self.binder.bind("model", said, _SettingsSpot(spot, settings_spot, frozenset(settings), raw))

    def _known_settings(self, use: str, settings: Mapping[str, Json], spot: Spot, settings_spot: Spot) -> None:
        plugin = use if ".py" in use else use.partition("/")[0]
        cls = self.binder.load_class("model", plugin, spot)
        if cls is None:
            return
        known = [name for name in cls.model_fields if name != "name"]
        for key in settings:
            if key not in known:
                _, help = unknown_key(key, known)
                what = f"unknown setting `{key}` for {plugin} models"
                self.faults.append(settings_spot.fault(what, (key,), help, key=True))


@dataclass(frozen=True, slots=True)
class _SettingsSpot:
    """A model's place, where parameters that came from `settings` are found in `settings`."""

    model: Spot
    settings: Spot
    keys: frozenset[str]
    raw: Json

    def _side(self, loc: Sequence[int | str]) -> Spot:
        own = isinstance(self.raw, dict) and bool(loc) and loc[0] in self.raw
        return self.settings if loc and loc[0] in self.keys and not own else self.model

    def at(self, *steps: int | str) -> Spot:
        return self._side(steps).at(*steps) if steps else self

    def fault(self, what: str, loc: Sequence[int | str] = (), help: str = "", *, key: bool = False) -> Fault:
        return self._side(loc).fault(what, loc, help, key=key)

    def scalar(self, loc: Sequence[int | str] = ()) -> str | None:
        return self._side(loc).scalar(loc)

    def place(self) -> Any:
        return self.model.place()


def _config(spec: SystemSpec, harness: Bound, models: Mapping[str, Bound]) -> dict[str, Json]:
    return {
        "name": spec.name,
        "harness": harness.config,
        "models": {role: bound.config for role, bound in models.items()},
        "limits": spec.limits.model_dump(exclude_none=True),
        "default": spec.default,
    }


def _circle(start: str, targets: Mapping[str, Sequence[str]]) -> list[str]:
    """The way from a system back to itself, or nothing."""
    stack = [[start]]
    seen = set()
    while stack:
        way = stack.pop()
        for target in targets.get(way[-1], ()):
            if target == start:
                return way
            if target not in seen:
                seen.add(target)
                stack.append([*way, target])
    return []
