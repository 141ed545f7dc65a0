"""Loading a suite: what it becomes, and every fault at once at its own place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from config_space import SUITE, Space
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.load import load_suite
from harness.errors import ConfigError, NothingToRun, UsageFault
from harness.records.content import File, Text
from harness.records.task import Limits, SandboxSpec, Shape

TASK = "{id: %s, prompt: p, reference: r, graders: [match]}"


def test_a_whole_task_with_defaults_from_suite_and_file(space: Space) -> None:
    space.write(
        {
            "tasks/demo/suite.yaml": """
                suite: demo
                tasks: [tasks/demo/t*.yaml]
                defaults:
                  graders: [match]
                  limits: {time: 20m, tokens: 500k}
                  tags: [nightly]
                  sandbox: {memory: 512m, setup: [ls]}
                  shape: {stakes: low, surface: document}
                systems: [{name: ceiling, harness: reference}]
                """,
            "tasks/demo/policy.txt": "fourteen",
            "tasks/demo/t.yaml": """
                defaults: {tags: [many], limits: {turns: 7}}
                tasks:
                  - id: refund
                    family: support
                    shape: {horizon: short, stakes: high}
                    prompt: [What?, {file: policy.txt}]
                    files: [{path: policy.txt, name: docs/policy.txt}]
                    limits: {tokens: 8000, cost_usd: 0.5}
                    sandbox: {cpus: 2, memory: 2g}
                    reference: [a, b]
                    tags: [own, many]
                    graders: [{use: match, mode: any_of}, {use: match, informative: true, name: strict}]
                    canary: abc
                    meta: {n: 1}
                  - {id: bare, prompt: p, reference: r, sandbox: null}
                """,
        }
    )
    suite = space.load()
    refund, bare = suite.tasks
    file = refund.files[0]
    assert refund.prompt == (Text("What?"), File("policy.txt", file.path, "text/plain", file.sha256))
    assert (file.name, file.path, len(file.sha256)) == ("docs/policy.txt", "tasks/demo/policy.txt", 64)
    assert refund.limits == Limits(1200.0, 7, 8000, 0.5)
    assert refund.sandbox == SandboxSpec(setup=("ls",), cpus=2.0, memory=2 * 1024**3)
    assert refund.shape == Shape("short", "high", "document")
    assert refund.tags == ("nightly", "many", "own")
    assert refund.reference == ["a", "b"]
    assert (refund.canary, refund.meta, refund.place) == ("abc", {"n": 1}, "tasks/demo/t.yaml:3:5")
    assert refund.informative == ("strict",)
    assert [suite.graders[n].grader.model_dump()["mode"] for n in refund.graders] == ["any_of"]
    assert (bare.family, bare.sandbox, bare.graders, bare.canary) == ("bare", None, ("match",), "")
    assert len({refund.digest, bare.digest, ""}) == 3


def test_the_suite_carries_its_settings(space: Space) -> None:
    space.write(
        {
            "tasks/demo/suite.yaml": """
                suite: demo
                description: d
                tasks: [{id: a, prompt: p, reference: r, graders: [match]}]
                systems: [{name: ceiling, harness: reference}]
                epochs: 3
                limits: {time: 1h30m, cost_usd: 2.00}
                budget: {cost_usd: 25}
                coverage: {floor: 0.5}
                retries: 0
                concurrency: 4
                seed: 7
                cache: true
                gate: {floor: 1}
                """,
            "prices.yaml": "prices: 1\n",
        }
    )
    suite = space.load()
    assert (suite.epochs, suite.limits, suite.budget_usd) == (3, Limits(time_s=5400.0, cost_usd=2.0), 25)
    assert (suite.coverage_floor, suite.infra_retries, suite.concurrency, suite.seed) == (0.5, 0, 4, 7)
    assert (suite.cache, suite.prices, suite.gate) == (True, space.path / "prices.yaml", {"floor": 1})
    assert (suite.name, suite.description, suite.path) == ("demo", "d", space.path / "tasks/demo/suite.yaml")


FAULTY = """
tasks:
  - id: 12
    promt: "3-1?"
    prompt: 3.10
    graders: [exat, {use: match, mode: contian}, {use: match, tolerance: -1}]
  - {id: a/b, prompt: x, reference: r, graders: [match]}
  - {id: c, prompt: x, reference: 3.10, graders: [match]}
  - {id: c, prompt: x, reference: r, graders: match, shape: {stakes: hihg}}
  - {id: d, prompt: x, graders: [match], files: [none.pdf], limits: {time: 3x}}
  - {id: e, graders: [match], reference: a, prompt: [{txt: a}, {text: b, image: c}]}
  - {id: f, prompt: x, graders: [match]}
  - {id: g, reference: r}
  - 3
