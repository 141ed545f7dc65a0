"""The form of a judge's reply: asked for as a schema, as JSON or as tagged lines, and read strictly.

One verdict, exactly as offered, or no verdict. Two different ones are `ambiguous`, another word is `off_menu`, anything
else `unparseable`; nothing is ever taken from a mention. The rows of judge.md 5.1, in which well-known programs misread
such replies, are the tests of this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from harness.api import Json
from harness.records.judgement import JudgementStatus

PARSER = "strict-1"
"""Raised when a reply can come to be read otherwise; part of every cache key and record."""

Kind = Literal["text", "choice", "number", "list", "items"]
_MOST_OBJECTS = 200
_EMPHASIS = "*_`#> \t"
_SORRY = re.compile(r"(?i)^\W*(i'?m sorry|i am sorry|sorry,|i can(no|')t|i cannot|i am unable|i'm unable|i won't)\b")


@dataclass(frozen=True, slots=True)
class Ask:
    """One field of a reply. `options` are those of a choice; `of` the fields of each item of a list of objects."""

    name: str
    what: str
    kind: Kind = "text"
    options: tuple[str, ...] = ()
    of: tuple[Ask, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A reply as it was read: fields by name when `status` is ok, else what is wrong, in words without a verdict."""

    status: JudgementStatus
    values: dict[str, Json]
    fault: str = ""


class Form:
    """What a reply must hold: reasons before the verdict, then the check token."""

    def __init__(self, *asks: Ask, verdict: str = "verdict") -> None:
        self.asks = (*asks, Ask("token", "the check token from the instructions"))
        self.verdict = verdict

    def schema(self) -> dict[str, Json]:
        """The JSON schema: closed, everything required, so that strict modes take it."""
        return {**_object(self.asks), "title": "verdict"}

    def words(self, mode: str) -> str:
        """How the reply is asked for."""
        if mode == "tagged":
            lines = [f"{a.name.upper()}: {_meaning(a)}" for a in self.asks if a.kind != "text" or a.name == "token"]
            return "Write your reasons first. Then end with exactly these lines and nothing after them:\n" + "\n".join(
                lines
            )
        shape = "\n".join(f'- "{a.name}": {_meaning(a)}' for a in self.asks)
        return f"Reply with one JSON object and nothing else, with these keys in this order:\n{shape}"

    def fits_tagged(self) -> bool:
        """Whether tagged lines can hold it: lists cannot be."""
        return all(a.kind in ("text", "choice", "number") for a in self.asks)

    def read(self, text: str, mode: str) -> Read:
        """The reply's fields, or why there are none. Never raises."""
        if not text.strip():
            return Read("unparseable", {}, "the reply is empty")
        found = self._tagged(text) if mode == "tagged" else self._json(text)
        if found.status == "unparseable" and _SORRY.match(text):
            return Read("refused", {}, "the judge refused")
        return found

    def _json(self, text: str) -> Read:
        objects, outside, fault = _objects(text)
        if fault:
            return fault
        mine = [o for o in objects if any(a.name in o for a in self.asks)]
        if not mine:
            return Read("unparseable", {}, "there is no JSON object with the keys asked for")
        said = [json.dumps(o.get(self.verdict), sort_keys=True) for o in mine]
        said += [json.dumps(v) for v in self._lines(outside).get(self.verdict, ()) if v in self._menu()]
        if len(set(said)) > 1:
            return Read("ambiguous", {}, "the reply holds different verdicts")
        last = mine[-1]
        if any(k not in last and k.casefold() == a.name for k in last for a in self.asks):
            return Read("unparseable", {}, "a key is spelled in another case")
        again = [k for k in last if k.casefold() == self.verdict and k != self.verdict]
        return Read("ambiguous", {}, "the verdict is there under two spellings") if again else _fit(last, self.asks)

    def _tagged(self, text: str) -> Read:
        lines = [line.strip(_EMPHASIS) for line in text.splitlines()]
        lines = [line for line in lines if line]
        found = self._lines(text)
        if len(set(found.get(self.verdict, ()))) > 1:
            return Read("ambiguous", {}, "the reply holds different verdicts")
        needed = [a for a in self.asks if a.kind != "text" or a.name == "token"]
        absent = [a.name.upper() for a in needed if a.name not in found]
        if absent:
            return Read("unparseable", {}, f"the last lines lack {', '.join(absent)}")
        if not any(_tag(lines[-1], a.name) is not None for a in needed):
            return Read("unparseable", {}, "there is text after the last line of the form")
        first = next(i for i, line in enumerate(lines) if any(_tag(line, a.name) is not None for a in needed))
        values: dict[str, Json] = {a.name: "\n".join(lines[:first]) for a in self.asks if a not in needed}
        for ask in needed:
            word = found[ask.name][-1]
            values[ask.name] = _number(word) if ask.kind == "number" else word
        return _fit(values, self.asks)

    def _lines(self, text: str) -> dict[str, list[str]]:
        """What tagged lines say, by field."""
        found: dict[str, list[str]] = {}
        for raw in text.splitlines():
            for ask in self.asks:
                if ask.kind != "items" and (word := _tag(raw.strip(_EMPHASIS), ask.name)) is not None:
                    found.setdefault(ask.name, []).append(word)
        return found

    def _menu(self) -> tuple[str, ...]:
        return next((a.options for a in self.asks if a.name == self.verdict), ())


