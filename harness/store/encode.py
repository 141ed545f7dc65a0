"""Records to JSON bytes, whatever a plugin or a model put into them."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.records.content import Json
from harness.records.outcome import Attempt, Output, Trouble

ANSWER_LIMIT = 2000
"""Characters of an answer kept in `attempts.jsonl`; the transcript's line has all of it."""


def _told(value: Any) -> Json:
    """What JSON does not know: a numpy scalar is its number, anything else its `repr`."""
    item = getattr(value, "item", None)
    if callable(item):
        try:
            plain = item()
        except (TypeError, ValueError):
            return repr(value)
        if type(plain) in (bool, int, float, str):
            return plain
    return repr(value)


_encoder = msgspec.json.Encoder(enc_hook=_told)
_read_back = msgspec.json.Decoder(Attempt).decode


def encode(record: msgspec.Struct) -> bytes:
    """One JSON value in UTF-8, without a newline.

    numpy's scalars become numbers, other objects JSON does not know (in a harness's `metrics`, say) their `repr`; half
    surrogate pairs, which some model servers send, become `?`. A measurement is never lost because of them.
    """
    try:
        return _encoder.encode(record)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError):
        return _encoder.encode(_sane(record))


def readable(attempt: Attempt) -> tuple[Attempt, bytes]:
    """An attempt as its line holds it, answers cut, and that line: always one that can be read back.

    Plugins make grades and outputs, and nothing checks their fields: one line with `passed: "yes"` would make the whole
    run unreadable. What cannot be read is left out, and the attempt is a failed measurement that says why.
    """
    why = ""
    for kept in (attempt, _without(attempt, "grader"), _without(attempt, "harness")):
        try:
            made = msgspec.structs.replace(kept, output=clipped(kept.output))
            if why and made.trouble is not None:
                made = msgspec.structs.replace(made, trouble=msgspec.structs.replace(made.trouble, detail=why))
            line = encode(made)
            _read_back(line)
            return made, line
        except (msgspec.DecodeError, TypeError, AttributeError) as e:
            why = why or f"its record cannot be read back: {e}"
    raise TypeError(why)


def _without(attempt: Attempt, plugin: str) -> Attempt:
    """The attempt without what this plugin put into it."""
    trouble = Trouble(plugin, "bad_record")
    bare = msgspec.structs.replace(
        attempt, grades={}, passed=None, value=None, label="", flags=(), status="ungradable", trouble=trouble
    )
    return bare if plugin == "grader" else msgspec.structs.replace(bare, output=Output(), status="infra_error")


def clipped(output: Output) -> Output:
    """The output as an attempt's line holds it: without artifact bytes, answers cut to ANSWER_LIMIT characters."""
    answer, answers = output.answer, output.answers
    long = (answer is not None and len(answer) > ANSWER_LIMIT) or any(len(a) > ANSWER_LIMIT for a in answers)
    if not long:
        return msgspec.structs.replace(output, artifacts=()) if output.artifacts else output
    return msgspec.structs.replace(
        output,
        answer=answer[:ANSWER_LIMIT] if answer is not None else None,
        answers=tuple(a[:ANSWER_LIMIT] for a in answers),
        artifacts=(),
        clipped=True,
    )


def _sane(value: Any) -> Json:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, msgspec.Struct):
        return _sane_struct(value)
    if isinstance(value, dict):
        return {_sane(k if isinstance(k, str) else repr(k)): _sane(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_sane(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, bytes)):
        return value
    return _told(value)


def _sane_struct(value: msgspec.Struct) -> Json:
    config = value.__struct_config__
    out: dict[str, Json] = {config.tag_field or "type": config.tag} if config.tag is not None else {}
    defaults = dict(
        zip(value.__struct_fields__[::-1], value.__struct_defaults__[::-1], strict=False)
    )  # defaults belong to the last fields
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if not (config.omit_defaults and name in defaults and field == defaults[name]):
            out[name] = _sane(field)
    return out
