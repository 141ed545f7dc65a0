"""Rows with a template: what becomes of a row, and what is said about a row that does not fit."""

from __future__ import annotations

import json
from typing import Any

import jinja2
import pytest
from config_space import Space
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from harness.config.template import Template, TemplateFault

ROWS = """\
rows: {path: q.jsonl}
template:
  id: "q-{{ id }}"
  prompt: "{{ question }}"
  reference: "{{ answer }}"
  graders: [match]
"""


def jsonl(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_rows_become_tasks_with_places_in_the_data(space: Space) -> None:
    space.write(
        {
            "tasks/demo/t.yaml": """
                defaults: {tags: [rows], limits: {turns: 3}}
                rows: {path: q.jsonl}
                template:
                  id: "{{ subject | slug }}-{{ row_number }}"
                  family: "{{ subject }}"
                  prompt: |
                    Question: {{ question }}
                    {% if hint %}Hint: {{ hint }}{% endif %}
                  choices: "{{ options }}"
                  reference: "{{ row['right answer'] }}"
                  meta: {level: "{{ level }}", fixed: 1}
                  graders: [match]
                """,
            "tasks/demo/q.jsonl": jsonl(
                {
                    "subject": "a b",
                    "question": "1?",
                    "hint": "",
                    "options": ["x", "y"],
                    "right answer": "x",
                    "level": 2,
                },
                {
                    "subject": "a b",
                    "question": "2?",
                    "hint": "h",
                    "options": ["z", "y"],
                    "right answer": 4,
                    "level": None,
                },
            ),
        }
    )
    first, second = space.load().tasks
    assert (first.id, first.family, first.choices) == ("a-b-1", "a b", ("x", "y"))
    assert (first.prompt, second.prompt) == ("Question: 1?\n\n", "Question: 2?\nHint: h\n")
    assert (first.reference, second.reference) == ("x", 4)
    assert (first.meta, second.meta) == ({"level": 2, "fixed": 1}, {"level": None, "fixed": 1})
    assert (first.tags, first.limits.turns, first.graders) == (("rows",), 3, ("match",))
    assert [task.place for task in (first, second)] == ["tasks/demo/q.jsonl:1", "tasks/demo/q.jsonl:2"]
    assert first.graders is second.graders


def test_row_data_is_never_read_as_a_template(space: Space) -> None:
    row = {"id": 1, "question": "{{ 7 * 7 }} {% raw %}", "answer": "{{ secret }}"}
    space.write({"tasks/demo/t.yaml": ROWS, "tasks/demo/q.jsonl": jsonl(row)})
    task = space.load().tasks[0]
    assert (task.prompt, task.reference) == ("{{ 7 * 7 }} {% raw %}", "{{ secret }}")


def test_csv_rows_keep_their_text(space: Space) -> None:
    space.write(
        {"tasks/demo/t.yaml": ROWS.replace("q.jsonl", "q.csv"), "tasks/demo/q.csv": "id,question,answer\n007,a,3.10\n"}
    )
    task = space.load().tasks[0]
    assert (task.id, task.reference) == ("q-007", "3.10")


def test_faults_in_rows_are_told_with_the_row_and_the_template(space: Space) -> None:
    rows = [
        {"id": "a", "question": "q", "answer": "r"},
        {"id": "a/b", "question": "q", "answer": "r"},
        {"id": "c", "question": "", "answer": "r"},
        {"id": "d", "answer": "r"},
        {"id": "a", "question": "q", "answer": "r"},
        {"id": "f", "question": "q", "answer": None},
        {"id": "g", "question": True, "answer": "r"},
    ]
    space.write({"tasks/demo/t.yaml": ROWS, "tasks/demo/q.jsonl": jsonl(*rows)})
    told = [fault.removeprefix("tasks/demo/q.jsonl:") for fault in space.faults()]
    assert [fault.split(" ")[0] for fault in told] == [f"{n}:1" for n in range(2, 8)]
    expected = [
        "an id is", "`prompt`: must not be empty", "no column 'question'",
        "is taken by the task at tasks/demo/q.jsonl:1",
        "needs a `reference`", "`prompt`: expected text, found the boolean true",
    ]  # fmt: skip
    for fault, says in zip(told, expected, strict=True):
        assert says in fault
    assert "the template is at tasks/demo/t.yaml:4:11" in space.message()


def test_many_rows_with_the_same_fault_are_counted(space: Space) -> None:
    rows = [{"id": i, "question": "q"} for i in range(100)]
    space.write({"tasks/demo/t.yaml": ROWS, "tasks/demo/q.jsonl": jsonl(*rows)})
    told = space.faults()
    assert len(told) == 6
    assert "tasks/demo/t.yaml:5:14 95 more rows have a fault in `reference`" in told


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("id:", "ident:"), "3:3 unknown key `ident`"),
        (('"{{ question }}"', '"{{ question"'), "4:11 not a template"),
        (('  id: "q-{{ id }}"\n', ""), "3:3 `id` is missing"),
        (("path: q.jsonl", "path: none.jsonl"), "1:14 no such file: none.jsonl"),
        (("path: q.jsonl", "hub: org/name, split: test, revision: main"), "a hub data set needs `revision`"),
        (("path: q.jsonl", "file: q.jsonl"), "1:8 unknown key `file`"),
        (("[match]", "[mtch]"), "6:13 no grader named 'mtch'"),
        (("reference: ", "reference: 3.10 # "), "5:14 YAML reads `3.10` as the number 3.1"),
    ],
)
def test_faults_of_the_template_itself(space: Space, change: tuple[str, str], fault: str) -> None:
    space.write(
        {
            "tasks/demo/t.yaml": ROWS.replace(*change),
            "tasks/demo/q.jsonl": jsonl({"id": 1, "question": "q", "answer": "r"}),
        }
    )
    assert any(fault in told for told in space.faults())


