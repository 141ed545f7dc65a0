"""What a system says of its own work, for `harness show`: one metric a line, what the harness was apart."""

from __future__ import annotations

from collections.abc import Mapping

from harness.cli._part_text import line
from harness.records.content import Json
from harness.records.outcome import Output

FINGERPRINT = "fingerprint"
DONE = {True: ["declared done"], False: ["not declared done"], None: []}
NOTHING = "none"


def own_words(output: Output) -> list[str]:
    """Lines: whether it declared its work done, its metrics, its fingerprint. None where it says nothing."""
    metrics, was = dict(output.metrics), output.metrics.get(FINGERPRINT)
    lines = list(DONE[output.declared_done])
    if isinstance(was, Mapping):
        del metrics[FINGERPRINT]
        return [*lines, *_block("metrics", metrics), *_block(FINGERPRINT, was)]
    return [*lines, *_block("metrics", metrics)]


def _block(title: str, values: Mapping[str, Json]) -> list[str]:
    if not values:
        return []
    width = max(len(line(name)) for name in values)
    return ["", f"{title}:", *(f"  {line(name):<{width}}  {_plain(value)}".rstrip() for name, value in values.items())]


def _plain(value: Json, *, inner: bool = False) -> str:
    """A value in words: `a 1, b 2` for what is nested, in brackets where that is nested again."""
    if isinstance(value, Mapping):
        said = ", ".join(f"{line(name)} {_plain(one, inner=True)}" for name, one in value.items())
    elif isinstance(value, list | tuple):
        said = ", ".join(_plain(one, inner=True) for one in value)
    else:
        return _word(value)
    return f"({said or NOTHING})" if inner else said or NOTHING


def _word(value: Json) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else line(str(value)) or "''"
