"""`prices.yaml`: a workspace's own prices, laid over the list prices; every fault told at once, with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import ConfigError, Fault, Place
from harness.prices.context import KEYS, NEUTRAL
from harness.prices.places import Placed, faults_of, read_placed
from harness.prices.rates import BUCKETS, ZERO, Bucket, Level, Rates

Rate = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Factor = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Tier(_Closed):
    """Rates of a request whose whole input, cached or not, is more than `above` tokens. All its tokens cost these."""

    above: Annotated[int, Field(ge=0)]
    """Input tokens of the request: 272000 means that 272,001 is dearer."""
    input: Rate | None = None
    """USD per million tokens, as are all below; a rate that is left out stays as it was under the threshold."""
    cache_read: Rate | None = None
    """Input read from the provider's cache."""
    cache_write_short: Rate | None = None
    """Input written to the cache for minutes."""
    cache_write_long: Rate | None = None
    """Input written to the cache for hours."""
    output: Rate | None = None
    """Visible output."""
    reasoning: Rate | None = None
    """Reasoning; the price of visible output when left out."""


class SelfHosted(_Closed):
    """The price of your own GPUs, spread over the tokens they make at the speed you measured. Always an estimate."""

    gpu_hour: Rate
    """USD per GPU and hour."""
    gpus: Annotated[int, Field(ge=1)] = 1
    """GPUs that serve the model."""
    input_tokens_per_s: Annotated[Decimal, Field(gt=0)]
    """Input tokens per second that all of them together take in, measured under your load."""
    output_tokens_per_s: Annotated[Decimal, Field(gt=0)]
    """Output tokens per second that all of them together make, measured under your load."""


class Entry(_Closed):
    """The price of one model, or of all models that a pattern names. Exactly one way of pricing is given."""

    model: Annotated[str, Field(min_length=1)]
    """The model as the suite asks for it or as the provider names it; `*` and `?` stand for anything."""
    provider: str | None = None
    """Only with this provider; any when left out."""
    input: Rate | None = None
    """USD per million tokens, as are all rates. Own rates need at least `input` and `output`."""
    cache_read: Rate | None = None
    """Input read from the provider's cache. Left out: the price of input, and such calls are marked as estimated."""
    cache_write_short: Rate | None = None
    """Input written to the cache for minutes. Left out: as for `cache_read`."""
    cache_write_long: Rate | None = None
    """Input written to the cache for hours. Left out: as for `cache_read`."""
    output: Rate | None = None
    """Visible output."""
    reasoning: Rate | None = None
    """Reasoning; the price of visible output when left out."""
    per_call: Rate = ZERO
    """USD for each call, besides its tokens."""
    tiers: tuple[Tier, ...] = ()
    """Rates past a length of input."""
    of_list: Factor | None = None
    """A share of the list price: 0.85 is a discount of 15 %."""
    free: bool = False
    """This model costs nothing, and reports say that it is so because you said so."""
    self_hosted: SelfHosted | None = None
    """Your own GPUs."""
    multipliers: dict[str, dict[str, Factor]] = {}
    """Factors by condition: `{batch: {yes: 0.5}, service_tier: {priority: 2}, inference_geo: {us: 1.1}}`."""
    valid_from: date | None = Field(default=None, alias="from")
    """The first day, UTC, that this price holds."""
    until: date | None = None
    """The last day, UTC, that this price holds."""

    @field_validator("multipliers", mode="before")
    @classmethod
    def _as_words(cls, value: object) -> object:
        """`batch: 0.5` is short for `batch: {true: 0.5}`; YAML reads `yes:` and `true:` as a boolean key."""
        if not isinstance(value, Mapping):
            return value
        return {key: _spelt(key, inner) for key, inner in value.items()}

    @field_validator("multipliers")
    @classmethod
    def _known_conditions(cls, value: dict[str, dict[str, Decimal]]) -> dict[str, dict[str, Decimal]]:
        unknown = [key for key in value if key not in KEYS]
        if unknown:
            raise ValueError(f"no condition '{unknown[0]}'; conditions: {', '.join(KEYS)}")
        for key, factors in value.items():
            for word in factors:
                if word in NEUTRAL[key]:
                    raise ValueError(f"'{key}: {word}' means the list price and cannot have a factor")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Entry:
        own = any(getattr(self, b) is not None for b in BUCKETS)
        ways = {
            "own rates": own,
            "of_list": self.of_list is not None,
            "free": self.free,
            "self_hosted": self.self_hosted is not None,
        }
        given = [name for name, is_given in ways.items() if is_given]
        if len(given) != 1:
            said = " and ".join(given) or "no price"
            raise ValueError(f"{said} given: give one of input and output, of_list, free: true, self_hosted")
        if own and (self.input is None or self.output is None):
            raise ValueError("own rates need both input and output, in USD per million tokens")
        if not own and (self.tiers or self.per_call):
            raise ValueError("tiers and per_call belong to own rates: give input and output too")
        if len({t.above for t in self.tiers}) != len(self.tiers):
            raise ValueError("two tiers have the same threshold")
        if self.valid_from and self.until and self.until < self.valid_from:
            raise ValueError("until is before from")
        return self

    def covers(self, provider: str, model: str, day: date) -> bool:
        """Whether this entry prices a call. Names are compared without case."""
        return (
            (self.provider is None or self.provider.lower() == provider.lower())
            and fnmatchcase(model.lower(), self.model.lower())
            and (self.valid_from is None or self.valid_from <= day)
            and (self.until is None or day <= self.until)
        )

    def own_rates(self, source: str) -> Rates | None:
        """The rates said here, before any condition; None for a share of the list price."""
        if self.free:
            return Rates((Level(-1, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO),), source, free=True)
        if self.self_hosted is not None:
            return _gpu_rates(self.self_hosted, source)
        if self.input is None or self.output is None:
            return None
        said: dict[Bucket, Decimal | None] = {b: getattr(self, b) for b in BUCKETS}
        levels = [_filled(-1, said)]
        for tier in sorted(self.tiers, key=lambda t: t.above):
            said |= {b: v for b in BUCKETS if (v := getattr(tier, b)) is not None}
            levels.append(_filled(tier.above, said))
        borrowed: tuple[Bucket, ...] = tuple(
            b for b in BUCKETS if b not in ("input", "output", "reasoning") and getattr(self, b) is None
        )
        return Rates(tuple(levels), source, per_call=self.per_call, borrowed=borrowed)


