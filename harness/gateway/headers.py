"""Which headers pass: an agent's own keys go no further, and what tells of our account does not come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode

from harness.records.exchange import Dialect

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade", "expect")
)  # fmt: skip
"""RFC 9110, 7.6.1, and what belongs to one connection by custom."""
KEYS = frozenset(("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "openai-organization",
                  "openai-project"))  # fmt: skip
_OURS = frozenset(("host", "content-length", "content-encoding", "accept-encoding"))
_OTHERWISE = frozenset(("x-goog-fieldmask", "x-server-timeout", "x-http-method-override"))
"""With these Google's servers leave parts of an answer out (its usage too), give up early, or take another method."""
_NOT_BACK = frozenset(("set-cookie", "server", "via", "alt-svc", "content-length", "content-encoding", "date",
                       "strict-transport-security", "anthropic-organization-id", "openai-organization",
                       "openai-project", "cf-ray", "cf-cache-status", "report-to", "nel"))  # fmt: skip
_NOT_BACK_PREFIXES = ("anthropic-ratelimit-", "x-ratelimit-", "access-control-")

Pairs = Iterable[tuple[str, str]]


def to_provider(given: Pairs, own: Mapping[str, str]) -> list[tuple[str, str]]:
    """The agent's headers without its keys, and ours; a list such as `anthropic-beta` that both have is joined.

    Answers are asked for uncompressed, so that the bytes that are passed on can be read.
    """
    mine = {name.lower(): (name, value) for name, value in own.items()}
    passed: list[tuple[str, str]] = []
    for name, value in given:
        low = name.lower()
        if low in HOP_BY_HOP or low in KEYS or low in _OURS or low in _OTHERWISE:
            continue
        if low == "anthropic-beta" and low in mine:
            passed.append((name, _joined(value, mine.pop(low)[1])))
        elif low not in mine:
            passed.append((name, value))
    return [*passed, *mine.values(), ("Accept-Encoding", "identity")]


def to_agent(given: Pairs) -> list[tuple[str, str]]:
    """The provider's headers but those of its connection and those that tell of the account."""
    return [
        (name, value)
        for name, value in given
        if (low := name.lower()) not in HOP_BY_HOP and low not in _NOT_BACK and not low.startswith(_NOT_BACK_PREFIXES)
    ]


def query_of(dialect: Dialect, query: str) -> str:
    """The query to send: without `key=`, as Gemini's clients send one, and to Gemini with `alt=sse` alone.

    Others of Google's change what an answer looks like (`fields`, `$alt`, `callback`): no usage could be read in it.
    """
    given = parse_qsl(query, keep_blank_values=True) if query else []
    return urlencode([(k, v) for k, v in given if ((k, v) == ("alt", "sse") if dialect == "gemini" else k != "key")])


def _joined(one: str, other: str) -> str:
    words = [w.strip() for w in f"{one},{other}".split(",")]
    return ",".join(dict.fromkeys(w for w in words if w))
