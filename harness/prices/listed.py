"""List prices: from the table that comes with genai-prices (offline), by bucket and context tier.

Where that table is silent we say so instead of guessing quietly (reference/stats_ci.md 5.3): a condition that no
price variant knows, a provider matched only by pattern, a bucket without a rate. genai-prices is imported on first
use: it costs 0.1 s and a run of scripted models needs none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from harness.prices.rates import ZERO, Bucket, Level, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

DAY_S = 86_400.0

REGIONAL: Mapping[tuple[str, str], Decimal] = {("anthropic", "us"): Decimal("1.1")}
"""Multipliers for data residency, which genai-prices lacks.

Source: Anthropic's price page, "data residency pricing": US-only inference costs 1.1 times the list price in every
token category; models older than Opus and Sonnet 4.6 refuse the parameter.
"""

LONG_WRITE_OPENAI = Decimal("2.5")
"""OpenAI's 12-hour cache write as a multiple of uncached input, from litellm's table. Always marked as estimated."""

_OWN_KEYS: Mapping[Bucket, tuple[str, ...]] = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write_short": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_long": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
}
"""Price keys by bucket, the most specific first: the order in which genai-prices itself charges a token."""


def listed_rates(provider: str, model: str, conditions: Mapping[str, str], at: float) -> Rates | None:
    """List price of a model under `conditions` at a time (epoch seconds), or None when the table lacks it."""
    found = find(provider, model)
    if found is None:
        return None
    owner, info, sure = found
    when = datetime.fromtimestamp(at, UTC)
    context = {("processing" if k == "batch" else k): ("batch" if k == "batch" else v) for k, v in conditions.items()}
    region = REGIONAL.get((owner.id, context.get("inference_geo", "")))
    if region is not None:
        del context["inference_geo"]
    known = _known(info, context, when) if any(info is m for m in owner.models) else {}
    rates = _rates(owner, info, info.get_prices(when, known or None))
    if rates is None:
        return None
    for key in context.keys() - known.keys():
        rates = rates.guessed(f"no rate for {key}={context[key]}: list price used")
    if not sure:
        rates = rates.guessed(f"provider '{provider}' taken to be {owner.id}")
    if not _dated(info, when):
        rates = rates.guessed(f"no rate for {when.date()}: the earliest known used")
    return rates if region is None else rates.times(region, f"x{region} for inference_geo us")


def find(provider: str, model: str) -> tuple[Provider, ModelInfo, bool] | None:
    """The table's provider and model; False when the provider was recognised by pattern and not by its id."""
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    table = get_snapshot()
    owner = find_provider_by_id(table.providers, provider)
    if owner is None:
        return None
    info = owner.find_model(model, all_providers=table.providers)
    return None if info is None else (owner, info, owner.id == provider.lower().strip())


def window(provider: str, model: str, at: float) -> tuple[float, float]:
    """Epoch seconds between which the rates found at `at` stay true: a UTC day, or a minute with off-peak prices."""
    from genai_prices.types import TimeOfDateConstraint

    found = find(provider, model)
    span = DAY_S
    if found is not None:
        info = found[1]
        conditional = info.prices if isinstance(info.prices, list) else []
        constraints = [c.constraint for c in conditional] + [v.constraint for v in info.price_variants or ()]
        for constraint in constraints:
            if isinstance(constraint, TimeOfDateConstraint):
                whole = not (constraint.start_time.second or constraint.end_time.second)
                span = min(span, 60.0 if whole else 1.0)
    start = at // span * span
    return start, start + span


@cache
def table_version() -> str:
    """`genai-prices 0.2.3`."""
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def table_date(today: date) -> date | None:
    """The newest start of a price in the table, announced ones after `today` left out; None when all are."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import StartDateConstraint

    newest: date | None = None
    for model in (m for p in get_snapshot().providers for m in p.models):
        conditional = model.prices if isinstance(model.prices, list) else []
        constraints = [c.constraint for c in conditional] + [v.constraint for v in model.price_variants or ()]
        for constraint in constraints:
            if isinstance(constraint, StartDateConstraint) and constraint.start_date <= today:
                newest = max(newest or constraint.start_date, constraint.start_date)
    return newest


def _known(info: ModelInfo, context: Mapping[str, str], when: datetime) -> dict[str, str]:
    """The part of the context that some price variant, active now, speaks about."""
    known: dict[str, str] = {}
    for variant in info.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(when)
        if active and variant.when.items() <= context.items():
            known |= variant.when
    return known


def _dated(info: ModelInfo, when: datetime) -> bool:
    """Whether any price of the model is valid at this time; genai-prices falls back to the first without a word."""
    if not isinstance(info.prices, list):
        return True
    return any(c.constraint is None or c.constraint.active(when) for c in info.prices)


def _rates(owner: Provider, info: ModelInfo, prices: ModelPrice) -> Rates | None:
    from genai_prices.types import TieredPrices

    keyed = {k: v for k, v in vars(prices).items() if not k.startswith("_") and v is not None}
    if "input_mtok" not in keyed and "output_mtok" not in keyed:
        return None
    starts = {tier.start for v in keyed.values() if isinstance(v, TieredPrices) for tier in v.tiers}
    levels = tuple(_level(keyed, above) for above in (-1, *sorted(starts)))
    borrowed = _borrowed(owner.id, keyed)
    if owner.id == "openai" and "cache_write_mtok" in keyed and "cache_write_long" in borrowed:
        levels = tuple(_with_long_write(level) for level in levels)
    per_call = keyed.get("requests_kcount", ZERO)
    return Rates(
        levels,
        source=f"{table_version()}: {owner.id}/{info.id}",
        per_call=per_call / 1000 if isinstance(per_call, Decimal) else ZERO,
        borrowed=borrowed,
    )


def _level(keyed: Mapping[str, object], above: int) -> Level:
    rates = {
        bucket: _at(next((keyed[k] for k in keys if k in keyed), ZERO), above) for bucket, keys in _OWN_KEYS.items()
    }
    return Level(above, **rates)


def _at(price: object, above: int) -> Decimal:
    """The rate of a request with more than `above` input tokens, up to the next threshold."""
    if isinstance(price, Decimal):
        return price
    chosen: Decimal = price.base  # type: ignore[attr-defined]  # TieredPrices: the only other kind of price
    for tier in price.tiers:  # type: ignore[attr-defined]  # as above
        if tier.start <= above:
            chosen = tier.price
    return chosen


def _borrowed(owner: str, keyed: Mapping[str, object]) -> tuple[Bucket, ...]:
    """Buckets without a rate of their own. OpenAI's older models bill a cache write as plain input: that is a rate."""
    missing: list[Bucket] = [b for b in ("input", "output") if _OWN_KEYS[b][0] not in keyed]
    if "cache_read_mtok" not in keyed:
        missing.append("cache_read")
    if owner != "openai" and not {"cache_write_5m_mtok", "cache_write_mtok"} & keyed.keys():
        missing.append("cache_write_short")
    if "cache_write_1h_mtok" not in keyed and (owner != "openai" or "cache_write_mtok" in keyed):
        missing.append("cache_write_long")
    return tuple(missing)


def _with_long_write(level: Level) -> Level:
    from dataclasses import replace

    return replace(level, cache_write_long=level.input * LONG_WRITE_OPENAI)
