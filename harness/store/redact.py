"""Secrets never reach the disk: values of key-like environment variables, and strings shaped like provider keys.

Records are encoded once; the redactor then looks for each secret in the bytes, which costs about a microsecond. Only
when something is found is the JSON taken apart, cleaned string by string, and encoded again: cutting bytes out of JSON
can break it (a secret `nx...` also matches behind the backslash of an escaped newline).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
import msgspec.inspect

from harness.records.content import Json
from harness.records.judgement import Judgement
from harness.records.outcome import Attempt
from harness.records.transcript import Transcript
from harness.store.manifest import Manifest

MARK = "[redacted]"
SHORTEST = 8
"""Shorter values are not taken for secrets: they would match by chance."""

_KEY_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|PAT|DSN|DATABASE_URL)$", re.I
)
_SHAPES: Mapping[str, str] = {
    "sk-": r"sk-(?=[A-Za-z0-9_-]{20})(?=[A-Za-z0-9_-]*[0-9])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]+",
    "ghp_": r"ghp_[A-Za-z0-9]{36,}",
    "gho_": r"gho_[A-Za-z0-9]{36,}",
    "ghs_": r"ghs_[A-Za-z0-9]{36,}",
    "github_pat_": r"github_pat_[A-Za-z0-9_]{22,}",
    "glpat-": r"glpat-[A-Za-z0-9_-]{20,}",
    "hf_": r"hf_[A-Za-z0-9]{30,}",
    "AKIA": r"AKIA[0-9A-Z]{16}(?![0-9A-Z])",
    "AIza": r"AIza[0-9A-Za-z_-]{35}",
    "xox": r"xox[abeoprs]-[A-Za-z0-9-]{15,}",
    "PRIVATE KEY-----": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----",
}
"""A cheap marker -> the shape of a key, as the vendors document them."""

# A key begins a word; behind an escaped newline (`\n`, `\t` in JSON) it does so too.
_SHAPE = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:{'|'.join(_SHAPES.values())})")
_SHAPE_BYTES = re.compile(_SHAPE.pattern.encode())
_PRIVATE_KEY = b"PRIVATE KEY-----"
# Every shape but a private key's is a run of at least 20 of these characters: most text has none, and one look tells.
_KEY_CHARACTERS = bytes(0x61 if chr(c).isascii() and (chr(c).isalnum() or chr(c) in "_-") else 0x20 for c in range(256))
_RUN = b"a" * 20
_MARKERS = tuple((m.encode(), re.compile(p.encode())) for m, p in _SHAPES.items())


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the variables whose names look like keys (`*_API_KEY`, `*_TOKEN`, `*_SECRET`, ...), longest first."""
    found = {v for n, v in environ.items() if _KEY_NAME.search(n) and len(v) >= SHORTEST}
    return tuple(sorted(found, key=lambda v: (-len(v), v)))


class Redactor:
    """Replaces secrets by `[redacted]` in JSON, text and bytes.

    A secret is found plain, JSON-escaped, URL-quoted, and in base64 at any alignment. `secrets` shorter than eight
    characters are ignored. Numbers are never changed, and neither are the field names and fixed words of our records.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {f for s in secrets if len(s) >= SHORTEST for f in _forms(s)}
        self._forms = tuple(sorted(forms, key=lambda f: (-len(f), f)))
        needles = {_escaped(f).encode("utf-8", "surrogatepass") for f in self._forms}
        needles |= {f.encode("utf-8", "surrogatepass") for f in self._forms}
        self._needles = tuple(sorted(needles))
        self._plain = tuple(f.encode("utf-8", "surrogatepass") for f in self._forms)

    def suspicious(self, data: bytes) -> bool:
        """Whether `data` may hold a secret: the cheap question asked of everything that is written."""
        for needle in self._needles:  # a loop, not any(): this is on the hot path
            if needle in data:
                return True
        if _RUN in data.translate(_KEY_CHARACTERS):
            for marker, shape in _MARKERS:
                if marker in data and shape.search(data):
                    return True
        return _PRIVATE_KEY in data

    def json(self, data: bytes, keep: Iterable[str] = ()) -> bytes:
        """One JSON value without secrets; the same bytes when there is none.

        Strings equal to one of `keep` (task and system names) stay, so that a trial keeps its identity.
        Data that is not JSON is treated as bytes.
        """
        if not self.suspicious(data):
            return data
        try:
            value = json.loads(data)
        except ValueError:
            return self.bytes(data)
        spared = _vocabulary() | set(keep)
        cleaned = map_strings(value, lambda s: s if s in spared else self.text(s))
        if cleaned == value:
            return data
        return json.dumps(cleaned, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    def text(self, text: str) -> str:
        """Text without secrets."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MARK)
        return _SHAPE.sub(MARK, text)

    def bytes(self, data: bytes) -> bytes:
        """Bytes of any kind without secrets. JSON should go through `json`."""
        if not self.suspicious(data):
            return data
        for form in self._plain:
            data = data.replace(form, MARK.encode())
        return _SHAPE_BYTES.sub(MARK.encode(), data)


def map_strings(value: Json, change: Callable[[str], str]) -> Json:
    """A JSON value with every string changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_strings(v, change) for v in value]
    if isinstance(value, dict):
        return {change(k): map_strings(v, change) for k, v in value.items()}
    return value


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    found = {secret, _escaped(secret), json.dumps(secret)[1:-1], quote(raw, safe=""), quote(raw)}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        # Characters that also encode the neighbours' bits are left out at both ends.
        first = (0, 2, 3)[shift]
        last = (len(raw) + shift) * 8 // 6
        middle = encoded[first:last]
        if len(middle) >= SHORTEST:
            found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


@cache
def _vocabulary() -> frozenset[str]:
    """Field names, tags and fixed words of the records: never redacted, whatever a variable holds."""
    words: set[str] = set()
    seen: set[type] = set()
    todo: list[Any] = [msgspec.inspect.type_info(t) for t in (Attempt, Transcript, Judgement, Manifest)]
    while todo:
        info = todo.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in seen:
                continue
            seen.add(info.cls)
            words |= {f.encode_name for f in info.fields} | {str(info.tag), str(info.tag_field)}
            todo += [f.type for f in info.fields]
        elif isinstance(info, msgspec.inspect.UnionType):
            todo += info.types
        elif isinstance(info, msgspec.inspect.LiteralType):
            words |= {str(v) for v in info.values}
        elif isinstance(info, msgspec.inspect.TupleType):
            todo += info.item_types
        elif isinstance(info, msgspec.inspect.CollectionType):
            todo.append(info.item_type)
        elif isinstance(info, msgspec.inspect.DictType):
            todo += [info.key_type, info.value_type]
    return frozenset(words)
