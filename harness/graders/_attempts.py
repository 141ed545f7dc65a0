"""What a patch says that it tries: flags beside a verdict that never decide it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.graders._diff import FileDiff
from harness.graders._protected import shown
from harness.toolkit.attempts import attempts_by_name, attempts_in, named_in, one_of_each

_TEST = re.compile(r"(?=\w{6,}$)(?:[Tt]est\w*|\w*_\w*)$")


def attempts_of(files: Sequence[FileDiff], hidden_ids: Iterable[str]) -> Sequence[str]:
    """Flags of the files of a patch that count: words of an attempt, programs' names, names of hidden tests."""
    return one_of_each(_told(files, sorted({name for id in hidden_ids if (name := _name_of(id))})))


def _told(files: Sequence[FileDiff], names: Sequence[str]) -> Iterator[str]:
    for file in files:
        place = shown(file.new or file.old)
        yield from attempts_by_name(place, new=not file.old)
        if file.binary or not file.new:
            continue
        added = b"\n".join(line[1:].rstrip(b"\r\n") for line in file.body if line.startswith(b"+"))
        text = added.decode("utf-8", "replace")
        yield from attempts_in(text, place)
        yield from named_in(text, place, names)


def _name_of(id: str) -> str:
    """The name of a test in its id, where it is a name of a program's and not a title of words."""
    last = re.split(r"::|[./>]", id.partition("[")[0])[-1].strip()
    return last if _TEST.match(last) else ""
