"""How a trial failed: what each kind of failure is, and which record says so. Deterministic signals, in columns.

Kinds are not exclusive: a limit that was hit and an empty answer are both said. Judges are not asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.records.outcome import NO_CLAIM
from harness.report.columns import Columns
from harness.report.evidence import Mask

NOTHING = frozenset(("no_answer", "empty_patch"))
UNTOUCHED = frozenset(("untouched",))
"""How `empty` ends in a box (`output.metrics.ended`)."""
UNREADABLE = NO_CLAIM - NOTHING - {"abstained", "refused"}
"""Labels of work in which no answer can be read; nothing is guessed for it."""
TAMPERING = frozenset(
    ("protected_path", "prewritten_reward", "canary_passed", "canary_missing", "exit_code", "count", "link_leaves_tree",
     "planted", "nested_git", "duplicate_result")
)  # fmt: skip
"""First words of flags that graders and collecting give to work that touched what grades it."""
MISUSE: dict[str, str] = {
    "unknown_tool": "a tool that was not offered",
    "bad_arguments": "arguments that do not fit",
    "command_not_found": "a command that is not in the box",
    "repeated_failure": "the same failing call, three times in a row or more",
}
"""First words of flags that the engine gives to calls that could not work (`engine/misuse.py`)."""
INVENTED = frozenset(("invented_source", "invented_api"))
"""Labels and first words of flags of graders that look sources or interfaces up."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of failure: its key, its name, the record that says so, and which rows are of it."""

    key: str
    name: str
    signal: str
    rows: Callable[[Columns], Mask]


def failed(ok: Columns) -> Mask:
    """Graded rows that did not pass."""
    return np.asarray(ok.column["passed"] == 0)


def refused(ok: Columns) -> Mask:
    """The system would not do it."""
    return np.asarray((ok.column["refused"] == 1) | _worded(ok, "label", frozenset(("refused",))))


def abstained(ok: Columns) -> Mask:
    """The system said that it does not know, or cannot."""
    return np.asarray(((ok.column["abstained"] == 1) | _worded(ok, "label", frozenset(("abstained",)))) & ~refused(ok))


def silent(ok: Columns) -> Mask:
    """Nothing was delivered, or nothing was done in the box that was collected."""
    empty = (ok.column["delivered"] == 0) | _worded(ok, "label", NOTHING) | _worded(ok, "ended", UNTOUCHED)
    return np.asarray(empty & ~refused(ok) & ~abstained(ok))


def unreadable(ok: Columns) -> Mask:
    """Something was delivered, and no answer can be read in it."""
    return _worded(ok, "label", UNREADABLE) & ~silent(ok)


def attempted(ok: Columns) -> Mask:
    """An answer was given: neither refused nor abstained nor nothing."""
    return np.asarray(~(refused(ok) | abstained(ok) | silent(ok)))


def wrong(ok: Columns) -> Mask:
    """An answer was given and read, and it is wrong."""
    return failed(ok) & attempted(ok) & ~unreadable(ok)


def at_limit(ok: Columns) -> Mask:
    """A limit of time, turns, tokens or cost was hit."""
    return _worded(ok, "limit", None)


def halted(ok: Columns) -> Mask:
    """The work ended by itself before the system declared it done."""
    stopped = ok.column["declared"] == 0
    return np.asarray(stopped & ~at_limit(ok) & ~refused(ok) & (ok.column["truncated"] == 0))


KINDS: tuple[Kind, ...] = (
    Kind("refused", "refused", "output.refused, label", refused),
    Kind("abstained", "abstained", "output.abstained, label", abstained),
    Kind("limit", "limit hit", "limit", at_limit),
    Kind("halted", "halted before the final action", "output.declared_done is false, no limit", halted),
    Kind("truncated", "answer cut off", "output.truncated", lambda ok: np.asarray(ok.column["truncated"] == 1)),
    Kind("no_answer", "no answer", "no answer and no artifact, label", silent),
    Kind("unreadable", "answer not readable", f"label: {', '.join(sorted(UNREADABLE))}", unreadable),
    Kind("visible", "passes visible tests, fails hidden ones", "grade parts.visible, label",
         lambda ok: (ok.column["visible"] == 1) | _worded(ok, "label", frozenset(("passes_visible_fails_hidden",)))),
    Kind("false_success", "false success: declared done, verifier fails", "output.declared_done",
         lambda ok: np.asarray(ok.column["declared"] == 1)),
    Kind("tool_misuse", "tool misuse", "output.metrics.format_errors, flags",
         lambda ok: (ok.column["format_errors"] > 0) | flagged(ok, *MISUSE)),
    Kind("tampering", "touched what grades it", "flags, label tampered",
         lambda ok: _worded(ok, "flags", TAMPERING) | _worded(ok, "label", frozenset(("tampered",)))),
    Kind("invented", "invented sources or APIs", "flags, label: invented_source, invented_api",
         lambda ok: _worded(ok, "flags", INVENTED) | _worded(ok, "label", INVENTED)),
    Kind("critical", "critical error", "grades.critical, tag critical", lambda ok: ok.column["critical"] == 1),
    Kind("wrong", "wrong answer", "an answer was read and it failed", wrong),
)  # fmt: skip
"""Every kind, the ones that say most of a cause first; `wrong` says only that."""


def flagged(ok: Columns, *words: str) -> Mask:
    """Rows with a flag that begins with one of these."""
    return _worded(ok, "flags", frozenset(words))


def _worded(ok: Columns, column: str, words: frozenset[str] | None) -> Mask:
    """Rows whose words have one of these in them; None means any word at all."""
    held = ok.limits if column == "limit" else ok.words.get(column, [])
    hit = [i for i, said in enumerate(held) if (bool(said) if words is None else not words.isdisjoint(said.split()))]
    return np.isin(ok.column[column], hit)
