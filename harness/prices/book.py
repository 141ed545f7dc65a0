"""The price book: what each model call costs, from the workspace's overlay first and the list prices second.

A model's rates are resolved once for each (provider, names, conditions, day) and kept, because `price` is called once
per model call. Money is a float of USD in the records; it is summed exactly, in Decimal, and rounded once, at the end.
Tool fees (web searches, containers) and prices by modality are not in `Usage` and so in no price here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from harness.prices import listed
from harness.prices.context import conditions
from harness.prices.overlay import EMPTY, Entry, Overlay, load_overlay
from harness.prices.rates import ZERO, Level, Rates
from harness.records.content import Response, Usage

Key = tuple[str, str, str, tuple[tuple[str, str], ...]]

CACHE_LIMIT = 4096
"""Resolved prices kept; a server that invents a model name per answer must not fill memory."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a model's calls will cost, for a plan before the run; `notes` say why it is an estimate."""

    provider: str
    model: str
    rates: Rates
    simulated: bool = False

    @property
    def estimated(self) -> bool:
        """Whether every call with this model is known to be priced approximately."""
        return self.rates.estimated

    def cost(self, usage: Usage) -> float:
        """USD of one call with these tokens."""
        return float(self.rates.cost(usage))

    def __str__(self) -> str:
        """One line: rates per million tokens, tiers, where the price is from."""
        if self.simulated:
            return "costs nothing: simulated, not a model"
        if self.rates.free:
            return f"free ({self.rates.source})"
        first, *more = self.rates.levels
        tiers = "".join(f"; above {level.above:,} input tokens {_in_out(level)}" for level in more)
        about = "about " if self.estimated else ""
        notes = "".join(f"; {note}" for note in self.rates.notes)
        return f"{about}{_in_out(first)} per million tokens{tiers} ({self.rates.source}{notes})"


SIMULATED = Quote("", "", Rates((Level(-1, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO),), "simulated", free=True), True)
"""The quote of a scripted or replayed model: it costs nothing, because it is not a model."""


def simulated_usage(response: Response) -> Usage:
    """Usage of a call to a simulated model: no cost, and neither unpriced nor estimated."""
    return _with_price(response.usage, 0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Resolved:
    """Rates that are true from `start` until before `end`, epoch seconds. None: no price is known."""

    rates: Rates | None
    start: float
    end: float


class PriceBook:
    """Prices of a run. Not for sharing between threads that load overlays; lookups are plain dictionary reads."""

    def __init__(self, overlay: Overlay = EMPTY) -> None:
        self._overlay = overlay
        self._resolved: dict[Key, _Resolved] = {}

    @classmethod
    def load(cls, overlay: Path | None = None) -> PriceBook:
        """The list prices, under the workspace's price file if there is one. Raises ConfigError with every fault."""
        return cls(EMPTY if overlay is None else load_overlay(overlay))

    def price(self, provider: str, model_asked: str, response: Response, at: float) -> Usage:
        """`response.usage` with its price filled in; `at` is when the call was made, epoch seconds.

        A call answered from the harness's own cache costs nothing. A model without a price, or an answer that
        reports no tokens at all, is unpriced and never 0.
        """
        usage = response.usage
        calls = usage.calls or 1
        if usage.cached:
            return _with_price(usage, 0.0, 0, 0)
        key = (provider, model_asked, response.model, tuple(response.priced_as.items()) if response.priced_as else ())
        found = self._resolved.get(key)
        if found is None or not found.start <= at < found.end:
            found = self._resolve(key, at)
        rates = found.rates
        if rates is None or not (usage.tokens or rates.free):
            return _with_price(usage, 0.0, calls, 0)
        guess = (rates.estimated or rates.borrowed) and rates.is_estimate(usage)
        return _with_price(usage, float(rates.cost(usage)), 0, calls if guess else 0)

    def price_of(self, provider: str, model: str, at: float | None = None) -> Quote | None:
        """The price of plain calls to a model, or None when it is not known. `at` is now when left out."""
        when = datetime.now(UTC).timestamp() if at is None else at
        rates = self._rates(provider, (model,), {}, when)
        return None if rates is None else Quote(provider, model, rates)

    def versions(self) -> dict[str, str]:
        """What the prices came from, for the manifest: the table's version and the overlay's digest."""
        name, _, number = listed.table_version().partition(" ")
        own = {"prices.yaml": self._overlay.digest} if self._overlay.digest else {}
        return {name: number} | own

    def _resolve(self, key: Key, at: float) -> _Resolved:
        provider, asked, served, priced_as = key
        names = (served, asked) if served and served != asked else (asked,)
        rates = self._rates(provider, names, conditions(priced_as), at)
        spans = [listed.window(provider, name, at) for name in names]
        if len(self._resolved) >= CACHE_LIMIT:
            self._resolved.clear()
        found = _Resolved(rates, max(s[0] for s in spans), min(s[1] for s in spans))
        self._resolved[key] = found
        return found

    def _rates(self, provider: str, names: tuple[str, ...], said: dict[str, str], at: float) -> Rates | None:
        """The workspace's word first; and the model that answered before the model that was asked for."""
        for name in names:
            own = self._overlay.find(provider, name, at)
            if own is not None:
                return _own(own[0], own[1], (provider, names), said, at)
        return _listed(provider, names, said, at)


def _listed(provider: str, names: tuple[str, ...], said: dict[str, str], at: float) -> Rates | None:
    for name in names:
        rates = listed.listed_rates(provider, name, said, at)
        if rates is not None:
            return rates
    return None


def _own(entry: Entry, place: str, call: tuple[str, tuple[str, ...]], said: dict[str, str], at: float) -> Rates | None:
    """Rates from an entry of the price file, with its factors; conditions it does not name stay with the list."""
    factor = Decimal(1)
    rest = dict(said)
    for key, value in said.items():
        if value in entry.multipliers.get(key, {}):
            factor *= entry.multipliers[key][value]
            del rest[key]
    rates = entry.own_rates(place)
    if rates is not None and rates.free:
        return rates
    if rates is not None:
        for key, value in rest.items():
            rates = rates.guessed(f"no factor for {key}={value} at {place}")
        return rates.times(factor)
    share = entry.of_list or Decimal(1)
    by_list = _listed(*call, rest, at)
    return None if by_list is None else by_list.times(share * factor, f"x{share * factor} at {place}")


def _with_price(usage: Usage, cost_usd: float, unpriced: int, estimated: int) -> Usage:
    return Usage(
        usage.input,
        usage.cache_read,
        usage.cache_write_short,
        usage.cache_write_long,
        usage.output,
        usage.reasoning,
        usage.calls,
        cost_usd,
        unpriced,
        estimated,
        usage.cached,
    )


def _in_out(level: Level) -> str:
    return f"${_short(level.input)} in, ${_short(level.cache_read)} cached, ${_short(level.output)} out"


def _short(rate: Decimal) -> str:
    text = f"{rate:.4f}".rstrip("0").rstrip(".")
    return text or "0"
