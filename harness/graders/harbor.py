"""`harbor`: a Harbor task's own verifier, run in a clean box to which the work's changes were applied."""

from __future__ import annotations

import io
import math
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import Field, PrivateAttr

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
from harness.graders._channel import LISTENS_S, Heard, hear
from harness.graders._verifier import (
    PerTask,
    Settled,
    Solution,
    Spoken,
    Trouble,
    goes_on,
    killed,
    rewritten,
    settle,
)
from harness.toolkit.changes import Applied, apply_changes

REWARD_FOLDER = "/logs/verifier"
REWARD_JSON, REWARD_TEXT = REWARDS = (f"{REWARD_FOLDER}/reward.json", f"{REWARD_FOLDER}/reward.txt")
"""In the order in which they count."""
MAX_REWARD_BYTES = 1024**2
SAID = 2000
"""So many characters of the verifier's last words are kept."""
FLAGS = 50


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verifier came to: rewards by name, or why they do not count.

    `trouble` is timeout, no_reward, bad_reward or tampered. `left` is the flag of processes that go on.
    """

    rewards: Mapping[str, float]
    trouble: str = ""
    detail: str = ""
    said: str = ""
    left: tuple[str, ...] = ()


class Harbor(Grader):
    """Runs `tests/test.sh` of a Harbor (Terminal-Bench 2) task and reads the reward that it writes.

    The verifier never runs in the box the work was done in: a clean one is made from the task's image, the files the
    work changed are applied to it, and the tests are laid down last. What would change how the verifier runs
    (commands, start-up files, test configuration, prepared rewards) is not applied, and is flagged. Running processes
    and open ports do not come along. A verifier that hangs or writes no good reward is a verdict about the work only if
    the task's solution gets a reward in the same way. A test that was rewritten, or a reward beside a verifier that a
    signal ended, is `tampered`. A reward above 0 is heard: the verifier is run once more, in another clean box, and
    writes into a pipe, where nothing can be written over. More words than with the task's solution are `tampered`, and
    the word that was heard is what counts. Whatever of the work the verifier runs can still silence it: every grade
    that rests on a reward is marked as weak.
    """

    version: ClassVar[str] = "5"
    needs_box: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Json]] = {"tests": "harbor/hello/tests"}
    example_files: ClassVar[Mapping[str, str]] = {
        "harbor/hello/tests/test.sh": "#!/bin/sh\nif grep -qsx hello /work/hello.txt; then r=1; else r=0; fi\n"
        "echo $r > /logs/verifier/reward.txt\n"
    }
    cases: ClassVar[Sequence[GraderCase]] = (
        GraderCase("the work", True, params={"tests": "harbor/hello/tests"}),
        GraderCase(None, False, params={"tests": "harbor/hello/tests"}),
    )

    tests: str
    """The folder with `test.sh`, from the workspace; laid down as /tests."""
    timeout_s: float = Field(default=600.0, gt=0)
    """The longest the verifier may take, in seconds."""
    env: dict[str, str] = Field(default={})
    """The verifier's environment variables."""
    user: str = ""
    """Who runs it; the task's box user if empty."""
    network: Literal["none", "open"] = "none"
    """`open` lets the verifier fetch what it needs; the work it grades can then reach the network too."""
    artifact: str = "changes"
    """The artifact that holds the work's changes."""
    allow: tuple[str, ...] = ()
    """Globs of protected paths that the task lets the work change (`/usr/local/lib/python3*/*`)."""
    pass_at: float = Field(default=1.0, gt=0, le=1)
    """The reward from which the work passes."""

    _gold: PerTask[Verified] = PrivateAttr(default_factory=PerTask)
    _gold_heard: PerTask[Spoken] = PrivateAttr(default_factory=PerTask)

    def check(self, workspace: Path) -> Sequence[str]:
        """Whether the tests are there."""
        if not (workspace / self.tests / "test.sh").is_file():
            return (f"no such file: {self.tests}/test.sh",)
        outside = [p for p in _files(workspace, self.tests) if not p.resolve().is_relative_to(workspace.resolve())]
        return [f"{p.relative_to(workspace)} is a link that leads out of the workspace" for p in outside]

    def digest_files(self) -> Sequence[str]:
        """The folder of the tests."""
        return (self.tests,)

    def reads(self) -> Sequence[str]:
        """The artifact it grades."""
        return (self.artifact,)

    async def grade(self, work: Work) -> Verdict:
        """The verdict. Raises SandboxError."""
        spec = work.task.sandbox
        if spec is None:
            return NotGraded("requirement", "the task describes no box")
        archive = work.artifact(self.artifact)
        if archive is None:
            return Grade(0.0, False, "no_changes", f"nothing was collected as '{self.artifact}'")
        async with work.open_box(self._clean(spec)) as box:
            try:
                applied = await apply_changes(box, archive, self.allow)
            except ValueError as e:
                return NotGraded("bad_artifact", str(e))
            found = await self._verify(box, work.workspace)
        flags = (*flags_of(applied), *found.left)
        if not found.trouble and _value(found.rewards) > 0:
            settled = await self._settled(work, spec, archive, found)
            if settled.ungraded:
                return NotGraded("environment", settled.ungraded)
            flags = (*flags, *settled.flags)
            if settled.trouble:
                found = replace(found, trouble=settled.trouble.cause, detail=settled.trouble.detail)
            elif settled.heard:
                found = replace(found, rewards=settled.heard.rewards)
        if found.trouble:
            return await self._troubled(work, spec, found, flags)
        value = _value(found.rewards)
        passed = value >= self.pass_at
        label = "passed" if passed else ("partial" if value > 0 else "failed")
        parts: dict[str, Json] = {"rewards": dict(found.rewards)}
        return Grade(value, passed, label, _explained(found), weak=True, flags=flags, parts=parts)

    async def _settled(self, work: Work, spec: SandboxSpec, archive: bytes, found: Verified) -> Settled:
        """What a reward in a file is worth, by what is heard of the same work in another box."""

        async def spoken() -> Spoken | None:
            if _script_of(work) is None:
                return None
            return await self._gold_heard.get(work.task, lambda: self._spoken(work, spec, None))

        async def plain() -> tuple[str, bool] | None:
            gold = await self._gold_verified(work, spec)
            return None if gold is None else (gold.detail if gold.trouble else "", bool(gold.left))

        heard = await self._spoken(work, spec, archive)
        return await settle(_value(found.rewards), bool(found.left), heard, self.pass_at, Solution(spoken, plain))

    async def _spoken(self, work: Work, spec: SandboxSpec, archive: bytes | None) -> Spoken:
        """What the verifier says of these changes, or of the solution, through pipes in a clean box."""
        async with work.open_box(self._clean(spec, LISTENS_S)) as box:
            if archive is not None:
                await apply_changes(box, archive, self.allow)
            elif wrong := await self._solve(box, work, spec):
                return Spoken(0, None, trouble=Trouble("environment", wrong))
            await self._lay(box, work.workspace)
            files = laid_down(work.workspace, self.tests)
            heard = await hear(box, REWARDS, lambda: self._run(box), files)
            await box.stop()
            changed = await rewritten(box, files)
        return self._word(heard, changed)

    def _word(self, heard: Heard, changed: Trouble | None) -> Spoken:
        """The last word of the first reward that was written."""
        rewards: Mapping[str, float] = {}
        with suppress(FileNotFoundError, ValueError):
            rewards = rewards_of(heard.last(REWARD_JSON), heard.last(REWARD_TEXT))
        value = _value(rewards) if rewards else None
        if value is not None and not 0.0 <= value <= 1.0:
            value = None
        trouble = heard.doubt(self.timeout_s) or changed
        return Spoken(heard.count, value, rewards, trouble, heard.moved, heard.flags)

    async def _troubled(self, work: Work, spec: SandboxSpec, found: Verified, flags: tuple[str, ...]) -> Verdict:
        """Held against the work if the solution gets a reward; what only a meddling work brings about, also without."""
        gold, forged = await self._gold_verified(work, spec), found.trouble == "tampered"
        if (gold is None and not forged) or (gold is not None and gold.trouble):
            why = f"on the solution: {gold.detail}" if gold else "there is no solution to compare with"
            return NotGraded("environment" if forged else found.trouble, f"{found.detail}; {why}")
        told = (f"tampered: {found.detail}", *flags) if forged else flags
        return Grade(0.0, False, found.trouble, _explained(found), weak=True, flags=told)

    def _clean(self, spec: SandboxSpec, more_s: float = 0.0) -> SandboxSpec:
        return msgspec.structs.replace(
            spec,
            network=self.network,
            services=(),
            healthcheck=None,
            env={**spec.env, **self.env},
            command_timeout_s=max(spec.command_timeout_s, self.timeout_s + more_s),
        )

    async def _lay(self, box: Box, workspace: Path) -> None:
        owner = await box.exec(["id", "-u"], user=self.user, timeout_s=60.0)
        uid = int(owner.stdout.strip() or b"0") if owner.exit_code == 0 else 0
        for place in ("/tests", "/logs"):
            await box.exec(["rm", "-rf", place], user="0", timeout_s=60.0)
        await box.put_archive("/", tests_tar(workspace, self.tests, uid))

    async def _run(self, box: Box) -> Completed:
        return await box.exec(["/tests/test.sh"], timeout_s=self.timeout_s, user=self.user)

    async def _verify(self, box: Box, workspace: Path) -> Verified:
        """Lay down the tests, run them, and read the reward from the stopped box."""
        await self._lay(box, workspace)
        ran = await self._run(box)
        left = await goes_on(box)
        await box.stop()
        said = (ran.stdout + ran.stderr).decode("utf-8", "replace")[-SAID:]
        if ran.timed_out:
            return Verified({}, "timeout", f"the verifier ran longer than {self.timeout_s:g} s", said)
        if changed := await rewritten(box, laid_down(workspace, self.tests)):
            return Verified({}, changed.cause, changed.detail, said)
        try:
            rewards = await read_rewards(box)
            if not 0.0 <= (value := _value(rewards)) <= 1.0:
                raise ValueError(f"the reward {value:g} is not in [0, 1]")
        except FileNotFoundError:
            detail = f"the verifier (exit {ran.exit_code}) wrote no reward"
            return Verified({}, "no_reward", detail, said)
        except ValueError as e:
            return Verified({}, "bad_reward", str(e), said)
        if forged := killed(ran):
            return Verified({}, forged.cause, forged.detail, said)
        return Verified(rewards, said=said, left=left)

    async def _gold_verified(self, work: Work, spec: SandboxSpec) -> Verified | None:
        """What the verifier says of the task's own solution, once per task; None without one."""
        if _script_of(work) is None:
            return None
        return await self._gold.get(work.task, lambda: self._on_solution(work, spec))

    async def _on_solution(self, work: Work, spec: SandboxSpec) -> Verified:
        async with work.open_box(self._clean(spec)) as box:
            wrong = await self._solve(box, work, spec)
            return Verified({}, "solution", wrong) if wrong else await self._verify(box, work.workspace)

    async def _solve(self, box: Box, work: Work, spec: SandboxSpec) -> str:
        """Run the task's solution; what is wrong with it."""
        script = (_script_of(work) or "").encode()
        ran = await box.exec(["bash", "-s"], stdin=script, timeout_s=spec.command_timeout_s)
        return "the solution itself fails" if ran.timed_out or ran.exit_code != 0 else ""


