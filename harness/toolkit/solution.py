"""A reference of work in a box, done in the box: a patch, a script, or files."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import Box, Json, MissingRequirement, Task, TaskView
from harness.toolkit.said import last_words, plain

KINDS = ("patch", "script", "files")
PATCH_FILE = "/tmp/reference.patch"
STEP_S = 120.0


def is_solution(reference: Json) -> bool:
    """Whether a reference says what to do in a box: a mapping with exactly one of patch, script and files.

    A patch may name the folder it is for: `{patch: TEXT, path: /work/repo}`.
    """
    if not isinstance(reference, dict):
        return False
    said = set(reference) & set(KINDS)
    if len(said) != 1 or set(reference) - said - {"path"}:
        return False
    value = reference[next(iter(said))]
    if "files" in said:
        return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    return isinstance(value, str)


async def apply_solution(reference: Json, task: Task | TaskView, box: Box) -> str:
    """Do in the box what the reference says; what went wrong with its script. Raises MissingRequirement, SandboxError.

    MissingRequirement says that its patch does not apply.
    """
    where = folder_of(reference, task)
    if "patch" in reference:
        await apply_patch(box, reference["patch"], where, task.id)
    elif "files" in reference:
        for path, text in reference["files"].items():
            await box.write(path if path.startswith("/") else f"{where}/{path}" if where else path, text.encode())
    else:
        done = await box.exec(["bash", "-c", reference["script"]], workdir=where)
        if done.exit_code or done.timed_out:
            words = last_words(plain((done.stderr or done.stdout).decode("utf-8", "replace")))
            return f"the script ended with {'a timeout' if done.timed_out else done.exit_code}{words and f': {words}'}"
    return ""


def folder_of(reference: Json, task: Task | TaskView) -> str:
    """Where a reference is for: what it says, else the task's repository, else the box's working folder."""
    said = str(reference.get("path") or "")
    if said or task.sandbox is None:
        return said
    return task.sandbox.repo.dest if task.sandbox.repo else ""


async def apply_patch(box: Box, patch: str, where: str, task: str) -> None:
    """`git apply`, then `patch -p1` for what git refuses. Raises MissingRequirement when neither takes it."""
    if not patch.strip():
        return
    await box.write(PATCH_FILE, patch.encode("utf-8", "surrogateescape"))
    tries: Sequence[Sequence[str]] = (
        ("git", "apply", "--whitespace=nowarn", PATCH_FILE),
        ("patch", "--batch", "--forward", "--fuzz=5", "-p1", "-i", PATCH_FILE),
    )
    said = ""
    for argv in tries:
        done = await box.exec(argv, timeout_s=STEP_S, workdir=where)
        if not done.exit_code and not done.timed_out:
            return
        said = said or (done.stderr or done.stdout).decode("utf-8", "replace").strip()
    raise MissingRequirement("reference", f"the patch in the reference of '{task}' does not apply: {said}")
