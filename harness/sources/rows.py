"""`rows`: the rows of a JSONL, CSV, TSV or Parquet file, of a local data set, or of one on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar

from pydantic import model_validator

from harness.api import Json, Row, TaskSource, UsageFault

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


class Rows(TaskSource):
    """Rows of a file or a data set, in their own order.

    JSONL is read line by line. In CSV every value is text. Parquet and data sets give JSON values: dates become ISO
    8601 text, decimals become text, and columns that hold bytes (images, audio) are left out.
    """

    version: ClassVar[str] = "1"
    example: ClassVar[Mapping[str, Json]] = {"path": "questions.jsonl"}
    example_files: ClassVar[Mapping[str, str]] = {
        "questions.jsonl": '{"id": 1, "question": "3 - 1?", "answer": "2"}\n'
        '{"id": 2, "question": "2 + 2?", "answer": "4"}\n'
    }

    path: str | None = None
    """A .jsonl, .csv, .tsv or .parquet file, or the folder of a local data set (as written by `save_to_disk`, or one
    of data files); looked up beside the file that names it, then from the workspace."""
    hub: str | None = None
    """A data set on the Hugging Face hub, `org/name`; needs `revision` and `split`."""
    revision: str | None = None
    """The commit of the hub data set, all 40 hexadecimal digits: a branch or tag can move under a suite."""
    config: str | None = None
    """The data set's configuration, where it has several."""
    split: str | None = None
    """The split, such as `test`."""
    delimiter: str | None = None
    """What parts the columns of a CSV file; found from its first line (`,` `;` tab `|`) if absent."""

    @model_validator(mode="after")
    def _one_origin(self) -> Rows:
        if (self.path is None) == (self.hub is None):
            raise ValueError("say where the rows come from: either `path` or `hub`")
        if self.hub is not None:
            if not re.fullmatch(r"[0-9a-f]{40}", self.revision or ""):
                raise ValueError("a hub data set needs `revision`: a commit, all 40 hexadecimal digits")
            if not self.split:
                raise ValueError("a hub data set needs `split`, such as test")
        elif self.revision is not None:
            raise ValueError("`revision` belongs to `hub`; a local path has none")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ValueError("`delimiter` is one character")
        return self

    def check(self, workspace: Path) -> Sequence[str]:
        """Whether the file is there and of a kind that can be read."""
        if self.path is None:
            return ()
        path = workspace / self.path
        if not path.exists():
            return (f"no such file: {self.path}",)
        faults = []
        if path.is_file() and path.suffix not in ENDINGS:
            faults.append(f"cannot read rows from '{path.name}': its name ends in none of {', '.join(ENDINGS)}")
        if path.is_file() and (self.config or self.split):
            faults.append("`config` and `split` belong to data sets, not to single files")
        if self.delimiter is not None and path.suffix not in (".csv", ".tsv"):
            faults.append("`delimiter` belongs to CSV files")
        return faults

    def rows(self, workspace: Path) -> Iterable[Row]:
        """Every row; places are `file:line` for text files and `data set:row number` for others."""
        if self.hub is not None:
            return _hub(self.hub, self.revision, self.config, self.split)
        assert self.path is not None
        path = workspace / self.path
        if path.is_dir():
            from harness.sources._datasets import local_rows

            return local_rows(path, self.path, self.config, self.split)
        if path.suffix == ".parquet":
            from harness.sources._arrow import parquet_rows

            return parquet_rows(path, self.path)
        if path.suffix in (".csv", ".tsv"):
            from harness.sources._csv import csv_rows

            return csv_rows(path, self.path, self.delimiter or ("\t" if path.suffix == ".tsv" else None))
        return jsonl_rows(path, self.path)


def _hub(name: str, revision: str | None, config: str | None, split: str | None) -> Iterator[Row]:
    from harness.sources._datasets import hub_rows

    return hub_rows(name, revision, config, split)


def jsonl_rows(path: Path, shown: str) -> Iterator[Row]:
    """One JSON object per line; blank lines are passed over. Raises UsageFault with the line."""
    import msgspec

    from harness.errors import Place

    decode = msgspec.json.Decoder().decode
    with _opened(path, shown) as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                values = decode(line)
            except msgspec.DecodeError as e:
                raise UsageFault(
                    f"not JSON: {e}", place=Place(shown, number, 1), help="one JSON object per line"
                ) from e
            except UnicodeDecodeError as e:
                what = f"not UTF-8: byte 0x{line[e.start]:02x} at offset {e.start} of the line"
                raise UsageFault(what, place=Place(shown, number, 1), help="save the file as UTF-8") from e
            if not isinstance(values, dict):
                what = "a row is a JSON object, with a name for each value"
                raise UsageFault(what, place=Place(shown, number, 1), help="one JSON object per line")
            yield Row(values, f"{shown}:{number}")


def _opened(path: Path, shown: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as e:
        raise UsageFault(f"cannot read {shown}: {e.strerror}") from e
