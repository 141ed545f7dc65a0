"""One file of labels, added to line by line: what is labelled stays labelled, whatever happens next."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from harness.errors import StoreError
from harness.records.label import Label
from harness.store.labels import encode_labels, read_labels


class LabelFile:
    """Append-only, locked, synced after every label. `labels` is what it holds."""

    def __init__(self, path: Path, shown: str) -> None:
        """Open or make it; a last line that was torn is cut off. Raises StoreError, ConfigError for bad lines."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
        except OSError as e:
            raise StoreError(f"cannot write {shown}: {e.strerror}") from e
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = path.read_bytes()
            if (whole := data.rfind(b"\n") + 1) < len(data):
                self._file.truncate(whole)
            self.labels = read_labels(path, shown)
        except BlockingIOError as e:
            self._file.close()
            raise StoreError(f"somebody else is labelling into {shown}", help="one writer at a time") from e
        except BaseException:
            self._file.close()
            raise

    def add(self, label: Label) -> None:
        """Write one label, and have it on disk."""
        self._file.write(encode_labels([label]))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.labels.append(label)

    def close(self) -> None:
        """Let others write."""
        self._file.close()
