"""The work of a stored attempt, as graders see it again: nothing is asked of any system."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from harness.engine.bench import bench_of
from harness.engine.grade import GradedWork
from harness.engine.services import Services
from harness.engine.trial import trial_name
from harness.errors import StoreError
from harness.records.outcome import Artifact, Attempt, StoredArtifact
from harness.records.task import Task
from harness.records.transcript import Transcript
from harness.store.read import read_transcript


def stored_work(source: Path, attempt: Attempt, task: Task, services: Services) -> GradedWork:
    """The work of an attempt of this run folder. Raises StoreError when something of it is gone or another."""
    artifacts = {a.name: Artifact(a.name, stored_artifact(source, a)) for a in attempt.artifacts}
    return work_of(attempt, task, read_transcript(source, attempt), artifacts, services)


def work_of(
    attempt: Attempt, task: Task, transcript: Transcript, artifacts: Mapping[str, Artifact], services: Services
) -> GradedWork:
    """The same, of what was read already."""

    def find(name: str) -> bytes | None:
        return artifacts[name].data if name in artifacts else None

    return GradedWork(
        task,
        transcript.output,
        attempt.choice_order,
        services.suite.workspace,
        find,
        lambda: transcript,
        services,
        trial_name(task.id, attempt.system, attempt.epoch),
        bench_of(services, task, attempt.system, attempt.epoch, attempt.attempt),
    )


def stored_artifact(source: Path, artifact: StoredArtifact) -> bytes:
    """An artifact's bytes as they were recorded. Raises StoreError when they are gone or are others."""
    try:
        data = (source / artifact.path).read_bytes()
    except OSError as e:
        raise StoreError(f"cannot read {source.name}/{artifact.path}: {e.strerror}") from e
    if hashlib.sha256(data).hexdigest() != artifact.sha256:
        raise StoreError(
            f"{source.name}/{artifact.path} is not what was recorded", help="restore it; a changed output is not graded"
        )
    return data
