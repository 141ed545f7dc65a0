"""Refusals of a plugin's own parameters, with what to do about them."""

from __future__ import annotations


def refused(what: str, help: str) -> ValueError:
    """For a pydantic validator: the fault is told at the place of the parameters, with `help` under it."""
    error = ValueError(what)
    error.add_note(help)
    return error
