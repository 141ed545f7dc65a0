"""Usage in disjoint buckets, from conventions that are opposite.

Anthropic's `input_tokens` leaves the cache out, OpenAI's has it in; both count reasoning in the output. Whatever a
provider reports, our buckets are not negative and add up to its own totals: the totals are what it bills.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec.structs import replace

from harness.api import Json, Usage


def anthropic_usage(reported: Mapping[str, Json]) -> Usage:
    """`usage` of a Messages answer. Total input is `input` + cache read + cache written.

    What the provider used to sum a conversation up (`compaction` in `iterations`) is not in the totals beside it, and
    is billed (anthropic 2.11, `types/beta/beta_usage.py`): it is added.
    """
    told = [_anthropic_buckets(reported)]
    more = reported.get("iterations")
    if isinstance(more, list):
        told += [_anthropic_buckets(one) for one in more if isinstance(one, dict) and one.get("type") == "compaction"]
    whole = sum(told[1:], start=told[0])
    return whole if len(told) == 1 else replace(whole, calls=1)


def _anthropic_buckets(reported: Mapping[str, Json]) -> Usage:
    written = _count(reported, "cache_creation_input_tokens")
    long = min(_count(reported.get("cache_creation"), "ephemeral_1h_input_tokens"), written)
    output = _count(reported, "output_tokens")
    reasoning = min(_count(reported.get("output_tokens_details"), "thinking_tokens"), output)
    return Usage(
        input=_count(reported, "input_tokens"),
        cache_read=_count(reported, "cache_read_input_tokens"),
        cache_write_short=written - long,
        cache_write_long=long,
        output=output - reasoning,
        reasoning=reasoning,
        calls=1,
    )


def openai_usage(reported: Mapping[str, Json] | None, side_in: str, side_out: str) -> Usage:
    """`usage` of an OpenAI answer; the sides are `prompt`/`completion` (Chat) or `input`/`output` (Responses).

    Totals include what their `_details` break out. A server that reports no usage gives an unpriced call.
    """
    if not reported:
        return Usage(calls=1)
    total_in = _count(reported, f"{side_in}_tokens")
    inside = reported.get(f"{side_in}_tokens_details")
    read = min(_count(inside, "cached_tokens"), total_in)
    written = min(_count(inside, "cache_write_tokens"), total_in - read)
    by_age = inside.get("cache_write_tokens_details") if isinstance(inside, Mapping) else None
    long = min(_count(by_age, "ttl_12h_tokens"), written)
    total_out = _count(reported, f"{side_out}_tokens")
    reasoning = min(_count(reported.get(f"{side_out}_tokens_details"), "reasoning_tokens"), total_out)
    return Usage(
        input=total_in - read - written,
        cache_read=read,
        cache_write_short=written - long,
        cache_write_long=long,
        output=total_out - reasoning,
        reasoning=reasoning,
        calls=1,
    )


def charged(reported: Mapping[str, Json], names: tuple[str, ...]) -> dict[str, str]:
    """What price depends on besides tokens, as reported; one shared dict for equal ones."""
    return _shared(tuple((n, v) for n in names if isinstance(v := reported.get(n), str) and v))


@lru_cache(maxsize=256)
def _shared(items: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(items)


def _count(reported: Json, name: str) -> int:
    value = reported.get(name) if isinstance(reported, Mapping) else None
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    return max(0, int(value))
