"""Names to plugins: graders, definitions, nested plugins, models with settings, systems that hand tasks on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from config_space import Space

OWN = '''
from typing import ClassVar, Literal
from collections.abc import Sequence
from harness.api import Grade, Grader, Harness, Model, Output

class Plain(Grader):
    """A grader."""

    level: Literal["low", "high"] = "low"
    """A level."""
    path: str = ""
    """A file."""

    async def grade(self, work):
        return Grade(1.0, True)

    def check(self, workspace):
        return [f"no such file: {self.path}"] if self.path and not (workspace / self.path).is_file() else []

    def digest_files(self):
        return [self.path] if self.path else []

class Nest(Grader):
    """Graders in every position."""

    one: Grader
    """One."""
    maybe: Grader | None = None
    """None or one."""
    many: tuple[Grader, ...] = ()
    """Several."""
    named: dict[str, Grader] = {}
    """By name."""
    judge: Model | None = None
    """A model."""

    async def grade(self, work):
        return Grade(1.0, True)

class Asks(Harness):
    """Two roles."""

    to: tuple[str, ...] = ()
    """Whom it hands tasks to."""

    def roles(self) -> Sequence[str]:
        return ("planner", "worker")

    def delegates(self, workspace) -> Sequence[str]:
        return self.to

    async def solve(self, task, ctx):
        return Output(answer="x")
'''
HEAD = "suite: demo\ntasks: [{id: a, prompt: p, reference: r, graders: [match]}]\nsystems:\n"


@pytest.fixture
def own(space: Space) -> Space:
    return space.write({"graders/own.py": OWN})


def grader_faults(space: Space, grader: str) -> list[str]:
    space.write({"tasks/demo/t.yaml": f"id: a\nprompt: p\nreference: r\ngraders:\n  - {grader}\n"})
    return [fault.removeprefix("tasks/demo/t.yaml:") for fault in space.faults()]


def grader_of(space: Space, grader: str) -> Any:
    space.write({"tasks/demo/t.yaml": f"id: a\nprompt: p\nreference: r\ngraders:\n  - {grader}\n"})
    suite = space.load()
    return suite.graders[suite.tasks[0].graders[0]]


def test_a_workspace_class_and_its_parameters(own: Space) -> None:
    bound = grader_of(own, "{use: 'graders/own.py:Plain', level: high}")
    assert (bound.name, bound.grader.level) == ("own", "high")
    assert bound.config == {"use": "graders/own.py:Plain", "level": "high", "path": ""}


def test_nested_plugins_arrive_bound(own: Space) -> None:
    bound = grader_of(
        own,
        "{use: 'graders/own.py:Nest', one: match, maybe: {use: 'graders/own.py:Plain'}, "
        "many: [match, {use: match, ignore: [case]}], named: {x: match}, judge: scripted/j}",
    )
    nest = bound.grader
    kinds = [type(x).__name__ for x in (nest.one, nest.maybe, *nest.many, nest.named["x"], nest.judge)]
    assert kinds == ["Match", "Plain", "Match", "Match", "Match", "Scripted"]
    assert nest.many[1].ignore == ("case",)
    assert bound.config["judge"]["use"] == "scripted"
    assert bound.config["many"][1]["use"] == "match"


def test_faults_in_nested_plugins_have_their_own_places(own: Space) -> None:
    told = grader_faults(
        own, "{use: 'graders/own.py:Nest', one: nope, many: [match, {use: match, mode: x}], named: {k: {us: match}}}"
    )
    line = "  - {use: 'graders/own.py:Nest', one: nope, many: [match, {use: match, mode: x}], named: {k: {us: match}}}"
    assert [fault.split(" ")[0] for fault in told] == [f"5:{line.index(s) + 1}" for s in ("nope", "x}]", "{us:")]
    assert "a mapping without `use`" in told[2]


@pytest.mark.parametrize(
    ("grader", "fault"),
    [
        ("{use: 'graders/own.py:Plain', level: hihg}", "5:42 `level`: expected low or high, found the text 'hihg'"),
        ("{use: 'graders/own.py:Plain', levle: low}", "5:35 unknown key `levle`"),
        ("{use: 'graders/own.py:Plain', path: none.txt}", "5:5 no such file: none.txt"),
        ("{use: 'graders/own.py'}", "5:11 graders/own.py defines 2 graders: Plain, Nest"),
        ("{use: 'graders/own.py:Asks'}", "5:11 graders/own.py:Asks is not a grader"),
        ("{use: 'graders/none.py'}", "5:11 no such file: graders/none.py"),
        ("{use: match, informative: 1}", "5:31 `informative`: expected true or false"),
        ("{use: match, informative: true}", "1:1 no grader decides this task"),
        ("3", "5:5 expected a grader, found the number 3"),
        ("{use: 'graders/own.py:Nest', one: match, judge: gpt-5}", "5:53 'gpt-5' is not provider/name"),
    ],
)
def test_a_grader_fault_is_told_where_it_is(own: Space, grader: str, fault: str) -> None:
    told = grader_faults(own, grader)
    assert len(told) == 1
    assert told[0].startswith(fault)


def test_a_definition_is_a_grader_under_its_own_name(own: Space) -> None:
    own.write({"graders/tone.yaml": "description: d\nuse: match\nmode: contains\n"})
    bound = grader_of(own, "tone")
    assert (bound.name, bound.grader.mode, bound.config["use"]) == ("tone", "contains", "match")
    assert grader_of(own, "{use: tone, mode: exact}").grader.mode == "exact"


def test_faults_of_a_definition_are_told_in_its_file(own: Space) -> None:
    own.write({"graders/tone.yaml": "use: match\nmode: no\n", "graders/tone2.yaml": "use: match\nmoed: exact\n"})
    told = grader_faults(own, "tone\n  - tone2")
    assert [fault.split(" ")[0] for fault in told] == ["graders/tone.yaml:2:7", "graders/tone2.yaml:2:1"]


def test_definitions_that_use_each_other_are_refused(own: Space) -> None:
    own.write({"graders/a.yaml": "use: b\n", "graders/b.yaml": "use: a\n"})
    assert "grader definitions that use each other: a -> b -> a" in grader_faults(own, "a")[0]


def test_a_definition_with_an_installed_name_is_ambiguous(own: Space) -> None:
    own.write({"graders/match.yaml": "use: 'graders/own.py:Plain'\n"})
    assert "'match' is both an installed grader and the definition graders/match.yaml" in grader_faults(own, "match")[0]


def test_an_unknown_grader_lists_definitions_too(own: Space) -> None:
    own.write({"graders/tone.yaml": "use: match\n", "tasks/demo/t.yaml": "{id: a, prompt: p, graders: [tonne]}"})
    assert "definitions: tone" in own.message()


def test_equal_configurations_share_a_name_and_others_get_a_digest(own: Space) -> None:
    own.write(
        {
            "tasks/demo/t.yaml": """
                defaults: {graders: [match]}
                tasks:
                  - {id: a, prompt: p, reference: r}
                  - {id: b, prompt: p, reference: r, graders: [{use: match}]}
                  - {id: c, prompt: p, reference: r, graders: [{use: match, ignore: [case]}]}
                  - {id: d, prompt: p, reference: r, graders: [{use: match, ignore: [case], name: loose}]}
                """
        }
    )
    suite = own.load()
    names = [task.graders[0] for task in suite.tasks]
    digest = suite.graders["loose"].digest
    assert names == ["match", "match", f"match@{digest[:6]}", "loose"]


def test_the_same_grader_twice_is_a_fault(own: Space) -> None:
    assert grader_faults(own, "match\n  - {use: match}") == ["6:5 the grader 'match' is listed twice"]


def test_a_digest_covers_source_text_and_files(own: Space, tmp_path_factory: pytest.TempPathFactory) -> None:
    def digest(source: str, data: str) -> str:
        other = Space(tmp_path_factory.mktemp("other").resolve())
        other.write({"graders/own.py": source, "data.txt": data})
        return str(grader_of(other, "{use: 'graders/own.py:Plain', path: data.txt}").digest)

    base = digest(OWN, "one")
    assert digest(OWN, "one") == base
    assert len({base, digest(OWN, "two"), digest(OWN.replace("1.0, True", "0.0, False"), "one")}) == 3


def systems(space: Space, *lines: str) -> Space:
    return space.write({"tasks/demo/suite.yaml": HEAD + "".join(f"  - {line}\n" for line in lines)})


def test_models_by_role_with_settings_under_them(own: Space) -> None:
    systems(
        own,
        "{name: s, harness: 'graders/own.py:Asks', model: {use: scripted, name: m, latency_s: 2}, "
        "models: {planner: scripted/p}, settings: {latency_s: 1, echo: true}, limits: {turns: 5}, default: false}",
    )
    system = own.load().systems["s"]
    made = {role: (m.name, m.model_dump()["latency_s"], m.model_dump()["echo"]) for role, m in system.models.items()}
    assert made == {"planner": ("p", 1, True), "worker": ("m", 2, True)}
    assert (system.limits.turns, system.default) == (5, False)
    assert system.config["models"]["planner"]["use"] == "scripted"
    assert system.place == "tasks/demo/suite.yaml:4:5"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "{name: s, harness: 'graders/own.py:Asks', models: {planner: scripted/p}}",
            "4:5 no model for the role worker",
        ),
        ("{name: s, harness: 'graders/own.py:Asks'}", "4:5 no model for the roles planner, worker"),
        (
            "{name: s, harness: 'graders/own.py:Asks', model: scripted/m, models: {plannr: scripted/p}}",
            "no model role 'plannr'",
        ),
        (
            "{name: s, harness: 'graders/own.py:Asks', model: scripted/m, settings: {latncy_s: 1}}",
            "unknown setting `latncy_s`",
        ),
        (
            "{name: s, harness: 'graders/own.py:Asks', model: scripted/m, settings: {latency_s: x}}",
            "`latency_s`: expected a number",
        ),
        ("{name: s, harness: 'graders/own.py:Asks', model: scripted}", "'scripted' is not provider/name"),
        ("{name: s, harness: 'graders/own.py:Asks', model: scriptd/m}", "no model named 'scriptd'"),
        ("{name: s, harness: reference, model: scripted/m}", "the harness calls no model, so `model` has no use"),
        ("{name: s, harness: refrence}", "no harness named 'refrence'"),
        ("{name: s}", "4:5 `harness` is missing"),
        ("{harness: reference}", "4:5 `name` is missing"),
        (
            "{name: s, harness: {use: 'graders/own.py:Asks', to: [t]}, model: scripted/m}",
            "hands tasks to 't', which is no system",
        ),
    ],
)
def test_a_system_fault_is_told(own: Space, line: str, says: str) -> None:
    told = systems(own, line).faults()
    assert len(told) >= 1
    assert says in told[0]


def test_a_setting_fault_points_into_settings(own: Space) -> None:
    line = "{name: s, harness: 'graders/own.py:Asks', model: scripted/m, settings: {latency_s: x}}"
    assert systems(own, line).faults()[0].startswith(f"tasks/demo/suite.yaml:4:{len('  - ') + line.index('x}}') + 1} ")


def test_two_systems_with_one_name(own: Space) -> None:
    told = systems(own, "{name: s, harness: reference}", "{name: s, harness: empty}").faults()
    assert told == ["tasks/demo/suite.yaml:5:12 the system 's' is there already, at tasks/demo/suite.yaml:4:5"]


def test_systems_that_hand_tasks_in_a_circle_are_refused(own: Space) -> None:
    asks = "{name: %s, harness: {use: 'graders/own.py:Asks', to: [%s]}, model: scripted/m}"
    told = systems(own, asks % ("a", "b"), asks % ("b", "c"), asks % ("c", "a")).faults()
    assert told == ["tasks/demo/suite.yaml:4:24 systems that hand tasks to each other: a -> b -> c -> a"]


def test_a_digest_covers_whom_tasks_are_handed_to(own: Space) -> None:
    asks = "{name: %s, harness: {use: 'graders/own.py:Asks', to: [%s]}, model: scripted/%s}"

    def digests(model: str) -> dict[str, str]:
        suite = systems(own, asks % ("a", "b", "m"), asks % ("b", "", model)).load()
        return {name: system.harness_digest for name, system in suite.systems.items()}

    one, other = digests("x"), digests("y")
    assert one["a"] != other["a"]
    assert one["b"] == other["b"]
    assert one["a"] != one["b"]


def test_systems_from_a_shared_file(own: Space) -> None:
    own.write(
        {
            "tasks/demo/suite.yaml": HEAD.replace("systems:", "systems_file: tasks/systems.yaml"),
            "tasks/systems.yaml": "systems:\n  - {name: c, harness: reference}\n  - {name: d, harness: nope}\n",
        }
    )
    assert own.faults() == ["tasks/systems.yaml:3:24 no harness named 'nope'"]


def test_loading_a_suite_imports_no_sdk(own: Space) -> None:
    import subprocess
    import sys

    systems(
        own, "{name: s, harness: single_turn, model: anthropic/m}", "{name: t, harness: single_turn, model: openai/m}"
    )
    code = (
        "import sys; from pathlib import Path; from harness.config.load import load_suite\n"
        f"load_suite(Path({str(own.path)!r}), 'demo')\n"
        "print([m for m in ('anthropic', 'openai', 'pandas', 'datasets', 'jinja2', 'pyarrow') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