def _script_of(work: Work) -> str | None:
    reference = work.task.reference
    script = reference.get("script") if isinstance(reference, dict) else None
    return script if isinstance(script, str) else None


def tests_tar(workspace: Path, folder: str, uid: int) -> bytes:
    """The tests as /tests (root's, readable by all), and an empty /logs/verifier of the verifier's user."""
    out = io.BytesIO()
    root = workspace / folder
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, owner in (
            ("tests", 0),
            ("logs", 0),
            ("logs/verifier", uid),
            ("logs/agent", 0),
            ("logs/artifacts", 0),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, owner, owner
            tar.addfile(entry)
        for path in _files(workspace, folder):
            data = path.read_bytes()
            entry = tarfile.TarInfo(f"tests/{path.relative_to(root).as_posix()}")
            entry.size, entry.mode = len(data), 0o755 if path.suffix == ".sh" or path.stat().st_mode & 0o100 else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _files(workspace: Path, folder: str) -> list[Path]:
    return [path for path in sorted((workspace / folder).rglob("*")) if path.is_file()]


def laid_down(workspace: Path, folder: str) -> Mapping[str, bytes]:
    """The tests by their paths in the box."""
    root = workspace / folder
    return {f"/tests/{p.relative_to(root).as_posix()}": p.read_bytes() for p in _files(workspace, folder)}


async def read_rewards(box: Box) -> dict[str, float]:
    """The rewards in the files of a stopped box. Raises FileNotFoundError, ValueError."""
    try:
        return rewards_of(await _read(box, REWARD_JSON), None)
    except FileNotFoundError:
        return rewards_of(None, await _read(box, REWARD_TEXT))


def rewards_of(by_name: bytes | None, one: bytes | None) -> dict[str, float]:
    """`reward.json` (numbers by name) before `reward.txt` (one number). Raises FileNotFoundError, ValueError."""
    if by_name is None:
        if one is None:
            raise FileNotFoundError(REWARD_TEXT)
        return {"reward": _number(one.decode("utf-8", "replace").strip())}
    try:
        found = msgspec.json.decode(by_name)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise ValueError(f"reward.json is not JSON: {e}") from e
    if not isinstance(found, dict) or not found:
        raise ValueError("reward.json holds no object with numbers")
    return {str(name): _number(value) for name, value in found.items()}


async def _read(box: Box, path: str) -> bytes:
    try:
        return await box.read(path, max_bytes=MAX_REWARD_BYTES)
    except SandboxError as e:
        if e.fault in ("path", "too_big"):
            raise ValueError(f"the reward is not a small regular file: {e}") from e
        raise


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"a reward is a number, not {value!r}")
    with suppress(ValueError):
        number = float(value)
        if math.isfinite(number):
            return number
    raise ValueError(f"a reward is a finite number, not {str(value)[:40]!r}")


def _value(rewards: Mapping[str, float]) -> float:
    """The one called `reward`, else the mean of all."""
    return rewards["reward"] if "reward" in rewards else sum(rewards.values()) / len(rewards)


def flags_of(applied: Applied) -> tuple[str, ...]:
    """What the work tried to bring along and may not, and what could not be deleted."""
    flags = [
        f"{'prewritten_reward' if path.startswith(REWARD_FOLDER) else 'protected_path'}: {path}"
        for path in applied.dropped
        if path not in ("/logs", "/tests")
    ]
    flags += [f"not_deleted: {path}" for path in applied.left]
    more = len(flags) - FLAGS
    return tuple(flags if more <= 0 else [*flags[:FLAGS], f"and {more} more"])


def _explained(found: Verified) -> str:
    return "\n".join(text for text in (found.detail, found.said) if text)
