"""What a plugin puts into its record can cost it the verdict, never the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.records.outcome import Attempt, Grade, Output
from harness.records.transcript import Transcript
from harness.store.folder import RunFolder
from harness.store.manifest import Manifest
from harness.store.read import iter_attempts, read_transcript

Make = Callable[..., tuple[Attempt, Transcript]]


def with_grades(made: tuple[Attempt, Transcript], grades: Any) -> tuple[Attempt, Transcript]:
    return msgspec.structs.replace(made[0], grades=grades), made[1]


def stored(root: Path, manifest: Manifest, made: tuple[Attempt, Transcript], after: tuple[Attempt, Transcript]) -> Any:
    with RunFolder.create(root, manifest) as folder:
        folder.add(*made)
        folder.add(*after)
    first, second = iter_attempts(folder.path)
    read_transcript(folder.path, second)
    return first, read_transcript(folder.path, first)


def test_a_verdict_in_numpy_scalars_is_a_verdict(tmp_path: Path, manifest: Manifest, make: Make) -> None:
    verdict = Grade(np.float64(1.0), np.bool_(True), parts={"n": np.int64(3)})
    made = with_grades(make(passed=np.bool_(True), value=np.float32(1.0)), {"own": verdict})
    first, _ = stored(tmp_path, manifest, made, make("t2"))
    assert (first.passed, first.value, first.status) == (True, 1.0, "graded")
    assert first.grades == {"own": Grade(1.0, True, parts={"n": 3})}


@pytest.mark.parametrize(
    "grades",
    [
        {"own": Grade(1.0, "yes")},  # type: ignore[arg-type]
        {"own": None},
        {"own": True},
        {"own": Grade("1", True)},  # type: ignore[arg-type]
        {"own": Grade(1.0, True, explanation=None)},  # type: ignore[arg-type]
        {"own": Grade(1.0, True, parts=[1])},  # type: ignore[arg-type]
    ],
)
def test_a_verdict_of_the_wrong_form_is_ungradable_and_the_run_stays_readable(
    tmp_path: Path, manifest: Manifest, make: Make, grades: Any
) -> None:
    first, transcript = stored(tmp_path, manifest, with_grades(make(), grades), make("t2"))
    assert (first.status, first.passed, first.value, first.grades) == ("ungradable", None, None, {})
    assert (first.trouble.source, first.trouble.cause) == ("grader", "bad_record")
    assert "cannot be read back" in first.trouble.detail
    assert first.output.answer == transcript.output.answer == "14 days" and first.usage.cost_usd == 0.01


@pytest.mark.parametrize(
    "output",
    [Output(answer=42), Output(answers="abc", confidence="high"), Output(metrics=[1])],  # type: ignore[arg-type]
)
def test_an_output_of_the_wrong_form_is_a_failed_measurement_with_its_cost(
    tmp_path: Path, manifest: Manifest, make: Make, output: Output
) -> None:
    first, transcript = stored(tmp_path, manifest, make(output=output), make("t2"))
    assert (first.status, first.passed, first.value, first.output) == ("infra_error", None, None, Output())
    assert (first.trouble.source, first.trouble.cause) == ("harness", "bad_record")
    assert first.usage.cost_usd == 0.01 and len(transcript.events) == 1
