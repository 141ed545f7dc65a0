"""The YAML of boxes: sandbox, services, repositories, what is collected, skip; and its faults at their places."""

from __future__ import annotations

import pytest
from config_space import Space

from harness.errors import ConfigError
from harness.records.task import Collect, Healthcheck, Repo, SandboxSpec, Service, Task

SYSTEMS = "systems: [{name: floor, harness: empty}]\n"


def tasks_of(space: Space, task: str, defaults: str = "") -> list[Task]:
    space.write({"tasks/s/suite.yaml": f"suite: s\ntasks: [tasks/s/t.yaml]\n{defaults}{SYSTEMS}"})
    space.write({"tasks/s/t.yaml": task})
    return list(space.load("s").tasks)


def faults_of(space: Space, task: str, defaults: str = "") -> list[str]:
    with pytest.raises(ConfigError) as e:
        tasks_of(space, task, defaults)
    return [f"{f.place}: {f.what}" + (f" | {f.help}" if f.help else "") for f in e.value.faults]


PLAIN = "id: a\nprompt: p\nreference: r\ngraders: [match]\n"


def test_every_key_of_a_sandbox_reaches_the_record_in_its_own_unit(space: Space) -> None:
    space.write({"tasks/s/env/Dockerfile": "FROM debian\n"})
    space.write({"tasks/s/data.csv": "a,b\n"})
    space.write({"repos/r.bundle": "x"})
    [task] = tasks_of(
        space,
        PLAIN
        + """sandbox:
  dockerfile: env
  setup: [apt-get update, "true"]
  files: [{path: data.csv, name: in/data.csv}]
  repo: {source: repos/r.bundle, base: abc123, dest: /srv/r}
  user: agent
  workdir: /srv/r
  network: internal
  services:
    db: {image: "postgres:16", env: {POSTGRES_PASSWORD: x}, memory: 512m, healthcheck: pg_isready}
    web: {image: nginx, command: [nginx, -g, daemon off;], healthcheck: {command: "true", interval: 1s, wait: 2m}}
  healthcheck: test -f /ready
  memory: 3g
  cpus: 2
  pids: 99
  disk: 500m
  output: 4m
  command_timeout: 90s
  env: {A: b}
""",
    )
    assert task.sandbox is not None
    [file] = task.sandbox.files
    assert (file.name, file.path) == ("in/data.csv", "tasks/s/data.csv")
    assert len(task.sandbox.context) == 16
    assert task.sandbox == SandboxSpec(
        dockerfile="tasks/s/env",
        context=task.sandbox.context,
        setup=("apt-get update", "true"),
        files=(file,),
        repo=Repo("repos/r.bundle", "abc123", "/srv/r"),
        user="agent",
        workdir="/srv/r",
        network="internal",
        services=(
            Service("db", "postgres:16", (), {"POSTGRES_PASSWORD": "x"}, Healthcheck("pg_isready"), 512 * 1024**2),
            Service("web", "nginx", ("nginx", "-g", "daemon off;"), {}, Healthcheck("true", 1.0, 5.0, 120.0)),
        ),
        healthcheck=Healthcheck("test -f /ready"),
        memory=3 * 1024**3,
        cpus=2.0,
        pids=99,
        disk=500 * 1024**2,
        output_bytes=4 * 1024**2,
        command_timeout_s=90.0,
        env={"A": "b"},
    )


def test_a_git_address_is_taken_as_it_is_and_a_path_must_be_there(space: Space) -> None:
    for address in ("https://example.org/r.git", "git@example.org:o/r.git", "ssh://h/r"):
        [task] = tasks_of(space, PLAIN + f"sandbox: {{repo: {{source: '{address}', base: b}}}}\n")
        assert task.sandbox and task.sandbox.repo == Repo(address, "b", "/work/repo")
    [fault] = faults_of(space, PLAIN + "sandbox:\n  repo: {source: repos/none, base: b}\n")
    assert fault.startswith("tasks/s/t.yaml:6:18: no such file: repos/none")


