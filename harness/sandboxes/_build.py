"""Build and pull images, and say why when it fails."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.utils import parse_repository_tag

from harness.api import SandboxError
from harness.sandboxes._engine import cause_of, hang_up
from harness.sandboxes._owner import IMAGE
from harness.toolkit.said import plain

NAME = "harness-box"
LAST_LINES = 30
STEP = re.compile(r"^Step \d+/\d+ : (\w+)")
ENDED_STEP = re.compile(r"^ ---> ([0-9a-f]{12,64})$")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A build. `what` names it in errors; `key` is its content address; `context` an uncompressed tar."""

    what: str
    key: str
    context: bytes
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] | None = None

    @property
    def tag(self) -> str:
        """The name of the image on the engine."""
        return f"{NAME}:{self.key}"


@dataclass(slots=True)
class Made:
    """The images that a build made itself, from what it says: not the one it starts from, nor cached steps."""

    images: list[str] = field(default_factory=list)
    _fresh: bool = False

    def hear(self, line: str) -> None:
        """Take one line of the build's output."""
        if step := STEP.match(line):
            self._fresh = step[1].upper() != "FROM"
        elif line == " ---> Using cache":
            self._fresh = False
        elif self._fresh and (ended := ENDED_STEP.match(line)):
            self.images.append(ended[1])


def build(api: docker.APIClient, recipe: Recipe) -> str:
    """Build and tag; the image's id. Raises SandboxError with the end of the output; leaves nothing half made."""
    said: deque[str] = deque(maxlen=LAST_LINES)
    made = Made()
    try:
        for line in _lines(_start(api, recipe)):
            said.append(plain(line))
            made.hear(line)
    except APIError as e:
        hang_up(e)
        _discard(api, made.images)
        output = "\n".join([*said, plain(cause_of(e))])
        raise SandboxError("image", f"{recipe.what} does not build:\n{output}") from e
    return str(api.inspect_image(recipe.tag)["Id"])


def _start(api: docker.APIClient, recipe: Recipe) -> Iterable[dict[str, Any]]:
    answer: Iterable[dict[str, Any]] = api.build(
        fileobj=io.BytesIO(recipe.context),
        custom_context=True,
        dockerfile=recipe.dockerfile,
        tag=recipe.tag,
        rm=True,
        forcerm=True,
        decode=True,
        labels={IMAGE: recipe.key},
        buildargs=dict(recipe.args or {}),
        timeout=None,
    )
    return answer


def _lines(answer: Iterable[dict[str, Any]]) -> Iterable[str]:
    """The build's output line by line, read to its end, which closes its connection. Raises APIError for its error."""
    rest = failed = ""
    for item in answer:
        if "error" in item:
            failed = failed or item["error"]
            continue
        *whole, rest = (rest + item.get("stream", "")).split("\n")
        for line in whole:
            yield line.rstrip("\r")
    if rest:
        yield rest
    if failed:
        raise APIError(failed, explanation=failed)


def _discard(api: docker.APIClient, made: list[str]) -> None:
    """Remove the steps of a failed build, last first, unless something else has come to use them."""
    for image in reversed(made):
        with contextlib.suppress(APIError):
            if not api.inspect_image(image)["RepoTags"]:
                api.remove_image(image, noprune=True)


def find(api: docker.APIClient, name: str) -> dict[str, Any] | None:
    """What the engine says of an image it has, or None."""
    try:
        found: dict[str, Any] = api.inspect_image(name)
    except NotFound:
        return None
    return found


def pull(api: docker.APIClient, name: str) -> dict[str, Any]:
    """An image by name: the engine's own, else from its registry. Raises SandboxError."""
    if (there := find(api, name)) is not None:
        return there
    repository, tag = parse_repository_tag(name)
    try:
        items = list(api.pull(repository, tag or "latest", stream=True, decode=True))
        for item in items:
            if "error" in item:
                raise SandboxError("image", f"image '{name}' cannot be pulled: {item['error']}")
    except APIError as e:
        raise SandboxError("image", f"image '{name}' is not here and cannot be pulled: {cause_of(e)}") from e
    found = find(api, name)
    if found is None:
        raise SandboxError("image", f"image '{name}' is not here after it was pulled")
    return found


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A tar with these files, the same bytes each time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(files[name]), 0o644
            tar.addfile(member, io.BytesIO(files[name]))
    return out.getvalue()
