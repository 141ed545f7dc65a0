"""Every record type survives the way through JSON, and the frame tells the same story."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.api import read_run
from harness.errors import StoreError
from harness.records import content, outcome, task, transcript
from harness.records.content import Usage
from harness.records.outcome import Grade, NotGraded, Output, Trouble
from harness.store import manifest as manifest_module
from harness.store.encode import encode
from harness.store.folder import RunFolder
from harness.store.read import settled

TYPES = sorted(
    {
        found
        for module in (content, outcome, task, transcript, manifest_module)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, msgspec.Struct) and found.__module__ == module.__name__
    },
    key=lambda t: t.__name__,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)


def strategy(info: Any) -> st.SearchStrategy[Any]:
    """Values of a type as msgspec describes it."""
    i = msgspec.inspect
    if isinstance(info, i.StructType):
        return st.builds(info.cls, **{f.name: strategy(f.type) for f in info.fields})
    if isinstance(info, i.UnionType):
        return st.one_of([strategy(t) for t in info.types])
    if isinstance(info, i.VarTupleType):
        return st.lists(strategy(info.item_type), max_size=2).map(tuple)
    if isinstance(info, i.TupleType):
        return st.tuples(*(strategy(t) for t in info.item_types))
    if isinstance(info, i.DictType):
        return st.dictionaries(strategy(info.key_type), strategy(info.value_type), max_size=2)
    if isinstance(info, i.LiteralType):
        return st.sampled_from(info.values)
    simple: dict[type, st.SearchStrategy[Any]] = {
        i.NoneType: st.none(), i.BoolType: st.booleans(), i.IntType: st.integers(-(2**53), 2**53), i.StrType: TEXT,
        i.FloatType: st.floats(allow_nan=False, allow_infinity=False), i.BytesType: st.binary(max_size=8),
        i.AnyType: JSON,
    }  # fmt: skip
    return simple[type(info)]


@pytest.mark.parametrize("cls", TYPES, ids=lambda t: t.__name__)
def test_every_record_survives_the_round_trip(cls):
    @settings(max_examples=25, deadline=None)
    @given(strategy(msgspec.inspect.type_info(cls)))
    def holds(record: msgspec.Struct) -> None:
        data = encode(record)
        assert b"\n" not in data
        assert msgspec.json.decode(data, type=cls) == record

    holds()


def test_there_are_records_to_test():
    assert {"Attempt", "Transcript", "Manifest", "Usage", "Grade", "NotGraded", "Task"} <= {t.__name__ for t in TYPES}


# settled


def lines(folder: RunFolder, make: Any, *attempts: dict[str, Any]) -> None:
    for fields in attempts:
        folder.add(*make(**fields))
    folder.flush()


def test_the_last_final_line_decides_and_every_cost_counts(tmp_path, manifest, make):
    infra = {"status": "infra_error", "passed": None, "value": None}
    with RunFolder.create(tmp_path, manifest) as folder:
        lines(
            folder, make,
            {"task": "retried", "number": 1, "final": False, **infra},
            {"task": "retried", "number": 2},
            {"task": "given up", "number": 1, "final": False, **infra},
            {"task": "given up", "number": 2, **infra},
            {"task": "crashed", "number": 1, "final": False, **infra},
            {"task": "no verdict", "status": "ungradable", "passed": None},
            {"task": "left out", "status": "skipped", "passed": None},
        )  # fmt: skip
        found = settled(folder.path)
    assert {key[0] for key in found.done} == {"retried", "no verdict", "left out"}
    assert {key[0]: n for key, n in found.tries.items()} == {"given up": 2, "crashed": 1}
    assert math.isclose(found.cost_usd, 0.07)


def test_a_regraded_runs_order_does_not_matter(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        lines(folder, make, {"number": 2}, {"number": 1, "status": "infra_error", "passed": None})
        assert settled(folder.path).done == {("t1", "alpha", 1)}


# The frame


def test_the_frame_has_a_row_per_attempt_and_missing_is_missing(tmp_path, manifest, make):
    with RunFolder.create(tmp_path, manifest) as folder:
        folder.add(*make("good", output=Output(answer="x", metrics={"verify_rounds": 2, "deep": {"a": 1}})))
        folder.add(*make("bad", status="infra_error", passed=None, value=None, trouble=Trouble("model", "timeout")))
        attempt, script = make("free")
        unpriced = msgspec.structs.replace(attempt, usage=Usage(input=1, calls=1, unpriced=1))
        folder.add(
            msgspec.structs.replace(unpriced, grades={"match": NotGraded("unparseable"), "exact": Grade(1.0, True)}),
            script,
        )
    frame = read_run(folder.path).set_index("task")
    assert frame.loc["good", "metrics.verify_rounds"] == 2
    assert frame.loc["good", "grade.match.passed"]
    assert frame.loc["bad", "passed"] is pd.NA
    assert frame.loc["bad", "trouble.cause"] == "timeout"
    assert pd.isna(frame.loc["free", "usage.cost_usd"]), "unpriced is not free"
    assert frame.loc["free", "grade.match.not_graded"] == "unparseable"
    assert frame["usage.output"].sum() == 10
    assert frame["passed"].mean() == 1.0, "the failed attempt is not in the rate"


def test_an_empty_run_is_an_empty_frame(tmp_path, manifest):
    RunFolder.create(tmp_path, manifest).close()
    frame = read_run(tmp_path / manifest.run)
    assert len(frame) == 0
    assert "task" in frame.columns


def test_reading_what_is_no_run_is_told(tmp_path):
    with pytest.raises(StoreError, match="not a run folder"):
        read_run(tmp_path)
