"""The gate's policy: what the model takes, the schema takes, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness.config.gates import GateFile, load_policy
from harness.config.json_schema import file_schema
from harness.errors import ConfigError

GOOD = [
    "{}",
    "metrics: {pass_rate: 0.05, grader.tone: {margin: 0.1, direction: up}, refusal_rate: {max: 0.2}}",
    "must_pass: [a, {task: 'b-*', passes: 2, of: 3}]",
    "latency_p95: 90s",
    "latency_p95: {max: 1h30m}",
    "cost_per_success: {max_ratio: 1.2, max_usd: 0.5}",
    "baseline: {opus: mine-opus}",
    "judge_gate: {kappa_min: 0.7}",
    "fail_on: [REGRESSION, INCONCLUSIVE]",
]
BAD = [
    "metrics: {pass_rate: {}}",
    "metrics: {pass_rate: 1.5}",
    "metrics: {pass_rate: {min: 0.9, max: 0.1}}",
    "must_pass: [{task: a, of: 3}]",
    "must_pass: [{task: a, passes: 4, of: 3}]",
    "alpha: 0",
    "alpha: '0.05'",
    "unknown: 1",
    "fail_on: [EVERYTHING]",
    "latency_p95: soon",
    "[]",
    "",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_good_policy_is_taken_by_model_and_schema(tmp_path: Path, text: str) -> None:
    (tmp_path / "gates.yaml").write_text(text + "\n")
    assert isinstance(load_policy(tmp_path / "gates.yaml", "gates.yaml").file, GateFile)
    jsonschema.Draft202012Validator(file_schema("gates", tmp_path)).validate(yaml.safe_load(text))


@pytest.mark.parametrize("text", BAD)
def test_a_bad_policy_is_refused_with_a_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "gates.yaml").write_text(text + "\n")
    with pytest.raises(ConfigError) as caught:
        load_policy(tmp_path / "gates.yaml", "gates.yaml")
    assert all(f.place is not None and f.place.path == "gates.yaml" for f in caught.value.faults)


def test_only_margins_and_ratios_need_a_baseline() -> None:
    def needs(**said: Any) -> bool:
        return GateFile.model_validate(said).needs_baseline

    assert needs()
    assert not needs(metrics={"pass_rate": {"min": 0.5}})
    assert not needs(metrics={"pass_rate": {"min": 0.5}}, cost_per_success={"max_usd": 1.0})
    assert needs(metrics={"pass_rate": {"min": 0.5}}, latency={"max_ratio": 1.5})
