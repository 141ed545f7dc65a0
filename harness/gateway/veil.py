"""Cuts our key out of what a provider says: some servers repeat the headers of a request that they do not like.

A body of an error status is looked at whole, with every long word of our headers. All else is looked at piece by piece
as it passes, for the key alone: other headers (a title, a team) hold words that a model may say. There the stars are as
many as the key is long, since the length of an answer may have been told.
"""

from __future__ import annotations

from harness.gateway.headers import KEYS, Pairs
from harness.plugins.gateway import Upstream

LEAST_KEY = 8
"""Characters of a word of a header of ours that is taken for a key: `Bearer` is none."""
CUT = b"***"
NO_KEYS = ("anthropic-version", "anthropic-beta")


class Veil:
    """Of one answer. What may be the beginning of a key waits for the next piece; events end otherwise."""

    __slots__ = ("_held", "_keys")

    def __init__(self, upstream: Upstream) -> None:
        named = [value for name, value in upstream.headers.items() if name.lower() in KEYS]
        self._keys = _keys_in([*named, upstream.key])
        self._held = b""

    def take(self, piece: bytes) -> bytes:
        """The piece without the key. Done for each piece of each answer: looking for one long word takes half a µs."""
        if self._held:
            piece, self._held = self._held + piece, b""
        for key in self._keys:
            if key in piece:
                piece = piece.replace(key, b"*" * len(key))
        if piece[-1:] in (b"\n", b"}", b""):
            return piece
        begun = max((_begun(piece, key) for key in self._keys), default=0)
        if not begun:
            return piece
        self._held = piece[-begun:]
        return piece[:-begun]

    def rest(self) -> bytes:
        """What waits still when the answer has ended: it was no key."""
        held, self._held = self._held, b""
        return held

    def headers(self, given: Pairs) -> list[tuple[str, str]]:
        """Headers of the provider without it."""
        return [(name, self._text(value)) for name, value in given]

    def _text(self, value: str) -> str:
        for key in self._keys:
            value = value.replace(key.decode(), "*" * len(key))
        return value


def without_keys(said: bytes, upstream: Upstream) -> bytes:
    """The words of an error status without anything that our headers hold."""
    for word in _keys_in([v for name, v in upstream.headers.items() if name not in NO_KEYS]):
        said = said.replace(word, CUT)
    return said


def _keys_in(values: list[str]) -> tuple[bytes, ...]:
    words = {word.encode() for value in values for word in value.split() if len(word) >= LEAST_KEY}
    return tuple(sorted(words, key=len, reverse=True))  # one key may begin as another is


def _begun(piece: bytes, key: bytes) -> int:
    """How many bytes at the end of a piece are the beginning of a key."""
    return next((n for n in range(min(len(key) - 1, len(piece)), 0, -1) if piece.endswith(key[:n])), 0)
