"""Build contexts: what goes to the engine for an image, and the content address of it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.api import File, SandboxError, SandboxSpec
from harness.sandboxes._build import Recipe, tar_of
from harness.sandboxes._repo import add_tree, fetch_repo, layer_lines
from harness.toolkit.build_context import context_names, dockerfile_in

STAGE = "sandbox"
TAKES_BASE = re.compile(r"^ARG[ \t]+BASE(=|\s|$)", re.MULTILINE)
RECIPE = "1"
"""Raised when anything below changes what is in an image."""
BEGIN = ': >/.box-begin; mkdir -p "$1"'
HAND_OVER = (
    'u=$(id -u "$1" 2>/dev/null || echo "$1"); g=$(id -g "$1" 2>/dev/null || echo "$u"); '
    '[ "$u" = 0 ] || [ "$PWD" = / ] || find . -xdev -cnewer /.box-begin ! -user "$u" -exec chown -h "$u:$g" {} +; '
    "rm -f /.box-begin"
)
"""What files and setup made in the working folder becomes the box user's; what the image had there stays as it is."""


@dataclass(frozen=True, slots=True)
class Base:
    """An image that is there: its id, its default user (empty is root) and folder."""

    id: str
    user: str
    workdir: str


def folder_recipe(path: Path, shown_as: str, base: str, base_id: str) -> Recipe:
    """The image of a Dockerfile, or of a folder with one, and its build context (less `.dockerignore`).

    A Dockerfile with `ARG BASE` starts from `base`, an image's name, if there is one; `base_id` is its id. One that
    starts from it by name is another image, too, when the base has become another.

    Raises SandboxError.
    """
    file = dockerfile_in(path)
    if not file.is_file():
        raise SandboxError("image", f"no such Dockerfile: {shown_as}")
    context = _folder_tar(file.parent, file.name)
    text = file.read_text("utf-8")
    takes_base = bool(base) and TAKES_BASE.search(text) is not None
    names_base = bool(base) and re.search(rf"^FROM[ \t]+(\S+[ \t]+)*?{re.escape(base)}(\s|$)", text, re.M) is not None
    own = base_id if takes_base or names_base else ""
    key = key_of("dockerfile", file.name, hashlib.sha256(context).hexdigest(), own)
    return Recipe(shown_as, key, context, file.name, args={"BASE": base} if takes_base else None)


def _folder_tar(root: Path, dockerfile: str) -> bytes:
    """Every file under a folder, in order, without times and owners."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in context_names(root, dockerfile):
            member = tar.gettarinfo(root / name, name)
            if member is None:  # a socket
                continue
            member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            if member.isfile():
                with (root / name).open("rb") as data:
                    tar.addfile(member, data)
            else:
                tar.addfile(member)
    return out.getvalue()


def stage_recipe(workspace: Path, base: str, base_id: str) -> Recipe:
    """The stage `sandbox` of the workspace's Dockerfile, else of the one shipped. Raises SandboxError.

    `base`, an image's name, replaces the one the Dockerfile starts from; `base_id` is its id.
    """
    here = Path(__file__).parent
    for file in (workspace / "Dockerfile", here / "Dockerfile", here.parent.parent / "Dockerfile"):
        text = stage_of(file.read_text("utf-8")) if file.is_file() else ""
        if text:
            args = {"BASE": base} if base else {}
            return Recipe(
                f"stage {STAGE} of {file.name}",
                key_of("stage", text, base_id),
                tar_of({"Dockerfile": text.encode()}),
                args=args,
            )
    raise SandboxError("image", f"no Dockerfile with a stage '{STAGE}'")


def stage_of(dockerfile: str) -> str:
    """A Dockerfile's text up to the end of its stage `sandbox`; empty when it has none. Later stages do not matter."""
    lines: list[str] = []
    inside = False
    for line in dockerfile.splitlines(keepends=True):
        words = line.split()
        if words and words[0].upper() == "FROM":
            if inside:
                while lines and not lines[-1].partition("#")[0].strip():
                    lines.pop()  # what is said above a stage belongs to it
                break
            inside = len(words) > 3 and words[-2].upper() == "AS" and words[-1] == STAGE
        lines.append(line)
    return "".join(lines) if inside else ""


def layer_recipe(base: Base, spec: SandboxSpec, workspace: Path) -> Recipe | None:
    """What a spec adds to its image, as one more image: folder, repository, files, setup. None when it adds nothing.

    Raises SandboxError when a file is not what it was when the suite was loaded, or the repository cannot be had.
    """
    workdir = spec.workdir or (spec.repo.dest if spec.repo else base.workdir) or "/"
    if not (spec.setup or spec.files or spec.repo or workdir != (base.workdir or "/")):
        return None
    user = spec.user or base.user or "0"
    laid = fetch_repo(spec.repo, workspace) if spec.repo else None
    data = {f"files/{i}": _bytes(file, workspace) for i, file in enumerate(spec.files)}
    lines = [f"FROM {base.id}", "USER 0", _run(BEGIN, workdir), f"WORKDIR {json.dumps(workdir)}"]
    if spec.repo:
        lines += layer_lines(spec.repo, user)
    for i, file in enumerate(spec.files):
        lines.append(f"COPY {json.dumps([f'files/{i}', str(PurePosixPath(workdir, file.name))])}")
    lines += [_run(command) for command in spec.setup]
    lines.append(_run(HAND_OVER, user.partition(":")[0]))
    if base.user:
        lines.append(f"USER {base.user}")
    key = key_of("layer", base.id, lines, [f.sha256 for f in spec.files], laid.tree if laid else "")
    context = tar_of({**data, "Dockerfile": "\n".join(lines).encode()})
    return Recipe("the image with the task's files and setup", key, add_tree(context, laid) if laid else context)


def _run(script: str, *args: str) -> str:
    return f"RUN {json.dumps(['/bin/sh', '-ec', script, 'sh', *args])}"


def _bytes(file: File, workspace: Path) -> bytes:
    try:
        data = (workspace / file.path).read_bytes()
    except OSError as e:
        raise SandboxError("files", f"{file.path} cannot be read: {e.strerror}") from e
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise SandboxError("files", f"{file.path} changed since the run began")
    return data


def key_of(*values: str | Sequence[object]) -> str:
    """A content address: 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps([RECIPE, *values]).encode()).hexdigest()[:20]
