"""Files that a YAML names: looked up beside it, then from the workspace; never outside the workspace."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from pathlib import Path

from harness.config.faults import Spot
from harness.errors import Fault
from harness.plugins.loader import did_you_mean
from harness.records.content import File
from harness.toolkit.build_context import context_digest

_TYPES = {
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".jsonl": "application/jsonl",
    ".webp": "image/webp",
    ".parquet": "application/vnd.apache.parquet",
}


class Finder:
    """Finds files of one workspace and hashes each of them once."""

    def __init__(self, workspace: Path, faults: list[Fault]) -> None:
        self._workspace = workspace
        self._faults = faults
        self._hashes: dict[str, str] = {}
        self._contexts: dict[str, str] = {}

    def tell(self, fault: Fault) -> None:
        """Add a fault that was seen while looking."""
        self._faults.append(fault)

    def find(self, name: str, beside: Path, spot: Spot, *, folder: bool = False, hint: str = "") -> str | None:
        """The path from the workspace, or None after the fault was told. `folder` allows a folder too.

        `hint` is told where there is no such file.
        """
        if "\n" in name:
            self._faults.append(
                spot.fault("expected the name of a file, found its text", (), "write the text to a file")
            )
            return None
        tried = []
        for base in dict.fromkeys((beside, self._workspace)):
            relative = os.path.relpath(os.path.normpath(base / name), self._workspace)
            if Path(name).is_absolute() or relative.startswith(".."):
                self._faults.append(spot.fault(f"'{name}' is outside the workspace", (), "copy it into the workspace"))
                return None
            path = self._workspace / relative
            if path.exists() and not path.resolve().is_relative_to(self._workspace):
                what = f"'{name}' is a link that leads outside the workspace"
                self._faults.append(spot.fault(what, (), "copy it into the workspace"))
                return None
            if path.is_file() or (folder and path.is_dir()):
                return Path(relative).as_posix()
            if path.is_dir():
                self._faults.append(spot.fault(f"'{name}' is a folder", (), "name the files in it"))
                return None
            tried.append(Path(relative).as_posix())
        near = sorted(p.name for p in beside.iterdir() if p.is_file()) if beside.is_dir() else []
        close = did_you_mean(name, near)
        looked = f"looked for {' and '.join(tried)}"
        help = " — ".join(h for h in (close, looked, hint) if h)
        self._faults.append(spot.fault(f"no such file: {name}", (), help))
        return None

    def record(self, name: str, beside: Path, spot: Spot, shown: str = "") -> File | None:
        """A file's record: type by its ending, SHA-256 of its bytes."""
        path = self.find(name, beside, spot)
        if path is None:
            return None
        if path not in self._hashes:
            with (self._workspace / path).open("rb") as f:
                self._hashes[path] = hashlib.file_digest(f, "sha256").hexdigest()
        return File(shown or Path(path).name, path, media_type(path), self._hashes[path])

    def context(self, path: str) -> str:
        """The digest of a Dockerfile, or of a folder with one, and of all that goes into its build."""
        if path not in self._contexts:
            self._contexts[path] = context_digest(self._workspace / path)
        return self._contexts[path]

    def written(self, said: str, beside: Path, spot: Spot) -> str | None:
        """A text of several lines is meant as it stands; of one line it is the name of a UTF-8 file with the text."""
        if "\n" in said:
            return said
        return self.text(said, beside, spot, hint="a text instead of a file begins with `|`, its lines below it")

    def text(self, name: str, beside: Path, spot: Spot, *, hint: str = "") -> str | None:
        """A UTF-8 file's text."""
        path = self.find(name, beside, spot, hint=hint)
        if path is None:
            return None
        try:
            return (self._workspace / path).read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as e:
            self._faults.append(spot.fault(f"{path} is not UTF-8 (byte {e.start})", (), "save it as UTF-8"))
            return None


def media_type(path: str) -> str:
    """The media type by a file's ending."""
    ending = Path(path).suffix.lower()
    return _TYPES.get(ending) or mimetypes.guess_type(path)[0] or "application/octet-stream"
