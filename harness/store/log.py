"""`run.log`: one file per run, redacted. Nothing here touches the root logger."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from harness.store.redact import Redactor, secrets_of

RUN_LOG = "run.log"


def run_log(path: Path, secrets: Sequence[str] = ()) -> logging.Handler:
    """A handler that appends to `<path>/run.log`, times in UTC. The caller attaches and closes it.

    `logging.getLogger("harness").addHandler(run_log(folder.path))`; the file is made with the first line.
    """
    handler = logging.FileHandler(path / RUN_LOG, encoding="utf-8", delay=True, errors="backslashreplace")
    handler.setFormatter(_Redacting(Redactor((*secrets, *secrets_of(os.environ)))))
    return handler


class _Redacting(logging.Formatter):
    converter = staticmethod(time.gmtime)  # logging's own recipe for UTC

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The whole line with its traceback, without secrets."""
        return self._redactor.text(super().format(record))
