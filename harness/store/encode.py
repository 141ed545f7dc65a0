"""Records to JSON bytes, whatever a plugin or a model put into them."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.records.content import Json
from harness.records.outcome import Output

ANSWER_LIMIT = 2000
"""Characters of an answer kept in `attempts.jsonl`; the transcript's line has all of it."""

_encoder = msgspec.json.Encoder(enc_hook=repr)


def encode(record: msgspec.Struct) -> bytes:
    """One JSON value in UTF-8, without a newline.

    Objects JSON does not know (in a harness's `metrics`, say) become their `repr`; half surrogate pairs, which some
    model servers send, become `?`. A measurement is never lost because of them.
    """
    try:
        return _encoder.encode(record)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError):
        return _encoder.encode(_sane(record))


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
    return repr(value)


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
