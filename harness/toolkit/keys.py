"""Keys that stand in a file where only the name of their variable should: they would be in the record, and in git."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.store.redact import Redactor, secrets_of


def literal_keys(said: Mapping[str, str], *, named: bool) -> Iterator[str]:
    """Where a text has the shape of a key; of variables (`named`) also where their name says so.

    What has a name in braces in it is filled in later, and a value too short for a key stands for one.
    """
    shapes = Redactor()
    for name, value in said.items():
        by_name = named and "{" not in value and secrets_of({name: value})
        if by_name or shapes.text(value) != value:
            yield name
