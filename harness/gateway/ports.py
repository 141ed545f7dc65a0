"""What the gateway needs of the engine: a trial to count for, and the models its roles are served by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from harness.errors import ModelError
from harness.plugins.contracts import Model, ModelClient
from harness.records.content import Response, Usage
from harness.records.exchange import Exchange


class Lane(Protocol):
    """Calls in flight to one provider and model (`harness.engine.lanes`)."""

    def try_enter(self) -> bool:
        """Take a place if one is free."""
        ...

    async def enter(self, most_s: float) -> None:
        """Wait for a place. Raises ModelError."""
        ...

    def answered(self) -> None:
        """A call was answered."""
        ...

    def failed(self, error: ModelError, sent: float) -> None:
        """A call failed."""
        ...

    def given_up(self) -> None:
        """A call ended without an answer or an error."""
        ...


class Policy(Protocol):
    """The one retry policy (`harness.engine.retry`)."""

    @property
    def max_wait_s(self) -> float:
        """The longest one call may wait."""
        ...

    def delay(self, error: ModelError, failed: int, waited_s: float, rng: Random) -> float | None:
        """Seconds to wait after the `failed`-th failure, or None to give up."""
        ...


class Opened(Protocol):
    """An opened model of the run, shared by its trials (`harness.engine.calls.OpenModel`)."""

    broken: ModelError | None

    @property
    def model(self) -> Model:
        """The plugin."""
        ...

    @property
    def client(self) -> ModelClient:
        """Its client, for models that the gateway itself answers for."""
        ...

    @property
    def lane(self) -> Lane:
        """Its lane."""
        ...

    @property
    def policy(self) -> Policy:
        """When a failed call is tried again."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether it is no real model."""
        ...

    def price(self, response: Response) -> Usage:
        """The response's usage with its cost."""
        ...


@dataclass(frozen=True, slots=True)
class Stop:
    """A limit that forbids one more call: its kind and the words for the agent."""

    kind: str
    message: str


class Trial(Protocol):
    """The attempt that a door belongs to. All of it is called on the run's event loop."""

    @property
    def now(self) -> float:
        """Seconds since the attempt began."""
        ...

    @property
    def rng(self) -> Random:
        """Its own randomness, for back-off."""
        ...

    @property
    def allowed(self) -> Sequence[str]:
        """What the provider may do outside the box (`harness.gateway.policy.WORDS`)."""
        ...

    def stop(self) -> Stop | None:
        """The limit that one more model call would break; remembered as hit."""
        ...

    def begin_turn(self) -> None:
        """A model call starts."""
        ...

    def end_turn(self) -> None:
        """It is over."""
        ...

    def begin_wait(self) -> None:
        """A call starts to wait for a lane or a retry."""
        ...

    def end_wait(self) -> None:
        """It goes on."""
        ...

    def retried(self) -> None:
        """A try at the provider failed and another follows."""
        ...

    def perhaps_billed(self) -> None:
        """A try that was sent and whose answer never came: nobody knows what it cost."""
        ...

    def record(self, exchange: Exchange) -> None:
        """An exchange is over: its usage counts, and it goes into the transcript."""
        ...

    def note(self, kind: str, text: str) -> None:
        """Anything else worth keeping."""
        ...
