"""How SWE-bench and its kin lay a patch down: each has a way of its own, and verdicts depend on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.api import Box
from harness.toolkit.swebench import Rules

PATCH = "/tmp/work.patch"
SAID = 2000
LIMIT_S = 600.0
FALLBACKS = (
    ("git", "apply", "--verbose", PATCH),
    ("git", "apply", "--3way", PATCH),
    ("git", "apply", "--reject", PATCH),
    ("patch", "--batch", "--forward", "--fuzz=5", "-p1", "-i", PATCH),
)
"""SWE-bench's order; from the second on the tree is cleaned first."""
CLEAN = "git checkout -- . ; git clean -fd"
WHOLE = (("git", "apply", "-v", PATCH),)
"""SWE-bench Pro's one way."""
IN_PART = ("git", "apply", "--reject", "--whitespace=nowarn", PATCH)
"""SWE-bench-Live's one way: what applies is kept, whatever becomes of the rest."""
_FILE = re.compile(rb"(?=^diff --git )", re.MULTILINE)
_BINARY = re.compile(rb"^(?:Binary files .* differ|GIT binary patch)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Laid:
    """Whether the patch is in the tree. `trouble` says why it is not, `note` that only a part of it is."""

    trouble: str = ""
    note: str = ""


async def lay(box: Box, rules: Rules, repo: str, test_patch: bytes, patch: bytes) -> Laid:
    """Apply the patch by these rules, after the hidden tests where those come as a patch. Raises SandboxError."""
    if rules == "live":
        if test_patch:
            await _try(box, repo, test_patch, IN_PART)
        trouble = await _try(box, repo, patch, IN_PART)
        return Laid(note=trouble and f"not all of the patch applies: {trouble}")
    if not patch.strip():
        return Laid()
    if rules == "pro":
        return Laid(await _first_of(box, repo, without_binary(patch), WHOLE))
    return Laid(await _first_of(box, repo, patch, FALLBACKS, already=True))


def without_binary(patch: bytes) -> bytes:
    """The patch without the files whose difference is binary."""
    return b"".join(part for part in _FILE.split(patch) if part.strip() and not _BINARY.search(part))


async def _first_of(
    box: Box, repo: str, patch: bytes, commands: tuple[tuple[str, ...], ...], *, already: bool = False
) -> str:
    """Try one way after the other; what the first said where none works. `already` takes a patch that is in."""
    said = ""
    for number, command in enumerate(commands):
        if number:
            await box.exec(["sh", "-c", CLEAN], workdir=repo, timeout_s=LIMIT_S)
        trouble = await _try(box, repo, patch, command)
        if not trouble:
            return ""
        said = said or trouble
    if already and not await _try(box, repo, patch, ("git", "apply", "--reverse", "--check", PATCH)):
        return ""
    return f"the patch does not apply: {said}"


async def _try(box: Box, repo: str, patch: bytes, command: tuple[str, ...]) -> str:
    """One command; the end of what it says where it fails."""
    if not patch:
        return ""
    await box.write(PATCH, patch)
    ran = await box.exec(command, workdir=repo, timeout_s=LIMIT_S)
    if ran.exit_code == 0 and not ran.timed_out:
        return ""
    return (ran.stdout + ran.stderr).decode("utf-8", "replace").strip()[-SAID:] or f"exit code {ran.exit_code}"
