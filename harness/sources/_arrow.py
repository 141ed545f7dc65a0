"""Arrow tables as rows of JSON values."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from harness.api import Json, Row, UsageFault
from harness.errors import Place

BATCH = 1000


def parquet_rows(path: Path, shown: str) -> Iterator[Row]:
    """Rows of a Parquet file, read in batches. Raises UsageFault."""
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from table_rows(file.iter_batches(batch_size=BATCH), shown)
    except (pyarrow.ArrowException, OSError) as e:
        raise UsageFault(f"cannot read Parquet: {e}", place=Place(shown)) from e


def table_rows(tables: Iterable[Any], shown: str) -> Iterator[Row]:
    """Rows of Arrow tables or batches; columns that hold bytes are left out. The place is the row's number from 1."""
    number = 0
    for table in tables:
        usable = [field.name for field in table.schema if not _has_bytes(field.type)]
        for values in table.select(usable).to_pylist():
            number += 1
            place = f"{shown}:{number}"
            yield Row({name: _json(value, place) for name, value in values.items()}, place)


def _has_bytes(kind: Any) -> bool:
    if pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind) or pyarrow.types.is_fixed_size_binary(kind):
        return True
    return any(_has_bytes(kind.field(i).type) for i in range(kind.num_fields))


def _json(value: Any, place: str) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(k): _json(v, place) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_json(v, place) for v in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | datetime.timedelta):
        return str(value)
    raise UsageFault(f"a {type(value).__name__} is not a JSON value", place=Place(place))
