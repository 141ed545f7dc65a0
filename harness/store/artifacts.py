"""Artifacts on disk. Their names come from the system under test, so no name can leave the trial's folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from harness.records.outcome import Artifact, Attempt, StoredArtifact
from harness.store.redact import Redactor

ARTIFACTS = "artifacts"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NAME_FAULTS = (errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.EILSEQ)


def trial_folder(attempt: Attempt) -> str:
    """`task@system@epoch@attempt` with other characters replaced, and a digest where that changed something."""
    exact = f"{attempt.task}@{attempt.system}@{attempt.epoch}@{attempt.attempt}"
    safe = re.sub(r"[^A-Za-z0-9._@-]", "_", exact)[:120]
    return safe if safe == exact else f"{safe}-{hashlib.sha256(exact.encode('utf-8', 'replace')).hexdigest()[:8]}"


def store_artifacts(
    run: Path, attempt: Attempt, artifacts: Sequence[Artifact], redactor: Redactor
) -> tuple[StoredArtifact, ...]:
    """Write artifacts under `artifacts/<trial>/`, redacted; sizes and digests are of what is stored.

    A name that is absolute, climbs (`..`), is too long, or meets a symlink is stored under a made-up name instead;
    the record keeps the name as it was given. Raises OSError when the disk refuses.
    """
    if not artifacts:
        return ()
    folder = trial_folder(attempt)
    (run / ARTIFACTS).mkdir(exist_ok=True)
    root = os.open(run / ARTIFACTS, _DIRECTORY)
    try:
        trial = _enter(root, folder)
    finally:
        os.close(root)
    try:
        return tuple(_store(trial, folder, i, a, redactor) for i, a in enumerate(artifacts))
    finally:
        os.close(trial)


def _store(trial: int, folder: str, index: int, artifact: Artifact, redactor: Redactor) -> StoredArtifact:
    data = redactor.json(artifact.data) if artifact.name.endswith(".json") else redactor.bytes(artifact.data)
    name = redactor.text(artifact.name.encode("utf-8", "replace").decode())
    path = _safe_path(name)
    written = path is not None and _write(trial, path, data)
    if path is None or not written:
        path = f"_renamed/{index}"
        if not _write(trial, path, data):
            raise OSError(f"cannot store artifact {index} of {folder}: its folder was tampered with")
    return StoredArtifact(name, f"{ARTIFACTS}/{folder}/{path}", hashlib.sha256(data).hexdigest(), len(data))


def _safe_path(name: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or len(parts) > 32 or parts[0] == "_renamed":
        return None
    for part in parts:
        if part in ("", ".", "..") or not part.isprintable() or len(part.encode("utf-8", "replace")) > 255:
            return None
    return name


def _write(trial: int, path: str, data: bytes) -> bool:
    """Write below the open folder `trial`, refusing every symlink on the way; False when the name does not fit."""
    *folders, last = path.split("/")
    at = os.dup(trial)
    try:
        for part in folders:
            inner = _enter(at, part)
            os.close(at)
            at = inner
        fd = os.open(last, _CREATE, 0o644, dir_fd=at)
    except (NotADirectoryError, IsADirectoryError, UnicodeEncodeError):
        return False
    except OSError as e:
        if e.errno in _NAME_FAULTS:
            return False
        raise
    finally:
        os.close(at)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    return True


def _enter(at: int, part: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=at)
    return os.open(part, _DIRECTORY, dir_fd=at)
