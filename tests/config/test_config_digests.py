"""What changes a digest is what can change a result: no more, no less."""

from __future__ import annotations

from typing import Any

import pytest

BASE: dict[str, str | bytes] = {
    "tasks/demo/suite.yaml": """\
suite: demo
tasks: [tasks/demo/t*.yaml]
systems:
  - name: api
    harness: {use: single_turn, system_file: tasks/demo/sys.txt, few_shot: tasks/demo/shots.jsonl}
    model: {use: openai, name: m, temperature: 1, base_url: "http://localhost:1/v1"}
  - {name: own, harness: "harnesses/own.py:Own"}
  - {name: routed, harness: {use: router, policy: tasks/demo/policy.yaml}}
limits: {time: 20m}
""",
    "tasks/demo/policy.yaml": "rules: []\ndefault: api\n",
    "tasks/demo/sys.txt": "be short",
    "tasks/demo/shots.jsonl": '{"prompt": "1+1", "answer": "2"}\n',
    "tasks/demo/t1.yaml": """\
id: one
prompt: [{text: look}, {file: tasks/demo/pic.png}]
files: [tasks/demo/doc.txt]
reference: {a: 1}
graders: [{use: structured, json_schema: tasks/demo/schema.json}, "graders/own.py:Own"]
""",
    "tasks/demo/pic.png": b"\x89PNG one",
    "tasks/demo/doc.txt": "doc",
    "tasks/demo/schema.json": '{"type": "object"}',
    "harnesses/own.py": """\
from harness.api import Harness, Output


class Base(Harness):
    def roles(self):
        return ()

    async def solve(self, task, ctx):
        return Output(answer="x")


class Own(Base):
    \"\"\"Own.\"\"\"
""",
    "graders/own.py": """\
from harness.api import Grade, Grader


class Own(Grader):
    \"\"\"Own.\"\"\"

    async def grade(self, work):
        return Grade(1.0, True)
""",
}


def digests(make_space: Any, *changes: tuple[str, str | bytes, str | bytes]) -> dict[str, str]:
    texts = dict(BASE)
    for name, old, new in changes:
        before = texts[name]
        assert old in before, (name, old)  # type: ignore[operator]
        texts[name] = before.replace(old, new)  # type: ignore[arg-type]
    suite = make_space().write(texts).load()
    found = {f"system {n}": s.harness_digest + s.model_digest for n, s in suite.systems.items()}
    found |= {f"grader {n}": g.digest for n, g in suite.graders.items()}
    found |= {f"task {t.id}": t.digest for t in suite.tasks}
    return found | {"suite": suite.digest}


SUITE, TASK = "tasks/demo/suite.yaml", "tasks/demo/t1.yaml"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("graders/own.py", "1.0, True", "0.0, False"), {"grader own"}),
        (("harnesses/own.py", '"x"', '"y"'), {"system own"}),
        (("tasks/demo/sys.txt", "short", "long"), {"system api", "system routed"}),
        (("tasks/demo/shots.jsonl", '"2"', '"3"'), {"system api", "system routed"}),
        (("tasks/demo/policy.yaml", "default: api", "default: own"), {"system routed"}),
        (("tasks/demo/schema.json", "object", "array"), {"grader structured"}),
        (("tasks/demo/pic.png", b"one", b"two"), {"task one"}),
        (("tasks/demo/doc.txt", "doc", "dog"), {"task one"}),
        ((TASK, "look", "see"), {"task one"}),
        ((SUITE, "name: m", "name: n"), {"system api", "system routed"}),
        ((SUITE, "temperature: 1", "temperature: 0.5"), {"system api", "system routed"}),
        ((SUITE, "localhost:1", "localhost:2"), {"system api", "system routed"}),
        ((SUITE, "20m", "21m"), set()),
        ((TASK, "a: 1", "a: 2"), set()),
    ],
)
def test_what_matters_changes_its_digest_and_the_suites(make_space: Any, change: Any, expected: set[str]) -> None:
    before, after = digests(make_space), digests(make_space, change)
    changed = {n.partition(" (")[0] for n in before if before[n] != after.get(n)}
    assert {n.split(":")[0].replace("graders/", "").replace(".py", "") for n in changed} == expected | {"suite"}


@pytest.mark.parametrize(
    "changes",
    [
        [(SUITE, "temperature: 1", "temperature: 1.0")],
        [(SUITE, "temperature: 1", "temperature: 1, timeout_s: 30")],
        [(SUITE, "temperature: 1", "temperature: 1, api_key_env: MY_KEY, key_header: x-api-key")],
        [(SUITE, "temperature: 1", "temperature: 1, organization: o, project: p")],
        [(SUITE, "use: openai, name: m, temperature: 1", "temperature: 1, name: m, use: openai")],
        [(SUITE, "suite: demo", "# a comment\nsuite: demo")],
        [(SUITE, "20m", "1200s")],
        [(SUITE, "limits:", "concurrency: 3\nlimits:")],
        [(TASK, "id: one", "# said otherwise\nid: 'one'")],
        [(TASK, "prompt: [{text: look}", "prompt: [{text: 'look'}")],
    ],
)
def test_what_does_not_matter_changes_nothing(make_space: Any, changes: Any) -> None:
    assert digests(make_space, *changes) == digests(make_space)
