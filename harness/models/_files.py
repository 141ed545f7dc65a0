"""Files of a request as text or base64: read when needed, checked against their digest, small ones kept."""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from pathlib import Path
from xml.sax.saxutils import quoteattr

from harness.api import File, ModelError

KEPT_BYTES = 64 * 1024 * 1024
"""Encoded bytes kept per open model; files over a quarter of it are read anew each time."""

IMAGES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
"""Image types that both providers take."""
PDF = "application/pdf"
_TEXT = frozenset(
    (
        "application/json", "application/jsonl", "application/x-ndjson", "application/xml", "application/yaml",
        "application/x-yaml", "application/toml", "application/sql", "application/javascript",
        "application/x-sh", "application/x-python", "application/x-tex", "image/svg+xml",
    )
)  # fmt: skip


def is_text(media_type: str) -> bool:
    """Whether a file of this type is given to a model as text."""
    base = media_type.partition(";")[0].strip().lower()
    return base.startswith("text/") or base in _TEXT or base.endswith(("+json", "+xml"))


class Files:
    """Reads the files of requests; shared by all calls of an open model."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._kept: OrderedDict[tuple[str, str, bool], str] = OrderedDict()
        self._size = 0

    def text(self, file: File) -> str:
        """The file inlined under its name. Raises ModelError when it is gone, changed or not UTF-8."""
        return self._get(file, as_text=True)

    def base64(self, file: File) -> str:
        """The file's bytes in base64. Raises ModelError when it is gone or changed."""
        return self._get(file, as_text=False)

    def data_url(self, file: File) -> str:
        """A `data:` URL."""
        return f"data:{file.media_type};base64,{self.base64(file)}"

    def _get(self, file: File, *, as_text: bool) -> str:
        key = (file.path, file.sha256, as_text)
        found = self._kept.get(key)
        if found is None:
            data = self._read(file)
            found = _inlined(file, data) if as_text else base64.b64encode(data).decode("ascii")
            self._keep(key, found)
        else:
            self._kept.move_to_end(key)
        return found

    def _read(self, file: File) -> bytes:
        try:
            data = (self._workspace / file.path).read_bytes()
        except OSError as e:
            raise ModelError("bad_request", f"file '{file.name}' cannot be read: {e.strerror or e}") from e
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise ModelError("bad_request", f"file '{file.name}' ({file.path}) changed since the run began")
        return data

    def _keep(self, key: tuple[str, str, bool], value: str) -> None:
        if len(value) > KEPT_BYTES // 4:
            return
        self._kept[key] = value
        self._size += len(value)
        while self._size > KEPT_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)


def _inlined(file: File, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise ModelError("bad_request", f"file '{file.name}' is {file.media_type} but not UTF-8: {e.reason}") from e
    return f"<file name={quoteattr(file.name)}>\n{text}\n</file>"
