"""A run folder being written: `manifest.json`, `attempts.jsonl`, `transcripts.jsonl`, `judgements.jsonl`, `artifacts/`.

    add(attempt, transcript)   encoded once, redacted, buffered in memory        (hot path, microseconds)
    flush()                    transcripts, judgements, attempts; one write each (a kill -9 after it loses nothing)
    close()                    flush, fsync, unlock

An attempt's line is written after its transcript's and its judgements', so a line in `attempts.jsonl` always has them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from harness.errors import StoreError
from harness.records.judgement import Judgement
from harness.records.outcome import Artifact, Attempt, Output
from harness.records.transcript import Transcript
from harness.store.appender import Appender, refused
from harness.store.artifacts import store_artifacts
from harness.store.encode import encode, readable
from harness.store.judgements import JUDGEMENTS, forget_unrecorded, told
from harness.store.lock import Lock
from harness.store.manifest import Manifest
from harness.store.read import ATTEMPTS, MANIFEST, TRANSCRIPTS, read_manifest
from harness.store.redact import Redactor, secrets_of

SYNC_EVERY_S = 5.0
"""Seconds between fsyncs. A crash of the program loses nothing without them; only a crash of the machine can."""


class RunFolder:
    """The one writer of a run folder. Make it with `create` or `open`; close it, best as a context manager.

    `repaired` tells in words what `open` had to mend. Not thread-safe: one thread calls `add` and `flush`.
    """

    def __init__(self, path: Path, manifest: Manifest, secrets: Sequence[str], lock: Lock) -> None:
        self.path = path
        self.manifest = manifest
        self.repaired: tuple[str, ...] = ()
        self.secrets = tuple(secrets)
        self._lock = lock
        self._redactor = Redactor((*secrets, *secrets_of(os.environ)))
        self._attempts = Appender(path / ATTEMPTS)
        self._transcripts = Appender(path / TRANSCRIPTS)
        self._judgements: Appender | None = None
        self._synced_at = time.monotonic()
        self._syncing: threading.Thread | None = None
        self._closed = False

    @classmethod
    def create(cls, runs: Path, manifest: Manifest, secrets: Sequence[str] = ()) -> RunFolder:
        """A new folder `runs/<manifest.run>/`, locked, with its manifest on disk.

        `secrets` are redacted besides the key-like environment variables. Raises StoreError when the folder exists
        or cannot be made, DiskFull.
        """
        path = runs / manifest.run
        if path.parent != runs or manifest.run in ("", ".", ".."):
            raise StoreError(f"'{manifest.run}' cannot name a run", help="a run's name is one folder name")
        try:
            path.mkdir(parents=True)
        except FileExistsError as e:
            raise StoreError(f"the run '{manifest.run}' exists already", help=f"harness resume {manifest.run}") from e
        except OSError as e:
            raise refused(path, e) from e
        lock = Lock(path)
        try:
            folder = cls(path, manifest, secrets, lock)
            folder.write_file(MANIFEST, _pretty(manifest))
        except BaseException:
            lock.release()
            raise
        return folder

    @classmethod
    def open(cls, path: Path, secrets: Sequence[str] = ()) -> RunFolder:
        """An existing folder, locked, its torn tails mended (see `repaired`).

        Raises StoreError when it is no run folder, is from a newer version, is damaged, or has another writer.
        """
        manifest = read_manifest(path)
        lock = Lock(path)
        try:
            folder = cls(path, manifest, secrets, lock)
            mended = [
                folder._transcripts.mend(msgspec.json.Decoder(Transcript)),
                folder._attempts.mend(msgspec.json.Decoder(Attempt)),
            ]
            if (path / JUDGEMENTS).is_file():
                mended += [folder._of_judges().mend(msgspec.json.Decoder(Judgement))]
                mended += [forget_unrecorded(path, folder._of_judges())]
        except BaseException:
            lock.release()
            raise
        folder.repaired = tuple(m for m in mended if m)
        return folder

    def hide(self, secrets: Sequence[str]) -> None:
        """Redact these too from here on (`secrets` of `create` and `open`)."""
        self.secrets = (*self.secrets, *secrets)
        self._redactor = Redactor((*self.secrets, *secrets_of(os.environ)))

    def add(
        self,
        attempt: Attempt,
        transcript: Transcript,
        artifacts: Sequence[Artifact] = (),
        judgements: Sequence[Judgement] = (),
    ) -> Attempt:
        """Buffer one attempt and what judges said of it; the record as stored. The caller calls `flush` soon after.

        Artifacts (given, or in the transcript's output) are written at once. The record gets their places, its
        transcript's place, and its answer cut. Raises DiskFull when an artifact cannot be written: then nothing of
        this attempt is kept.
        """
        artifacts = artifacts or transcript.output.artifacts
        stored = attempt.artifacts
        if artifacts:
            try:
                stored = store_artifacts(self.path, attempt, artifacts, self._redactor)
            except OSError as e:
                raise refused(self.path, e) from e
        if transcript.output.artifacts:
            output = msgspec.structs.replace(transcript.output, artifacts=())
            transcript = msgspec.structs.replace(transcript, output=output)
        keep = (attempt.task, attempt.system, attempt.family, *map(str, attempt.grades))
        attempt = msgspec.structs.replace(attempt, artifacts=stored)
        line, record, encoded = self._encoded(attempt, transcript, keep)
        if record.trouble is not None and (record.trouble.source, record.trouble.cause) == ("harness", "bad_record"):
            transcript = msgspec.structs.replace(transcript, output=Output())
            line, record, encoded = self._encoded(attempt, transcript, keep)
        self._transcripts.add(line)
        if judgements:
            self.add_judgements(judgements)
        self._attempts.add(encoded)
        return record

    def add_judgements(self, judgements: Sequence[Judgement]) -> None:
        """Buffer judgements, those of no attempt too (sentinels, controls). The caller calls `flush` soon after."""
        lines = self._of_judges()
        for judgement in judgements:
            keep = (judgement.task, judgement.system, judgement.task_family, judgement.grader, judgement.opponent)
            lines.add(self._redactor.json(told(judgement), keep))

    def _of_judges(self) -> Appender:
        """`judgements.jsonl`, made when the first judgement is there."""
        if self._judgements is None:
            self._judgements = Appender(self.path / JUDGEMENTS)
        return self._judgements

    def _encoded(self, attempt: Attempt, transcript: Transcript, keep: Sequence[str]) -> tuple[bytes, Attempt, bytes]:
        """The transcript's line, the record as stored, and its line."""
        line = self._redactor.json(encode(transcript), keep)
        record, encoded = readable(msgspec.structs.replace(attempt, transcript=(self._transcripts.end, len(line))))
        return line, record, self._redactor.json(encoded, keep)

    def flush(self) -> None:
        """Hand everything buffered to the operating system.

        Raises DiskFull; the files then end with a whole line, every attempt whose transcript fitted is on disk, and
        the rest stays buffered, so that a later `flush` can still save it.
        """
        of_judges = self._judgements
        if not self._attempts.lines and not (of_judges and of_judges.lines):
            return
        if of_judges is not None:  # before the attempts they belong to: when they do not fit, no attempt is written
            of_judges.write(len(of_judges.lines))
        try:
            self._transcripts.write(len(self._transcripts.lines))
        finally:
            # Of the attempts, those whose transcripts are on disk.
            self._attempts.write(len(self._attempts.lines) - len(self._transcripts.lines))
        if time.monotonic() - self._synced_at >= SYNC_EVERY_S:
            self._sync_aside()

    def write_file(self, name: str, data: str | bytes) -> None:
        """Write a whole file of the folder, redacted, so that readers see the old or the new one, never half.

        Raises StoreError, DiskFull.
        """
        if Path(name).name != name:
            raise StoreError(f"'{name}' is not a plain file name")
        raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
        raw = (
            self._redactor.json(raw, _identity(self.manifest)) if name.endswith(".json") else self._redactor.bytes(raw)
        )
        temporary = self.path / f".{name}.{os.getpid()}.tmp"
        try:
            with temporary.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
            _sync_directory(self.path)
        except OSError as e:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise refused(self.path, e) from e

    def close(self) -> None:
        """Write, sync and unlock; harmless when done twice. Raises DiskFull, and is unlocked even then."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush()
        finally:
            if self._syncing:
                self._syncing.join()
            for appender in self._appenders():
                with contextlib.suppress(OSError):
                    appender.sync()
                appender.close()
            self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _sync_aside(self) -> None:
        """Fsync in a thread: on a slow disk it can take seconds, and trials must not wait."""
        if self._syncing and self._syncing.is_alive():
            return
        self._synced_at = time.monotonic()
        self._syncing = threading.Thread(target=self._sync_both, name="harness-fsync", daemon=True)
        self._syncing.start()

    def _sync_both(self) -> None:
        # What fsync finds (a failing disk) shows again in the next write or in close.
        with contextlib.suppress(OSError):
            for appender in self._appenders():
                appender.sync()

    def _appenders(self) -> tuple[Appender, ...]:
        judgements = (self._judgements,) if self._judgements is not None else ()
        return (*judgements, self._transcripts, self._attempts)


def _pretty(manifest: Manifest) -> bytes:
    # `format` is said even when it has its default: that is what a later version will ask for.
    said = {"format": manifest.format, **msgspec.json.decode(encode(manifest))}
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def _identity(manifest: Manifest) -> set[str]:
    names = {manifest.run, manifest.suite, *(manifest.selection.task_ids or ())}
    return names | {s.name for s in manifest.systems}


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
