"""Harbor folders as tasks: what is taken, what makes a task skipped, and faults with their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from harbor_folder import FILES, GUID, TOML, write_task

from harness.api import UsageFault
from harness.config.load import load_suite
from harness.errors import ConfigError
from harness.sources.harbor import Harbor
from harness.testing.check_source import check_source
from harness.testing.checks import failed


def row(workspace: Path, changes: dict[str, str | None] | None = None, **params: Any) -> dict[str, Any]:
    write_task(workspace / "tb" / "sort-words", changes)
    [found] = Harbor(path="tb", **params).rows(workspace)
    assert found.place == "tb/sort-words/task.toml:1"
    return dict(found.values)


def test_the_contract_of_sources_holds(tmp_path: Path) -> None:
    assert failed(check_source(Harbor, tmp_path)) == []


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    found = row(tmp_path)
    assert found["id"] == "sort-words"
    assert found["prompt"].startswith("Sort /app/words.txt") and "canary" not in found["prompt"]
    assert found["canary"] == GUID
    assert found["sandbox"] == {"dockerfile": "tb/sort-words/environment", "memory": 512 * 1024**2, "cpus": 1.0}
    assert found["collect"]["changes"]["changes"] == ["/"]
    assert found["graders"] == [{"use": "harbor", "tests": "tb/sort-words/tests", "timeout_s": 60.0}]
    assert found["limits"] == {"time": 300.0}
    assert found["tags"] == ["sort", "files", "easy"]
    assert "skip" not in found


def test_nothing_hidden_is_in_what_the_work_is_given(tmp_path: Path) -> None:
    given = str({k: v for k, v in row(tmp_path).items() if k in ("prompt", "sandbox", "files", "limits")})
    for hidden in ("verify", "solve", "/solution", "/tests", "cmp"):
        assert hidden not in given


def test_a_task_and_a_folder_of_tasks_are_read_alike(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_task(tmp_path / "tb" / name)
    (tmp_path / "tb" / "notes").mkdir()
    assert [r.values["id"] for r in Harbor(path="tb").rows(tmp_path)] == ["a", "b"]
    assert [r.values["id"] for r in Harbor(path="tb/b").rows(tmp_path)] == ["b"]


ENVIRONMENT = '[environment]\ndocker_image = "x/y:1"\n'


@pytest.mark.parametrize(
    ("toml", "box"),
    [
        ('memory = "2G"\nstorage = "10G"', {"memory": 2 * 1024**3, "disk": 10 * 1024**3}),
        ('network_mode = "public"', {"network": "open"}),
        ('network_mode = "no-network"', {}),
        ("allow_internet = true", {"network": "open"}),
        ('workdir = "/srv"', {"workdir": "/srv"}),
        ('env = {A = "1", B = "${HOME:-/root}"}', {"env": {"A": "1", "B": "/root"}}),
        ('healthcheck = {command = "true", retries = 2}',
         {"healthcheck": {"command": "true", "interval": 5.0, "timeout": 30.0, "wait": 70.0}}),
    ],
)  # fmt: skip
def test_what_the_environment_says(tmp_path: Path, toml: str, box: dict[str, Any]) -> None:
    found = row(tmp_path, {"task.toml": ENVIRONMENT + toml + "\n"})
    assert found["sandbox"] == {"image": "x/y:1", **box}
    assert "skip" not in found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task.toml": TOML + '[[steps]]\nname = "one"\n', "instruction.md": None}, "it has 1 steps"),
        ({"environment/docker-compose.yaml": "services: {}\n"}, "its environment is a compose file"),
        ({"environment/Dockerfile": None}, "it has neither environment/Dockerfile nor"),
        ({"task.toml": "[environment]\ngpus = 1\n"}, "it asks for GPUs"),
        ({"task.toml": '[environment]\nos = "windows"\n'}, "its environment is windows"),
        ({"task.toml": '[[environment.mcp_servers]]\nname = "x"\n'}, "it asks for MCP servers"),
        ({"task.toml": '[environment]\nallowed_hosts = ["x.org"]\n'}, "it allows single hosts"),
        ({"task.toml": '[verifier]\nenvironment_mode = "separate"\n'}, "its verifier has an environment of its own"),
        ({"task.toml": '[[verifier.collect]]\ncommand = "x"\n'}, "it runs commands before the verifier"),
        ({"task.toml": '[verifier.env]\nKEY = "${API_KEY}"\n'}, "`verifier.env` wants API_KEY of the host"),
        ({"task.toml": 'artifacts = [{source = "/x", service = "db"}]\n'}, "it collects from the sidecar 'db'"),
        ({"tests/test.sh": None}, "it has no tests/test.sh"),
        ({"tests/Dockerfile": "FROM x\n"}, "its verifier has an image of its own"),
        ({"trajectory.json": "{}"}, "it begins in the middle of a conversation"),
        ({"tests/test.sh": "#!/bin/bash\ncurl -LsSf https://x.org | sh\n"}, "fetch things (tests/test.sh:2: curl"),
        ({"tests/test.sh": "apt-get -y install jq\n"}, "seems to fetch things (tests/test.sh:1: apt-get -y install"),
        ({"tests/verify.sh": "# check\ncurl localhost:8080\n"}, "processes or ports (tests/verify.sh:2: localhost"),
    ],
)  # fmt: skip
def test_what_is_not_supported_skips_the_task_with_its_reason(
    tmp_path: Path, changes: dict[str, str | None], reason: str
) -> None:
    write_task(tmp_path / "tb" / "sort-words", changes)
    [found] = Harbor(path="tb").rows(tmp_path)
    assert reason in str(found.values["skip"])


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    toml = '[environment]\ngpus = 2\nos = "windows"\n'
    skip = row(tmp_path, {"task.toml": toml, "environment/Dockerfile": None})["skip"]
    assert skip.count("; ") == 2


def test_a_guess_can_be_overruled_and_a_certainty_cannot(tmp_path: Path) -> None:
    fetches: dict[str, str | None] = {"tests/test.sh": "pip install x\n"}
    assert "skip" not in row(tmp_path / "a", fetches, run_anyway=("sort-words",))
    opened = row(tmp_path / "b", fetches, verifier_network="open")
    assert "skip" not in opened and opened["graders"][0]["network"] == "open"
    sure: dict[str, str | None] = {"task.toml": "[environment]\ngpus = 1\n"}
    assert "GPUs" in row(tmp_path / "c", sure, run_anyway=("sort-words",))["skip"]


def test_tests_that_start_their_own_server_may_look_at_ports(tmp_path: Path) -> None:
    verify = "import subprocess\np = subprocess.Popen(['app'])\nget('http://localhost:1')\n"
    assert "skip" not in row(tmp_path, {"tests/test_app.py": verify})


@pytest.mark.parametrize(
    ("changes", "place", "what"),
    [
        ({"task.toml": "[agent]\ntimeout_sec = =\n"}, "tb/sort-words/task.toml:2:15", "not TOML"),
        ({"task.toml": "agent = 3\n"}, "tb/sort-words/task.toml", "`agent` must be a table"),
        ({"instruction.md": None}, "tb/sort-words/task.toml", "no instruction.md"),
        ({"instruction.md": f"<!-- canary {GUID} -->\n"}, "tb/sort-words/instruction.md", "says nothing"),
    ],
)
def test_a_broken_folder_is_a_fault_with_its_place(
    tmp_path: Path, changes: dict[str, str | None], place: str, what: str
) -> None:
    write_task(tmp_path / "tb" / "sort-words", changes)
    with pytest.raises(UsageFault) as e:
        list(Harbor(path="tb").rows(tmp_path))
    assert what in e.value.fault.what and str(e.value.fault.place) == place


def faults_of(workspace: Path) -> list[str]:
    folder = workspace / "tasks" / "s"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text("suite: s\ntasks: [tasks/s/t.yaml]\nsystems: [{name: r, harness: reference}]\n")
    (folder / "t.yaml").write_text("rows: {use: harbor, path: tb}\n")
    with pytest.raises(ConfigError) as e:
        load_suite(workspace, "s")
    return [f"{f.place}: {f.what}" for f in e.value.faults]


def test_every_broken_folder_is_told_and_nothing_else(tmp_path: Path) -> None:
    for name, changes in {"a": {"task.toml": "version = \n"}, "b": {"instruction.md": None}, "c": {}}.items():
        write_task(tmp_path / "tb" / name, changes)
    told = ["tb/a/task.toml:1:11: not TOML: Invalid value", "tb/b/task.toml: the task has no instruction.md"]
    assert faults_of(tmp_path) == told


def test_a_source_that_breaks_at_its_first_row_is_not_told_to_have_none(tmp_path: Path) -> None:
    write_task(tmp_path / "tb" / "a", {"task.toml": "version = \n"})
    assert faults_of(tmp_path) == ["tb/a/task.toml:1:11: not TOML: Invalid value"]


def test_a_folder_without_tasks_is_told_at_load(tmp_path: Path) -> None:
    (tmp_path / "tb").mkdir()
    assert "holds no task" in Harbor(path="tb").check(tmp_path)[0]
    assert "no such folder" in Harbor(path="none").check(tmp_path)[0]


def test_the_solution_is_one_script_with_all_its_files(tmp_path: Path) -> None:
    script = row(tmp_path)["reference"]["script"]
    assert script.count("base64 -d >") == 2 and script.rstrip().endswith("exec bash /solution/solve.sh")
    assert "reference" not in row(tmp_path / "b", {"solution/solve.sh": None})
    assert "solve.sh" in " ".join(FILES)
