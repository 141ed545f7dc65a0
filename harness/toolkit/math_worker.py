"""The process in which mathematics is parsed and compared. Run by `killable.Pool`; imports sympy and math-verify.

Both sides go through math-verify as LaTeX only: its plain-expression reader picks the first number out of `2*x+1` and
evaluates text, so plain notation is spelled as LaTeX before it gets here (`harness.toolkit.mathtext`).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from harness.records.content import Json
from harness.toolkit.killable import serve


def main() -> None:
    """Import what is heavy, then serve."""
    logging.disable(logging.CRITICAL)
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    normal = NormalizationConfig(
        basic_latex=True, units=True, malformed_operators=True, nits=True, boxed="none", equations=False
    )
    config = [math_verify.LatexExtractionConfig(boxed_match_priority=-1, normalization_config=normal)]

    def parse(latex: str) -> list[Any]:
        found = math_verify.parse(
            f"${latex}$", extraction_config=config, fallback_mode="no_fallback", parsing_timeout=None
        )
        return list(found)

    def handle(job: Json) -> Json:
        """`{"gold": latex, "answer": latex | None, "rounding": int}` to `{"state": ..., "shown": ...}`."""
        try:
            gold = parse(job["gold"])
            if not gold:
                return {"state": "bad_gold"}
            if job["answer"] is None:
                with suppress(AttributeError, TypeError, ValueError):
                    gold[0].evalf()  # a reference that cannot be worked out at all is not the answer's fault
                return {"state": "ok", "shown": _show(gold)}
            answer = parse(job["answer"])
            if not answer:
                return {"state": "bad_answer"}
            if _size_clash(gold[0], answer[0]):
                return {"state": "different", "shown": _show(answer)}
            same = math_verify.verify(gold, answer, float_rounding=job["rounding"], strict=True, timeout_seconds=None)
            return {"state": "same" if same else "different", "shown": _show(answer)}
        except (MemoryError, RecursionError, OverflowError) as e:
            return {"state": "too_big", "shown": type(e).__name__}

    parse(r"\frac{1}{2}")  # the grammar's tables are built at the first use
    serve(handle)


def _show(parsed: list[Any]) -> str:
    return str(parsed[0])[:300]


def _size_clash(gold: Any, answer: Any) -> bool:
    """Sets of different sizes never agree; said here because comparing them can be slow."""
    try:
        return bool(gold.is_FiniteSet and answer.is_FiniteSet and len(gold.args) != len(answer.args))
    except AttributeError:
        return False


if __name__ == "__main__":
    main()
