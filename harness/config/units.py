"""Numbers with units as people write them: `20m`, `500k`, `2g`."""

from __future__ import annotations

import re

TIME = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
COUNT = {"": 1.0, "k": 1e3, "m": 1e6}
MEMORY = {"": 1.0, "k": 1024.0, "m": 1024.0**2, "g": 1024.0**3}

_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")


def seconds(value: object) -> float:
    """`90s`, `20m`, `1h30m`, or a plain number of seconds. Raises ValueError."""
    text = str(value).strip().lower()
    parts = _NUMBER.findall(text)
    whole = "".join(n + u for n, u in parts) == text.replace(" ", "")
    if (
        isinstance(value, bool)
        or not parts
        or not whole
        or any(u not in TIME and (u or len(parts) > 1) for _, u in parts)
    ):
        raise ValueError("expected a time such as 90s, 20m or 1h30m")
    return _positive(sum(float(n) * TIME.get(u, 1.0) for n, u in parts))


def count(value: object) -> int:
    """`500k`, `2m` (millions), or a plain number. Raises ValueError."""
    return int(_positive(_scaled(value, COUNT, "a number such as 8000, 500k or 2m")))


def memory(value: object) -> int:
    """`512m`, `2g`, or a plain number of bytes. Raises ValueError."""
    text = str(value).lower().replace("ib", "").removesuffix("b") if isinstance(value, str) else value
    return int(_positive(_scaled(text, MEMORY, "a size such as 512m or 2g")))


def _scaled(value: object, units: dict[str, float], expected: str) -> float:
    found = _NUMBER.fullmatch(str(value).strip().lower())
    if isinstance(value, bool) or not found or found[2] not in units:
        raise ValueError(f"expected {expected}")
    return float(found[1]) * units[found[2]]


def _positive(number: float) -> float:
    if not 0 < number < 1e18:
        raise ValueError("must be greater than 0")
    return number
