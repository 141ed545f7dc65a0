"""The model-call cache: answers by content, off unless asked for.

For working on graders and harnesses without paying twice. A nightly measurement leaves it off, or drift is invisible.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.records.content import Response


class CallCache:
    """Responses by key in one SQLite file. Keys hold the model's digest, the request, the epoch and the repetition.

    Safe for several runs at once (WAL); entries are never changed. Raises StoreError when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, response BLOB NOT NULL)")
        except sqlite3.Error as e:
            raise StoreError(f"the call cache {path} cannot be used: {e}", help="delete it; it only saves money") from e
        self._decode = msgspec.msgpack.Decoder(Response).decode
        self._encode = msgspec.msgpack.Encoder().encode

    def get(self, key: str) -> Response | None:
        """The stored response, or None; also None when the file cannot be read: then the model is asked."""
        try:
            row = self._db.execute("SELECT response FROM calls WHERE key = ?", (key,)).fetchone()
            return self._decode(row[0]) if row else None
        except (sqlite3.Error, msgspec.DecodeError):
            return None

    def put(self, key: str, response: Response) -> None:
        """Store a response; the first one under a key stays."""
        with contextlib.suppress(sqlite3.Error):  # a full disk must not cost the answer that was just paid for
            self._db.execute("INSERT OR IGNORE INTO calls VALUES (?, ?)", (key, self._encode(response)))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