def test_an_image_and_a_dockerfile_take_each_others_place_across_defaults(space: Space) -> None:
    space.write({"tasks/s/Dockerfile": "FROM debian\n"})
    defaults = "defaults: {sandbox: {image: python:3.12, memory: 1g}}\n"
    [task] = tasks_of(space, PLAIN + "sandbox: {dockerfile: Dockerfile}\n", defaults)
    assert task.sandbox is not None and task.sandbox.context
    assert task.sandbox == SandboxSpec(dockerfile="tasks/s/Dockerfile", memory=1024**3, context=task.sandbox.context)
    [fault] = faults_of(space, PLAIN + "sandbox: {image: x, dockerfile: Dockerfile}\n")
    assert "both `image` and `dockerfile`" in fault and fault.startswith("tasks/s/t.yaml:5:")


def test_everything_that_can_be_collected(space: Space) -> None:
    [task] = tasks_of(
        space,
        PLAIN
        + """sandbox: {}
collect:
  patch: {patch: /work/repo, exclude: ["*.lock"]}
  out/report.csv: {file: /work/report.csv, max_size: 1m}
  site: {tree: /srv/site}
  all: {changes: [/work, /etc]}
  procs: processes
  page: {http: {url: "http://box:8080/", headers: {A: b}}}
  rows: {sql: {url: "postgresql://db/x", query: "select 1"}}
  said: {command: {argv: [curl, "http://box"]}}
""",
    )
    assert task.collect == (
        Collect("patch", "patch", "/work/repo", ("*.lock",)),
        Collect("out/report.csv", "file", "/work/report.csv", max_bytes=1024**2),
        Collect("site", "tree", "/srv/site"),
        Collect("all", "changes", options={"roots": ["/work", "/etc"]}),
        Collect("procs", "processes"),
        Collect(
            "page", "http", options={"url": "http://box:8080/", "method": "GET", "headers": {"A": "b"}, "body": ""}
        ),
        Collect("rows", "sql", options={"url": "postgresql://db/x", "query": "select 1"}),
        Collect("said", "command", options={"argv": ["curl", "http://box"], "image": "sandbox"}),
    )


def test_every_fault_of_a_sandbox_is_told_at_once_at_its_place(space: Space) -> None:
    told = faults_of(
        space,
        PLAIN
        + """sandbox:
  imge: x
  memory: lots
  workdir: work
  network: closed
  dockerfile: nowhere
  services: {db: {command: [x]}}
collect:
  a: {file: report.csv}
  b: {file: /x, tree: /y}
  ../c: {file: /x}
  d: everything
""",
    )
    text = "\n".join(told)
    assert "tasks/s/t.yaml:6:3: unknown key `imge` | did you mean 'image'?" in text
    for place, words in {
        "7:11": "`memory`: expected a size",
        "8:12": "`workdir`: expected an absolute path in the box",
        "9:12": "`network`: expected none, internal or open",
        "11:18": "say `image` or `dockerfile`",
        "13:13": "`file`: expected an absolute path",
        "14:6": "say exactly one of patch, file",
        "16:6": "expected processes",
    }.items():
        assert any(line.startswith(f"tasks/s/t.yaml:{place}: ") and words in line for line in told), (words, text)
    assert "without .." in text


def test_a_skipped_task_says_why(space: Space) -> None:
    [task] = tasks_of(space, PLAIN + "skip: needs a GPU\n")
    assert task.skip == "needs a GPU"
    assert task.digest == tasks_of(space, PLAIN)[0].digest, "skipping does not change what is asked"


def test_rows_without_a_template_are_tasks_themselves(space: Space) -> None:
    rows = '{"id": "a", "prompt": "p {{ no template }}", "reference": "r", "graders": ["match"]}\n'
    space.write({"tasks/s/q.jsonl": rows + '{"id": "b", "prmpt": "p", "graders": ["match"]}\n'})
    [fault] = faults_of(space, "rows: {path: q.jsonl}\n")
    assert fault.startswith("tasks/s/q.jsonl:2:1: unknown key `prmpt` | did you mean 'prompt'?")
    space.write({"tasks/s/q.jsonl": rows})
    [task] = tasks_of(space, "rows: {path: q.jsonl}\ndefaults: {sandbox: {memory: 1g}}\n")
    assert task.prompt == "p {{ no template }}", "row data is never a template"
    assert task.sandbox == SandboxSpec(memory=1024**3)
