"""The keys that a kind of task has besides those of every task and those of its grader."""

from __future__ import annotations

from pydantic import BaseModel, model_validator

from harness.config.boxes import CLOSED, InBox, Word


class RepoKeys(BaseModel):
    """The repository that is worked on, and where it stands in the box."""

    model_config = CLOSED

    source: Word | None = None
    """A git URL, or a repository or bundle, looked up beside this file, then from the workspace; left out where the
    image holds the repository already."""
    base: Word | None = None
    """The commit it is given at; needed with `source`."""
    dest: InBox = "/work/repo"
    """The folder in the box."""

    @model_validator(mode="after")
    def _both(self) -> RepoKeys:
        if (self.source is None) != (self.base is None):
            raise ValueError("say both `source` and `base`, or neither where the image holds the repository")
        return self


class EnvironmentKeys(BaseModel):
    """What the box is made from."""

    model_config = CLOSED

    image: Word | None = None
    """An image by name."""
    dockerfile: Word | None = None
    """A Dockerfile, or the folder with one, looked up beside this file, then from the workspace."""
    setup: list[str] | None = None
    """Commands run as root when the image is made, once."""

    @model_validator(mode="after")
    def _one(self) -> EnvironmentKeys:
        if self.image is not None and self.dockerfile is not None:
            raise ValueError("say `image` or `dockerfile`, not both")
        return self


class BoxKind(BaseModel):
    """What every kind may say: the environment in short."""

    model_config = CLOSED

    environment: EnvironmentKeys | None = None
    """What the box is made from, in short for `sandbox`."""


class RepoPatch(BoxKind):
    """A change to a repository, graded by its tests (`test_report`) in a clean box."""

    repo: RepoKeys
    """The repository."""
    problem_statement: Word | None = None
    """A file that holds the issue's text, for `prompt`."""
    gold: Word | None = None
    """The right patch, which is the reference: its text, or a file that holds it."""


class CodeTests(BoxKind):
    """A program or function, graded by running it on cases (`code_tests`) in a clean box."""

    solution: Word | None = None
    """A right program, which is the reference: its text, of several lines, or a file that holds it."""


class Script(BoxKind):
    """Work in a box, graded by a verifier (`script`) in a clean box."""

    solution: Word | None = None
    """A shell script that does the work, which is the reference: its text, of several lines, or a file with it."""


class State(BoxKind):
    """Work in a box, graded by checks (`state`) on what was taken out of it."""

    solution: Word | None = None
    """A shell script that does the work, which is the reference: its text, of several lines, or a file with it."""


GRADERS: dict[str, str] = {
    "repo_patch": "test_report",
    "code_tests": "code_tests",
    "script": "script",
    "state": "state",
}
"""The grader of each kind; its parameters are written beside the task's own keys."""

KEYS: dict[str, type[BoxKind]] = {
    "repo_patch": RepoPatch,
    "code_tests": CodeTests,
    "script": Script,
    "state": State,
}
