"""The program in an answer: which block counts, and that no answer makes looking for it long."""

from __future__ import annotations

import pytest

from harness.toolkit.answer import json_text
from harness.toolkit.code import code_of


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("print(1)", "print(1)"),
        ("First:\n```python\nprint(1)\n```\nno, better:\n```py\nprint(2)\n```\n", "print(2)\n"),
        ("```python\nprint(1)\n```\nand its output\n```\n1\n```\n", "print(1)\n"),
        ("```\nprint(1)\n```", "print(1)\n"),
        ("~~~python\nprint('```')\n~~~", "print('```')\n"),
        ("````python\n'''\n```\n'''\n````", "'''\n```\n'''\n"),
        ("```python\r\nprint(1)\r\n```\r\n", "print(1)\n"),
        ("```python\nprint(1)\n```   ", "print(1)\n"),
        ("```python\n```", ""),
        ("```python\nprint(1)", "```python\nprint(1)"),
        ("```text\nnever closed\n~~~python\nprint(1)\n~~~", "print(1)\n"),
    ],
)
def test_the_last_block_of_the_language_counts(answer: str, found: str) -> None:
    assert code_of(answer, "python") == found


@pytest.mark.parametrize(
    "answer",
    [
        "`" * 1_000_000,
        "```a\n" * 200_000,
        "".join("`" * n + "\n" for n in range(3, 1_400)),
        "```" + " " * 1_000_000,
        "~~~\n" + "```\n~~~ x\n" * 100_000,
    ],
    ids=["one long fence", "many openings", "all lengths", "blanks", "in turn"],
)
def test_no_answer_makes_it_long(answer: str) -> None:
    """Each took minutes of a grader's time when one pattern looked for a whole block: quadratic, with no time limit."""
    assert isinstance(code_of(answer, "python"), str)
    assert json_text(answer) is None
