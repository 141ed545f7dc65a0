"""The JSON value in a text, read strictly: no NaN, no duplicate keys, no guess between two different values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from harness.records.content import Json

_FENCE = re.compile(r"```[ \t]*+(?:json5?|jsonc)?[ \t]*+\r?\n(.*?)```", re.S | re.IGNORECASE)
_MOST_STARTS = 64


@dataclass(frozen=True, slots=True)
class Found:
    """The value, or why there is none. `label` is `no_answer`, `unreadable` or `ambiguous` when there is a fault."""

    value: Json = None
    fault: str = ""
    label: str = ""


def read_json(text: str, *, bare: bool = False) -> Found:
    """The value of the whole text, else (unless `bare`) of its fenced blocks, else of the objects and lists in it.

    Several equal values are one; several different ones are `ambiguous`.
    """
    whole = _parse(text.strip())
    if not whole.fault or bare:
        return whole
    fenced = [f for f in (_parse(block.strip()) for block in _FENCE.findall(text)[-_MOST_STARTS:]) if not f.fault]
    values = fenced or _inside(text)
    if not values:
        started = text.lstrip()[:1] in ("{", "[") or "```" in text
        return Found(
            None, whole.fault if started else "there is no JSON in the answer", "unreadable" if started else "no_answer"
        )
    if any(not same_json(v.value, values[0].value) for v in values):
        return Found(None, f"{len(values)} different JSON values", "ambiguous")
    return values[0]


def same_json(a: Json, b: Json) -> bool:
    """Equality of JSON values: 1 equals 1.0, true does not equal 1, objects have no order."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_json(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same_json(x, y) for x, y in zip(a, b, strict=True))
    return (type(a) in (int, float) and type(b) in (int, float) and a == b) or (type(a) is type(b) and bool(a == b))


def _parse(text: str) -> Found:
    try:
        return Found(_DECODER.decode(text))
    except _Refused as e:
        return Found(None, str(e), "unreadable")
    except (ValueError, RecursionError) as e:
        return Found(None, f"not JSON: {e}" if isinstance(e, ValueError) else "JSON nested too deeply", "unreadable")


def _inside(text: str) -> list[Found]:
    """Objects and lists in running text, outermost first, left to right."""
    values, at = [], 0
    for _ in range(_MOST_STARTS):
        starts = [i for i in (text.find("{", at), text.find("[", at)) if i >= 0]
        if not starts:
            break
        try:
            value, at = _DECODER.raw_decode(text, min(starts))
            if value not in ([], {}):
                values.append(Found(value))
        except RecursionError:
            break
        except ValueError:
            at = min(starts) + 1
    return values


class _Refused(ValueError):
    """JSON that other readers would take in another way."""


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _Refused("an object has the same key twice")
    return value


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
