"""What a price depends on besides tokens: batch, service tier, speed, region. One spelling for all providers.

Models report these in `Response.priced_as`. Values that mean "the list price" are dropped here, so that whatever is
left must be priced by somebody or the call is marked as estimated.
"""

from __future__ import annotations

from collections.abc import Iterable

KEYS = ("batch", "service_tier", "speed", "inference_geo")
"""Keys of `Response.priced_as` that are understood."""

NEUTRAL: dict[str, frozenset[str]] = {
    "batch": frozenset(("", "false", "no", "0", "none")),
    "service_tier": frozenset(("", "standard", "default", "auto", "none")),
    "speed": frozenset(("", "standard", "none")),
    "inference_geo": frozenset(("", "global", "not_available", "none")),
}
"""Values that mean the list price. Anthropic writes `not_available` for models without a choice of region."""


def conditions(priced_as: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The conditions that are not the list price, lower case; a batch, however it is said, is `{"batch": "true"}`."""
    kept: dict[str, str] = {}
    for key, value in priced_as:
        word = str(value).strip().lower()
        if word in NEUTRAL.get(key, ("",)):
            continue
        if key == "batch" or (key == "service_tier" and word == "batch") or (key, word) == ("processing", "batch"):
            kept["batch"] = "true"
        else:
            kept[key] = word
    return kept
