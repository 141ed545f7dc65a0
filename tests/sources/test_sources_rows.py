"""The shipped source: JSONL, CSV, TSV, Parquet, local data sets."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.api import Row, TaskSource, UsageFault
from harness.plugins.loader import installed, load
from harness.sources.rows import Rows
from harness.testing.check_source import check_source
from harness.testing.checks import failed


def rows_of(folder: Path, **params: Any) -> list[Row]:
    return list(Rows(**params).rows(folder))


def values_of(folder: Path, **params: Any) -> list[Any]:
    return [dict(row.values) for row in rows_of(folder, **params)]


def test_jsonl_gives_values_and_lines_and_passes_blank_lines_over(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_bytes('\ufeff{"a": 1, "b": [true, null]}\r\n\n{"a": "007"}\n'.encode())
    assert rows_of(tmp_path, path="q.jsonl") == [
        Row({"a": 1, "b": [True, None]}, "q.jsonl:1"),
        Row({"a": "007"}, "q.jsonl:3"),
    ]


def test_jsonl_is_read_lazily(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"a": 1}\nbroken\n')
    rows = iter(Rows(path="q.jsonl").rows(tmp_path))
    assert dict(next(rows).values) == {"a": 1}
    with pytest.raises(UsageFault, match="not JSON") as caught:
        next(rows)
    assert str(caught.value.fault.place) == "q.jsonl:2:1"


@pytest.mark.parametrize(
    ("content", "says", "place"),
    [
        (b'{"a": 1}\n[1]\n', "a row is a JSON object", "q.jsonl:2:1"),
        (b'{"a": NaN}\n', "not JSON", "q.jsonl:1:1"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "not UTF-8|not JSON", "q.jsonl:2:1"),
    ],
)
def test_jsonl_faults_name_the_line(tmp_path: Path, content: bytes, says: str, place: str) -> None:
    (tmp_path / "q.jsonl").write_bytes(content)
    with pytest.raises(UsageFault, match=says) as caught:
        rows_of(tmp_path, path="q.jsonl")
    assert str(caught.value.fault.place) == place


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.csv", 'id,text\n007,"a, b"\n2,"two\nlines"\n3.10,no\n'),
        ("q.csv", '\ufeffid;text\r\n007;"a, b"\r\n2;"two\nlines"\r\n3.10;no\r\n'),
        ("q.csv", 'id|text\n007|a, b\n2|"two\nlines"\n3.10|no\n'),
        ("q.tsv", 'id\ttext\n007\ta, b\n\n2\t"two\nlines"\n3.10\tno\n'),
    ],
)
def test_csv_values_stay_text_whatever_the_dialect(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert values_of(tmp_path, path=name) == [
        {"id": "007", "text": "a, b"},
        {"id": "2", "text": "two\nlines"},
        {"id": "3.10", "text": "no"},
    ]


def test_csv_places_are_the_lines_on_which_rows_begin(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text('id,text\n1,"two\nlines"\n2,x\n')
    assert [row.place for row in rows_of(tmp_path, path="q.csv")] == ["q.csv:2", "q.csv:4"]


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        (b"a,b\n1,2\n1\n", "the row has 1 values, the first line names 2 columns", 3),
        (b"a,a\n1,2\n", "the column 'a' is there twice", 1),
        (b"a,\n1,2\n", "column 2 has no name", 1),
        (b'a,b\n1,"x\n', "not CSV", 2),
        (b"a,b\n1,\xe9\n", "not UTF-8: byte 0xe9 at offset 6", 2),
        (b"", "the file is empty", 0),
    ],
)
def test_csv_faults_name_the_line(tmp_path: Path, content: bytes, says: str, line: int) -> None:
    (tmp_path / "q.csv").write_bytes(content)
    with pytest.raises(UsageFault, match=says) as caught:
        rows_of(tmp_path, path="q.csv")
    assert caught.value.fault.place is not None
    assert caught.value.fault.place.line == line


@settings(max_examples=60, deadline=None)
@given(
    table=st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(
                st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r")), min_size=n, max_size=n
            ),
            max_size=5,
        )
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_csv_that_python_writes_is_read_back(
    table: list[list[str]], delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv

    folder = tmp_path_factory.mktemp("csv")
    header = [f"c{i}" for i in range(len(table[0]) if table else 1)]
    with (folder / "q.csv").open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([header, *table])
    expected = [dict(zip(header, row, strict=True)) for row in table]
    assert values_of(folder, path="q.csv", delimiter=delimiter) == expected


def test_parquet_gives_json_values_and_leaves_bytes_out(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "when": [datetime.date(2026, 1, 2), None],
            "score": [0.5, float("nan")],
            "options": [["a", "b"], []],
            "image": pa.array([{"bytes": b"x", "path": "p"}, None]),
        }
    )
    pq.write_table(table, tmp_path / "q.parquet")
    assert rows_of(tmp_path, path="q.parquet") == [
        Row({"id": 1, "when": "2026-01-02", "score": 0.5, "options": ["a", "b"]}, "q.parquet:1"),
        Row({"id": 2, "when": None, "score": None, "options": []}, "q.parquet:2"),
    ]


def test_a_damaged_parquet_file_is_a_usage_fault(tmp_path: Path) -> None:
    (tmp_path / "q.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(UsageFault, match="cannot read Parquet"):
        rows_of(tmp_path, path="q.parquet")


def test_a_data_set_saved_to_disk_with_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    data = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_list([{"q": f"{name} {i}", "n": i} for i in range(3)])
            for name in ("train", "test")
        }
    )
    data.save_to_disk(str(tmp_path / "set"))
    assert values_of(tmp_path, path="set", split="test") == [{"q": f"test {i}", "n": i} for i in range(3)]
    with pytest.raises(UsageFault, match="has several splits") as caught:
        rows_of(tmp_path, path="set")
    assert "train, test" in caught.value.render()
    with pytest.raises(UsageFault, match="has no split 'dev'"):
        rows_of(tmp_path, path="set", split="dev")


def test_a_single_data_set_saved_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.Dataset.from_list([{"q": "a"}, {"q": "b"}]).save_to_disk(str(tmp_path / "one"))
    assert values_of(tmp_path, path="one") == [{"q": "a"}, {"q": "b"}]


def test_a_folder_of_parquet_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    for part in range(2):
        pq.write_table(pa.table({"n": [part * 2, part * 2 + 1]}), folder / f"test-0000{part}-of-00002.parquet")
    assert values_of(tmp_path, path="set", split="test") == [{"n": n} for n in range(4)]


def test_the_library_is_told_not_to_report_before_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from harness.sources._datasets import _library

    for name in ("HF_UPDATE_DOWNLOAD_COUNTS", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    _library()
    assert os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] == "0"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "either `path` or `hub`"),
        ({"path": "a", "hub": "o/n", "revision": COMMIT, "split": "x"}, "either `path` or `hub`"),
        ({"hub": "o/n", "split": "test"}, "needs `revision`"),
        ({"hub": "o/n", "split": "test", "revision": "main"}, "needs `revision`"),
        ({"hub": "o/n", "revision": COMMIT}, "needs `split`"),
        ({"path": "a.jsonl", "revision": COMMIT}, "belongs to `hub`"),
        ({"path": "a.csv", "delimiter": ";;"}, "one character"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rows.model_validate(params)


def test_check_tells_a_file_that_is_not_there_or_of_no_known_kind(tmp_path: Path) -> None:
    (tmp_path / "q.xlsx").write_text("")
    assert Rows(path="no.jsonl").check(tmp_path) == ("no such file: no.jsonl",)
    assert "ends in none of" in Rows(path="q.xlsx").check(tmp_path)[0]
    (tmp_path / "q.csv").write_text("a\n1\n")
    assert "belong to data sets" in Rows(path="q.csv", split="test").check(tmp_path)[0]


@pytest.mark.parametrize("name", sorted(installed("source")))
def test_every_installed_source_keeps_the_contract(name: str, tmp_path: Path) -> None:
    cls = load("source", name, tmp_path)
    assert issubclass(cls, TaskSource)
    assert failed(check_source(cls, tmp_path)) == []


class Drifting(TaskSource):
    """A source that breaks the contract in four ways."""

    calls: ClassVar[list[int]] = []

    def rows(self, workspace: Path) -> list[Row]:
        self.calls.append(1)
        return [Row({"n": len(self.calls)}, "x"), Row({"n": {1, 2}}, "x"), Row({"n": 1}, "")]


def test_the_contract_suite_finds_a_source_that_breaks_it(tmp_path: Path) -> None:
    names = {finding.check for finding in failed(check_source(Drifting, tmp_path))}
    assert names == {
        "is lazy",
        "gives the same rows in the same order",
        "its values are JSON",
        "every row has a place",
        "every place is another",
    }


def test_the_example_is_what_the_manual_says(tmp_path: Path) -> None:
    for name, text in Rows.example_files.items():
        (tmp_path / name).write_text(text)
    expected = [json.loads(line) for text in Rows.example_files.values() for line in text.splitlines()]
    assert values_of(tmp_path, **Rows.example) == expected
