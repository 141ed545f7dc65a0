"""Settings that both providers share: where a key comes from, and what must not be said in YAML.

A key comes from the environment, by name. Its value goes nowhere but into the SDK's client.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from harness.api import Json, UsageFault

NOT_IN_DIGEST = frozenset(("timeout_s", "api_key_env", "key_header", "organization", "project"))
"""Who pays, with which key, and how long one call may take: none changes an answer."""

_SECRET_NAME = re.compile(r"auth|token|secret|key|cookie|passw|credential|signature|^sig$", re.IGNORECASE)
_HARMLESS = frozenset(("idempotency-key", "x-idempotency-key"))
_OWN_FIELDS = ("model", "messages", "input", "stream")


def absent(name: str) -> Sequence[str]:
    """The variable's name if it is needed and not set."""
    return (name,) if name and not os.environ.get(name, "").strip() else ()


def key_from(name: str, model: str) -> str:
    """The key, or nothing when no variable is named. Raises UsageFault naming the variable."""
    if absent(name):
        raise UsageFault(
            f"model '{model}' needs the environment variable {name}, which is not set",
            help=f"export {name}=..., or name another variable with 'api_key_env'",
        )
    return os.environ[name].strip() if name else ""


def in_header(key_header: str | None, key: str) -> dict[str, str | None]:
    """The headers that carry the key somewhere else than in a bearer token; None removes the bearer token."""
    return {key_header: key, "Authorization": None} if key_header and key else {}


def without_ambient(variable: str, headers: Mapping[str, str | None], key: str) -> dict[str, str | None]:
    """Our headers, and a stop to those that the SDK takes from an environment variable (one `Name: value` a line).

    They would be in no record, and could carry a key to another server.
    """
    lines = os.environ.get(variable, "").split("\n")
    names = [name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon]
    bearer = f"Bearer {key}" if key else None
    return {**{n: bearer if n.lower() == "authorization" else None for n in names}, **headers}


def unsafe_address(url: str | None) -> Iterator[str]:
    """What is wrong with `base_url`: it is recorded, and its host names a lane, so no password or key may be in it."""
    parts = urlsplit(url or "")
    if "@" in parts.netloc:
        yield "base_url: a password in it would go into the record; name its variable with api_key_env"
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if _SECRET_NAME.search(name):
            yield f"base_url: '{name}' in it would put a key into the record; name its variable with api_key_env"


def unsafe(headers: Mapping[str, str], extra: Mapping[str, Json]) -> Iterator[str]:
    """What is wrong with headers and extra fields: keys in plain text, and fields that the plugin itself writes."""
    for name in headers:
        if _SECRET_NAME.search(name) and name.lower() not in _HARMLESS:
            help = "name its variable with api_key_env, its header with key_header"
            yield f"headers: '{name}' would put a key into the record; {help}"
    for name in _OWN_FIELDS:
        if name in extra:
            yield f"extra: '{name}' is written by the plugin itself"
