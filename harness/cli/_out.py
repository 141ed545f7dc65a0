"""What goes to the terminal: made harmless, whole, and never mixed with what plugins print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


def printable(text: str) -> str:
    """What a model, a row or a server wrote cannot move the cursor, colour the terminal or turn the text around."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def say(text: str) -> None:
    """Write to stdout now. A reader that went away changes nothing: what a run is worth is in the exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        hush()


def hush() -> None:
    """After a broken pipe: what is still buffered goes nowhere, so that the interpreter ends without a complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def plugins_aside() -> Iterator[None]:
    """While plugins work, whatever is printed goes to stderr, from libraries and child processes too."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed: nothing can be spoilt
        yield
        return
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
