"""Rates by bucket, and the arithmetic. Everything is a Decimal in USD per million tokens until the very end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from harness.records.content import Usage

Bucket = Literal["input", "cache_read", "cache_write_short", "cache_write_long", "output", "reasoning"]
BUCKETS: tuple[Bucket, ...] = (
    "input",
    "cache_read",
    "cache_write_short",
    "cache_write_long",
    "output",
    "reasoning",
)
"""The token buckets of `Usage`: disjoint, so a price is a plain sum."""

MEGA = Decimal(1_000_000)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Level:
    """Rates of a request whose whole input is more than `above` tokens (-1: any request)."""

    above: int
    input: Decimal
    cache_read: Decimal
    cache_write_short: Decimal
    cache_write_long: Decimal
    output: Decimal
    reasoning: Decimal

    def times(self, factor: Decimal) -> Level:
        """Every rate multiplied."""
        return Level(self.above, *(getattr(self, bucket) * factor for bucket in BUCKETS))


@dataclass(frozen=True, slots=True)
class Rates:
    """What one model costs in one price context, while nothing dated changes.

    `levels` ascend by `above`; one level is chosen per request by its total input, cached or not, and holds for the
    whole request (a cliff, as providers bill it). `per_call` is USD. `borrowed` buckets have no rate of their own
    and take a neighbour's: a call with tokens in one of them is estimated. `notes` say why something is estimated.
    """

    levels: tuple[Level, ...]
    source: str
    per_call: Decimal = ZERO
    estimated: bool = False
    borrowed: tuple[Bucket, ...] = ()
    free: bool = False
    notes: tuple[str, ...] = ()

    def level(self, input_total: int) -> Level:
        """The level that a request with this much input is billed at."""
        chosen = self.levels[0]
        for level in self.levels[1:]:
            if input_total <= level.above:
                break
            chosen = level
        return chosen

    def cost(self, usage: Usage) -> Decimal:
        """Exact USD of one call."""
        levels = self.levels
        rate = levels[0] if len(levels) == 1 else self.level(usage.input_total)
        tokens = rate.input * usage.input + rate.output * usage.output
        if usage.cache_read:
            tokens += rate.cache_read * usage.cache_read
        if usage.cache_write_short:
            tokens += rate.cache_write_short * usage.cache_write_short
        if usage.cache_write_long:
            tokens += rate.cache_write_long * usage.cache_write_long
        if usage.reasoning:
            tokens += rate.reasoning * usage.reasoning
        return tokens / MEGA + self.per_call

    def is_estimate(self, usage: Usage) -> bool:
        """Whether this call's price rests on a rate that is known to be approximate."""
        return self.estimated or any(getattr(usage, bucket) for bucket in self.borrowed)

    def times(self, factor: Decimal, note: str = "") -> Rates:
        """Every rate multiplied, with a note of why."""
        if factor == 1:
            return self
        notes = (*self.notes, note) if note else self.notes
        levels = tuple(level.times(factor) for level in self.levels)
        return replace(self, levels=levels, per_call=self.per_call * factor, notes=notes)

    def guessed(self, note: str) -> Rates:
        """The same rates, marked as estimated, with the reason."""
        return replace(self, estimated=True, notes=(*self.notes, note))
