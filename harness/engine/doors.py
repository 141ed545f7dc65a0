"""An attempt's side of the gateway: a socket of its own, what passes is counted, limits and the run's budget hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from harness.config.suite import System
from harness.engine.attempt_state import AttemptState
from harness.engine.services import Services
from harness.errors import LimitReached, ModelError
from harness.plugins.contracts import Gateway, Model, Mount
from harness.records.content import Usage
from harness.records.exchange import Exchange

if TYPE_CHECKING:
    from harness.gateway.entrance import Entrance
    from harness.gateway.ports import Stop


@dataclass(frozen=True, slots=True)
class Way:
    """A trial's way to its models: the entrance, and the folder of its socket."""

    entrance: Entrance
    folder: Path

    @property
    def lost(self) -> ModelError | None:
        """What a model failed of for good. No limit that came after it is the outcome of the system."""
        return self.entrance.lost

    def gateway(self, services: Services, models: Mapping[str, Model], *, boxed: bool) -> Gateway:
        """`ctx.gateway` for one system: its own models behind the trial's one socket."""
        from harness.gateway.entrance import TrialGateway

        opened = {role: services.open_model(model) for role, model in models.items()}
        return TrialGateway(self.entrance, opened, boxed=boxed)


@asynccontextmanager
async def way_to_models(
    system: System, services: Services, state: AttemptState, allowed: Sequence[str]
) -> AsyncIterator[Way | None]:
    """A socket for the attempt, gone when the context ends; nothing for a harness without an agent.

    Raises SandboxError `gateway`.
    """
    if not any(s.harness.uses_gateway for s in _with_delegates(system, services)):
        yield None
        return
    from harness.gateway.entrance import Entrance

    entrance = Entrance(services.gateway(), CountedTrial(services, state, allowed))
    folder = await entrance.open()
    try:
        yield Way(entrance, folder)
    finally:
        await entrance.aclose()


def mounts_of(system: System, services: Services) -> tuple[Mount, ...]:
    """What the harness, and those it delegates to, have of the host in their box."""
    found = (m for s in _with_delegates(system, services) for m in s.harness.mounts(services.suite.workspace))
    return tuple(dict.fromkeys(found))


def _with_delegates(system: System, services: Services) -> Iterator[System]:
    seen: set[str] = set()
    waiting = [system]
    while waiting:
        one = waiting.pop()
        if one.name in seen:
            continue
        seen.add(one.name)
        yield one
        systems = services.suite.systems
        waiting += [systems[n] for n in one.harness.delegates(services.suite.workspace) if n in systems]


class CountedTrial:
    """The attempt as the gateway counts for it (`harness.gateway.ports.Trial`)."""

    __slots__ = ("_services", "_state", "allowed")

    def __init__(self, services: Services, state: AttemptState, allowed: Sequence[str]) -> None:
        self._services = services
        self._state = state
        self.allowed = allowed

    @property
    def now(self) -> float:
        """Seconds since the attempt began."""
        return self._state.clock.now

    @property
    def rng(self) -> Random:
        """The attempt's own randomness."""
        return self._state.rng

    def stop(self) -> Stop | None:
        """The limit that one more call would break: the trial's own, which is its outcome, or the run's budget."""
        from harness.gateway.ports import Stop

        try:
            self._state.check_limits()
        except LimitReached as e:
            return Stop(e.kind, f"stopped by the harness: {e}")
        budget, spent = self._services.suite.budget_usd, self._services.spent_now()
        if budget is None or spent < budget:
            return None
        self._services.over_budget()
        return Stop("budget", f"stopped by the harness: the run's budget of ${budget:g} is used up")

    def begin_turn(self) -> None:
        """A model call starts."""
        self._state.turns += 1
        self._state.clock.begin_call()

    def end_turn(self) -> None:
        """It is over."""
        self._state.clock.end_call()

    def begin_wait(self) -> None:
        """A call starts to wait."""
        self._state.clock.begin_wait()

    def end_wait(self) -> None:
        """It goes on."""
        self._state.clock.end_wait()

    def retried(self) -> None:
        """A try failed and another follows."""
        self._state.retries += 1

    def perhaps_billed(self) -> None:
        """A try whose answer never came."""
        self._state.usage = self._state.usage + Usage(calls=1, unpriced=1)

    def record(self, exchange: Exchange) -> None:
        """Count an exchange and keep it."""
        state = self._state
        state.events.append(exchange)
        if exchange.response is not None:
            state.usage = state.usage + exchange.usage
            state.model_s += exchange.seconds
            state.saw_model(exchange.response.model)

    def note(self, kind: str, text: str) -> None:
        """Into the transcript."""
        self._state.note(kind, text)
