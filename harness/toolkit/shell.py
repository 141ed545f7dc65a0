"""An agent's commands in a box: each in a shell of its own, and what the model is told of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from harness.api import Box, Completed

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "TERM": "dumb", "PAGER": "cat", "GIT_PAGER": "cat", "MANPAGER": "cat", "LESS": "-R", "NO_COLOR": "1",
        "GIT_TERMINAL_PROMPT": "0", "DEBIAN_FRONTEND": "noninteractive", "PIP_PROGRESS_BAR": "off",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "TQDM_DISABLE": "1",
    }
)  # fmt: skip
"""Nothing waits for a key, draws a bar, or colours. (mini-swe-agent's set, reference/swe.md section 6, and our own.)"""

MERGED = 'exec "$0" -c "$1" 2>&1'
"""Runs a command with both streams in one, in the order they were written."""
MERGED_FILE = 'exec "$0" "$1" 2>&1'
PYTHON = "exec python3 - 2>&1"

ARGUMENT_BYTES = 100_000
"""A longer command goes into the box as a file: Linux takes at most 131,072 bytes in one argument (MAX_ARG_STRLEN)."""
LOOK_S = 30.0
NOT_FOUND = (126, 127)

_LOOK = "pwd; id -un; uname -sm"
_CSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is in a box: the shell to use, the working folder, the user, the kernel. Unknown is empty."""

    program: str
    folder: str
    user: str
    system: str


async def look_around(box: Box) -> Surroundings:
    """Ask the box, with `bash` where it has one and else `sh`. Raises SandboxError."""
    for program in ("bash", "sh"):
        done = await box.exec((program, "-c", _LOOK), timeout_s=LOOK_S)
        if done.exit_code not in NOT_FOUND:
            break
    said = [*readable(done.stdout).splitlines(), "", "", ""]
    return Surroundings(program, said[0].strip(), said[1].strip(), said[2].strip())


@dataclass(frozen=True, slots=True)
class Ran:
    """A command's outcome as the model sees it."""

    text: str
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands in a box. At most `output_chars` characters of each output are shown."""

    box: Box
    timeout_s: float
    output_chars: int
    program: str = "bash"

    async def run(self, command: str) -> Ran:
        """A shell command, both streams in one. Raises SandboxError."""
        if "\0" in command:
            return Ran("not run: a command cannot hold a NUL character")
        command = sendable(command)
        argv: tuple[str, ...] = (self.program, "-c", MERGED, self.program, command)
        if len(command.encode()) > ARGUMENT_BYTES:
            path = f"/tmp/command-{sha256(command.encode()).hexdigest()[:12]}"
            await self.box.write(path, command.encode(), mode=0o700)
            argv = (self.program, "-c", MERGED_FILE, self.program, path)
        return await self._told(argv)

    async def python(self, code: str) -> Ran:
        """A Python program, read from standard input. Raises SandboxError."""
        return await self._told((self.program, "-c", PYTHON), sendable(code).encode() or b"\n")

    async def plain(self, argv: Sequence[str], stdin: bytes = b"") -> Completed:
        """A helper's own command, as it is. Raises SandboxError."""
        return await self.box.exec(argv, timeout_s=self.timeout_s, stdin=stdin, env=ENVIRONMENT)

    async def _told(self, argv: Sequence[str], stdin: bytes = b"") -> Ran:
        done = await self.plain(argv, stdin)
        return Ran(observation(done, self.timeout_s, self.output_chars), done.timed_out)


def observation(done: Completed, timeout_s: float, output_chars: int) -> str:
    """What a model is told of a command: its exit code, what ended it, its output. No times: they never repeat."""
    lines = [f"exit code: {done.exit_code}"]
    if done.timed_out:
        lines = [f"timed out: killed after {timeout_s:g} s, with everything it had started"]
    if done.oom_killed:
        lines.append("the box ran out of memory, and a process was killed for it")
    if done.disk_full:
        lines.append("the box's disk is full")
    output = readable(done.stdout + done.stderr)
    if not output.strip():
        return "\n".join([*lines, "(no output)"])
    if done.truncated:
        lines.append("it wrote more than is kept: the middle of the output is gone")
    return "\n".join([*lines, "<output>", clip(output.rstrip("\n"), output_chars), "</output>"])


def clip(text: str, most: int) -> str:
    """The text, or its first and last `most // 2` characters with a line that says how many are left out."""
    if len(text) <= most:
        return text
    half = most // 2
    gap = f"[... {len(text) - 2 * half:,} characters left out; see less with head, tail, sed -n or grep ...]"
    return f"{text[:half]}\n{gap}\n{text[-half:]}"


def readable(data: bytes) -> str:
    """Output as text: UTF-8 with marks for what is none, without terminal codes; other control characters marked."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _CSI.sub("", text))


def sendable(text: str) -> str:
    """A model's text as UTF-8 can carry it: half surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode()


def shown(argv: Sequence[str]) -> str:
    """A command for people: of a wrapped one only what the agent asked for."""
    if asked_by_agent(argv):
        return argv[4]
    if len(argv) == 3 and argv[2] == PYTHON:
        return "python3 -"
    return helper_of(argv) or " ".join(argv)


def asked_by_agent(argv: Sequence[str]) -> bool:
    """Whether it is a shell command that an agent asked for."""
    return len(argv) == 5 and argv[2] in (MERGED, MERGED_FILE)


def helper_of(argv: Sequence[str]) -> str:
    """The name and arguments of a tool's own script, whose first line is `# NAME`; or nothing."""
    if len(argv) < 4 or argv[1] != "-c" or not argv[2].startswith("# "):
        return ""
    return " ".join((argv[2].removeprefix("# ").partition("\n")[0], *(a for a in argv[4:] if a)))