class PriceFile(_Closed):
    """The whole of `prices.yaml`. The first entry that covers a call prices it."""

    prices: tuple[Entry, ...]
    """Entries in order of precedence."""


class Overlay:
    """A loaded price file that knows where each entry stands."""

    def __init__(self, entries: Sequence[Entry], places: Sequence[Place], digest: str) -> None:
        self.entries = entries
        self.places = places
        self.digest = digest

    def find(self, provider: str, model: str, at: float) -> tuple[Entry, str] | None:
        """The first entry that covers a call at this time (epoch seconds), and its `file:line:column`."""
        day = datetime.fromtimestamp(at, UTC).date()
        for entry, place in zip(self.entries, self.places, strict=True):
            if entry.covers(provider, model, day):
                return entry, str(place)
        return None


EMPTY = Overlay((), (), "")


def load_overlay(path: Path) -> Overlay:
    """Read and check a price file. Raises ConfigError with every fault at once."""
    placed = read_placed(path)
    try:
        file = PriceFile.model_validate(placed.data)
    except ValidationError as e:
        raise ConfigError(faults_of(e, placed, PriceFile)) from e
    places = [placed.place(("prices", i)) for i in range(len(file.prices))]
    faults = _shadowed(file.prices, places, placed)
    if faults:
        raise ConfigError(faults)
    return Overlay(file.prices, places, placed.digest)


def _spelt(key: object, inner: object) -> object:
    if isinstance(inner, Mapping):
        return {("true" if word is True else str(word).lower()): factor for word, factor in inner.items()}
    return {"true": inner} if key == "batch" else inner


def _filled(above: int, said: Mapping[Bucket, Decimal | None]) -> Level:
    """Buckets that were left out take their neighbour's rate."""
    neighbour = {b: said["output"] if b == "reasoning" else said["input"] for b in BUCKETS}
    return Level(above, **{b: said[b] if said[b] is not None else neighbour[b] for b in BUCKETS})  # type: ignore[arg-type]  # input and output are never None here


def _gpu_rates(host: SelfHosted, source: str) -> Rates:
    """USD per second of the whole machine / tokens per second: USD per token; times a million."""
    per_second = host.gpu_hour * host.gpus / 3600
    taken = per_second / host.input_tokens_per_s * 1_000_000
    made = per_second / host.output_tokens_per_s * 1_000_000
    level = Level(-1, taken, taken, taken, taken, made, made)
    return Rates((level,), source, estimated=True, notes=("spread over measured tokens per second",))


def _shadowed(entries: Sequence[Entry], places: Sequence[Place], placed: Placed) -> list[Fault]:
    """Entries for the same model on the same day: only the first would ever count."""
    faults = []
    for i, entry in enumerate(entries):
        for j in range(i):
            other = entries[j]
            same = (entry.model.lower(), entry.provider) == (other.model.lower(), other.provider)
            if same and _overlap(entry, other):
                what = f"'{entry.model}' is priced twice for the same days"
                help = f"the first is at {places[j]}; give from: and until: so that they do not overlap"
                faults.append(Fault(what, places[i], help, placed.source_line(places[i])))
                break
    return faults


def _overlap(a: Entry, b: Entry) -> bool:
    starts = max(a.valid_from or date.min, b.valid_from or date.min)
    return starts <= min(a.until or date.max, b.until or date.max)
