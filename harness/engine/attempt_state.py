"""What one attempt has used and seen so far: limits are checked and the transcript grows here."""

from __future__ import annotations

from random import Random

from harness.engine.clock import WorkClock
from harness.errors import LimitReached
from harness.records.content import Json, Message, Usage
from harness.records.outcome import Output
from harness.records.task import Limits
from harness.records.transcript import Event, Note


class AttemptState:
    """Counters and events of one attempt. `usage` has every call of the system under test, failed ones too."""

    __slots__ = (
        "_rng", "before", "cached", "clock", "epoch", "events", "hit", "limits",
        "model_s", "models", "occurrences", "retries", "saved", "seed", "turns", "usage",
    )  # fmt: skip

    def __init__(self, limits: Limits, epoch: int, seed: int) -> None:
        self.limits = limits
        self.epoch = epoch
        self.seed = seed
        self._rng: Random | None = None
        self.clock = WorkClock(limits.time_s)
        self.usage = Usage()
        self.turns = 0
        self.retries = 0
        self.cached = 0
        self.model_s = 0.0
        self.events: list[Event] = []
        self.models: list[str] = []
        self.saved: Output | None = None
        self.hit = ""
        self.before: dict[str, tuple[Message, ...]] = {}
        self.occurrences: dict[str, int] = {}

    @property
    def rng(self) -> Random:
        """The attempt's own randomness (back-off), made when first needed."""
        if self._rng is None:
            self._rng = Random(self.seed)
        return self._rng

    def note(self, kind: str, text: str = "", data: Json = None) -> None:
        """Add a note to the transcript."""
        self.events.append(Note(round(self.clock.now, 4), str(kind), str(text), data))

    def check_limits(self) -> None:
        """Raise LimitReached when one more model call is not allowed. Called before each call.

        `hit` remembers which limit it was, whatever the harness does with the exception.
        """
        try:
            self._check_limits()
        except LimitReached as e:
            self.hit = e.kind
            raise

    def _check_limits(self) -> None:
        limits, usage = self.limits, self.usage
        if self.clock.over:
            raise self.clock.time_is_up()
        if limits.turns is not None and self.turns >= limits.turns:
            raise LimitReached("turns", f"limit of {limits.turns} turns reached")
        if limits.tokens is not None and usage.tokens >= limits.tokens:
            raise LimitReached("tokens", f"limit of {limits.tokens:,} tokens reached ({usage.tokens:,} used)")
        if limits.cost_usd is not None and usage.cost_usd >= limits.cost_usd:
            raise LimitReached("cost", f"limit of ${limits.cost_usd:g} reached (${usage.cost_usd:.4f} spent)")

    def saw_model(self, name: str) -> None:
        """Remember the model name a provider returned."""
        if name and name not in self.models:
            self.models.append(name)
