"""Faults in what a kind was expanded to, told where the user wrote what it came from."""

from __future__ import annotations

from dataclasses import dataclass

from harness.config.document import Loc
from harness.config.faults import Spot
from harness.errors import Fault, Place

Moves = tuple[tuple[tuple[int | str, ...], tuple[int | str, ...]], ...]
"""Pairs of a place in the expanded task and the place it came from."""


@dataclass(frozen=True, slots=True)
class MovedSpot:
    """A place in an expanded task. The longest move that fits decides; what did not move is where it was."""

    origin: Spot
    moves: Moves
    base: tuple[int | str, ...] = ()

    def at(self, *steps: int | str) -> MovedSpot:
        """A place further in."""
        return MovedSpot(self.origin, self.moves, (*self.base, *steps))

    def fault(self, what: str, loc: Loc = (), help: str = "", *, key: bool = False) -> Fault:
        """A fault at this place, or further in."""
        return self.origin.fault(what, self._there(loc), help, key=key)

    def scalar(self, loc: Loc = ()) -> str | None:
        """The plain text that was written there."""
        return self.origin.scalar(self._there(loc))

    def place(self) -> Place:
        """The place it came from."""
        return self.origin.at(*self._there(())).place()

    def _there(self, loc: Loc) -> tuple[int | str, ...]:
        full = (*self.base, *loc)
        fitting = [move for move in self.moves if full[: len(move[0])] == move[0]]
        if not fitting:
            return full
        made, came = max(fitting, key=lambda move: len(move[0]))
        return (*came, *full[len(made) :])
