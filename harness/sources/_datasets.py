"""Data sets through the `datasets` library: a local folder, or the hub at a pinned commit.

The library counts each load on its maker's server and reports usage; both are switched off before it is imported,
because what a team evaluates on is nobody else's business.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.api import Row, UsageFault
from harness.sources._arrow import BATCH, table_rows


def local_rows(path: Path, shown: str, config: str | None, split: str | None) -> Iterator[Row]:
    """Rows of a folder: one written by `save_to_disk`, or one of data files. Nothing is copied to a cache."""
    datasets = _library()
    try:
        if any((path / mark).is_file() for mark in ("state.json", "dataset_dict.json")):
            found = datasets.load_from_disk(str(path))
        else:
            found = datasets.load_dataset(str(path), name=config, streaming=True)
    except (ValueError, OSError) as e:
        raise UsageFault(f"cannot read the data set {shown}: {_first_line(e)}") from e
    yield from _in_order(_split(found, split, shown), shown)


def hub_rows(name: str, revision: str | None, config: str | None, split: str | None) -> Iterator[Row]:
    """Rows of a hub data set at a commit; downloaded once, then read from the library's cache."""
    datasets = _library()
    try:
        found = datasets.load_dataset(name, name=config, split=split, revision=revision)
    except (ValueError, OSError) as e:
        help = "is it named rightly, is there network, does it need a login (HF_TOKEN)?"
        raise UsageFault(f"cannot load the hub data set {name}: {_first_line(e)}", help=help) from e
    yield from _in_order(found, f"{name}@{(revision or '')[:8]}/{split}")


def _library() -> Any:
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets

    return datasets


def _split(found: Any, split: str | None, shown: str) -> Any:
    if not isinstance(found, dict):
        if split is not None and str(found.split or split) != split:
            raise UsageFault(f"{shown} has no split '{split}'", help=f"it is the split '{found.split}'")
        return found
    splits = list(found)
    if split in found:
        return found[split]
    if split is None and len(splits) == 1:
        return found[splits[0]]
    what = f"{shown} has no split '{split}'" if split else f"{shown} has several splits: name one with `split`"
    raise UsageFault(what, help=f"splits: {', '.join(splits)}")


def _in_order(found: Any, shown: str) -> Iterator[Row]:
    yield from table_rows(found.with_format("arrow").iter(batch_size=BATCH), shown)


def _first_line(e: Exception) -> str:
    return f"{type(e).__name__}: {(str(e).splitlines() or [''])[0]}"
