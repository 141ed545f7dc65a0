"""What every contract suite shares: a check has a name, holds or does not, and says why.

`harness plugin check NAME` runs them; so can any test: `assert all(f.ok for f in check_grader(Tone, workspace))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.plugins.contracts import Plugin


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. A check that could not run says so in `detail` and is not ok."""

    check: str
    ok: bool
    detail: str = ""


def check_class(cls: type[Plugin], workspace: Path) -> list[Finding]:
    """What holds for every kind: documented, frozen, closed, versioned, and its example can be built."""
    doc = (cls.__doc__ or "").strip()
    undocumented = [n for n, f in cls.model_fields.items() if not f.description]
    findings = [
        Finding("has a docstring", bool(doc), "" if doc else f"{cls.__name__} has no docstring"),
        Finding("every field has a docstring", not undocumented, ", ".join(undocumented)),
        Finding("is frozen", bool(cls.model_config.get("frozen")), ""),
        Finding("refuses unknown fields", cls.model_config.get("extra") == "forbid", ""),
        Finding("has a version", bool(cls.version), ""),
    ]
    return [*findings, _example(cls)]


def _example(cls: type[Plugin]) -> Finding:
    try:
        cls.model_validate(dict(cls.example))
    except ValueError as e:
        return Finding("its example can be built", False, str(e))
    return Finding("its example can be built", True)


def failed(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that do not hold."""
    return [f for f in findings if not f.ok]
