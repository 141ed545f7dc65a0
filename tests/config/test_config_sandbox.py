"""Which plugin makes the boxes is the suite's to say; and a task's digest covers what its image is built from."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from config_space import SUITE, Space

from harness.config import load as loading
from harness.config.schema import DEFAULT_SANDBOX
from harness.plugins import loader

OWN = '''
"""Boxes of our own."""
from harness.api import Sandbox


class Cloud(Sandbox):
    """Boxes elsewhere."""

    version = "1"
    region: str = "here"
    """Where."""

    def open(self, spec, purpose=None):
        """None yet."""
        raise NotImplementedError
'''
TASK = "id: t\nprompt: p\nreference: r\ngraders: [match]\n"


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path).write({"tasks/demo/t.yaml": TASK, "sandboxes/cloud.py": OWN})


def suite_with(space: Space, line: str) -> Space:
    return space.write({"tasks/demo/suite.yaml": SUITE + line + "\n"})


def test_the_shipped_sandbox_is_taken_where_nothing_is_said(space: Space) -> None:
    suite = space.load()
    assert type(suite.sandbox).__name__ == "Docker" and suite.sandbox_config["use"] == DEFAULT_SANDBOX


def test_a_suite_chooses_its_sandbox_with_parameters(space: Space) -> None:
    suite = suite_with(space, "sandbox: {use: sandboxes/cloud.py:Cloud, region: there}").load()
    assert type(suite.sandbox).__name__ == "Cloud"
    assert suite.sandbox_config == {"use": "sandboxes/cloud.py:Cloud", "region": "there"}
    suite = suite_with(space, "sandbox: {use: docker, engine_wait_s: 5}").load()
    assert suite.sandbox_config["engine_wait_s"] == 5


def test_another_installed_sandbox_is_no_error_and_is_not_taken_by_itself(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = loader.installed, EntryPoint("acme", "harness.sandboxes.docker:Docker", "harness.sandboxes")

    def two(kind: str) -> dict[str, tuple[EntryPoint, ...]]:
        return {"acme": (other,), **real(kind)} if kind == "sandbox" else real(kind)

    def only_acme(kind: str) -> dict[str, tuple[EntryPoint, ...]]:
        return {"acme": (other,)} if kind == "sandbox" else real(kind)

    for module in (loader, loading):
        monkeypatch.setattr(module, "installed", two)
    assert space.load().sandbox_config["use"] == "docker"
    assert suite_with(space, "sandbox: acme").load().sandbox_config["use"] == "acme"
    monkeypatch.setattr(loading, "installed", only_acme)
    assert space.write({"tasks/demo/suite.yaml": SUITE}).load().sandbox is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sandbox: dcoker", "did you mean 'docker'?"),
        ("sandbox: {use: docker, hots: x}", "did you mean 'host'?"),
        ("sandbox: {network: none}", "write it under `defaults`"),
        ("sandbox: [docker]", "expected a sandbox"),
    ],
)
def test_what_is_said_wrong_is_told_at_its_place(space: Space, line: str, said: str) -> None:
    message = suite_with(space, line).message()
    assert said in message and "tasks/demo/suite.yaml:5" in message


BOXED = TASK + "sandbox: {dockerfile: env, network: internal, services: {db: {dockerfile: db}}}\n"


def digest(space: Space) -> str:
    return space.load().tasks[0].digest


def test_a_tasks_digest_covers_what_its_images_are_built_from(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": BOXED, "tasks/demo/env/Dockerfile": "FROM a\n", "tasks/demo/env/x/y.txt": "1",
                 "tasks/demo/db/Dockerfile": "FROM b\n"})  # fmt: skip
    seen = [digest(space)]
    assert digest(space) == seen[0]
    for changed in (
        {"tasks/demo/env/Dockerfile": "FROM a\nRUN true\n"},
        {"tasks/demo/env/x/y.txt": "2"},
        {"tasks/demo/env/x/z.txt": ""},
        {"tasks/demo/db/Dockerfile": "FROM b\nUSER 1\n"},
    ):
        seen.append(digest(space.write(dict(changed))))
    assert len(set(seen)) == len(seen)
    (space.path / "tasks/demo/env/x/y.txt").chmod(0o755)
    seen.append(digest(space))
    (space.path / "tasks/demo/env/link").symlink_to("x")
    seen.append(digest(space))
    assert len(set(seen)) == len(seen)


def test_what_dockerignore_leaves_out_is_not_in_the_digest(space: Space) -> None:
    space.write({"tasks/demo/t.yaml": BOXED, "tasks/demo/env/Dockerfile": "FROM a\n", "tasks/demo/db/Dockerfile": "",
                 "tasks/demo/env/.dockerignore": "*.log\n", "tasks/demo/env/a.log": "1"})  # fmt: skip
    before = digest(space)
    assert digest(space.write({"tasks/demo/env/a.log": "2"})) == before
    assert digest(space.write({"tasks/demo/env/a.txt": "2"})) != before


def test_a_task_with_an_image_by_name_in_place_of_the_suites_dockerfile_has_no_context(space: Space) -> None:
    lines = SUITE + "defaults: {sandbox: {dockerfile: env}}\n"
    space.write({"tasks/demo/suite.yaml": lines, "tasks/demo/env/Dockerfile": "FROM a\n",
                 "tasks/demo/t.yaml": TASK + "sandbox: {image: b}\n"})  # fmt: skip
    box = space.load().tasks[0].sandbox
    assert box is not None and (box.image, box.dockerfile, box.context) == ("b", "", "")
