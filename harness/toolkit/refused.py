"""Refusals of a plugin's own parameters, with what to do about them and where in them the fault is."""

from __future__ import annotations


class Refused(ValueError):
    """A ValueError that says where: `at` are the steps from the parameters to the value, as `("panel_rule", "tie")`."""

    def __init__(self, what: str, at: tuple[int | str, ...]) -> None:
        super().__init__(what)
        self.at = at


def refused(what: str, help: str, *at: int | str) -> ValueError:
    """For a pydantic validator: the fault is told at the place of the parameters, or further in, `help` under it."""
    error = Refused(what, at)
    error.add_note(help)
    return error


class Placed(str):
    """A line of `check` that says which parameter it is about, by the steps to it, and what to do about it."""

    at: tuple[int | str, ...] = ()
    help: str = ""


def placed(what: str, *at: int | str, help: str = "") -> Placed:
    """The line, told at the place of that parameter."""
    line = Placed(what)
    line.at, line.help = at, help
    return line