"""


def test_every_fault_of_a_file_is_told_at_once_and_in_order(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": FAULTY})
    told = [fault.removeprefix("tasks/demo/t.yaml:") for fault in space.faults()]
    spans = [
        (2, "12"), (3, "promt"), (4, "3.10"), (5, "exat"), (5, "contian"), (5, "-1"), (6, "a/b"), (7, "3.10"),
        (8, "c,"),
        (8, "match"), (8, "hihg"), (9, "none.pdf"), (9, "3x"), (10, "txt"), (10, "{text"), (11, "{id"), (12, "{id"),
        (12, "{id"), (13, "3"),
    ]  # fmt: skip
    lines = FAULTY.strip().splitlines()
    assert [fault.split(" ")[0] for fault in told] == [f"{n}:{lines[n - 1].index(text) + 1}" for n, text in spans]
    assert "`id`: expected text, found the number 12" in told[0]
    assert "unknown key `promt`" in told[1]
    assert "no grader named 'exat'" in told[3]
    assert "the id 'c' is taken by the task at tasks/demo/t.yaml:7:5" in told[8]
    assert "the grader 'match' needs a `reference`" in told[15]
    assert {"`prompt` is missing", "`graders` is missing"} == {fault[5:] for fault in told[16:18]}


def test_what_a_trap_leads_to_is_not_told_again(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": "id: a\nprompt: no\nreference: 007\ngraders: [match]\n"})
    assert space.faults() == [
        "tasks/demo/t.yaml:2:9 YAML reads `no` as the boolean false",
        "tasks/demo/t.yaml:3:12 YAML reads `007` as an octal number",
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("epoch: 3", "5:1 unknown key `epoch`"),
        ("epochs: 0", "5:9 `epochs`: 0 is out of range"),
        ("epochs: '3'", "5:9 `epochs`: expected a whole number, found the text '3'"),
        ("epochs: 1.5", "5:9 `epochs`: expected a whole number, found the number 1.5"),
        ("coverage: {floor: 1.5}", "5:19 `floor`: 1.5 is out of range"),
        ("coverage: 1.5", "5:11 `coverage`: 1.5 is out of range"),
        ("budget: 25", "5:9 `budget`: expected a mapping, found the number 25"),
        ("limits: {time: soon}", "5:16 `time`: expected a time such as 90s, 20m or 1h30m"),
        ("limits: {tokens: 1e3}", "5:18 `tokens`: expected a number such as 8000, 500k or 2m"),
        ("limits: {cost_usd: 0}", "5:20 `cost_usd`: 0 is out of range"),
        ("cache: yes", "5:8 YAML reads `yes` as the boolean true"),
        ("prices: no-such.yaml", "5:9 no such file: no-such.yaml"),
        ("gate: gates.yaml", "5:7 no such file: gates.yaml"),
        ("include: [tasks/none/*.yaml]", "5:11 no file matches 'tasks/none/*.yaml'"),
        ("include: [../x.yaml]", "5:11 '../x.yaml' is outside the workspace"),
        ("systems_file: s.yaml", "5:15 no such file: s.yaml"),
        ("defaults: {reference: r}", "5:12 unknown key `reference`"),
        ("defaults: {graders: [nope]}", "5:22 no grader named 'nope'"),
    ],
)
def test_a_fault_of_the_suite_file(space: Space, line: str, fault: str) -> None:
    head = "suite: demo\ntasks: [{id: a, prompt: p, reference: r, graders: [match]}]\n"
    systems = "systems:\n  - {name: c, harness: reference}\n"
    space.write({"tasks/demo/suite.yaml": f"{head}{systems}{line}\n"})
    told = space.faults()
    assert len(told) == 1
    assert told[0].startswith(f"tasks/demo/suite.yaml:{fault}")


def test_did_you_mean_for_keys_files_and_words(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": "id: a\npromt: x\nprompt: y\nfiles: [polcy.md]\nreference: r\ngraders: [mach]\n"})
    space.write({"tasks/demo/policy.md": "x"})
    message = space.message()
    for hint in ("did you mean 'prompt'?", "did you mean 'policy.md'?", "did you mean 'match'?"):
        assert hint in message
    assert message.endswith("3 errors")


def test_an_id_in_two_files_names_both_places(space: Space) -> None:
    space.write({"tasks/demo/t1.yaml": TASK % "same", "tasks/demo/t2.yaml": TASK % "Same"})
    assert space.faults() == ["tasks/demo/t2.yaml:1:6 the id 'Same' is taken by the task at tasks/demo/t1.yaml:1:1"]


@pytest.mark.parametrize("bad", ["a/b", "", "-a", "a b", "ä", "a.", "../a", "x" * 129])
def test_ids_that_cannot_be_folder_names_are_refused(space: Space, bad: str) -> None:
    space.write({"tasks/demo/t.yaml": TASK % f'"{bad}"'})
    told = space.faults()
    assert told[0].startswith("tasks/demo/t.yaml:1:6 `id`: an id is")
    assert len(told) == 1


def test_a_suite_without_tasks_is_nothing_to_run(space: Space) -> None:
    space.write({"tasks/demo/suite.yaml": "suite: demo\nsystems: [{name: c, harness: reference}]\n"})
    with pytest.raises(NothingToRun, match="has no task"):
        space.load()


def test_a_suite_without_systems_is_a_fault(space: Space) -> None:
    space.write({"tasks/demo/suite.yaml": "suite: demo\ntasks: [{id: a, prompt: p, reference: r, graders: [match]}]\n"})
    assert space.faults() == ["tasks/demo/suite.yaml:1:1 `systems` is missing"]


def test_files_of_other_kinds_are_passed_over_by_a_glob_and_said(space: Space) -> None:
    space.write(
        {
            "tasks/demo/suite.yaml": """
                suite: demo
                tasks: [tasks/demo/*.yaml, tasks/other/*.yaml]
                systems_file: systems.yaml
                gate: gates.yaml
                """,
            "tasks/demo/systems.yaml": "systems: [{name: c, harness: reference}]\n",
            "tasks/demo/gates.yaml": "floor: 1\n",
            "tasks/demo/policy.yaml": "rules: []\n",
            "tasks/other/suite.yaml": "suite: other\n",
            "tasks/demo/a.yaml": TASK % "a",
        }
    )
    suite = space.load()
    assert [task.id for task in suite.tasks] == ["a"]
    assert list(suite.systems) == ["c"]
    assert len(suite.notes) == 2
    assert "policy.yaml has no key of a task file" in " ".join(suite.notes)


def test_a_suite_file_named_as_tasks_is_refused(space: Space) -> None:
    space.write(
        {
            "tasks/demo/suite.yaml": SUITE.replace("demo/t*", "other/suite"),
            "tasks/other/suite.yaml": "suite: other\n",
        }
    )
    assert space.faults() == ["tasks/demo/suite.yaml:2:9 tasks/other/suite.yaml is a suite"]


def test_included_suites_bring_their_tasks_with_their_defaults(space: Space) -> None:
    space.write(
        {
            "tasks/demo/suite.yaml": """
                suite: demo
                include: [tasks/*/suite.yaml]
                defaults: {tags: [outer]}
                systems: [{name: c, harness: reference}]
                """,
            "tasks/other/suite.yaml": """
                suite: other
                tasks: [tasks/other/a.yaml]
                defaults: {tags: [inner], graders: [match]}
                systems: [{name: not-taken, harness: empty}]
                """,
            "tasks/other/a.yaml": "{id: a, prompt: p, reference: r}",
        }
    )
    suite = space.load()
    assert [(task.id, task.tags) for task in suite.tasks] == [("a", ("outer", "inner"))]
    assert list(suite.systems) == ["c"]


def test_suites_that_include_each_other_are_refused_with_the_chain(space: Space) -> None:
    systems = "systems: [{name: c, harness: reference}]\n"
    space.write(
        {
            f"tasks/{a}/suite.yaml": f"suite: {a}\ninclude: [tasks/{b}/suite.yaml]\n{systems}"
            for a, b in ["xy", "yz", "zx"]
        }
    )
    chain = " -> ".join(f"tasks/{name}/suite.yaml" for name in "xyzx")
    assert space.faults("x") == [f"tasks/z/suite.yaml:2:11 suites that include each other: {chain}"]


def test_a_broken_file_does_not_hide_the_faults_of_others(space: Space) -> None:
    space.write(
        {
            "tasks/demo/t1.yaml": "a: b: c\n",
            "tasks/demo/t2.yaml": b"id: \xff\n",
            "tasks/demo/t3.yaml": "",
            "tasks/demo/t4.yaml": "- a\n",
            "tasks/demo/t5.yaml": "id: x\nprompt: 3\nreference: r\ngraders: [match]\n",
        }
    )
    told = space.faults()
    assert [fault.split(" ")[0] for fault in told] == [
        "tasks/demo/t1.yaml:1:5",
        "tasks/demo/t2.yaml:1:5",
        "tasks/demo/t3.yaml",
        "tasks/demo/t4.yaml:1:1",
        "tasks/demo/t5.yaml:2:9",
    ]


def test_an_unknown_suite_is_a_usage_fault(space: Space) -> None:
    with pytest.raises(UsageFault, match="no suite 'dmeo'"):
        space.load("dmeo")


def test_files_outside_the_workspace_are_refused(space: Space) -> None:
    space.write(
        {"tasks/demo/t.yaml": "{id: a, prompt_file: ../../../x, files: [/etc/passwd], reference: r, graders: [match]}"}
    )
    assert [fault.split(" ", 1)[1] for fault in space.faults()] == [
        "'../../../x' is outside the workspace",
        "'/etc/passwd' is outside the workspace",
    ]


def test_references_and_prompts_from_files(space: Space) -> None:
    space.write(
        {
            "tasks/demo/t1.yaml": "{id: a, prompt_file: p.md, reference_file: r.json, graders: [match]}",
            "tasks/demo/t2.yaml": "{id: b, prompt_file: p.md, reference_file: tasks/demo/r.txt, graders: [match]}",
            "tasks/demo/p.md": "\ufeffWhat?\n",
            "tasks/demo/r.json": '["1", "2"]',
            "tasks/demo/r.txt": "14 days",
        }
    )
    assert [(task.prompt, task.reference) for task in space.load().tasks] == [
        ("What?\n", ["1", "2"]),
        ("What?\n", "14 days"),
    ]


def test_digests_change_with_what_they_cover_and_with_nothing_else(space: Space) -> None:
    def digests(task: str) -> tuple[str, str, str]:
        space.write({"tasks/demo/t.yaml": task})
        suite = space.load()
        return suite.tasks[0].digest, suite.graders[suite.tasks[0].graders[0]].digest, suite.digest

    before = digests("id: a\nprompt: p\nreference: r\ngraders: [match]\n")
    assert digests("# moved\ngraders: [{use: match}]\nreference: r\nprompt: p\nid: a\ntags: [x]\n") == before
    other_prompt = digests("id: a\nprompt: q\nreference: r\ngraders: [match]\n")
    assert (other_prompt[0] != before[0], other_prompt[1] == before[1]) == (True, True)
    other_reference = digests("id: a\nprompt: p\nreference: s\ngraders: [match]\n")
    assert (other_reference[0] == before[0], other_reference[2] != before[2]) == (True, True)
    other_grader = digests("id: a\nprompt: p\nreference: r\ngraders: [{use: match, ignore: [case]}]\n")
    assert (other_grader[0] == before[0], other_grader[1] != before[1]) == (True, True)


FAULTS = [
    ("id: [x]", 4),
    ("prompt: 3", 8),
    ("reference: 007", 11),
    ("graders: [matsch]", 10),
    ("shape: {stakes: medium}", 16),
    ("limits: {turns: 0}", 16),
    ("tags: x", 6),
    ("colour: red", 0),
]


@settings(max_examples=40, deadline=None)
@given(
    plan=st.lists(st.lists(st.sampled_from(FAULTS), max_size=4, unique=True), min_size=1, max_size=5),
    gap=st.integers(0, 3),
)
def test_planted_faults_are_told_at_exactly_their_places(
    plan: list[list[tuple[str, int]]], gap: int, make_space
) -> None:  # type: ignore[no-untyped-def]
    sound = {"id": "id: t{}", "prompt": "prompt: p", "reference": "reference: r", "graders": "graders: [match]"}
    lines, expected = ["tasks:"], []
    for number, faults in enumerate(plan):
        own = {fault.partition(":")[0]: (fault, column) for fault, column in faults}
        keys = [*sound, *(key for key in own if key not in sound)]
        for i, key in enumerate(keys):
            text, column = own.get(key, (sound.get(key, "").format(number), None))
            lines.append(("  - " if i == 0 else "    ") + text)
            if column is not None:
                expected.append(f"tasks/demo/t.yaml:{len(lines)}:{5 + column}")
        lines += ["    # a comment"] * gap
    space = make_space().write({"tasks/demo/t.yaml": "\n".join(lines)})
    try:
        load_suite(space.path, "demo")
        told = []
    except ConfigError as e:
        told = [str(fault.place) for fault in e.faults]
    assert told == expected


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), min_size=1
)
json_values = st.recursive(
    st.booleans() | st.integers(-(10**6), 10**6) | texts,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3),
)


@settings(max_examples=30, deadline=None)
@given(
    plan=st.lists(
        st.fixed_dictionaries(
            {"prompt": texts},
            optional={
                "tags": st.lists(texts, max_size=3, unique=True),
                "choices": st.lists(texts, min_size=2, max_size=4, unique=True),
                "meta": st.dictionaries(texts, json_values, max_size=2),
                "canary": texts,
            },
        ),
        min_size=1,
        max_size=4,
    )
)
def test_tasks_come_through_yaml_as_they_are(plan: list[dict[str, Any]], make_space: Callable[[], Space]) -> None:
    import yaml

    tasks = [{"id": f"t{i}", "reference": "r", "graders": ["match"], **task} for i, task in enumerate(plan)]
    text = yaml.safe_dump({"tasks": tasks}, allow_unicode=True, sort_keys=False)
    suite = make_space().write({"tasks/demo/t.yaml": text.encode()}).load()
    assert [task.prompt for task in suite.tasks] == [task["prompt"] for task in tasks]
    for task, said in zip(suite.tasks, tasks, strict=True):
        assert list(task.tags) == said.get("tags", [])
        assert list(task.choices) == said.get("choices", [])
        assert (task.meta, task.canary) == (said.get("meta", {}), said.get("canary", ""))