def _meaning(ask: Ask) -> str:
    if ask.kind == "choice":
        return f"{ask.what}: one of {' | '.join(ask.options)}"
    if ask.kind == "items":
        inner = ", ".join(f'"{a.name}": {_meaning(a)}' for a in ask.of)
        return f"{ask.what}: a list of objects {{{inner}}}"
    form = {"text": "", "number": " (a number or null)", "list": " (a list of texts)"}[ask.kind]
    return ask.what + form


def _object(asks: Sequence[Ask]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": {a.name: _schema(a) for a in asks},
        "required": [a.name for a in asks],
        "additionalProperties": False,
    }


def _schema(ask: Ask) -> dict[str, Json]:
    kinds: dict[Kind, dict[str, Json]] = {
        "text": {"type": "string"},
        "choice": {"type": "string", "enum": list(ask.options)},
        "number": {"type": ["number", "null"]},
        "list": {"type": "array", "items": {"type": "string"}},
        "items": {"type": "array", "items": _object(ask.of)},
    }
    return {**kinds[ask.kind], "description": ask.what}


def _fit(value: dict[str, Json], asks: Sequence[Ask], where: str = "") -> Read:
    """Whether an object holds what is asked for, each of its type, each choice exactly as offered."""
    kept: dict[str, Json] = {}
    for ask in asks:
        name = f"{where}{ask.name}"
        if ask.name not in value:
            return Read("unparseable", {}, f"`{name}` is missing")
        found = value[ask.name]
        if ask.kind == "choice" and isinstance(found, str) and found not in ask.options:
            return Read("off_menu", {}, f"`{name}` is none of {' | '.join(ask.options)}")
        if not _is(found, ask):
            return Read("unparseable", {}, f"`{name}` is not {_TYPES[ask.kind]}")
        if ask.kind == "items":
            for i, one in enumerate(found):
                inner = _fit(one, ask.of, f"{name}.{i}.")
                if inner.status != "ok":
                    return inner
        kept[ask.name] = found
    return Read("ok", kept)


_TYPES: dict[Kind, str] = {
    "text": "a text", "choice": "a text", "number": "a number or null", "list": "a list of texts",
    "items": "a list of objects",
}  # fmt: skip


def _is(value: Json, ask: Ask) -> bool:
    match ask.kind:
        case "text" | "choice":
            return isinstance(value, str)
        case "number":
            return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        case "list":
            return isinstance(value, list) and all(isinstance(v, str) for v in value)
        case "items":
            return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _tag(line: str, name: str) -> str | None:
    """What `NAME: word` says; None for any other line."""
    head, colon, word = line.partition(":")
    return word.strip().strip(_EMPHASIS) if colon and head.strip(_EMPHASIS) == name.upper() else None


def _number(word: str) -> Json:
    if word.lower() in ("null", "none", ""):
        return None
    return float(word) if re.fullmatch(r"-?\d+(\.\d+)?", word) else word


class _Twice(ValueError):
    """An object with the same key twice: other readers take the first, or the last."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Json]:
    if len({k for k, _ in pairs}) < len(pairs):
        raise _Twice
    return dict(pairs)


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant)


def _objects(text: str) -> tuple[list[dict[str, Json]], str, Read | None]:
    """The outermost JSON objects of a text, what stands outside them, and a fault that rules out all reading."""
    found: list[dict[str, Json]] = []
    outside: list[str] = []
    at = 0
    while (start := text.find("{", at)) >= 0:
        if len(found) >= _MOST_OBJECTS:
            return [], "", Read("unparseable", {}, "there are too many JSON objects")
        outside.append(text[at:start])
        try:
            value, at = _DECODER.raw_decode(text, start)
            found.append(value)
        except _Twice:
            return [], "", Read("ambiguous", {}, "an object has the same key twice")
        except RecursionError:
            return [], "", Read("unparseable", {}, "JSON is nested too deeply")
        except ValueError:
            outside.append("{")
            at = start + 1
    outside.append(text[at:])
    return found, "".join(outside), None
