"""`script`: a verifier of the task's own runs in a clean box that holds what was collected from the work's."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import Field

from harness.api import (
    Box,
    Completed,
    Grade,
    Grader,
    GraderCase,
    Json,
    NotGraded,
    SandboxError,
    SandboxSpec,
    Verdict,
    Work,
)
from harness.graders._clean import archive_of, fetch, nothing_done, private_folder, read_files, tail_of
from harness.graders._place import lay_artifacts
from harness.graders._protected import Guard, limited
from harness.graders._runs import HOME_ENV, box_spec
from harness.toolkit.normalise import excerpt

MAX_REWARD = 1024**2
VERIFIER = "54321:54321"
"""A user that no image has: it owns the verifier and the reward, and nothing of the work's."""


class Script(Grader):
    """Exit code 0 of the verifier is a pass; a reward it writes is the value.

    The verifier's files and an empty place for the reward enter a clean box after the artifacts, owned by a user of
    their own; the box is stopped before the reward is read. A reward that was there before is removed and flagged.
    Programs of the work that the verifier starts run as the verifier: let it read files rather than run them, or grade
    programs with `code_tests`.
    """

    verifier: str | dict[str, str]
    """The verifier: a workspace folder or file, its text (of several lines), or texts by path."""
    command: tuple[str, ...] = ()
    """How it is started, with `{verifier}` for the folder of its files. Empty: `bash` with its only file, or with
    `test.sh` or `verify.sh` in it."""
    place: str = ""
    """The folder its files are laid in. Empty: one that nobody can know before."""
    artifacts: tuple[str, ...] | None = None
    """Names of the artifacts that are laid down. None: all that the task collects. What probes brought (processes,
    http, sql, command) is under `$PROBES`."""
    reward: str | tuple[str, ...] = ""
    """Files the verifier may write a reward to: a number, or a JSON number or object; the first that is there counts.
    Empty: the path in `$REWARD_FILE`."""
    reward_key: str = "reward"
    """The number of a JSON object that is the reward."""
    verdict: Literal["exit_code", "reward"] = "exit_code"
    """What decides: exit code 0, or a reward of at least `threshold` whatever the exit code."""
    threshold: float = Field(default=1.0, ge=0, le=1)
    """Smallest reward that passes; with `exit_code` both must hold."""
    protected: tuple[str, ...] = ()
    """Globs of files, from the root of the box, that the work's artifacts may not bring."""
    timeout_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the verifier."""
    user: str = VERIFIER
    """Who runs it; `box` for the box's own user, `0` for root."""
    workdir: str = ""
    """Where it starts. Empty: the box's working folder."""

    version = "2"
    needs_box = True
    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {"verifier": 'set -e\ngrep -q "^total: 42$" report.txt\n'}
    cases = (
        GraderCase("", True, None, {"verifier": "true\nexit 0\n"}),
        GraderCase("", False, None, {"verifier": "true\nexit 1\n"}),
    )

    def check(self, workspace: Path) -> Sequence[str]:
        """A verifier that is absent, or whose start is not clear."""
        try:
            files = self._files(workspace)
            self._argv(files, "/x")
        except (ValueError, OSError) as e:
            return (str(e),)
        return ()

    def digest_files(self) -> Sequence[str]:
        """The verifier's files."""
        return (self.verifier,) if isinstance(self.verifier, str) and "\n" not in self.verifier else ()

    async def grade(self, work: Work) -> Verdict:
        """Run the verifier. Raises SandboxError."""
        if missing := nothing_done(work.output):
            return missing
        try:
            files = self._files(work.workspace)
        except (ValueError, OSError) as e:
            return NotGraded("bad_reference", str(e))
        async with work.open_box(box_spec(work.task.sandbox or SandboxSpec(), self.timeout_s)) as box:
            return await self._verify(box, work, files)

    async def _verify(self, box: Box, work: Work, files: Mapping[str, bytes]) -> Verdict:
        private = private_folder()
        await box.put_archive("/", archive_of({}, folders={private[1:]: 0o755, f"{private[1:]}/probes": 0o755}))
        place = self.place.rstrip("/") or f"{private}/verifier"
        rewards = self._rewards(private)
        guard = Guard((*self.protected, *((self.place.strip("/") + "/**",) if self.place else ())))
        laid = await lay_artifacts(box, work, private, self.artifacts, guard)
        if laid.patch_error:
            return Grade(0.0, False, "patch_error", laid.patch_error, flags=limited(laid.flags))
        laid.flags += await self._own(box, place, files, rewards)
        home = posixpath.join(posixpath.dirname(rewards[0]), "home")
        env = {"REWARD_FILE": rewards[0], "PROBES": f"{private}/probes", "HOME": home, **HOME_ENV, **self.env}
        user = "" if self.user == "box" else self.user
        done = await box.exec(
            self._argv(files, place), timeout_s=self.timeout_s, env=env, user=user, workdir=self.workdir
        )
        await box.stop()
        try:
            reward = await self._reward(box, rewards)
        except (ValueError, SandboxError) as e:
            if isinstance(e, SandboxError) and e.fault not in ("path", "too_big"):
                raise
            return NotGraded("bad_reward", str(e))
        return self._judge(done, reward, laid.flags)

    async def _own(self, box: Box, place: str, files: Mapping[str, bytes], rewards: Sequence[str]) -> list[str]:
        """Lay the verifier down and empty the places of rewards, all owned by who runs it. Flags of what was there.

        The engine replaces whatever is at a file's path, also a link or a folder.
        """
        flags = [f"prewritten_reward: {path}" for path in rewards if await something_at(box, path)]
        uid, _, gid = self.user.partition(":")
        owner = (int(uid), int(gid or uid)) if uid.isdigit() else (0, 0)
        open_to = 0o700 if uid.isdigit() else 0o777
        home = posixpath.join(posixpath.dirname(rewards[0]), "home")
        folders = dict.fromkeys([place, *(posixpath.dirname(path) for path in rewards), home], open_to)
        laid = {f"{place}/{path}": data for path, data in files.items()} | dict.fromkeys(rewards, b"")
        archive = archive_of(
            {path.lstrip("/"): data for path, data in laid.items()},
            owner=owner,
            mode=open_to & 0o755 if uid.isdigit() else 0o666,
            folders={path.lstrip("/"): mode for path, mode in folders.items()},
        )
        await box.put_archive("/", archive)
        return flags

    def _rewards(self, private: str) -> list[str]:
        said = [self.reward] if isinstance(self.reward, str) else list(self.reward)
        return [path for path in said if path] or [f"{private}/reward/value"]

    def _files(self, workspace: Path) -> dict[str, bytes]:
        """The verifier's files by path. Raises ValueError."""
        if isinstance(self.verifier, dict):
            bad = [path for path in self.verifier if path.startswith("/") or ".." in path.split("/")]
            if bad or not self.verifier:
                raise ValueError(f"`verifier`: {bad[0]} is not a path of its own folder" if bad else "no verifier")
            return {path: text.encode() for path, text in self.verifier.items()}
        if "\n" in self.verifier:
            return {"verify.sh": self.verifier.encode()}
        return read_files(workspace, self.verifier)

    def _argv(self, files: Mapping[str, bytes], place: str) -> list[str]:
        """The verifier's command. Raises ValueError when it is not clear."""
        if self.command:
            return [word.replace("{verifier}", place) for word in self.command]
        start = next((name for name in ("test.sh", "verify.sh") if name in files), "")
        start = start or (next(iter(files)) if len(files) == 1 else "")
        if not start:
            raise ValueError("`verifier` has several files and no test.sh or verify.sh: say `command`")
        return ["python3" if start.endswith(".py") else "bash", f"{place}/{start}"]

    async def _reward(self, box: Box, rewards: Sequence[str]) -> float | None:
        """The reward, or None without one. Raises ValueError, SandboxError."""
        for path in rewards:
            for data in (await fetch(box, "/", path, MAX_REWARD)).values():
                if data.strip():
                    return read_reward(data, self.reward_key)
        return None

    def _judge(self, done: Completed, reward: float | None, flags: list[str]) -> Verdict:
        tail = tail_of(done.stdout, done.stderr)
        if done.timed_out:
            why = f"the verifier did not end within {self.timeout_s:g} s"
            return Grade(0.0, False, "timeout", why, flags=limited(["timeout", *flags]))
        if done.oom_killed or done.disk_full:
            used = "memory" if done.oom_killed else "disk"
            return Grade(
                0.0, False, "failed", f"the box's {used} was used up", flags=limited([f"out_of_{used}", *flags])
            )
        if done.exit_code in (126, 127):
            return NotGraded("environment", f"the verifier could not be started or run to its end: {tail[-300:]}")
        if self.verdict == "reward" and reward is None:
            return NotGraded("bad_reward", f"the verifier wrote no reward; exit code {done.exit_code}: {tail[-300:]}")
        enough = reward is None or reward >= self.threshold - 1e-12
        passed = enough and (self.verdict == "reward" or done.exit_code == 0)
        value = float(passed) if reward is None or enough != passed else reward
        why = f"exit code {done.exit_code}" + ("" if reward is None else f", reward {reward:g}")
        label = "passed" if passed else "partial" if value > 0 else "failed"
        told = f"{why}: {excerpt(tail[-400:], 400)}" if tail and not passed else why
        parts: dict[str, Json] = {"exit_code": done.exit_code, **({} if reward is None else {"reward": reward})}
        return Grade(value, passed, label, told, flags=limited(flags), parts=parts)


async def something_at(box: Box, path: str) -> bool:
    """Whether something is at a path."""
    try:
        return bool(await fetch(box, "/", path, MAX_REWARD))
    except SandboxError as e:
        if e.fault not in ("path", "too_big"):
            raise
        return True


def read_reward(data: bytes, key: str) -> float:
    """A reward in [0, 1]: a number, or the number at `key` of a JSON object. Raises ValueError."""
    try:
        said: Json = msgspec.json.decode(data.strip())
    except (msgspec.DecodeError, RecursionError) as e:
        raise ValueError(f"the reward is no number and no JSON: {excerpt(data.decode('utf-8', 'replace'), 80)}") from e
    if isinstance(said, dict):
        said = said[key] if key in said else next(iter(said.values())) if len(said) == 1 else None
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise ValueError("the reward is not a finite number")
    if not 0.0 <= said <= 1.0:
        raise ValueError(f"the reward {said:g} is not in [0, 1]")
    return float(said)