def test_broken_rows_are_a_fault_at_their_line(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": ROWS, "tasks/demo/q.jsonl": '{"id": 1, "question": "q", "answer": "r"}\n{"id"\n'})
    assert space.faults()[0].startswith("tasks/demo/q.jsonl:2:1 not JSON")


def test_an_empty_source_is_a_fault(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": ROWS, "tasks/demo/q.jsonl": "\n"})
    assert space.faults() == ["tasks/demo/t.yaml:1:7 the source has no row"]


def test_rows_of_a_source_of_the_workspace(space: Space) -> None:
    space.write(
        {
            "sources/squares.py": '''
                from collections.abc import Iterable
                from pathlib import Path
                from harness.api import Row, TaskSource

                class Squares(TaskSource):
                    """Square numbers."""

                    n: int
                    """How many."""

                    def rows(self, workspace: Path) -> Iterable[Row]:
                        for i in range(self.n):
                            yield Row({"id": i, "question": f"{i}^2", "answer": str(i * i)}, f"squares:{i + 1}")
                ''',
            "tasks/demo/t.yaml": ROWS.replace("path: q.jsonl", "use: sources/squares.py, n: 3"),
        }
    )
    assert [(task.id, task.reference) for task in space.load().tasks] == [("q-0", "0"), ("q-1", "1"), ("q-2", "4")]


@pytest.mark.parametrize(
    "text", ["{{ a.__class__.__mro__ }}", "{{ a.append(1) }}", "{{ range(10**9) | list }}", "{{ 1 / 0 }}"]
)
def test_templates_are_sandboxed_and_fail_with_words(text: str) -> None:
    with pytest.raises(TemplateFault):
        made = Template({"x": text}).render({"a": (1,)})
        raise AssertionError(made)


def test_a_single_expression_keeps_its_type_and_a_mixture_is_text() -> None:
    template = Template(
        {"a": "{{ x }}", "b": " {{ x + [3] }}\n", "c": "<{{ x }}>", "d": ["{{ x[0] }}", "k"], "e": "k", "f": 3}
    )
    assert template.constant == {"e": "k", "f": 3}
    assert template.render({"x": [1, 2]}) == {"a": [1, 2], "b": [1, 2, 3], "c": "<[1, 2]>", "d": [1, "k"]}


names = st.sampled_from(["a", "b", "c"])
pieces = st.lists(
    st.one_of(st.text("xy {}\n<&", max_size=4).filter(lambda t: "{{" not in t), names.map(lambda n: f"{{{{ {n} }}}}"))
)
row_values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(pieces, st.fixed_dictionaries({"a": row_values, "b": row_values, "c": row_values}))
def test_plain_names_give_what_jinja_gives(parts: list[str], row: dict[str, Any]) -> None:
    text = "".join(parts)
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    try:
        expected = environment.from_string(text).render(row)
    except jinja2.TemplateSyntaxError:
        return
    made = {**Template({"x": text}).constant, **Template({"x": text}).render(row)}["x"]
    if text.strip() in ("{{ a }}", "{{ b }}", "{{ c }}"):
        assert made == row[text.strip()[3]]
    else:
        assert made == expected
