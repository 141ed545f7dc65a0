"""What came of a task: output, grades, attempts."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.records.content import Json, Usage
from harness.records.task import Shape


class Artifact(msgspec.Struct, frozen=True):
    """Something a system left behind besides its answer; `name` is a relative path, `data` its bytes."""

    name: str
    data: bytes


class StoredArtifact(msgspec.Struct, frozen=True, gc=False):
    """An artifact on disk: `path` is relative to the run folder, `size` in bytes."""

    name: str
    path: str
    sha256: str
    size: int


class Output(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a system delivered.

    `answer` is None when there is none; `answers` are further tries in order, where a harness makes several;
    `declared_done` is the system's own claim; `confidence` in [0, 1]; `metrics` are numbers and words a harness
    reports about its own work (`verify_failed_rounds`, `routed_to`, ...). In `attempts.jsonl` a long answer is cut
    and `clipped` says so; the transcript's line holds the whole output.
    """

    answer: str | None = None
    answers: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    declared_done: bool | None = None
    confidence: float | None = None
    abstained: bool = False
    refused: bool = False
    truncated: bool = False
    clipped: bool = False
    metrics: dict[str, Json] = {}


class Grade(msgspec.Struct, frozen=True, omit_defaults=True, tag="grade", tag_field="kind"):
    """A verdict. `value` in [0, 1]; `extracted` is what the grader read as the answer; `weak` marks weak evidence.

    `flags` tell what the work tried or broke besides being right or wrong (`protected_path: tests/test_x.py`,
    `canary_passed`, ...); `critical` marks a critical error.
    """

    value: float
    passed: bool
    label: str = ""
    explanation: str = ""
    extracted: str | None = None
    weak: bool = False
    critical: bool = False
    parts: dict[str, Json] = {}
    usage: Usage = Usage()
    flags: tuple[str, ...] = ()


class NotGraded(msgspec.Struct, frozen=True, omit_defaults=True, tag="not_graded", tag_field="kind"):
    """No verdict, and why. Never a score.

    `cause` is a short machine word: no_reference, bad_reference, unparseable, timeout, grader_fault,
    judge_unparseable, ...
    """

    cause: str
    detail: str = ""
    usage: Usage = Usage()


NO_CLAIM = frozenset(
    ("no_answer", "empty_patch", "abstained", "refused", "ambiguous", "off_menu", "unreadable", "patch_error",
     "too_long", "no_tests")
)  # fmt: skip
"""Labels of failed grades of work that claims nothing, or in which no answer can be read."""
Verdict = Grade | NotGraded
IS_OPPONENT = "is_opponent"
"""The cause of a work that has no verdict because others are compared with it, and nobody compares it with anything.
Its trial is no measurement of it: it is in no rate, and no floor of coverage counts it."""
Status = Literal["graded", "ungradable", "infra_error", "skipped"]


class Trouble(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why an attempt did not end in a grade: who failed (`model`, `sandbox`, `harness`, `grader`, `requirement`)."""

    source: str
    cause: str
    detail: str = ""


class Timing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Seconds. `working` = wall - waiting for rate limits and retries; `model` is time inside model calls."""

    started: float = 0.0
    wall: float = 0.0
    working: float = 0.0
    waiting: float = 0.0
    model: float = 0.0
    grading: float = 0.0


class Digests(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Short digests of everything that can change a result; runs are compared only where they are equal."""

    task: str = ""
    grader: str = ""
    harness: str = ""
    model: str = ""
    image: str = ""
    judge: str = ""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One try of a trial: one line of `attempts.jsonl`, the source of truth.

    `final` marks the try that decides the trial; failed tries before it keep their cost. `value` and `passed` are
    set only when `status` is graded. `transcript` is `[offset, length]` in `transcripts.jsonl`, in bytes.
    `limit` names the limit that was hit; `models` are the names providers returned; `choice_order` is the
    permutation shown: `choice_order[i]` is the index, in the task, of the option lettered i. `flags` are those of all
    grades and of collecting. `images` are the digests of every image a box of it was made of, by what the box was for:
    `work`, `collecting`, `grading`, a second image for the same as `grading 2`, a service as `work: NAME`. They tell
    what was used; `compare` notes a change. `digests.image`, of the work's own box, keeps runs apart.
    """

    task: str
    system: str
    epoch: int
    attempt: int
    status: Status
    final: bool = True
    passed: bool | None = None
    value: float | None = None
    label: str = ""
    family: str = ""
    shape: Shape = Shape()
    tags: tuple[str, ...] = ()
    grades: dict[str, Verdict] = {}
    output: Output = Output()
    artifacts: tuple[StoredArtifact, ...] = ()
    limit: str = ""
    trouble: Trouble | None = None
    usage: Usage = Usage()
    judge_usage: Usage = Usage()
    turns: int = 0
    retries: int = 0
    timing: Timing = Timing()
    models: tuple[str, ...] = ()
    choice_order: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    digests: Digests = Digests()
    images: dict[str, str] = {}
    transcript: tuple[int, int] | None = None
